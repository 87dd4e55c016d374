"""CSV, TSV and Parquet: a row per transcript, read like a JSON record with the columns as its fields."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.readers.formats.replies import decoded
from grader.readers.records import MAX_RECORD, NoTranscripts, Record, open_text
from grader.transcript import Transcript

_BATCH_ROWS = 64
# Columns that keep lists and objects as JSON text.
_JSON_COLUMNS = frozenset(
    {"messages", "conversation", "conversations", "chosen", "rejected", "choices", "metadata", "input", "completion"}
)
Row = dict[str, Any]


def read_csv(path: Path, *, id_fields: Sequence[str] = ()) -> Iterator[Transcript]:
    """Yield a transcript per row of a CSV or TSV file (told apart by the header line).

    Parameters
    ----------
    path : Path
    id_fields : sequence of str, optional
        Columns whose values, joined by ``/``, are the id, where no single column is unique:
        ``format=functools.partial(read_csv, id_fields=("model", "id"))``.

    Raises
    ------
    InputError
        When the file is no such table, or no row has a reply.
    """
    yield from _read(csv_rows(path), path, id_fields)


def read_parquet(path: Path, *, id_fields: Sequence[str] = ()) -> Iterator[Transcript]:
    """Yield a transcript per row of a Parquet file, Inspect Scout's transcript tables included.

    A column ``messages`` holds a conversation, as JSON text or as a list; else a column such as ``response`` or
    ``text`` holds a reply.
    """
    yield from _read(parquet_rows(path), path, id_fields)


def _read(rows: Iterator[Row], path: Path, id_fields: Sequence[str]) -> Iterator[Transcript]:
    from grader.readers.detect import parse_records  # the table of formats imports some that import this file

    yield from parse_records(row_records(rows, path, id_fields))


def row_records(rows: Iterator[Row], path: Path, id_fields: Sequence[str] = ()) -> Iterator[Record]:
    """The rows of a table as records."""
    number = 0
    for number, row in enumerate(rows, 1):
        value = {key: _column(child) if key in _JSON_COLUMNS else child for key, child in row.items()}
        if id_fields:
            if missing := [field for field in id_fields if field not in row]:
                raise InputError(f"has no column {missing[0]!r} for the id", file=path, record=f"row {number}")
            value["id"] = "/".join(str(row[field]) for field in id_fields)
        yield Record(value=value, file=str(path), place=f"row {number}", number=number)
    if not number:
        raise NoTranscripts("has no row", file=path)


def _column(value: Any) -> Any:
    """A column of lists and objects: JSON text as it says, structs without their padding."""
    return decoded(value) if isinstance(value, str) else _whole(value)


def _whole(value: Any) -> Any:
    """Lists of structs without the nulls that a table pads them with: each struct has the fields of all."""
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items() if item is not None}
    return value


def csv_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a CSV or TSV file; InputError when it is none."""
    # The limit is the csv module's own, for the whole process; ours is only ever wider.
    csv.field_size_limit(max(csv.field_size_limit(), min(MAX_RECORD, sys.maxsize)))
    with open_text(path, newline="") as stream:
        try:
            head = stream.readline(MAX_RECORD)
            delimiter = max(",", "\t", ";", key=head.count)
            names = next(csv.reader([head], delimiter=delimiter), [])
            if not any(names):
                raise NoTranscripts("is empty", file=path)
            for values in csv.reader(stream, delimiter=delimiter, strict=True):
                if values and len(values) != len(names):
                    raise InputError(f"a row of {len(values)} values under {len(names)} columns", file=path)
                if values:
                    yield dict(zip(names, values, strict=True))
        except csv.Error as error:
            raise InputError(f"broken CSV ({error})", file=path) from None
        except UnicodeDecodeError as error:
            raise InputError(f"not UTF-8 text (byte {error.start}: {error.reason})", file=path) from None


def parquet_columns(path: Path) -> list[str]:
    """Names of the columns of a Parquet file; InputError when it is none."""
    with _parquet(path) as file:
        return [str(name) for name in file.schema_arrow.names]


def parquet_rows(path: Path, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Yield the rows of a Parquet file, some at a time in memory; InputError when it is none."""
    with _parquet(path) as file:
        for group in range(file.metadata.num_row_groups):
            if file.metadata.row_group(group).total_byte_size > 4 * MAX_RECORD:
                raise InputError(f"row group {group + 1} is larger than {4 * MAX_RECORD} bytes", file=path)
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=columns):
            yield from batch.to_pylist()


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    open_file: Callable[..., Any] = pq.ParquetFile
    try:
        with open_file(path) as file:
            yield file
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise InputError(f"no readable Parquet file ({str(error).splitlines()[0][:200]})", file=path) from None
