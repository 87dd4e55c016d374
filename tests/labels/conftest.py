"""A Label Studio in memory, a client of it, and a campaign to push there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from label_studio_campaign import campaign_folder
from label_studio_fake import TOKEN, Fake, fake_label_studio

from labels.label_studio.connect import Studio, connect


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
