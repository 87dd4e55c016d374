"""harmrate's own JSONL: one `Transcript.to_dict` per line, given back unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from grader.errors import InputError
from grader.readers.build import check_depth
from grader.readers.records import Record
from grader.transcript import Transcript


def parse_native(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield the transcripts of `records`; nothing is added, so that writing and reading is the identity."""
    for record in records:
        if not isinstance(record.value, Mapping):
            raise record.error(f"no transcript but {type(record.value).__name__}")
        try:
            check_depth(record.value)
            yield Transcript.from_dict(record.value)
        except InputError as error:
            raise record.error(error.reason) from None
