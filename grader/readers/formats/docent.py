"""Docent agent runs: one or several transcripts per run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text
from grader.readers.build import build_transcript, read_each, record_id, record_metadata
from grader.readers.conversation import conversation
from grader.readers.format_row import Format
from grader.readers.records import Record
from grader.transcript import Transcript


def parse_docent(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per transcript of each run; those of one run share the ``episode``.

    A run with one transcript gives it its id; with several they are ``run/transcript``.
    """
    return read_each(records, _read)


def is_agent_run(value: Any) -> bool:
    """Whether a record is an agent run, or an object that lists some."""
    match value:
        case {"agent_runs": [*_]}:
            return True
        case {"transcripts": [{"messages": _}, *_]}:
            return True
        case {"transcripts": Mapping() as named}:
            return any(isinstance(t, Mapping) and "messages" in t for t in named.values())
    return False


def _read(record: Record) -> Iterator[Transcript]:
    match record.value:
        case {"agent_runs": [*runs]}:
            for number, run in enumerate(runs, 1):
                yield from _run(run, default_id=f"{record.default_id}:{number}", source=record.file)
        case run:
            yield from _run(run, default_id=record.default_id, source=record.file)


def _run(run: Any, *, default_id: str, source: str) -> Iterator[Transcript]:
    transcripts = run.get("transcripts") if isinstance(run, Mapping) else None
    if isinstance(transcripts, Mapping):  # how Docent wrote them once
        transcripts = [{"id": key, **t} for key, t in transcripts.items() if isinstance(t, Mapping)]
    if not isinstance(transcripts, list) or not transcripts:
        raise InputError("an agent run without transcripts")
    run_id = record_id(run, default_id)
    shared = record_metadata(run, without={"id", "transcripts", "transcript_groups"})
    for number, transcript in enumerate(transcripts, 1):
        if not isinstance(transcript, Mapping) or not isinstance(transcript.get("messages"), list):
            raise InputError(f"transcript {number} has no list of messages")
        own = record_metadata(transcript, without={"id", "messages", "transcript_group_id"})
        id_ = run_id if len(transcripts) == 1 else f"{run_id}/{as_text(transcript.get('id')) or number}"
        parts = conversation(transcript["messages"])
        facts = shared | own | {"episode": run_id}
        raw = [{k: v for k, v in run.items() if k not in ("transcripts", "transcript_groups")}, transcript]
        yield build_transcript(id_, parts, facts, source=source, raw=raw)


FORMAT = Format(
    name="docent",
    parse=parse_docent,
    fits=is_agent_run,
    recognised_by="`agent_runs`, or `transcripts` with `messages`",
    id="the run's `id`; with several transcripts `run/transcript`",
    model="`model` of the run's or the transcript's metadata",
    scenario="`scenario`, `task` or `task_id` there",
    failures="no word of the agent",
)
