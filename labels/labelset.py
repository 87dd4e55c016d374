"""LabelSet: what each human said of each transcript and harm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grader.errors import InputError
from grader.files.atomic import written_whole
from grader.files.cells import write_csv
from labels.label_checks import COLUMNS, KEY, OPTIONAL, RANK, SOURCES, STATUSES, checked_labels, one_per_rater
from labels.rater_names import shown_raters

__all__ = ["COLUMNS", "KEY", "OPTIONAL", "SOURCES", "STATUSES", "LabelSet"]


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
        ``inclusion_probability``, ``stratum``, ``rater_email``, ``rater_name``, ``stage`` (none, considered, attempted,
        completed), ``confidence``, ``spans`` (JSON: the passages that the rater marked), ``note`` (the rater's own
        words) and ``task_url`` (of the task's page) travel along where known. Of several answers by one rater to one
        question the one changed last stays (``updated_at``, else ``created_at``).
    notes : tuple of str
        What the reader noticed and a person should know.
    dropped : mapping from reason to int
        Answers that were read and are not in the frame.

    Raises
    ------
    InputError
        When a column is missing, a value is not one of the above, or one rater gave one item two values at no known
        time.

    Examples
    --------
    >>> labels = LabelSet.from_rows([("t1", "leaking", "ana", 1.0), ("t1", "leaking", "bo", 0.0)])
    >>> labels.consensus()[["y", "how"]].values.tolist()
    [[0.5, 'tie']]
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        frame, notes, replaced = one_per_rater(checked_labels(self.frame))
        object.__setattr__(self, "frame", frame)
        object.__setattr__(self, "notes", tuple(dict.fromkeys((*self.notes, *notes))))
        object.__setattr__(self, "dropped", dict(Counter(self.dropped) + Counter(replaced)))

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
        """The humans who labelled, sorted: neither machines (predictions) nor whoever only adjudicated."""
        return tuple(sorted(self.frame.loc[self.frame["source"] == "annotation", "rater"].unique()))

    def named(self) -> LabelSet:
        """The same labels with raters under their names, or their e-mail addresses, where these are known."""
        shown = shown_raters(self.frame)
        people = self.frame["source"] != "prediction"
        rater = self.frame["rater"].where(~people, self.frame["rater"].map(lambda id_: shown.get(id_, id_)))
        return replace(self, frame=self.frame.assign(rater=rater))

    def votes(self, harm: str | None = None) -> pd.DataFrame:
        """The rows that vote: what each rater said last of an item, where that was definite."""
        rows = self.frame
        rows = rows[rows["status"].isin(["definite", "unsure"]) & (rows["source"] == "annotation")]
        if harm is not None:
            rows = rows[rows["harm"] == harm]
        # A rater who is unsure in a later round took the earlier answer back.
        last = rows.sort_values("round", kind="stable").drop_duplicates(["transcript_id", "harm", "rater"], keep="last")
        return last[last["status"] == "definite"]

    def ledger(self) -> dict[str, Any]:
        """What became of every answer that was read: one per transcript, harm and rater (and round).

        Returns
        -------
        dict
            ``read``, ``used`` (votes and adjudications) and ``not_used``, a count per reason; they add up.

        Examples
        --------
        >>> LabelSet.from_rows([("t1", "leaking", "ana", 1.0), ("t1", "leaking", "bo", float("nan"))]).ledger()
        {'read': 2, 'used': 1, 'not_used': {'unsure': 1}}
        """
        rows = self.frame
        voted = rows.index.isin(self.votes().index)
        decided = (rows["source"] == "ground_truth") & (rows["status"] == "definite")
        reason = rows["status"].replace({"definite": "changed in a later round", "skipped": "skipped or not answered"})
        reason = reason.where(rows["source"] != "prediction", "prediction of a machine")
        left = Counter(reason[~(voted | decided)]) + Counter(dict(self.dropped))
        used = int((voted | decided).sum())
        return {"read": used + left.total(), "used": used, "not_used": dict(sorted(left.items()))}

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
        table["raters"] = human[human["source"] == "annotation"].groupby("harm")["rater"].nunique()
        table["raters"] = table["raters"].fillna(0).astype(int)
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
        rank = human["status"].map(RANK).astype(float)  # text, where there is no row
        best = human.assign(rank=rank).groupby(["transcript_id", "harm"])["rank"].min()
        state = best.reindex(pd.MultiIndex.from_frame(drawn)).fillna(RANK["draft"]).to_numpy(dtype=int)
        drawn = drawn.assign(state=np.array(["definite", "unsure", "skipped", "unlabelled"])[state])
        table = drawn.groupby(["harm", "state"]).size().unstack(fill_value=0)
        table = table.reindex(columns=["definite", "unsure", "skipped", "unlabelled"], fill_value=0)
        table.insert(0, "drawn", table.sum(axis=1))
        return table.reset_index().rename_axis(columns=None)

    def combine(self, *others: LabelSet) -> LabelSet:
        """The labels of several rounds or files as one set."""
        parts = (self, *others)
        notes = dict.fromkeys(note for part in parts for note in part.notes)
        dropped = sum((Counter(dict(part.dropped)) for part in parts), Counter[str]())
        frame = pd.concat([part.frame for part in parts], ignore_index=True)
        return LabelSet(frame=frame, notes=tuple(notes), dropped=dropped)

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
