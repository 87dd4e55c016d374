"""What raters did so far: labels per stratum and rater, and how long they took."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from calibration.findings.status import Pace, RaterProgress, StratumProgress
from labels.labelset import LabelSet
from labels.raters import FAST


def progress_of_strata(labels: LabelSet, design: pd.DataFrame) -> Iterator[StratumProgress]:
    """What became of the drawn transcripts of one harm, stratum by stratum."""
    for stratum, part in design.groupby(design["stratum"].astype(str), sort=True):
        states = labels.coverage(part)
        row = states.iloc[0] if len(states) else pd.Series(0, index=states.columns)
        yield StratumProgress(
            stratum=str(stratum),
            n_transcripts=part["transcript_id"].nunique(),
            drawn=int(row["drawn"]),
            labelled=int(row["definite"]),
            unsure=int(row["unsure"]),
            skipped=int(row["skipped"]),
            unlabelled=int(row["unlabelled"]),
        )


def progress_of_raters(labels: LabelSet, design: pd.DataFrame) -> Iterator[RaterProgress]:
    """How each rater's last word on each transcript of one harm stands, stratum by stratum."""
    own = labels.frame[labels.frame["source"] == "annotation"]
    last = own.sort_values("round", kind="stable").drop_duplicates(["transcript_id", "rater"], keep="last")
    stratum = design.drop_duplicates("transcript_id").set_index("transcript_id")["stratum"].astype(str)
    last = last.assign(stratum=last["transcript_id"].map(stratum).fillna("not drawn from"))
    counts = last.groupby(["rater", "stratum", "status"]).size().unstack(fill_value=0)
    counts = counts.reindex(columns=["definite", "unsure", "skipped", "draft"], fill_value=0)
    for rater, name, *numbers in counts.reset_index().itertuples(index=False, name=None):
        labelled, unsure, skipped, drafts = map(int, numbers)
        yield RaterProgress(rater=rater, stratum=name, labelled=labelled, unsure=unsure, skipped=skipped, drafts=drafts)


def rater_pace(labels: LabelSet) -> Iterator[Pace]:
    """How long each rater takes for a transcript, whatever the number of harms asked about it."""
    own = labels.frame[(labels.frame["source"] == "annotation") & labels.frame["seconds"].notna()]
    if own.empty:
        return
    seconds = own.groupby(["rater", "round", "transcript_id"])["seconds"].max()
    typical = float(seconds.groupby("rater").median().median())
    for rater, times in seconds.groupby("rater"):
        low, median, high = np.quantile(times, [0.25, 0.5, 0.75])
        yield Pace(
            rater=str(rater),
            n_transcripts=len(times),
            median_seconds=float(median),
            low_seconds=float(low),
            high_seconds=float(high),
            n_fast=int((times < FAST * typical).sum()),
            fast=bool(median < FAST * typical),
        )
