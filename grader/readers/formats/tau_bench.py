"""tau-bench results: a list of runs, each with its task, trial and ``traj``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text
from grader.readers.build import build_transcript, read_each, record_metadata
from grader.readers.conversation import conversation
from grader.readers.format_row import Format
from grader.readers.records import Record
from grader.transcript import Transcript


def parse_tau_bench(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per run, ``<file>/<task>/<trial>``: the files of several models repeat the tasks."""
    return read_each(records, _read)


def is_run(value: Any) -> bool:
    """Whether a record is a run of tau-bench."""
    match value:
        case {"task_id": _, "traj": [*_]}:
            return True
    return False


def _read(record: Record) -> Iterator[Transcript]:
    value = record.value
    if not is_run(value):
        raise InputError("no tau-bench run: it needs 'task_id' and 'traj'")
    parts = conversation(value["traj"])
    if not parts:
        raise InputError("holds no message")
    id_ = "/".join((Path(record.file).stem, as_text(value["task_id"]), as_text(value.get("trial", 0))))
    metadata = record_metadata(value, without={"traj"})
    yield build_transcript(id_, parts, metadata, source=record.file, raw=value)


FORMAT = Format(
    name="tau-bench",
    parse=parse_tau_bench,
    fits=is_run,
    recognised_by="`task_id` and `traj`",
    id="`<file>/<task_id>/<trial>`",
    scenario="`task_id`",
    failures="no word of the agent",
)
