"""harmrate's own JSONL: one `Transcript.to_dict` per line, given back unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.build import clean, read_each
from grader.readers.records import Record
from grader.transcript import Transcript


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
    return Transcript.from_dict(clean(value))
