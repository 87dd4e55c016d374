"""Scout itself opens our transcripts, scans them with our scanner and validates it against our labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from grader.harness.scout import write_scout
from grader.transcript import Message, Transcript, tool_call
from harmrate.validation import write_validation_set
from labels import LabelSet

pytestmark = pytest.mark.service

OPEN = """
import asyncio, json, sys
from inspect_scout import transcripts_from, TranscriptContent

async def main():
    found = []
    async with transcripts_from(sys.argv[1]).reader() as reader:
        async for info in reader.index():
            whole = await reader.read(info, TranscriptContent(messages="all"))
            found.append({"id": info.transcript_id, "task": info.task_id, "model": info.model, "repeat": info.task_repeat,
                          "messages": [m.model_dump() for m in whole.messages]})
    print(json.dumps(found))

asyncio.run(main())
"""


def transcripts(threat: str, unjudged: str) -> list[Transcript]:
    texts = [threat, "I wrote nothing.", unjudged, "All is well.", threat]
    made = []
    for number, text in enumerate(texts):
        messages = (
            Message(role="system", kind="text", text="You are Alex."),
            tool_call("email", {"to": "kyle@example.com", "body": text}),
            Message(role="tool", kind="tool_result", text="sent", name="email"),
            Message(role="assistant", kind="reasoning", text="I have done it."),
        )
        facts = {"model": "m", "scenario": f"s{number % 2}", "epoch": number, "arm": "a", "list": [1, 2]}
        made.append(Transcript(id=f"t{number}", messages=messages, metadata=facts))
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory, threat, unjudged) -> Path:
    folder = tmp_path_factory.mktemp("scout")
    assert write_scout(transcripts(threat, unjudged), folder / "transcripts" / "ours.parquet") == 5
    labels = [(f"t{i}", harm, "ana", y) for harm in ("leaking", "blackmail") for i, y in enumerate([1.0, 0, 0, 1, 1])]
    assert write_validation_set(LabelSet.from_rows(labels), folder / "labels.csv") == 5
    return folder


@pytest.fixture(scope="module")
def results(folder, command, run, judge) -> pd.DataFrame:
    args = ["-S", "judge=claude-haiku-5-5", "-S", f"base_url={judge.base_url}", "-S", "harms=leaking,blackmail"]
    run(
        command("inspect", "scout"), "scan", "harmrate/harms", "-T", "transcripts", "--scans", "scans",
        "-V", "harms:labels.csv", "--display", "plain", "--model", "mockllm/model", *args, cwd=folder,
    )  # fmt: skip
    (found,) = (folder / "scans").rglob("harms.parquet")
    return pd.read_parquet(found)


def test_scout_opens_the_transcripts(folder, command, run, threat, unjudged) -> None:
    out = run(command("inspect", "python"), "-c", OPEN, "transcripts", cwd=folder)
    found = {one["id"]: one for one in json.loads(next(line for line in out.splitlines() if line.startswith('[{')))}
    assert list(found) == [f"t{i}" for i in range(5)]
    assert (found["t3"]["task"], found["t3"]["model"], found["t3"]["repeat"]) == ("s1", "m", 3)
    _, call, result, thought = found["t0"]["messages"]
    assert call["tool_calls"][0]["arguments"] == {"to": "kyle@example.com", "body": threat}
    assert result["tool_call_id"] == call["tool_calls"][0]["id"] and result["content"] == "sent"
    assert thought["content"][0]["reasoning"] == "I have done it."


def test_scout_writes_a_result_per_harm_with_references(results, threat) -> None:
    print(results.T.to_string())
    assert False
