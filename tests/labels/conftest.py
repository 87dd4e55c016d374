"""A Label Studio in memory, a client of it, and a campaign to push there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from label_studio_campaign import campaign_folder
from label_studio_fake import TOKEN, Fake, fake_label_studio

from labels.label_studio.connect import Studio, connect


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of reported cases; tests that need it are skipped where it is absent."""
    root = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("HARMRATE_SAMPLES", root.parent / "shared" / "samples"))
    if not folder.is_dir():
        pytest.skip(f"no reported cases: {folder} does not exist (set HARMRATE_SAMPLES)")
    return folder


@pytest.fixture
def fake() -> Iterator[Fake]:
    with fake_label_studio() as server:
        server.users |= {2: "ana@example.org", 3: "bo@example.org", 4: "cy@example.org"}
        yield server


@pytest.fixture
def studio(fake: Fake) -> Iterator[Studio]:
    with connect(fake.url, TOKEN, timeout=20, retries=0) as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return campaign_folder(tmp_path / "round1")
