"""Answers of the flat exports: JSON_MIN, CSV and TSV, where task data and controls stand side by side."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from grader.errors import InputError
from labels.label_studio.answers import ADJUDICATION, Answer, Export
from labels.label_studio.fields import number_of, person_of, round_of, text_or_none, time_of, transcript_id_of
from labels.label_studio.values import KINDS, flat_values, span_of
from labels.text_tables import table_of

# What a flat export says of the annotation; every other column is task data or a control.
_FLAT = frozenset({"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"})
FLAT_NEEDED = frozenset({"annotator", "annotation_id"})


def rows_of_table(text: str) -> list[dict[str, Any]]:
    """The rows of a CSV or TSV export; cells that hold JSON are read."""
    table = table_of(text)
    missing = sorted(FLAT_NEEDED - set(table.columns))
    if missing:
        raise InputError(f"is no Label Studio export: its columns lack {', '.join(missing)}")
    rows = table.to_dict("records")
    return [{str(k): _cell(v) for k, v in row.items() if isinstance(v, str) and v != ""} for row in rows]


def _cell(text: str) -> Any:
    if text[0] in "[{":
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def flat_export(records: Iterable[Mapping[str, Any]], id_field: str | None) -> Export:
    """Answers of rows in which every column that is neither known nor task data may be a control."""
    rows = [(str(row.get("id", f"number {i}")), row) for i, row in enumerate(records, 1)]
    blank = [row for _, row in rows if _is_blank(row)]
    data = {name for row in blank for name, value in row.items() if value not in (None, "")}
    answers = []
    for name, row in rows:
        if not _is_blank(row):
            try:
                answers.append(_flat_answer(name, row, data, id_field))
            except InputError as error:
                raise InputError(error.reason, record=f"task {name}") from None
    if not rows:
        raise InputError("holds no task")
    return Export(answers=tuple(answers), n_tasks=len({name for name, _ in rows}), flat=True)


def _is_blank(row: Mapping[str, Any]) -> bool:
    """A task without annotation, exported with "all tasks": what it holds is task data."""
    return row.get("annotation_id") in (None, "") and row.get("annotator") in (None, "")


def _flat_answer(name: str, row: Mapping[str, Any], data: set[str], id_field: str | None) -> Answer:
    person = person_of(row.get("annotator"))
    cells = {str(k): v for k, v in row.items() if k not in _FLAT and k not in data}
    values = {k: tuple(dict.fromkeys(flat_values(v))) for k, v in cells.items()}
    return Answer(
        task=name,
        transcript_id=transcript_id_of(name, row, id_field),
        rater=person.rater,
        rater_email=person.rater_email,
        rater_name=person.rater_name,
        source="ground_truth" if row.get("purpose") == ADJUDICATION else "annotation",
        round=round_of(row.get("round")),
        annotation=str(row.get("annotation_id", "")),
        created_at=time_of(row.get("created_at")),
        updated_at=time_of(row.get("updated_at")),
        seconds=number_of(row.get("lead_time")),
        content_hash=text_or_none(row.get("content_hash")),
        values={k: v for k, v in values.items() if v},
        kinds={k: kind for k, v in cells.items() if (kind := _kind_of_cell(v))},
        spans=tuple(s for k, v in cells.items() if isinstance(v, list) for part in v if (s := span_of(k, part))),
    )


def _kind_of_cell(value: Any) -> str | None:
    """The kind of control that writes such a cell, where its form tells."""
    first = value[0] if isinstance(value, list) and value else value
    if not isinstance(first, Mapping):
        return None
    return next((str(k) for k in first if k in KINDS or str(k).endswith("labels")), None)
