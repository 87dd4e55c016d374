"""Small logs written by a test, and what their transcripts say, in few words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from grader import Transcript, read_transcripts


def write_lines(path: Path, records: Iterable[Any]) -> Path:
    """A JSONL file, its folders made where they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def read_value(folder: Path, value: Any) -> list[Transcript]:
    """The transcripts of one JSON value."""
    path = folder / "a.json"
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
    return list(read_transcripts(path))


def read_lines(folder: Path, records: Iterable[Any], name: str = "a.jsonl") -> list[Transcript]:
    """The transcripts of a file of these lines."""
    return list(read_transcripts(write_lines(folder / name, records)))


def told(transcript: Transcript) -> list[tuple[str, str]]:
    """Channel and text of each message; a call and a result with the tool's name: ``("mail()", "to: k")``."""
    marks = {"tool_call": "{name}()", "tool_result": "{name}=", "reasoning": "thought", "text": "{role}"}
    return [(marks[m.kind].format(name=m.name, role=m.role), m.text) for m in transcript.messages]
