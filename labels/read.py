"""Labels from plain tables: CSV, TSV, JSON lines and Parquet."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from grader.errors import InputError
from grader.files.cells import unescape_formulas
from grader.files.parquet import read_parquet_frame
from labels.labelset import LabelSet
from labels.meaning import ControlMap, LabelMeaning, Rest
from labels.plain_table import label_frame
from labels.rater_names import with_rater_names
from labels.text_tables import read_text, table_of

_EXPORT = ({"annotations"}, {"completions"}, {"annotator", "annotation_id"}, {"result", "task"})


def read_labels(  # noqa: PLR0913 - one argument per thing that a file may leave open
    path: Path | str,
    *,
    control_map: ControlMap | None = None,
    unsure: Mapping[str, Sequence[str]] | None = None,
    rest: Rest = "error",
    id_field: str | None = None,
    columns: Mapping[str, str] | None = None,
    raters: Mapping[str, str] | None = None,
    allow_unused: bool = False,
    harms: Sequence[str] | None = None,
    harm: str | None = None,
    config: Path | str | None = None,
) -> LabelSet:
    """Human labels from a Label Studio export or any table of labels; finds out which.

    Parameters
    ----------
    path : path
        A table (``.csv``, ``.tsv``, ``.jsonl``, ``.parquet``) with ``transcript_id, harm, rater, label`` and where
        known ``status, round, created_at, seconds, source, inclusion_probability, stratum, stage, confidence, note,
        task_url``; a history that `pull` keeps; or anything that `read_label_studio` reads. A label is 1 or 0, or a
        word for yes, no or unsure (`labels.words`). In place of ``harm`` and ``label`` there may be one column per
        harm, named like it; in place of ``transcript_id`` Inspect's ``sample_id`` and ``epoch``.
    control_map, unsure, rest, id_field, columns, raters, allow_unused, harms, harm, config
        As in `labels.meaning.LabelMeaning`.

    Raises
    ------
    InputError
        One line naming file, record and reason.
    """
    meaning = LabelMeaning(
        control_map=control_map,
        unsure=unsure,
        rest=rest,
        id_field=id_field,
        columns=columns,
        raters=raters or {},
        allow_unused=allow_unused,
        harms=harms,
        harm=harm,
        config=config,
    )
    return labels_in(path, meaning)


def labels_in(path: Path | str, meaning: LabelMeaning) -> LabelSet:
    """`read_labels` with a `LabelMeaning`."""
    from labels.label_studio.read import export_labels

    path = Path(path)
    if not path.exists():
        raise InputError("no such file", file=path)
    table = _table_in(path)
    if table is None:
        return export_labels(path, meaning)
    if meaning.control_map or meaning.unsure or meaning.rest != "error" or meaning.config is not None:
        reason = (
            "is a table of labels, which has no controls: --map, --unsure, --rest and --label-config are for exports "
            "(use --columns)"
        )
        raise InputError(reason, file=path)
    try:
        frame, dropped = label_frame(table, meaning)
        frame, notes = with_rater_names(frame, meaning.raters, allow_unused=meaning.allow_unused)
        return LabelSet(frame=frame, notes=notes, dropped=dropped)
    except InputError as error:
        raise InputError(error.reason, file=path, record=error.record) from None


def _table_in(path: Path) -> pd.DataFrame | None:
    """The table in `path`; None when it is an export of Label Studio."""
    if path.is_dir():
        return None
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            return read_parquet_frame(path)
        text = read_text(path)
        if text.lstrip()[:1] in ("[", "{"):
            records = _json_rows(text) if suffix in (".jsonl", ".ndjson") else _json_list(text)
            return None if records is None or _is_export(records) else pd.DataFrame(records)
        table = unescape_formulas(table_of(text))
    except RecursionError:
        raise InputError("JSON nested too deeply", file=path) from None
    except (ValueError, OSError, OverflowError) as error:
        raise InputError(f"cannot be read: {str(error).splitlines()[0]}", file=path) from None
    except InputError as error:
        raise InputError(error.reason, file=path, record=error.record) from None
    return None if any(marks <= set(table.columns) for marks in _EXPORT) else table


def _json_rows(text: str) -> list[dict[str, Any]] | None:
    rows: list[Any] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise InputError(f"is not JSON ({str(error)[:60]})", record=f"line {number}") from None
            if not isinstance(rows[-1], dict):
                raise InputError("is no object", record=f"line {number}")
    return rows


def _json_list(text: str) -> list[dict[str, Any]] | None:
    """The rows of a table kept as one JSON list; None when it is anything else, which the reader of exports names."""
    try:
        rows = json.loads(text)
    except ValueError:
        return None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        return None
    return rows if any("label" in row or "rater" in row for row in rows) else None


def _is_export(rows: Sequence[Mapping[str, Any]]) -> bool:
    return any(marks <= row.keys() for row in rows for marks in _EXPORT)
