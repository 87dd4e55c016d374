"""Tables of transcripts that Inspect Scout writes: a row per transcript, with its facts in columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.build import build_transcript, read_each, record_id, record_metadata
from grader.readers.conversation import conversation
from grader.readers.format_row import Format
from grader.readers.formats.inspect_log import NAMED
from grader.readers.formats.replies import decoded
from grader.readers.records import Record
from grader.transcript import Transcript

_JSON = ("score", "agent_args", "model_options", "metadata")
# Columns that hold the conversation, or hold it once more in another form.
_HEAVY = frozenset({"id", "transcript_id", "input", "messages", "events", "events_data", "timelines"})


def parse_scout(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per row; ``task_id`` is the scenario and ``task_repeat`` the epoch."""
    return read_each(records, _read)


def is_row(value: Any) -> bool:
    """Whether a record is a row of such a table."""
    return isinstance(value, Mapping) and value.keys() >= {"transcript_id", "messages"} and bool(value["messages"])


def _read(record: Record) -> Iterator[Transcript]:
    if not is_row(record.value):
        raise InputError("is not a row of Scout's: it needs 'transcript_id' and 'messages'")
    row: dict[str, Any] = record.value
    messages = decoded(row["messages"])
    if not isinstance(messages, list):
        raise InputError("messages: is not a list")
    fields = {key: decoded(child) if key in _JSON else child for key, child in row.items() if child is not None}
    if "task_repeat" in fields:
        fields.setdefault("epoch", fields["task_repeat"])
    metadata = record_metadata(fields, without=_HEAVY)
    id_ = str(row["transcript_id"] or "") or record_id(row, record.default_id)
    raw = {key: child for key, child in fields.items() if key not in _HEAVY} | {"messages": messages}
    yield build_transcript(id_, conversation(messages), metadata, source=record.file, raw=raw, named=NAMED)


FORMAT = Format(
    name="scout",
    parse=parse_scout,
    fits=is_row,
    recognised_by="`transcript_id` and `messages`",
    id="`transcript_id`",
    model="`model`",
    scenario="`task_id`",
    failures="no word of the agent, with `error`",
)
