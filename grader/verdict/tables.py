"""Read one table of verdicts, ours or another tool's: Parquet, JSONL and CSV."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from grader.errors import InputError
from grader.files.cells import unescape_formulas
from grader.files.parquet import read_parquet_frame
from grader.verdict.checks import REQUIRED, known_version, refuse_doubles, with_outcomes
from grader.verdict.frame import VERDICT_COLUMNS, typed
from grader.verdict.scale import ScoreScale
from grader.verdict.scout_results import is_scan

TABLES = (".parquet", ".jsonl", ".csv", ".tsv")
_GAPS = ["", "NA", "N/A", "nan", "NaN", "null", "NULL", "None", "none", "<NA>"]


def read_one(
    path: str | Path, *, scale: ScoreScale | None = None, take: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Read one table, or one log that holds verdicts: `grader.read_verdicts`, which also reads folders of shards."""
    path = Path(path)
    if path.suffix not in TABLES or (path.suffix == ".parquet" and path.is_file() and is_scan(path)):
        from grader.verdict.other_tools import read_held  # brings every reader of logs

        return read_held(path, scale=scale, take=take)
    return with_harms(_read_verdict_table(path, scale), take, path)


def _has(frame: pd.DataFrame) -> str:
    """The columns that are there instead, for whoever has to rename them."""
    return f"it has {', '.join(map(str, frame.columns[:12]))}{', ...' if len(frame.columns) > 12 else ''}"


def _read_verdict_table(path: Path, scale: ScoreScale | None) -> pd.DataFrame:
    frame = known_version(read_table(path), path)
    if missing := [c for c in REQUIRED if c not in frame]:
        needs = f"a table of verdicts needs {', '.join(REQUIRED)}, and present or score"
        raise InputError(f"{needs}; missing {', '.join(missing)}; {_has(frame)}", file=path)
    if "present" not in frame and "score" not in frame:
        raise InputError(f"a table of verdicts needs 'present' or 'score'; {_has(frame)}", file=path)
    if frame.empty:
        raise InputError("holds no verdicts", file=path)
    try:
        frame = typed(with_outcomes(frame, path, scale))
    except (UnicodeError, OverflowError) as error:  # text and numbers are looked at only now
        raise InputError(f"a damaged value ({error})", file=path) from None
    refuse_doubles(frame, path)
    return frame


def with_harms(frame: pd.DataFrame, take: Mapping[str, str] | None, path: Path) -> pd.DataFrame:
    """The verdicts of the wanted scores (all without `take`), each named as the harm that it is a verdict on."""
    if not take:
        return frame
    if missing := sorted(set(take) - set(frame["harm"])):
        known = ", ".join(sorted(frame["harm"].unique()))
        raise InputError(f"holds no score {missing[0]!r}; there is {known}", file=path)
    frame = frame[frame["harm"].isin(list(take))]
    return frame.assign(harm=frame["harm"].map(dict(take)).astype(object)).reset_index(drop=True)


def read_table(path: Path) -> pd.DataFrame:
    """Read a ``.parquet``, ``.jsonl``, ``.csv`` or ``.tsv`` table; InputError when it cannot be read."""
    if not path.is_file():
        raise InputError("no such file", file=path)
    try:
        match path.suffix:
            case ".parquet":
                return read_parquet_frame(path)
            case ".jsonl":
                return pd.DataFrame(_json_lines(path))
            case ".csv" | ".tsv":
                return _read_csv(path, "," if path.suffix == ".csv" else "\t")
    except (ValueError, OSError, OverflowError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"cannot be read as {path.suffix[1:]}: {reason}", file=path) from error
    raise InputError(f"tables are read from .parquet, .jsonl, .csv or .tsv, not {path.suffix!r}", file=path)


def _read_csv(path: Path, separator: str) -> pd.DataFrame:
    """Our own text columns word for word (``00`` is no number, ``NA`` no gap); `score` is made a number later."""
    header = pd.read_csv(path, sep=separator, nrows=0).columns
    text = [c for c in header if c in VERDICT_COLUMNS and c not in ("present", "repeat", "epoch")]
    gaps = {c: [""] if c in text and c != "score" else _GAPS for c in header}
    kinds = dict.fromkeys(text, str)
    return unescape_formulas(pd.read_csv(path, sep=separator, dtype=kinds, na_values=gaps, keep_default_na=False))


def _json_lines(path: Path) -> list[dict[str, Any]]:
    rows = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"not JSON: {error}", file=path, record=f"line {number}") from error
            if not isinstance(row, dict):
                raise InputError("not a JSON object", file=path, record=f"line {number}")
            rows.append(row)
    return rows
