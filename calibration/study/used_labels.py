"""Which labels enter numbers, and for what reason the others do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from calibration.findings.ledger import USED, Tally
from calibration.study.design import Design
from calibration.study.facts import units
from calibration.study.harm_table import HarmTable
from calibration.study.ids import likely_cause, shown
from grader.errors import InputError
from labels.labelset import LabelSet

NOT_DRAWN = "on transcripts that were not drawn"
OUTSIDE_DESIGN = "on transcripts outside the design"
OUTSIDE_WHERE = "outside --where"
NO_RATE = "on harms without a rate"
REPLACED = "replaced by a later answer"
PARTIAL = "on episodes whose other branches are not labelled"
# Rows of these reasons take no part in anything; the others are answers that are not a yes or a no.
_SET_ASIDE = (NOT_DRAWN, OUTSIDE_DESIGN, OUTSIDE_WHERE)
_NO_ANSWER = {"unsure": "unsure", "skipped": "skipped", "draft": "drafts"}
_RATER_KEY = ["transcript_id", "harm", "rater", "source"]
# More raters than this are not listed one by one.
_LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedLabels:
    """Every label that was read, each with the reason why it is not used.

    Parameters
    ----------
    frame : frame of the LabelSet
    reason : array of shape (n_rows,)
        `USED`, else why not.
    labels : LabelSet or None
        Without the rows that were set aside.
    dropped : mapping from a reason to a count
        Rows that the reader left out.
    """

    frame: pd.DataFrame
    reason: NDArray[np.object_]
    labels: LabelSet | None
    design_ids: frozenset[str] = frozenset()

    def tally(self) -> Tally:
        """The counts of the ledger."""
        groups: Counter[str] = Counter()
        if len(self.frame):
            raters = self.frame["rater"].value_counts()
            groups.update({f"rater {name}": int(n) for name, n in raters.head(_LISTED).items()})
            groups.update({str(name): int(n) for name, n in self.frame["status"].value_counts().items()})
        dropped = {} if self.labels is None else getattr(self.labels, "dropped", {})
        return Tally.of(self.reason, groups).without(dropped)

    def notes(self) -> Iterator[str]:
        """A sentence for each reason why rows were set aside: how many, which, and the likely cause."""
        for reason in (NOT_DRAWN, OUTSIDE_DESIGN, PARTIAL):
            ids = self.frame.loc[self.reason == reason, "transcript_id"]
            if not len(ids):
                continue
            cause = likely_cause(ids.unique(), self.design_ids) if reason == OUTSIDE_DESIGN else None
            told = f"{len(ids)} labels {reason} are set aside ({shown(ids)})"
            yield f"{told}; {cause}." if cause else f"{told}."

    def without_partial_episodes(self, tables: Sequence[HarmTable], facts: pd.DataFrame) -> UsedLabels:
        """Also count the labels of episodes that have no label because a branch has none."""
        reason = self.reason.copy()
        unit = self.frame["transcript_id"].map(units(facts))
        for table in tables:
            open_units = table.y.index[table.y.isna()]
            partial = (self.frame["harm"] == table.harm) & unit.isin(open_units) & (reason == USED)
            reason[partial.to_numpy()] = PARTIAL
        return replace(self, reason=reason)


def used_labels(labels: LabelSet | None, facts: pd.DataFrame, harms: Sequence[str], design: Design) -> UsedLabels:
    """Find out of each label whether it enters the numbers.

    Raises
    ------
    InputError
        None does, because none is on a transcript that the design drew.
    """
    if labels is None:
        empty = pd.DataFrame(columns=["transcript_id", "harm", "rater", "status"])
        return UsedLabels(frame=empty, reason=np.empty(0, dtype=object), labels=None)
    frame = labels.frame
    reason = _reasons(frame, facts, harms, design)
    aside = np.isin(reason.astype(str), _SET_ASIDE)
    named = frozenset(design["transcript_id"]) if isinstance(design, pd.DataFrame) else frozenset[str]()
    whole = UsedLabels(frame=frame, reason=reason, labels=labels, design_ids=named)
    votes = (frame["status"] == "definite") & frame["harm"].isin(harms) & (reason != OUTSIDE_WHERE)
    if isinstance(design, pd.DataFrame) and votes.any() and aside[votes.to_numpy()].all():
        raise InputError(f"no label is on a transcript that the design drew: {' '.join(whole.notes())}")
    if not aside.any():
        return whole
    return replace(whole, labels=replace(labels, frame=frame[~aside].reset_index(drop=True)))


def _reasons(frame: pd.DataFrame, facts: pd.DataFrame, harms: Sequence[str], design: Design) -> NDArray[np.object_]:
    status = frame["status"].astype(object)
    outside, not_drawn = _against(design, frame)
    conditions: list[Any] = [
        ~frame["harm"].isin(harms),
        ~frame["transcript_id"].isin(facts.index),
        outside,
        not_drawn,
        frame["source"] == "prediction",
        *(status == name for name in _NO_ANSWER),
        _replaced(frame),
    ]
    names = [NO_RATE, OUTSIDE_WHERE, OUTSIDE_DESIGN, NOT_DRAWN, "predictions of a machine", *_NO_ANSWER.values()]
    found = np.select([np.asarray(c, dtype=bool) for c in conditions], [*names, REPLACED], default=USED)
    return found.astype(object)


def _against(design: Design, frame: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which labels are on transcripts that the design does not name, and which on those that it did not draw."""
    if not isinstance(design, pd.DataFrame):
        nothing = np.zeros(len(frame), dtype=bool)
        return nothing, nothing
    item = [c for c in ("transcript_id", "harm") if c in design]
    rows = pd.MultiIndex.from_frame(frame[item]) if len(item) > 1 else pd.Index(frame[item[0]])
    drawn = design.loc[design["drawn"].astype(bool), item]
    every, some = (
        pd.MultiIndex.from_frame(part.astype(object)) if len(item) > 1 else pd.Index(part[item[0]])
        for part in (design[item], drawn)
    )
    return ~rows.isin(every), ~rows.isin(some)


def _replaced(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Answers that the same rater gave again in a later round."""
    answers = frame[frame["status"].isin(["definite", "unsure"])]
    last = answers.groupby(_RATER_KEY)["round"].transform("max")
    older = answers.index[answers["round"] < last]
    return np.asarray(frame.index.isin(older), dtype=bool)
