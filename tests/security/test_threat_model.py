"""`docs/security.md` names tests that exist and bounds that are the code's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grader.judge.clients import batches
from grader.readers import archive, compressed, records

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"tests/[\w/]+(?:\.py)?", PAGE))
    assert len(named) > 15 and [path for path in named if not (ROOT / path).exists()] == []
    ours = {p.relative_to(ROOT).as_posix() for p in (ROOT / "tests" / "security").glob("test_*.py")}
    assert ours - named <= {"tests/security/test_threat_model.py"}


@pytest.mark.parametrize(
    ("told", "bound"),
    [
        ("a record of at most {} MB", records.MAX_RECORD // 2**20),
        ("JSON of at most {} levels", records.MAX_DEPTH),
        ("a member of an archive of at most {} MB", archive.MAX_INFLATED // 2**20),
        ("at most {:,} times the archive", archive.MAX_RATIO),
        ("at most {} times its size (beyond 1 GB)", compressed.MAX_RATIO),
        ("by up to {} days", {3: "three"}.get(round(batches._CLOCK_SKEW_SECONDS / 86_400))),
    ],
)
def test_bounds_are_those_of_the_code(told: str, bound: object) -> None:
    assert told.format(bound) in " ".join(PAGE.split())
    assert compressed.UNCOUNTED == 2**30
