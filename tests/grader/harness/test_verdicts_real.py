"""Verdicts that real Inspect and Scout wrote come in, and both open what we write."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grader import read_transcripts, read_verdicts
from grader.verdict.export import export_verdicts
from grader.verdict.scale import ScoreScale

pytestmark = pytest.mark.service

# Samples s0 to s5 in two epochs: `harm` says a where the number is odd and refuses s3; `dims` scores 1 + number.
LOG = """
import sys
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import Score, mean, scorer
from inspect_ai.solver import generate

def number(state): return int(state.sample_id[1:])

@scorer(metrics={"*": [mean()]})
def harm():
    async def score(state, target):
        if number(state) == 3:
            return Score.unscored(reason="grader_refusal", explanation="refused")
        return Score(value={"a": float(number(state) % 2), "b": 0.0}, explanation="because")
    return score

@scorer(metrics=[mean()])
def dims():
    async def score(state, target):
        return Score(value=1 + number(state))
    return score

def replies():
    while True:
        output = ModelOutput.from_content("mockllm/model", "reply")
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        yield output

task = Task(dataset=[Sample(id=f"s{i}", input="q", target="x") for i in range(6)], solver=generate(),
            scorer=[harm(), dims()], epochs=2)
eval(task, model=get_model("mockllm/model", custom_outputs=replies()), log_dir=sys.argv[1], display="none")
"""
SCAN = """
import sys
from inspect_scout import Result, Transcript, scan, scanner, transcripts_from

@scanner(messages="all", name="a")
def a():
    async def found(transcript: Transcript):
        number = int(transcript.task_id[1:])
        if number == 4:
            raise ValueError("boom")
        return Result(value=number % 2 == 1)
    return found

@scanner(messages="all", name="labels")
def labels():
    async def found(transcript: Transcript):
        return [Result(value=True, label=name) for name in ["x", "y"][: int(transcript.task_id[1:]) % 3]]
    return found

if __name__ == "__main__":
    scan([a(), labels()], transcripts=transcripts_from(sys.argv[1]), scans=sys.argv[2], max_processes=1,
         fail_on_error=False)
"""
OPEN = """
import glob, json, sys
from inspect_ai import score
from inspect_ai.log import read_eval_log
from inspect_ai.scorer import mean, precomputed_scores
from inspect_scout import scan_results_df

log = read_eval_log(glob.glob(sys.argv[1] + "/*.eval")[0])
ours = precomputed_scores(sys.argv[2], metrics={"a": [mean()], "b": [mean()]})
scored = score(log, [ours], action="overwrite", display="none")
scan = scan_results_df(sys.argv[3])
frame = scan.scanners["a"]
print("ANSWER", json.dumps({
    "means": {s.name: [s.metrics["mean"].value, s.unscored_samples] for s in scored.results.scores},
    "complete": scan.complete, "scanners": sorted(scan.scanners),
    "values": {i: None if v != v or v is None else str(v) for i, v in
               zip(frame["transcript_id"], frame["value"].astype(object).where(frame["value"].notna(), None))},
}))
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("held")


@pytest.fixture
def harness(command: Callable[[str, str], str], work: Path) -> Callable[..., str]:
    """Run a script by the Python that has Inspect and Scout."""
    python = command("inspect", "python")

    def run(script: str, *arguments: Path) -> str:
        file = work / "script.py"
        file.write_text(script)
        done = subprocess.run([python, file, *arguments], capture_output=True, text=True, cwd=work, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def logs(harness: Callable[..., str], work: Path) -> Path:
    if not (work / "logs").exists():
        harness(LOG, work / "logs")
    return work / "logs"


def by_sample(frame: Any, harm: str) -> dict[str, set[Any]]:
    own = frame[frame["harm"] == harm]
    said: dict[str, set[Any]] = {}
    for sample, present, outcome in zip(own["scenario"], own["present"], own["outcome"], strict=True):
        said.setdefault(sample, set()).add(bool(present) if outcome == "scored" else outcome)
    return said


def test_scores_of_a_real_log(logs: Path) -> None:
    frame = read_verdicts(logs, take={"a": "a", "b": "b"})
    assert len(frame) == 24 and frame["transcript_id"].nunique() == 12
    assert by_sample(frame, "a") == {f"s{i}": {"refused" if i == 3 else i % 2 == 1} for i in range(6)}
    scale = ScoreScale(low=1, high=10, threshold=5)
    assert by_sample(read_verdicts(logs, take={"dims": "a"}, scale=scale), "a") == {
        f"s{i}": {1 + i >= 5} for i in range(6)
    }


def test_results_of_a_real_scan_are_on_the_same_transcripts(
    logs: Path, harness: Callable[..., str], work: Path
) -> None:
    harness(SCAN, logs, work / "scans")
    frame = read_verdicts(work / "scans")
    assert set(frame["transcript_id"]) == {t.id for t in read_transcripts(logs)}
    assert by_sample(frame, "a") == {f"s{i}": {"api_error" if i == 4 else i % 2 == 1} for i in range(6)}
    assert by_sample(frame, "x") == {f"s{i}": {i % 3 >= 1} for i in range(6)}
    assert by_sample(frame, "y") == {f"s{i}": {i % 3 == 2} for i in range(6)}


def test_both_open_what_we_write(logs: Path, harness: Callable[..., str], work: Path) -> None:
    frame = read_verdicts(logs, take={"a": "a", "b": "b"})
    export_verdicts(frame, work / "scores.jsonl", "inspect")
    export_verdicts(frame, work / "scan_id=ours", "scout")
    told = harness(OPEN, logs, work / "scores.jsonl", work / "scan_id=ours").split("ANSWER ")[1]
    answer = json.loads(told.splitlines()[0])
    # Inspect reduces epochs first: five of six samples are scored, two of them harmful.
    assert answer["means"] == {"a": [2 / 5, 1], "b": [0.0, 1]}
    assert answer["complete"] is True and answer["scanners"] == ["a", "b"]
    own = frame[frame["harm"] == "a"]
    expected = {
        i: None if outcome != "scored" else str(bool(p)).lower()
        for i, p, outcome in zip(own["transcript_id"], own["present"], own["outcome"], strict=True)
    }
    assert answer["values"] == expected


STORE = """
import asyncio, sys
from inspect_scout import transcripts_db, transcripts_from

async def main():
    async with transcripts_db(sys.argv[2]) as database:
        await database.insert(transcripts_from(sys.argv[1]))

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_transcripts_that_scout_stored_are_those_of_the_log(
    logs: Path, harness: Callable[..., str], work: Path
) -> None:
    harness(STORE, logs, work / "stored")
    stored = {t.id: t for t in read_transcripts(work / "stored")}
    read = {t.id: t for t in read_transcripts(logs)}
    assert {id_: t.messages for id_, t in stored.items()} == {id_: t.messages for id_, t in read.items()}
    for id_, transcript in stored.items():
        facts = ("model", "scenario", "epoch")
        assert [transcript.metadata[f] for f in facts] == [read[id_].metadata[f] for f in facts]
