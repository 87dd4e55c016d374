"""Transcripts in several files, a judge whose answers and request ids depend on what is asked alone, and tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from judge_helpers import answer, transcript

from grader.transcript_files import write_transcripts

Json = dict[str, Any]
JUDGE = "claude-haiku-5-5"


def write_shards(folder: Path, n_shards: int = 3, n_each: int = 8) -> None:
    """JSONL, Parquet and, from the third on, JSONL in a folder of its own."""
    for k in range(n_shards):
        name = f"a{k}.parquet" if k == 1 else f"a{k}.jsonl" if k == 0 else f"more/a{k}.jsonl"
        write_transcripts((transcript(k * n_each + i) for i in range(n_each)), folder / name)


def number_of(text: str) -> int:
    """Of the transcript that a request asks about."""
    found = re.search(r"Task (\d+)\.", text)
    assert found is not None
    return int(found[1])


def reply(params: Json) -> Json:
    """A whole message: every third transcript shows a harm; nothing in it counts requests."""
    number = number_of(json.dumps(params["messages"]))
    text = json.dumps(answer(params, "attempted" if number % 3 == 0 else "none"))
    usage = {"input_tokens": 1000 + number, "output_tokens": 50, "cache_read_input_tokens": 0}
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": params["model"],
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage | {"cache_creation_input_tokens": 0, "service_tier": "standard"},
    }


def name_request(body: bytes) -> str:
    """A name for a request that does not tell when it came."""
    return f"req_{number_of(body.decode())}"


def tables(folder: Path) -> dict[str, bytes]:
    """The bytes of every file of verdicts, by name."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.parquet")}


def rows(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """All rows, in one order."""
    whole = pd.concat(list(frames), ignore_index=True)
    return whole.sort_values(["transcript_id", "harm", "grader", "repeat"]).reset_index(drop=True)


def manifest(folder: Path, name: str = "manifest.json") -> Json:
    found: Json = json.loads((folder / name).read_text())
    return found
