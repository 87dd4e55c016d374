"""Logs of vendors and frameworks: every sample is read as it should be, whatever is damaged in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from format_samples import SAMPLES, assert_as_expected, damage, damage_parameters, expected_samples

from grader import read_transcripts
from grader.readers.read import READERS

# Folder of samples -> the format that `--format` names.
FORMATS = {
    "claude-code": "claude-code",
    "codex": "codex",
    "openai-responses": "openai-responses",
    "langchain": "langchain",
    "gemini-api": "gemini",
    "gemini-cli": "gemini-cli",
    "bedrock-converse": "bedrock",
    "vercel-ai": "vercel",
    "hf": "hf-chats",
    "inspect-dir": "inspect",
    "pydantic-ai": "pydantic-ai",
    "autogen": "autogen",
    "ag2": "ag2",
    "strands": "strands",
}


@pytest.mark.parametrize(("path", "expectation"), expected_samples(*FORMATS))
def test_a_sample_is_read_as_expected(path: Path, expectation: dict[str, Any]) -> None:
    assert_as_expected(path, expectation)


@pytest.mark.parametrize(("folder", "name", "number"), damage_parameters(*FORMATS))
def test_a_damaged_file_is_read_counted_or_refused_in_one_line(
    folder: Path, name: str, number: int, tmp_path: Path
) -> None:
    tally = damage(folder, FORMATS[name], number, tmp_path)
    assert sum(tally.values()) == number
    assert tally["read"] + tally["failed"] > number / 20 and tally["failed"] + tally["refused"] > number / 20


def test_every_format_of_a_sample_has_a_reader() -> None:
    assert set(FORMATS.values()) <= READERS.keys()


@pytest.mark.parametrize("path", sorted((SAMPLES / "cases/transcripts/one-leak-many-shapes").glob("0*.jsonl")), ids=str)
def test_a_leak_is_the_agents_in_every_shape(path: Path) -> None:
    (transcript,) = read_transcripts(path)
    agent = [m for m in transcript.messages if m.role == "assistant" and m.kind in ("text", "tool_call")]
    assert any("rival@example.com" in m.text and "the secret plan" in m.text for m in agent)
