"""harmrate's own JSONL: one `Transcript.to_dict` per line, given back unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from grader.errors import InputError
from grader.readers.build import clean, clean_text, read_each
from grader.readers.format_row import Format
from grader.readers.records import Record
from grader.transcript import KINDS, ROLES, Kind, Message, Role, Transcript

_RECORD = frozenset({"id", "messages", "metadata"})
_MESSAGE = frozenset({"role", "kind", "text", "name", "arguments"})


def parse_native(records: Iterator[Record]) -> Iterator[Transcript]:
    """The transcripts of `records`; nothing is added, so that writing and reading is the identity.

    Only what no JSON file can carry is changed: NaN and infinities to None, halves of characters to U+FFFD.
    """
    return read_each(records, _read)


def _read(record: Record) -> Iterator[Transcript]:
    if not isinstance(record.value, Mapping):
        raise InputError(f"no transcript but {type(record.value).__name__}")
    yield read_native(record.value)


def read_native(value: Mapping[str, Any]) -> Transcript:
    """A transcript as `Transcript.to_dict` wrote it; InputError when it is none, or has an empty id."""
    if not value.get("id"):
        raise InputError("a transcript needs an 'id' that is not empty")
    if unknown := value.keys() - _RECORD:
        raise InputError(f"{min(unknown)}: a transcript has only id, messages and metadata; put it into 'metadata'")
    for number, message in enumerate(value["messages"] if isinstance(value.get("messages"), list) else ()):
        if isinstance(message, Mapping) and (unknown := message.keys() - _MESSAGE):
            raise InputError(f"messages[{number}].{min(unknown)}: a message has only role, kind, text, name, arguments")
    messages, metadata = value.get("messages"), value.get("metadata")
    if isinstance(messages, list) and isinstance(metadata, dict) and isinstance(value["id"], str):
        plain = [_plain(message) for message in messages]
        if None not in plain:  # nearly always: the general way is slower
            parts = tuple(message for message in plain if message is not None)
            return Transcript(id=clean_text(value["id"]), messages=parts, metadata=clean(metadata))
    return Transcript.from_dict(clean(value))


def _plain(message: Any) -> Message | None:
    """A message of three texts; None for one with a name or arguments, or one that is broken."""
    match message:
        case {"role": str(role), "kind": str(kind), "text": str(text)} if len(message) == 3 and kind in KINDS:
            return (
                Message(role=cast(Role, role), kind=cast(Kind, kind), text=clean_text(text)) if role in ROLES else None
            )
    return None


def is_native(value: Any) -> bool:
    """Whether a record is a transcript as harmrate writes it."""
    match value:
        case {"id": str(), "messages": [{"role": str(), "kind": str(kind), "text": str()}, *_]}:
            return kind in KINDS
        case {"id": str(), "messages": [], "metadata": Mapping()}:
            return len(value) == 3
    return False


FORMAT = Format(
    name="harmrate",
    parse=parse_native,
    fits=is_native,
    recognised_by="`id` and `messages` whose items have `role`, `kind` and `text`",
    id="`id`",
    model="`metadata.model`",
    scenario="`metadata.scenario`",
    failures="`metadata.provider_error`, `metadata.unread`",
)
