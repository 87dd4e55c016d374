"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# How long an example takes says more about the machine than about the code.
settings.register_profile("harmrate", deadline=None)
settings.load_profile("harmrate")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real records; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("HARMRATE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} does not exist (set HARMRATE_DATA)")
    return folder


@pytest.fixture(scope="session")
def reference_cases(shared_data: Path) -> Path:
    """The folder of published and computed reference values."""
    folder = shared_data.parent / "reference_cases"
    if not folder.is_dir():
        pytest.skip(f"no reference cases: {folder} does not exist")
    return folder
