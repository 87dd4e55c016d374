"""What a row of labels must be, and which of a rater's several answers to one question counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from grader.errors import InputError
from grader.verdict.records import STAGES
from labels.rater_names import UNKNOWN

COLUMNS = ("transcript_id", "harm", "rater", "label", "status", "round", "created_at", "seconds", "source")
OPTIONAL = (
    "inclusion_probability", "stratum", "rater_email", "rater_name", "stage", "confidence", "spans", "sample_id",
    "epoch", "note", "task_url",
)  # fmt: skip
STATUSES = ("definite", "unsure", "skipped", "draft")
SOURCES = ("annotation", "prediction", "ground_truth")
KEY = ["transcript_id", "harm", "rater", "round", "source"]
REPLACED = "replaced by another answer of the same rater"

# What a rater's rows for one item count as, strongest first.
RANK = {status: rank for rank, status in enumerate(STATUSES)}
_NUMBERS = ("label", "seconds", "inclusion_probability", "confidence")
# Left out where nobody wrote any.
_TEXTS = ("rater_name", "stage", "spans", "sample_id", "epoch", "note", "task_url")


def checked_labels(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with every column, in order and of its type; an InputError when a value has no meaning."""
    missing = [c for c in ("transcript_id", "harm", "rater", "label") if c not in frame]
    if missing:
        raise InputError(f"a table of labels needs the columns transcript_id, harm, rater, label; no {missing[0]!r}")
    out = pd.DataFrame(index=range(len(frame)))
    given: Mapping[str, Any] = {c: frame[c].reset_index(drop=True) for c in frame.columns}
    for column in ("transcript_id", "harm", "rater"):
        _refuse(given[column].isna(), given[column], f"{column} is missing")
        out[column] = given[column].astype(str).astype(object)
    for column in (c for c in _NUMBERS if c in given):
        out[column] = _numbers(column, given[column])
    _refuse(~(out["label"].isna() | out["label"].isin([0.0, 1.0])), given["label"], "label must be 1, 0 or missing")
    out["status"] = given["status"] if "status" in given else np.where(out["label"].isna(), "unsure", "definite")
    out["source"] = given["source"] if "source" in given else "annotation"
    _refuse(~out["status"].isin(STATUSES), out["status"], f"status must be one of {', '.join(STATUSES)}")
    _refuse(~out["source"].isin(SOURCES), out["source"], f"source must be one of {', '.join(SOURCES)}")
    definite = out["status"] == "definite"
    _refuse(definite & out["label"].isna(), out["status"], "a definite label must be 1 or 0")
    _refuse(
        out["status"].isin(["unsure", "skipped"]) & out["label"].notna(),
        out["status"],
        "a label needs a definite status",
    )
    rounds = _numbers("round", given["round"]).fillna(1) if "round" in given else pd.Series(1.0, index=out.index)
    _refuse((rounds < 1) | (rounds % 1 != 0), rounds, "round must be 1, 2, ...")
    out["round"] = rounds.astype(int)
    for column, name in (("created_at", "created_at"), ("updated_at", "_changed")):
        times = _times(given[column]) if column in given else pd.Series(pd.NaT, index=out.index)
        out[name] = pd.to_datetime(times, utc=True).dt.as_unit("us")
    out["_changed"] = out["_changed"].fillna(out["created_at"])
    out["seconds"] = out["seconds"] if "seconds" in out else np.nan
    _check_optional(out, given)
    if "confidence" in out and out["confidence"].isna().all():
        out = out.drop(columns="confidence")
    return out[[*COLUMNS, "_changed", *(c for c in OPTIONAL if c in out)]]


def _check_optional(out: pd.DataFrame, given: Mapping[str, Any]) -> None:
    """Put the columns that may be missing into `out`."""
    if "inclusion_probability" in out:
        pi = out["inclusion_probability"]
        _refuse((pi <= 0) | (pi > 1), pi, "inclusion_probability must fulfil 0 < p <= 1")
    for column in ("stratum", "rater_email"):
        if column in given:
            out[column] = given[column].astype(object)
    for column in (c for c in _TEXTS if c in given):
        text = given[column].astype(object).where(given[column].notna() & (given[column] != ""), None)
        if text.notna().any():
            out[column] = text.map(str, na_action="ignore").astype(object).where(text.notna(), None)
    if "stage" in out:
        out["stage"] = out["stage"].str.strip().str.lower()
        rule = f"stage must be one of {', '.join(STAGES)}"
        _refuse(out["stage"].notna() & ~out["stage"].isin(STAGES), out["stage"], rule)


def one_per_rater(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...], dict[str, int]]:
    """One row per rater and item, notes, and how many rows it replaced.

    The strongest status counts (an answer is more than a skip, a skip more than a draft); of several answers the one
    changed last. Two different ones whose times do not tell are an error.
    """
    answered = frame[frame["status"].isin(["definite", "unsure"]) & (frame["source"] != "prediction")]
    several = answered[answered.duplicated(KEY, keep=False)]
    frame = _later_than_others(frame, several) if len(several) else frame
    ranked = frame.assign(_rank=frame["status"].map(RANK))
    ranked = ranked.sort_values([*KEY, "_rank", "_changed"], ascending=[True] * 6 + [False], kind="stable")
    single = ranked.drop_duplicates(KEY).drop(columns=["_rank", "_changed"]).reset_index(drop=True)
    replaced = len(frame) - len(single)
    return single, tuple(_notes(several, answered)), {REPLACED: replaced} if replaced else {}


def _later_than_others(frame: pd.DataFrame, several: pd.DataFrame) -> pd.DataFrame:
    """The frame, checked that the answer that counts is the only one of its time."""
    last = several["_changed"].eq(several.groupby(KEY)["_changed"].transform("max"))
    untimed = several["_changed"].isna().groupby([several[k] for k in KEY]).transform("any")
    rivals = several[last | untimed]
    values = rivals["label"].fillna(-1.0).groupby([rivals[k] for k in KEY])
    torn = rivals[values.transform("min") != values.transform("max")]
    nobody = torn["rater"].str.startswith(UNKNOWN)
    for _, row in torn[~nobody].head(1).iterrows():
        same = rivals[(rivals[KEY] == row[KEY]).all(axis=1)]["label"]
        names = ", ".join({1.0: "yes", 0.0: "no"}.get(v, "unsure") for v in dict.fromkeys(same.fillna(-1.0)))
        raise InputError(
            f"rater {row['rater']!r} labelled {row['harm']!r} twice ({names}), and no time says which came last: "
            "delete one, or add a column updated_at",
            record=f"transcript {row['transcript_id']!r}",
        )
    # Several people without account cannot be told apart: where they differ, none of their answers is definite.
    doubtful = frame.index.isin(torn[nobody].index)
    label, status = frame["label"].where(~doubtful), frame["status"].where(~doubtful, "unsure")
    return frame.assign(label=label, status=status)


def _notes(several: pd.DataFrame, answered: pd.DataFrame) -> list[str]:
    if several.empty:
        return []
    n = several.drop_duplicates(KEY)["transcript_id"].nunique()
    values = several["label"].fillna(-1.0).groupby([several[k] for k in KEY])
    differ = int((values.min() != values.max()).sum())
    whose = ", ".join(sorted(several["rater"].unique())[:3])
    note = f"{n} transcripts were answered more than once by one rater ({whose}): the answer changed last counts"
    note += f"; {differ} answers differ from it." if differ else "; all say the same."
    if 2 * n > answered["transcript_id"].nunique() and n > 1:
        note += " So many: was the export imported into another project? Then all annotations belong to the importer."
    return [note]


def _refuse(bad: pd.Series, values: pd.Series, rule: str) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad.to_numpy())[0])
        raise InputError(f"{rule}, got {values.iloc[row]!r}", record=f"row {row + 1}")


def _numbers(column: str, values: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(values.replace("", None), errors="coerce").astype(float)
    _refuse(numbers.isna() & values.notna() & (values != ""), values, f"{column} must be a number")
    return numbers


def _times(values: pd.Series) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(values):
        return pd.to_datetime(values, utc=True)
    return pd.to_datetime(values, utc=True, errors="coerce", format="ISO8601")
