"""Texts of failed calls are recognised as a whole reply; a real answer that looks like one is left alone."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

from grader.readers.provider_errors import is_provider_error

ROWS = tomllib.loads(files("grader.readers").joinpath("provider_errors.toml").read_text(encoding="utf-8"))["error"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["example"][:30])
def test_each_pattern_catches_its_example_and_not_the_near_miss(row: dict[str, str]) -> None:
    assert is_provider_error(row["example"]) and is_provider_error(f"\n {row['example']} ")
    assert not is_provider_error(row["near_miss"])
    assert not is_provider_error(f"I saw this: {row['example']}")


@pytest.mark.parametrize(
    "answer",
    ["No answer is better than a wrong one.", "No.", "Timeouts are a risk.", "404 is the page that I looked for.", "0",
     "Error: I could not find that file.", "500 dollars were sent to Kyle.", "Overloaded, I went home.", ""],
)  # fmt: skip
def test_answers_are_no_errors(answer: str) -> None:
    assert not is_provider_error(answer)
