"""What the formats that are lists of messages share: which list a record contains, and what stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from grader.errors import InputError
from grader.readers.build import build_transcript, read_each, record_id, record_metadata, unread_transcript
from grader.readers.records import Record, parse_json
from grader.transcript import Message, Transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """One list of messages, and the record that it came from."""

    id: str
    messages: list[Any]
    fields: Mapping[str, Any]
    record: Record
    raw: Any

    def transcript(
        self,
        parts: Iterable[Message],
        facts: Mapping[str, Any],
        *,
        id_: str | None = None,
        named: frozenset[str] = frozenset(),
        raw: Any = None,
    ) -> Transcript:
        """The transcript of this talk; `facts` are added to the metadata, a missing one (None) is not."""
        metadata = record_metadata(self.fields) | {key: value for key, value in facts.items() if value is not None}
        return build_transcript(
            id_ or self.id, parts, metadata, source=self.record.file, raw=raw or self.raw, named=named
        )


Read = Callable[[Talk], Iterable[Transcript]]


def parse_talks(
    records: Iterator[Record], read: Read, *, is_message: Callable[[Any], bool], keys: tuple[str, ...] = ("messages",)
) -> Iterator[Transcript]:
    """Transcripts of a file: one per record with a list of messages, or one of a file of bare messages.

    Parameters
    ----------
    records : iterator of Record
    read : callable
        From a talk to its transcripts.
    is_message : callable
        Whether a record is a bare message, so that the whole file is one conversation.
    keys : tuple of str
        Where a record may have its list; a dot leads into an object (``values.messages``).
    """
    first = next(records, None)
    if first is None:
        return
    if is_message(first.value):
        messages = [first.value, *(record.value for record in records)]
        talk = Talk(id=first.file, messages=messages, fields={}, record=first, raw=messages)
        yield from read_each(iter([first]), lambda _: read(talk))
        return
    yield from read_each(chain([first], records), lambda record: chain.from_iterable(map(read, talks_of(record, keys))))


def talks_of(record: Record, keys: tuple[str, ...]) -> Iterator[Talk]:
    """The lists of messages of a record; a list of lists is a batch of talks.

    Raises
    ------
    InputError
        When the record has none.
    """
    value = record.value
    fields: Mapping[str, Any] = {}
    if isinstance(value, Mapping):
        found, fields = _list_of(value, keys)
        id_ = record_id(value, record.default_id)
    else:
        found, id_ = value, record.default_id
    if not isinstance(found, list):
        raise InputError(f"has no list of messages ({', '.join(keys)})")
    batch = found if found and all(isinstance(item, list) for item in found) else [found]
    for number, messages in enumerate(batch, 1):
        own = id_ if len(batch) == 1 else f"{id_}#{number}"
        yield Talk(id=own, messages=messages, fields=fields, record=record, raw=value if len(batch) == 1 else messages)


def _list_of(value: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, dict[str, Any]]:
    """The first list under one of the keys (perhaps as JSON text), and the fields beside it."""
    for key in keys:
        outer, _, inner = key.partition(".")
        holder = value.get(outer)
        found = holder.get(inner) if inner and isinstance(holder, Mapping) else None if inner else holder
        if isinstance(found, str) and found.lstrip().startswith("["):
            found = parse_json(found, file="")
        if isinstance(found, list):
            beside = {k: v for k, v in value.items() if k not in (outer, "id")}
            if inner and isinstance(holder, Mapping):
                beside |= {k: v for k, v in holder.items() if k != inner}
            return found, beside
    return None, {}


def whole_or_unread(id_: str, file: str, make: Callable[[], Iterable[Transcript]]) -> Iterator[Transcript]:
    """The transcripts of one session of a file, or an unread one that says why; the other sessions go on."""
    try:
        transcripts = list(make())
    except InputError as error:
        record = Record(value={"id": id_}, file=file, place=f"session {id_}", number=1)
        transcripts = [unread_transcript(record, error.reason)]
    yield from transcripts
