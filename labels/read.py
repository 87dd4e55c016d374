"""Labels from plain tables: CSV, TSV, JSON lines and Parquet."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from grader.errors import InputError
from grader.files.cells import unshielded
from grader.files.parquet import read_parquet_frame
from labels.labelset import LabelSet

_NEEDED = ("transcript_id", "harm", "rater", "label")
_WORDS = {
    "1": 1.0, "1.0": 1.0, "yes": 1.0, "true": 1.0,
    "0": 0.0, "0.0": 0.0, "no": 0.0, "false": 0.0,
}  # fmt: skip
_UNSURE = {"", "nan", "none", "null", "na", "<na>", "unsure"}
_SOURCES = {"adjudicated": "ground_truth", "adjudication": "ground_truth", "": "annotation"}


def read_labels(
    path: Path | str,
    *,
    control_map: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    id_field: str | None = None,
    harms: Sequence[str] | None = None,
    config: Path | str | None = None,
) -> LabelSet:
    """Human labels from a Label Studio export or any table of labels; finds out which.

    Parameters
    ----------
    path : path
        A table (``.csv``, ``.tsv``, ``.jsonl``, ``.parquet``) with ``transcript_id, harm, rater, label`` and where
        known ``status, round, created_at, seconds, source, inclusion_probability, stratum, note, task_url``; a history
        that `pull` keeps; or anything that `read_label_studio` reads. A label is 1/0, yes/no or true/false; empty or
        ``unsure`` is missing.
    control_map, id_field, harms, config
        Passed on to `read_label_studio`; a table takes only `id_field` (the column to use as transcript_id).

    Raises
    ------
    InputError
        One line naming file, record and reason.
    """
    from labels.label_studio import read_label_studio

    path = Path(path)
    table = _read_table(path, id_field)
    if table is None:
        return read_label_studio(path, control_map=control_map, id_field=id_field, harms=harms, config=config)
    try:
        return LabelSet(frame=_normalised(table))
    except InputError as error:
        raise InputError(error.reason, file=path, record=error.record) from None


def _read_table(path: Path, id_field: str | None) -> pd.DataFrame | None:
    """The table in `path`, or None when it is no table of labels (then it may be an export)."""
    if not path.is_file():
        raise InputError("no such file", file=path)
    table = _load(path)
    if table is None:
        return None
    if id_field is not None and id_field in table:
        table = table.assign(transcript_id=table[id_field])
    if path.suffix.lower() in (".csv", ".tsv", ".txt"):
        table = unshielded(table)
    missing = [c for c in _NEEDED if c not in table]
    if missing and path.suffix in (".parquet", ".jsonl"):
        raise InputError(f"a table of labels needs the columns {', '.join(_NEEDED)}; no {missing[0]!r}", file=path)
    return None if missing else table


def _load(path: Path) -> pd.DataFrame | None:
    try:
        match path.suffix.lower():
            case ".parquet":
                return read_parquet_frame(path)
            case ".jsonl" | ".ndjson":
                with path.open(encoding="utf-8") as lines:
                    return pd.DataFrame([json.loads(line) for line in lines if line.strip()])
            case ".csv" | ".tsv" | ".txt":
                separator = "," if path.suffix.lower() == ".csv" else "\t"
                return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except RecursionError:
        raise InputError("JSON nested too deeply", file=path) from None
    except (ValueError, OSError, OverflowError, pd.errors.ParserError) as error:
        if path.suffix.lower() in (".parquet", ".jsonl"):
            raise InputError(f"cannot be read: {str(error).splitlines()[0]}", file=path) from None
    return None


def _normalised(table: pd.DataFrame) -> pd.DataFrame:
    """Words for labels as numbers; the present state of a kept history."""
    from labels.history import current

    if "pulled_at" in table:
        table = current(table)
    table = table.assign(label=[_label(i, value) for i, value in enumerate(table["label"], 1)])
    if "source" in table:
        table = table.assign(source=[_SOURCES.get(str(s).lower(), s) for s in table["source"].fillna("")])
    if "status" in table:
        blank = table["status"].isna() | (table["status"] == "")
        guess = table["label"].isna().map({True: "unsure", False: "definite"})
        table = table.assign(status=table["status"].where(~blank, guess))
    return table


def _label(row: int, value: Any) -> float:
    text = "" if value is None else str(value).strip().lower()
    if text in _WORDS:
        return _WORDS[text]
    if text in _UNSURE:
        return float("nan")
    raise InputError(f"label must be 1, 0, yes, no, unsure or empty, got {value!r}", record=f"row {row}")
