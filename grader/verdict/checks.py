"""A table of verdicts made whole: what another tool leaves out is filled in, what contradicts itself is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import infer_dtype, is_float_dtype

from grader.errors import InputError
from grader.verdict.frame import parsed_column
from grader.verdict.records import OUTCOMES
from grader.verdict.scale import TRUTH, ScoreScale
from grader.verdict.schema import COLUMN, VERSION

REQUIRED = ["transcript_id", "harm", "grader"]


def known_version(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table without the column that tells its version; refused when that is newer than ours."""
    if COLUMN not in frame:
        return frame
    try:
        newer = pd.to_numeric(frame[COLUMN], errors="coerce").max()
    except OverflowError:
        newer = float("inf")
    if newer > VERSION:
        raise InputError(f"written by a newer harmrate: verdict schema {newer:g}, known is {VERSION}", file=path)
    return frame.drop(columns=COLUMN)


def with_outcomes(frame: pd.DataFrame, path: Path, scale: ScoreScale | None) -> pd.DataFrame:
    """Fill in what a foreign table leaves out, and refuse what contradicts itself."""
    frame = frame.copy()
    for column in REQUIRED:
        if frame[column].isna().any():
            raise InputError(f"{column} is empty", file=path, record=f"row {int(frame[column].isna().argmax()) + 1}")
    told = scale or ScoreScale()
    raw = _numbers(frame, told, path)
    side = (raw >= told.cut).astype("boolean").mask(raw.isna())
    said = _booleans(frame, path)
    present = said.fillna(side) if scale is None else side.fillna(said)
    score = (raw - told.low) / (told.high - told.low)
    if scale is not None:
        pairs = zip(parsed_column(frame, "usage"), raw.notna(), strict=True)
        frame["usage"] = pd.Series([{**u, **scale.told()} if known else u for u, known in pairs], index=frame.index)
    outcome = _outcomes(frame, present)
    if not (known := outcome.isin(OUTCOMES)).all():
        raise InputError(f"outcome {outcome[~known].iloc[0]!r} is none of {', '.join(OUTCOMES)}", file=path)
    if ((outcome == "scored") & present.isna()).any():
        row = frame[(outcome == "scored") & present.isna()].iloc[0]
        raise InputError(
            "scored, but without present or score", file=path, record=f"transcript {row['transcript_id']!r}"
        )
    scored = outcome == "scored"
    return frame.assign(score=score.where(scored), present=present.where(scored), outcome=outcome)


# Columns in which other tools say that a call of the grader failed.
_ERRORS = ("error", "error_message", "exception")


def _outcomes(frame: pd.DataFrame, present: pd.Series[Any]) -> pd.Series[Any]:
    """What became of each verdict; without an outcome: a failure where an error stands beside it, else by its side."""
    if "outcome" in frame and frame["outcome"].notna().all():
        return frame["outcome"]
    given = frame["outcome"].astype(object) if "outcome" in frame else pd.Series(None, index=frame.index, dtype=object)
    implied = present.notna().map({True: "scored", False: "not_graded"}).astype(object)
    for column in (name for name in _ERRORS if name in frame):
        implied[_is_error(frame[column])] = "api_error"
    return given.where(given.notna(), implied)


def _is_error(column: pd.Series[Any]) -> pd.Series[bool]:
    """Where a cell names an error: not empty, and not a word for none."""
    text = column.astype(object).where(column.notna(), "").map(str).str.strip().str.lower()
    return ~text.isin(["", "0", "0.0", "false", "no", "none", "null", "nan", "{}", "[]"])


def refuse_doubles(frame: pd.DataFrame, path: Path) -> None:
    """Raise where one grader says something of one transcript and harm twice."""
    if (twice := frame.duplicated([*REQUIRED, "repeat"])).any():
        row = frame[twice].iloc[0]
        record = f"transcript {row['transcript_id']!r}"
        raise InputError(f"two verdicts by {row['grader']!r} on {row['harm']!r}", file=path, record=record)


def _numbers(frame: pd.DataFrame, scale: ScoreScale, path: Path) -> pd.Series[float]:
    if "score" not in frame:
        return pd.Series(float("nan"), index=frame.index)
    told = frame["score"]
    numbers = (told if is_float_dtype(told.dtype) else told.map(_number, na_action="ignore")).astype(float)
    wrong = (numbers.isna() & frame["score"].notna()) | (numbers < scale.low) | (numbers > scale.high)
    if wrong.any():
        row = frame[wrong].iloc[0]
        reason = f"score must fulfil {scale.low:g} <= score <= {scale.high:g}, got {row['score']!r}"
        if scale.low == 0 and scale.high == 1:
            reason += "; of another scale? say so: --score-range LOW:HIGH --threshold T"
        raise InputError(reason, file=path, record=f"transcript {row['transcript_id']!r}")
    return numbers


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _booleans(frame: pd.DataFrame, path: Path) -> pd.Series[bool]:
    if "present" not in frame:
        return pd.Series(pd.NA, index=frame.index, dtype="boolean")
    if infer_dtype(frame["present"], skipna=True) == "boolean":
        return frame["present"].astype("boolean")
    text = frame["present"].astype("string").str.strip().str.lower()
    truth = text.map(dict(TRUTH), na_action="ignore").astype("boolean")
    unknown = truth.isna() & text.notna() & ~text.isin(["", "none", "null", "nan"]).fillna(value=False)
    if unknown.any():
        row = frame[unknown].iloc[0]
        reason = f"present must be true, false or empty, got {str(row['present'])!r}"
        raise InputError(reason, file=path, record=f"transcript {row['transcript_id']!r}")
    return truth
