"""Transcripts written down in harmrate's own form: JSONL and Parquet that `read_transcripts` gives back unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from grader.errors import InputError
from grader.files.atomic import written_whole
from grader.readers.build import clean
from grader.transcript import Transcript

_BATCH = 256


def write_transcripts(transcripts: Iterable[Transcript], path: str | Path) -> int:
    """Write transcripts to a ``.jsonl`` or ``.parquet`` file, whole or not at all; some at a time in memory.

    Parquet has the columns ``id`` and, as JSON text, ``messages`` and ``metadata``. What no JSON file can carry is
    changed: NaN and infinities to null, halves of characters to U+FFFD.

    Returns
    -------
    int
        How many were written.

    Raises
    ------
    InputError
        Another suffix; a value nested too deeply; no space, or a folder that is only read.

    Examples
    --------
    >>> import tempfile
    >>> from grader.readers import read_transcripts
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_transcripts([Transcript(id="a", messages=())], folder + "/t.parquet")
    ...     list(read_transcripts(folder + "/t.parquet"))
    1
    [Transcript(id='a', messages=(), metadata={})]
    """
    path = Path(path)
    if path.suffix not in (".jsonl", ".parquet"):
        raise InputError(f"transcripts are written to .jsonl or .parquet, not {path.suffix!r}", file=path)
    with written_whole(path) as partial:
        return (_write_jsonl if path.suffix == ".jsonl" else _write_parquet)(transcripts, partial)


def _write_jsonl(transcripts: Iterable[Transcript], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for transcript in transcripts:
            file.write(json.dumps(clean(transcript.to_dict()), ensure_ascii=False, allow_nan=False) + "\n")
            count += 1
    return count


def _write_parquet(transcripts: Iterable[Transcript], path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in ("id", "messages", "metadata")])
    count = 0
    with pq.ParquetWriter(path, schema) as writer:
        for batch in _batches(iter(transcripts)):
            records = [clean(transcript.to_dict()) for transcript in batch]
            rows = [
                {key: value if isinstance(value, str) else json.dumps(value) for key, value in record.items()}
                for record in records
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            count += len(batch)
    return count


def _batches(transcripts: Iterator[Transcript]) -> Iterator[list[Transcript]]:
    while batch := list(islice(transcripts, _BATCH)):
        yield batch
