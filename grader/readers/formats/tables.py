"""CSV, TSV and Parquet: a row per transcript, with a column of messages or of replies."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.readers.build import build_transcript, record_id, record_metadata
from grader.readers.conversation import conversation
from grader.readers.formats.native import read_native
from grader.readers.formats.replies import read_reply
from grader.readers.records import MAX_RECORD, open_text, parse_json
from grader.transcript import Transcript

_BATCH_ROWS = 64
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
        When the file is no such table, or a row has no reply.
    """
    yield from _read_rows(_csv_rows(path), str(path), id_fields)


def read_parquet(path: Path, *, id_fields: Sequence[str] = ()) -> Iterator[Transcript]:
    """Yield a transcript per row of a Parquet file, Inspect Scout's transcript tables included.

    A column ``messages`` holds a conversation, as JSON text or as a list; else a column such as ``response`` or
    ``text`` holds a reply. In Scout's tables ``task_id`` is the scenario and ``task_repeat`` the epoch.
    """
    yield from _read_rows(parquet_rows(path), str(path), id_fields)


def _read_rows(rows: Iterator[Row], file: str, id_fields: Sequence[str]) -> Iterator[Transcript]:
    for number, row in enumerate(rows, 1):
        try:
            yield _transcript(row, file=file, number=number, id_fields=id_fields)
        except InputError as error:
            raise InputError(error.reason, file=file, record=f"row {number}") from None


def _transcript(row: Row, *, file: str, number: int, id_fields: Sequence[str]) -> Transcript:
    if missing := [field for field in id_fields if field not in row]:
        raise InputError(f"has no column {missing[0]!r} for the id")
    default = "/".join(str(row[field]) for field in id_fields) or f"{file}:{number}"
    if id_fields:
        row = {key: value for key, value in row.items() if key != "id"} | {"id": default}
    elif (native := _native(row)) is not None:
        return native
    if not row.get("messages"):
        return read_reply(row, default_id=default, source=file)
    parts = conversation(_json(row["messages"]))
    if not parts:
        raise InputError("holds no message")
    return build_transcript(_scout_id(row, default), parts, _scout_metadata(row), source=file)


def _native(row: Row) -> Transcript | None:
    """A row that `grader.transcript_files` wrote: id, and messages and metadata as JSON text."""
    if row.keys() != {"id", "messages", "metadata"} or not all(isinstance(value, str) for value in row.values()):
        return None
    messages, metadata = _json(row["messages"]), _json(row["metadata"])
    if not isinstance(messages, list) or not all(isinstance(m, dict) and "kind" in m for m in messages):
        return None
    return read_native({"id": row["id"], "messages": messages, "metadata": metadata})


def _scout_id(row: Row, default: str) -> str:
    found = row.get("transcript_id")
    return found if isinstance(found, str) and found else record_id(row, default)


def _scout_metadata(row: Row) -> Row:
    """A row's columns but the conversation; Scout writes some of them as JSON text."""
    without = {"id", "transcript_id", "messages", "events", "events_data", "timelines"}
    fields = {key: value for key, value in row.items() if value is not None}
    for key in ("score", "agent_args", "model_options", "metadata"):
        if isinstance(fields.get(key), str) and fields[key][:1] in ("{", "["):
            fields[key] = _json(fields[key])
    if "task_repeat" in fields:
        fields.setdefault("epoch", fields["task_repeat"])
    return record_metadata(fields, without=without)


def _json(value: Any) -> Any:
    parsed = parse_json(value, file="") if isinstance(value, str) else value
    if not isinstance(parsed, (list, dict)):
        raise InputError("'messages' holds no list")
    return parsed


def _csv_rows(path: Path) -> Iterator[Row]:
    # The limit is the csv module's own, for the whole process; ours is only ever wider.
    csv.field_size_limit(max(csv.field_size_limit(), min(MAX_RECORD, sys.maxsize)))
    with open_text(path, newline="") as stream:
        try:
            head = stream.readline(MAX_RECORD)
            delimiter = "\t" if head.count("\t") > head.count(",") else ","
            names = next(csv.reader([head], delimiter=delimiter), [])
            if not any(names):
                raise InputError("is empty", file=path)
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
