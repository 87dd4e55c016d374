"""LabelSet: what each human said of each transcript and harm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grader.errors import InputError
from grader.files.atomic import written_whole
from grader.files.cells import write_csv

COLUMNS = ("transcript_id", "harm", "rater", "label", "status", "round", "created_at", "seconds", "source")
OPTIONAL = ("inclusion_probability", "stratum", "rater_email", "note", "task_url")
STATUSES = ("definite", "unsure", "skipped", "draft")
SOURCES = ("annotation", "prediction", "ground_truth")
KEY = ["transcript_id", "harm", "rater", "round", "source"]

# What a rater's rows for one item count as, strongest first.
_RANK = {status: rank for rank, status in enumerate(STATUSES)}
_NUMBERS = ("label", "seconds", "inclusion_probability")
# For people who look at a single label: left out where nobody wrote any.
_TEXTS = ("note", "task_url")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelSet:
    """Human labels: transcript x harm x rater.

    Parameters
    ----------
    frame : DataFrame
        One row per transcript, harm, rater, round and source: ``transcript_id, harm, rater`` (text), ``label``
        (1.0, 0.0 or NaN), ``status`` (``definite`` has a label; ``unsure``; ``skipped`` - or submitted without an
        answer; ``draft`` - not submitted, may hold a label, never votes), ``round`` (from 1), ``created_at`` (UTC or
        NaT), ``seconds`` (spent, or NaN), ``source`` (``annotation``, ``prediction`` of a machine, ``ground_truth``:
        adjudicated). Only the first three are needed beside ``label``; missing ones are filled in.
        ``inclusion_probability``, ``stratum``, ``rater_email``, ``note`` (the rater's own words) and ``task_url`` (of
        the task's page) travel along where known.
    notes : tuple of str
        What the reader noticed and a person should know.

    Raises
    ------
    InputError
        When a column is missing, a value is not one of the above, or one rater gave one item two values.

    Examples
    --------
    >>> labels = LabelSet.from_rows([("t1", "leaking", "ana", 1.0), ("t1", "leaking", "bo", 0.0)])
    >>> labels.consensus()[["y", "how"]].values.tolist()
    [[0.5, 'tie']]
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "frame", _one_per_rater(_checked(self.frame)))

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[str, str, str, float]]) -> LabelSet:
        """Labels from ``(transcript_id, harm, rater, label)``; NaN means unsure."""
        return cls(frame=pd.DataFrame(list(rows), columns=["transcript_id", "harm", "rater", "label"]))

    @property
    def harms(self) -> tuple[str, ...]:
        """The harms that were labelled, sorted."""
        return tuple(sorted(self.frame["harm"].unique()))

    @property
    def raters(self) -> tuple[str, ...]:
        """The humans, sorted; machines (predictions) are not raters."""
        return tuple(sorted(self.frame.loc[self.frame["source"] != "prediction", "rater"].unique()))

    def votes(self, harm: str | None = None) -> pd.DataFrame:
        """The rows that vote: definite, by humans who were labelling; a rater's last round on an item only."""
        rows = self.frame
        rows = rows[(rows["status"] == "definite") & (rows["source"] == "annotation")]
        if harm is not None:
            rows = rows[rows["harm"] == harm]
        return rows.sort_values("round", kind="stable").drop_duplicates(["transcript_id", "harm", "rater"], keep="last")

    def consensus(self) -> pd.DataFrame:
        """One label per transcript and harm.

        Returns
        -------
        DataFrame
            ``transcript_id, harm``; ``y`` (1.0, 0.0, 0.5 for a tie; NaN when nobody was definite); ``share`` of
            definite votes for harm (NaN without votes); ``n_votes``; ``how``: ``ground_truth`` (an adjudicated label,
            which wins over votes; two that differ tie), ``majority``, ``tie`` or ``none``. Machines never vote. Every
            transcript and harm with a human row is there. ``inclusion_probability`` and ``stratum`` travel along.
        """
        human = self.frame[self.frame["source"] != "prediction"]
        items = human.groupby(["transcript_id", "harm"], sort=True)
        votes = self.votes().groupby(["transcript_id", "harm"])["label"]
        final = human[(human["source"] == "ground_truth") & (human["status"] == "definite")]
        last = final["round"].eq(final.groupby(["transcript_id", "harm"])["round"].transform("max"))
        truth = final[last].groupby(["transcript_id", "harm"])["label"].mean()
        out = pd.DataFrame(index=items.size().index)
        out["share"] = votes.mean().reindex(out.index).astype(float)
        out["n_votes"] = votes.size().reindex(out.index).fillna(0).astype(int)
        settled = truth.reindex(out.index).astype(float)
        voted = settled.fillna(out["share"])
        out["y"] = np.where(voted.isna(), np.nan, np.where(voted == 0.5, 0.5, (voted > 0.5).astype(float)))
        out["how"] = np.select(
            [settled.notna(), out["share"].isna(), out["share"] == 0.5], ["ground_truth", "none", "tie"], "majority"
        )
        extra = [c for c in ("inclusion_probability", "stratum") if c in human]
        if extra:
            out = out.join(items[extra].first())
        return out.reset_index()[["transcript_id", "harm", "y", "share", "n_votes", "how", *extra]]

    def reliability_data(self, harm: str) -> tuple[NDArray[np.float64], tuple[str, ...], tuple[str, ...]]:
        """Votes as a table of raters by items, for agreement statistics.

        Returns
        -------
        reliability_data : array of shape (n_raters, n_items), NaN where a rater gave no definite vote
        raters : tuple of str
        items : tuple of str
            Transcript ids with at least one vote, sorted.
        """
        votes = self.votes(harm)
        table = votes.pivot_table(index="rater", columns="transcript_id", values="label", aggfunc="first")
        return table.to_numpy(dtype=float), tuple(map(str, table.index)), tuple(map(str, table.columns))

    def counts(self) -> pd.DataFrame:
        """Rows per harm and status, humans only, and how many raters and transcripts: what was labelled so far."""
        human = self.frame[self.frame["source"] != "prediction"]
        table = human.groupby(["harm", "status"]).size().unstack(fill_value=0)
        table = table.reindex(columns=list(STATUSES), fill_value=0)
        groups = human.groupby("harm")
        table["raters"] = groups["rater"].nunique()
        table["transcripts"] = groups["transcript_id"].nunique()
        return table.reset_index().rename_axis(columns=None)

    def check(self, pool: Iterable[str], *, file: Path | str | None = None) -> None:
        """Raise an InputError when a human labelled a transcript that is not in `pool`."""
        known = set(pool)
        for id_ in self.frame["transcript_id"].unique():
            if id_ not in known:
                raise InputError(
                    "labelled, but not among the transcripts: are all named (--transcripts)? is --id-field right?",
                    file=file,
                    record=f"transcript {id_!r}",
                )

    def coverage(self, design: pd.DataFrame) -> pd.DataFrame:
        """What became of the drawn transcripts, per harm: counts that any rate must show.

        Parameters
        ----------
        design : DataFrame
            The design frame of `draw_sample`.

        Returns
        -------
        DataFrame
            ``harm, drawn, definite`` (someone was definite, or it was adjudicated), ``unsure`` (only unsure),
            ``skipped`` (only skipped), ``unlabelled`` (nobody, or drafts only).
        """
        drawn = design.loc[design["drawn"].astype(bool), ["transcript_id", "harm"]].drop_duplicates()
        human = self.frame[self.frame["source"] != "prediction"]
        rank = human["status"].map(_RANK).astype(float)  # text, where there is no row
        best = human.assign(rank=rank).groupby(["transcript_id", "harm"])["rank"].min()
        state = best.reindex(pd.MultiIndex.from_frame(drawn)).fillna(_RANK["draft"]).to_numpy(dtype=int)
        drawn = drawn.assign(state=np.array(["definite", "unsure", "skipped", "unlabelled"])[state])
        table = drawn.groupby(["harm", "state"]).size().unstack(fill_value=0)
        table = table.reindex(columns=["definite", "unsure", "skipped", "unlabelled"], fill_value=0)
        table.insert(0, "drawn", table.sum(axis=1))
        return table.reset_index().rename_axis(columns=None)

    def combine(self, *others: LabelSet) -> LabelSet:
        """The labels of several rounds or files as one set; a rater who contradicts herself in a round is an error."""
        frames = [self.frame, *(other.frame for other in others)]
        notes = dict.fromkeys(note for part in (self, *others) for note in part.notes)
        return LabelSet(frame=pd.concat(frames, ignore_index=True), notes=tuple(notes))

    def write(self, path: Path | str) -> None:
        """Write the frame as Parquet, or as CSV or JSON lines when the name ends so; whole or not at all."""
        with written_whole(Path(path)) as partial:
            match Path(path).suffix:
                case ".csv":
                    write_csv(self.frame, partial)
                case ".jsonl":
                    self.frame.to_json(partial, orient="records", lines=True, date_format="iso", force_ascii=False)
                case _:
                    self.frame.to_parquet(partial, index=False)


def _checked(frame: pd.DataFrame) -> pd.DataFrame:
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
    out["created_at"] = _times(given["created_at"]) if "created_at" in given else pd.NaT
    out["created_at"] = pd.to_datetime(out["created_at"], utc=True).dt.as_unit("us")
    out["seconds"] = out["seconds"] if "seconds" in out else np.nan
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
    return out[[*COLUMNS, *(c for c in OPTIONAL if c in out)]]


def _one_per_rater(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per rater and item: the strongest status, then the latest; two values are an error."""
    said = frame[frame["status"].isin(["definite", "unsure"])]
    values = said["label"].fillna(-1.0).groupby([said[k] for k in KEY])
    torn = values.transform("min") != values.transform("max")
    if torn.any():
        first = said[torn].iloc[0]
        same = said[(said[KEY] == first[KEY]).all(axis=1)]["label"]
        names = ", ".join({1.0: "yes", 0.0: "no"}.get(v, "unsure") for v in dict.fromkeys(same.fillna(-1.0)))
        raise InputError(
            f"rater {first['rater']!r} labelled {first['harm']!r} twice ({names})",
            record=f"transcript {first['transcript_id']!r}",
        )
    ranked = frame.assign(_rank=frame["status"].map(_RANK))
    ranked = ranked.sort_values([*KEY, "_rank", "created_at"], ascending=[True] * 6 + [False], kind="stable")
    return ranked.drop_duplicates(KEY).drop(columns="_rank").reset_index(drop=True)


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
