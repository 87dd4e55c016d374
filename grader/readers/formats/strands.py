"""Strands Agents: sessions kept as folders, a file per message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePath
from typing import Any

from grader.readers.build import build_transcript
from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.formats.talks import whole_or_unread
from grader.readers.records import Record
from grader.transcript import Transcript

NAMED = frozenset({"redact_message"})


def parse_strands(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per agent of a session; the agents of a session are an episode."""
    folders: dict[str, list[Record]] = {}
    for record in records:
        if is_strands(record.value):
            folders.setdefault(str(PurePath(record.file).parent), []).append(record)
    for folder, messages in folders.items():
        yield from whole_or_unread(folder, messages[0].file, partial(_one, messages))


def is_strands(value: Any) -> bool:
    """Whether a record is a message of a session."""
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("message"), Mapping)
        and isinstance(value["message"].get("role"), str)
        and isinstance(value.get("message_id"), int)
    )


def _one(records: list[Record]) -> list[Transcript]:
    return [_transcript(records)]


def _transcript(records: list[Record]) -> Transcript:
    """One agent's messages, by their numbers; what was said counts, not what a guardrail showed in its place."""
    records = sorted(records, key=lambda record: int(record.value["message_id"]))
    file = records[0].file
    names = PurePath(file).parts
    session = next((name.removeprefix("session_") for name in names if name.startswith("session_")), None)
    agent = next((name.removeprefix("agent_") for name in reversed(names) if name.startswith("agent_")), None)
    messages = [record.value["message"] for record in records]
    parts = conversation(messages)
    facts = {"episode": session, "agent": agent, "created_at": records[0].value.get("created_at")}
    known = {key: value for key, value in facts.items() if value is not None} | ending(parts)
    id_ = "/".join(name for name in (session, agent) if name) or file
    source = str(PurePath(file).parent) if len(records) > 1 else file
    return build_transcript(id_, parts, known, source=source, raw=messages, named=NAMED)


FORMAT = Format(
    name="strands",
    parse=parse_strands,
    fits=is_strands,
    unit="file",
    recognised_by="`message` with `message_id`, a file per message",
    id="`session/agent` of the folders' names",
    failures="no word of the agent",
)
