"""Every way in which we write a file, each as a function from a folder and a number that says which version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from calibration.study.folder import write_pool
from calibration.study.start.registration import Registered, register
from calibration.study.start.study_file import write_study_file
from grader import Verdict, write_verdicts
from grader.classifier.artifact import write_artifact
from grader.files.atomic import write_text
from grader.files.cells import write_table
from grader.harness.scout import write_scout
from grader.judge.clients.protocol import Reply, Request
from grader.judge.clients.replay import write_replay
from grader.store.store import Store
from grader.transcript import Message, Transcript
from grader.transcript_files import write_transcripts
from grader.verdict.export import export_verdicts
from grader.verdict.read import read_verdicts
from labels import LabelSet, write_tasks
from labels.history import grow
from labels.label_studio.record import CampaignRecord, write_record
from labels.sampling.designs import draw_sample, write_design

N = 40


def transcripts(version: int) -> list[Transcript]:
    said = (Message(role="user", kind="text", text=f"version {version}"),)
    return [Transcript(id=f"t{i}", messages=said) for i in range(N)]


def verdicts(version: int) -> list[Verdict]:
    return [
        Verdict(transcript_id=f"t{i}", harm="h", grader="g", grader_version=str(version), present=i % 2 == version % 2)
        for i in range(N)
    ]


def labels(version: int) -> LabelSet:
    return LabelSet.from_rows([(f"t{i}", "h", "ana", float(i % 2 == version % 2)) for i in range(N)])


def _export(to: str, name: str) -> Callable[[Path, int], None]:
    def write(folder: Path, version: int) -> None:
        write_verdicts(verdicts(version), folder / ".in.parquet")
        try:
            export_verdicts(read_verdicts(folder / ".in.parquet"), folder / name, to)  # type: ignore[arg-type]
        finally:
            (folder / ".in.parquet").unlink()

    return write


def _design(name: str) -> Callable[[Path, int], None]:
    def write(folder: Path, version: int) -> None:
        pool = pd.DataFrame({"transcript_id": [f"t{i}" for i in range(N)]})
        write_design(draw_sample(pool, 9, rng=np.random.default_rng(version), harms=["h"]), folder / name)

    return write


def _history(folder: Path, version: int) -> None:
    rows = labels(version).frame.assign(project="p", kind="annotation", annotation=range(N))
    grow(folder / "labels.parquet", rows)


def _replay(folder: Path, version: int) -> None:
    ask = [
        Request(key=f"{i:064x}", transcript_id="t", content_hash=str(i), harms=("h",), repeat=0, params={})
        for i in range(N)
    ]
    write_replay(folder / "replies.jsonl", [(one, Reply(message={"version": version})) for one in ask])


def _artifact(folder: Path, version: int) -> None:
    write_artifact(
        folder,
        {"version": version},
        {"h": []},
        {"profiles": np.full((N, 8), version, dtype=np.float32)},
        f"card {version}",
    )


def _export_store(folder: Path, version: int) -> None:
    with Store(":memory:") as store:
        for i in range(N):
            store.put_reply(f"{i}", {"version": version})
        store.export(folder / "store.jsonl")


def _register(folder: Path, version: int) -> None:
    register(folder, Registered(at=f"2026-01-01T00:00:{version % 60:02}", n_labels=0, decisions={"level": version}))


def _record(folder: Path, version: int) -> None:
    write_record(folder, CampaignRecord(url="http://x", project=version, title="t" * 200, config="c"))


def _table(folder: Path, version: int) -> None:
    write_table(pd.DataFrame({"harm": ["h"] * N, "rate": version}), folder / "table.csv")


def _tasks(folder: Path, version: int) -> None:
    write_tasks(transcripts(version), None, folder / "tasks.json")


WRITERS: dict[str, Callable[[Path, int], object]] = {
    "text": lambda folder, version: write_text(folder / "a.txt", f"version {version}\n" * N),
    "transcripts.jsonl": lambda folder, version: write_transcripts(transcripts(version), folder / "t.jsonl"),
    "transcripts.parquet": lambda folder, version: write_transcripts(transcripts(version), folder / "t.parquet"),
    "scout": lambda folder, version: write_scout(transcripts(version), folder / "s.parquet"),
    "verdicts.parquet": lambda folder, version: write_verdicts(verdicts(version), folder / "v.parquet"),
    "verdicts.jsonl": lambda folder, version: write_verdicts(verdicts(version), folder / "v.jsonl"),
    "verdicts.csv": lambda folder, version: write_verdicts(verdicts(version), folder / "v.csv"),
    "exported to inspect": _export("inspect", "ratings.jsonl"),
    "exported to promptfoo": _export("promptfoo", "promptfoo.jsonl"),
    "exported to scout": _export("scout", "scan"),
    "labels.parquet": lambda folder, version: labels(version).write(folder / "l.parquet"),
    "labels.csv": lambda folder, version: labels(version).write(folder / "l.csv"),
    "labels.jsonl": lambda folder, version: labels(version).write(folder / "l.jsonl"),
    "history of labels": _history,
    "design.csv": _design("design.csv"),
    "design.parquet": _design("design.parquet"),
    "tasks": _tasks,
    "campaign record": _record,
    "pool": lambda folder, version: write_pool(pd.DataFrame({"id": range(N), "v": version}), folder / "pool.parquet"),
    "study file": lambda folder, version: write_study_file({"study": {"seed": version}}, folder / "harmrate.toml"),
    "register": _register,
    "replies": _replay,
    "store export": _export_store,
    "artifact": _artifact,
    "report's table": _table,
}
