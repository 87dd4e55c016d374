"""The verdict frame: one row per transcript, harm, grader and repeat, each column in its type."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

import pandas as pd
from pydantic_core import from_json

from grader.readers.records import is_too_deep
from grader.transcript import FACTS
from grader.verdict.records import Verdict

VERDICT_COLUMNS: tuple[str, ...] = (*(f.name for f in fields(Verdict)), "grader_kind", *FACTS, "content_hash")
JSON_COLUMNS = ("evidence", "usage")
_DEFAULTS: dict[str, Any] = {
    "repeat": 0,
    "outcome": "scored",
    "grader_kind": "judge",
    "explanation": "",
    "grader_version": "",
}


def verdict_row(verdict: Verdict, facts: Mapping[str, Any], kind: str = "judge") -> dict[str, Any]:
    """One row of the verdict frame: the verdict, its grader's kind, its transcript's facts."""
    return verdict.to_dict() | {"grader_kind": kind} | dict(facts)


def verdict_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Collect rows (`verdict_row`) into the verdict frame.

    Returns
    -------
    DataFrame with columns `VERDICT_COLUMNS`, then whatever else the rows hold
        ``present`` is a nullable boolean (missing unless the outcome is ``scored``), ``score`` a float
        (NaN = none), ``evidence`` lists and ``usage`` mappings.
    """
    return typed(pd.DataFrame(list(rows)))


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """All columns, in order, each in its type."""
    frame = frame.copy()
    for column in VERDICT_COLUMNS:
        if column not in frame:
            frame[column] = _DEFAULTS.get(column)
        elif column in _DEFAULTS:
            frame[column] = frame[column].where(frame[column].notna(), _DEFAULTS[column])
    frame["evidence"] = [_parsed(value, list) for value in frame["evidence"].tolist()]
    frame["usage"] = parsed_column(frame, "usage")
    text = [c for c in VERDICT_COLUMNS if c not in {"present", "score", "repeat", "epoch", *JSON_COLUMNS}]
    for column in text:
        frame[column] = _text(frame[column])
    frame["present"] = frame["present"].astype("boolean")
    frame["score"] = pd.to_numeric(frame["score"], errors="coerce").astype(float)
    frame["repeat"] = _whole(frame["repeat"]).fillna(0).astype("int64")
    frame["epoch"] = _whole(frame["epoch"])
    others = [c for c in frame.columns if c not in VERDICT_COLUMNS]
    return frame[[*VERDICT_COLUMNS, *others]].reset_index(drop=True)


def _text(column: pd.Series[Any]) -> pd.Series[Any]:
    """Python's own strings, None where there is none."""
    if isinstance(column.dtype, pd.StringDtype):  # nothing to convert: no look at each value
        plain: pd.Series[Any] = column.astype(object)
        return plain.where(column.notna(), None)
    values = [None if _missing(v) else str(v) for v in column.tolist()]
    return pd.Series(values, index=column.index, dtype=object)


def _whole(column: pd.Series[Any]) -> pd.Series[Any]:
    """Whole numbers; what is none, or has more digits than a number can count with, is missing."""
    numbers = column
    if column.dtype == object:
        countable = [None if isinstance(value, int) and abs(value) >= 2**53 else value for value in column]
        numbers = pd.Series(countable, index=column.index, dtype=object)
    numbers = pd.to_numeric(numbers, errors="coerce")
    return numbers.where((numbers > -(2**53)) & (numbers < 2**53)).round().astype("Int64")


def parsed_column(frame: pd.DataFrame, column: str) -> pd.Series[Any]:
    """The objects of a column that may hold them as JSON text; empty where there is none."""
    values: list[Any] = (
        [_parsed(v, dict) for v in frame[column].tolist()] if column in frame else [{} for _ in range(len(frame))]
    )
    return pd.Series(values, index=frame.index, dtype=object)


def _missing(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


def _parsed(value: Any, empty: Callable[[], Any]) -> Any:
    if isinstance(value, str):
        if value in ("[]", "{}"):  # most rows have no quotes
            return empty()
        try:
            value = _loads(value)
        except (ValueError, RecursionError):
            return empty()
    return value if isinstance(value, type(empty())) else empty()


def _loads(text: str) -> Any:
    """`json.loads`, twice as fast for all texts but odd ones."""
    try:
        return from_json(text)
    except (ValueError, TypeError):  # TypeError: half a surrogate pair
        value = json.loads(text)
        return None if is_too_deep(value) else value
