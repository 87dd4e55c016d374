"""From a table as people keep it to the columns of a LabelSet."""

from __future__ import annotations

from typing import Any

import pandas as pd

from grader.errors import InputError
from labels.labelset import COLUMNS, OPTIONAL
from labels.meaning import LabelMeaning
from labels.words import plain, side_of

NEEDED = ("transcript_id", "harm", "rater", "label")
EMPTY_CELL = "empty cell of a column named like a harm"
_SIDES = {"yes": 1.0, "no": 0.0, "unsure": float("nan")}
_SOURCES = {"adjudicated": "ground_truth", "adjudication": "ground_truth", "": "annotation"}
_MAY_BE_NAMED = (*COLUMNS, *OPTIONAL, "sample_id", "epoch", "updated_at")
_SAMPLE = ["sample_id", "epoch"]


def label_frame(table: pd.DataFrame, meaning: LabelMeaning) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows of `table` as `LabelSet` takes them, and how many cells are left out for which reason.

    Raises
    ------
    InputError
        A column is missing, or a cell is no label.
    """
    from labels.history import current, dropped_versions

    dropped: dict[str, int] = {}
    if "pulled_at" in table:
        table, dropped = current(table), dropped_versions(table)
    table = _named(table, meaning)
    table, empty = _one_row_per_harm(table, meaning)
    if empty:
        dropped[EMPTY_CELL] = empty
    if missing := [column for column in NEEDED if column not in table]:
        raise InputError(_missing(missing, table, meaning))
    table = table.assign(label=[_label(i, value) for i, value in enumerate(table["label"], 1)])
    if "source" in table:
        table = table.assign(source=[_SOURCES.get(str(s).lower(), s) for s in table["source"].fillna("")])
    if "status" in table:
        blank = table["status"].isna() | (table["status"] == "")
        guess = table["label"].isna().map({True: "unsure", False: "definite"})
        table = table.assign(status=table["status"].where(~blank, guess))
    return table, dropped


def _named(table: pd.DataFrame, meaning: LabelMeaning) -> pd.DataFrame:
    """The table with our names for its columns."""
    named = dict(meaning.columns or {})
    if meaning.id_field is not None:
        named.setdefault("transcript_id", meaning.id_field)
    for ours, theirs in named.items():
        if ours not in (*_MAY_BE_NAMED, *meaning.known_harms):
            known = ", ".join((*NEEDED, *(name for name in _MAY_BE_NAMED if name not in NEEDED)))
            raise InputError(f"--columns names {ours!r}, which is none of {known}")
        if theirs not in table:
            raise InputError(f"there is no column {theirs!r}; found {_listing(table)}")
    table = table.assign(**{ours: table[theirs] for ours, theirs in named.items()})
    if "transcript_id" not in table and set(_SAMPLE) <= set(table.columns):
        epoch = pd.to_numeric(table["epoch"], errors="coerce").astype("Int64").astype(str)
        table = table.assign(transcript_id=table["sample_id"].astype(str) + "/" + epoch, epoch=epoch)
    elif table is not None and "transcript_id" in table:
        table = table.drop(columns=[column for column in _SAMPLE if column in table])
    return table


def _one_row_per_harm(table: pd.DataFrame, meaning: LabelMeaning) -> tuple[pd.DataFrame, int]:
    """One row per harm, of a table that has a column for each, or none at all."""
    if "harm" in table:
        return table, 0
    harms = {harm.casefold(): harm for harm in (*meaning.known_harms, *([meaning.harm] if meaning.harm else ()))}
    wide = {str(c): harms[str(c).strip().casefold()] for c in table if str(c).strip().casefold() in harms}
    if not wide or "label" in table:
        return (table.assign(harm=meaning.harm), 0) if meaning.harm is not None else (table, 0)
    kept = [c for c in table if c in _MAY_BE_NAMED]
    parts = [
        table[kept].assign(harm=harm, label=table[column], **_stage_of(table, harm)) for column, harm in wide.items()
    ]
    long = pd.concat(parts, ignore_index=True)
    empty = long["label"].map(plain) == ""
    return long[~empty].reset_index(drop=True), int(empty.sum())


def _stage_of(table: pd.DataFrame, harm: str) -> dict[str, Any]:
    return {"stage": table[f"{harm}_stage"]} if f"{harm}_stage" in table else {}


def _missing(missing: list[str], table: pd.DataFrame, meaning: LabelMeaning) -> str:
    renamed = ",".join(f"{column}=..." for column in missing)
    harm = " (--harm NAME stands in for a missing harm column)" if "harm" in missing and meaning.harm is None else ""
    return (
        f"a table of labels needs the columns {', '.join(NEEDED)}; no {', '.join(missing)} among {_listing(table)}: "
        f"say which they are with --columns {renamed}{harm}"
    )


def _listing(table: pd.DataFrame) -> str:
    names = [str(column)[:40] for column in table.columns]
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _label(row: int, value: Any) -> float:
    side = side_of(value)
    if side is None:
        rule = "label must be 1, 0 or empty, or a word for yes, no or unsure"
        raise InputError(f"{rule}, got {str(value)[:40]!r}", record=f"row {row}")
    return _SIDES[side]
