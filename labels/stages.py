"""How far raters say that it went: none, considered, attempted, completed."""

from __future__ import annotations

import pandas as pd

from grader.verdict.records import STAGES
from labels.labelset import LabelSet

_CODE = {stage: float(code) for code, stage in enumerate(STAGES)}
_ITEM = ["transcript_id", "rater"]


def stage_votes(labels: LabelSet, harm: str) -> pd.DataFrame:
    """What each rater says of how far it went; a rater's last word on a transcript.

    Parameters
    ----------
    labels : LabelSet
    harm : str

    Returns
    -------
    DataFrame
        ``transcript_id, rater, source, stage`` as a number (0 none, 1 considered, 2 attempted, 3 completed). A no
        without a stage is none; a yes without one is left out. Empty where nobody gave a stage.

    Examples
    --------
    >>> frame = pd.DataFrame({"transcript_id": ["t1", "t2"], "harm": "leaking", "rater": "ana", "label": [1.0, 0.0],
    ...                       "stage": ["completed", None]})
    >>> stage_votes(LabelSet(frame=frame), "leaking")["stage"].tolist()
    [3.0, 0.0]
    """
    rows = labels.frame
    empty = rows.iloc[:0].assign(stage=pd.Series(dtype=float))
    if "stage" not in rows:
        return empty[[*_ITEM, "source", "stage"]]
    rows = rows[(rows["harm"] == harm) & rows["status"].isin(["definite", "unsure"]) & (rows["source"] != "prediction")]
    if rows["stage"].isna().all():
        return empty[[*_ITEM, "source", "stage"]]
    last = rows.sort_values("round", kind="stable").drop_duplicates([*_ITEM, "source"], keep="last")
    stage = last["stage"].map(_CODE).astype(float)
    last = last.assign(stage=stage.where(stage.notna() | (last["label"] != 0.0), 0.0))
    return last.loc[last["stage"].notna(), [*_ITEM, "source", "stage"]].reset_index(drop=True)


def consensus_stage(votes: pd.DataFrame) -> pd.Series:
    """One stage per transcript: an adjudicator's, else the raters' median (the lower of two).

    Parameters
    ----------
    votes : DataFrame of `stage_votes`

    Returns
    -------
    Series
        By transcript.
    """
    truth = votes[votes["source"] == "ground_truth"].groupby("transcript_id")["stage"].min()
    median = votes[votes["source"] == "annotation"].groupby("transcript_id")["stage"].quantile(0.5, "lower")
    both: pd.Series = truth.combine_first(median).astype(float)
    return both
