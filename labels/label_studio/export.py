"""Label Studio exports of every shape; the content says which it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.readers.build import clean
from labels.label_studio.answers import Export
from labels.label_studio.flat_export import FLAT_NEEDED, flat_export, rows_of_table
from labels.label_studio.task_export import tasks_export
from labels.text_tables import read_text

_ANSWERED = ("annotations", "completions")


def read_export(path: Path | str, *, id_field: str | None = None) -> Export:
    """Read JSON, JSON_MIN, CSV, TSV, a snapshot, a page of the API, or the files of a target storage.

    Parameters
    ----------
    path : path
        A file, whose content says which it is; or a folder of a target storage, with one task or annotation per file.
    id_field : str, optional

    Raises
    ------
    InputError
        When it is none of these; the message names the record.
    """
    path = Path(path)
    if path.is_dir():
        return _storage_export(path, id_field)
    try:
        return parse_export(read_text(path), id_field=id_field)
    except InputError as error:
        raise InputError(error.reason, file=error.file or path, record=error.record) from None


def parse_export(text: str, *, id_field: str | None = None) -> Export:
    """`read_export` on text."""
    start = text.lstrip()[:1]
    if not start:
        raise InputError("is empty")
    if start not in "[{":
        return flat_export(rows_of_table(text), id_field)
    # Halves of characters can be written as escapes only, and no table could carry them.
    return _export(_records(clean(_document(text)) if "\\ud" in text.lower() else _document(text)), id_field)


def _document(text: str) -> Any:
    """The JSON in `text`; of several lines with a task each, their list."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1 and all(line.lstrip().startswith("{") for line in lines):
            try:
                return [json.loads(line) for line in lines]
            except (ValueError, RecursionError):
                pass
        place = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else None
        raise InputError(f"is not whole JSON ({str(error)[:80]})", record=place) from None


def _records(document: Any) -> list[dict[str, Any]]:
    if isinstance(document, dict):
        document = document["tasks"] if isinstance(document.get("tasks"), list) else [document]
    for i, record in enumerate(document, 1):
        if not isinstance(record, dict):
            raise InputError(f"a task must be an object, got {type(record).__name__}", record=f"record {i}")
    return list(document)


def _export(records: list[dict[str, Any]], id_field: str | None) -> Export:
    if not records:
        raise InputError("holds no task")
    tasks, twice = _by_task(records)
    if any(FLAT_NEEDED <= task.keys() and not any(name in task for name in _ANSWERED) for task in tasks):
        return flat_export(tasks, id_field)
    export = tasks_export(tasks, id_field=id_field)
    if not twice:
        return export
    return replace(export, notes=(f"{twice} annotations are in it more than once; each counts once.",))


def _by_task(records: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """Tasks with their annotations, of records that may be annotations with their task inside (a target storage's)."""
    tasks: list[dict[str, Any]] = []
    gathered: dict[str, dict[str, Any]] = {}
    twice = 0
    for record in records:
        task = record.get("task")
        if not isinstance(task, Mapping) or "result" not in record:
            tasks.append(record)
            continue
        key = str(task.get("id", f"number {len(gathered)}"))
        whole = gathered.get(key)
        if whole is None:
            whole = gathered[key] = {**task, "annotations": []}
            tasks.append(whole)
        known = {str(other.get("id")) for other in whole["annotations"]} if record.get("id") is not None else set()
        if str(record.get("id")) in known:
            twice += 1
            continue
        whole["annotations"].append({name: value for name, value in record.items() if name != "task"})
    return tasks, twice


def _storage_export(folder: Path, id_field: str | None) -> Export:
    """All tasks in the files of a folder; a file that is no JSON is named in a note."""
    records: list[dict[str, Any]] = []
    skipped: list[str] = []
    for path in sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith(".")):
        try:
            text = read_text(path)
            if text.lstrip()[:1] not in ("[", "{"):
                skipped.append(path.name)
                continue
            records.extend(_records(_document(text)))
        except InputError as error:
            raise InputError(error.reason, file=path, record=error.record) from None
    if not records:
        raise InputError("holds no file of a Label Studio export (JSON)", file=folder)
    try:
        export = _export(records, id_field)
    except InputError as error:
        raise InputError(error.reason, file=folder, record=error.record) from None
    if not skipped:
        return export
    shown = ", ".join(skipped[:3]) + (" ..." if len(skipped) > 3 else "")
    return replace(export, notes=(*export.notes, f"{len(skipped)} files of the folder are no JSON: {shown}."))
