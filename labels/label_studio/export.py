"""Label Studio exports of every shape; the content says which it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.readers.build import clean
from labels.label_studio.answers import Export
from labels.label_studio.flat_export import FLAT_NEEDED, flat_export, rows_of_table
from labels.label_studio.task_export import tasks_export


def read_export(path: Path | str, *, id_field: str | None = None) -> Export:
    """Read JSON, JSON_MIN, CSV, TSV, a snapshot or a page of the API; the content says which.

    Raises
    ------
    InputError
        When it is none of these; the message names the record.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 text (byte {error.start})", file=path) from None
    try:
        return parse_export(text, id_field=id_field)
    except InputError as error:
        raise InputError(error.reason, file=path, record=error.record) from None


def parse_export(text: str, *, id_field: str | None = None) -> Export:
    """`read_export` on text."""
    start = text.lstrip()[:1]
    if not start:
        raise InputError("is empty")
    if start not in "[{":
        return flat_export(rows_of_table(text), id_field)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else None
        raise InputError(f"is not whole JSON ({str(error)[:80]})", record=place) from None
    # Halves of characters can be written as escapes only, and no table could carry them.
    records = _records(clean(document) if "\\ud" in text.lower() else document)
    if not records:
        raise InputError("holds no task")
    if any(FLAT_NEEDED <= record.keys() and "annotations" not in record for record in records):
        return flat_export(records, id_field)
    return tasks_export(records, id_field=id_field)


def _records(document: Any) -> list[dict[str, Any]]:
    if isinstance(document, dict):
        document = document["tasks"] if isinstance(document.get("tasks"), list) else [document]
    for i, record in enumerate(document, 1):
        if not isinstance(record, dict):
            raise InputError(f"a task must be an object, got {type(record).__name__}", record=f"record {i}")
    return list(document)
