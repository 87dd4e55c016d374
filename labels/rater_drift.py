"""Whether raters grew stricter or laxer from one round to the next."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from labels.labelset import LabelSet

Floats = NDArray[np.float64]


def rater_drift(labels: LabelSet, harm: str) -> pd.DataFrame:
    """How each rater's strictness moved from one round to the next.

    Parameters
    ----------
    labels : LabelSet
    harm : str

    Returns
    -------
    DataFrame
        One row per rater and pair of consecutive rounds of that rater: ``rater, from_round, to_round, n_from, n_to``
        (votes on transcripts that somebody else labelled, too), ``excess_from, excess_to`` (mean of own vote minus the
        others' share of yes on the same transcripts, so that a round with more harm in it is no drift), ``drift``
        (their difference), ``stderr``, ``p_value`` (two-sided, normal, Holm over all rows), and of the transcripts
        labelled in both rounds by this rater: ``n_repeated`` and ``changed``, the share with another answer.

    Examples
    --------
    >>> rows = [(f"r{r}t{i}", "leaking", who, float(i < 4 + 8 * (who == "ana" and r == 2)), "definite", r)
    ...         for r in (1, 2) for i in range(40) for who in ("ana", "bo", "cy")]
    >>> columns = ["transcript_id", "harm", "rater", "label", "status", "round"]
    >>> drift = rater_drift(LabelSet(frame=pd.DataFrame(rows, columns=columns)), "leaking")
    >>> drift.loc[drift["rater"] == "ana", ["drift", "n_repeated"]].values.tolist()
    [[0.2, 0.0]]
    """
    rows = labels.frame
    rows = rows[(rows["harm"] == harm) & (rows["status"] == "definite") & (rows["source"] == "annotation")]
    rows = _with_latest_others(rows, labels.votes(harm))
    found = []
    for rater, own in rows.groupby("rater", sort=True):
        rounds = sorted(own["round"].unique())
        for first, second in zip(rounds[:-1], rounds[1:], strict=True):
            found.append(_between(str(rater), own[own["round"] == first], own[own["round"] == second]))
    table = pd.DataFrame(found, columns=_DRIFT)
    table["p_value"] = _holm(table["p_value"].to_numpy(float))
    return table


_DRIFT = [
    "rater",
    "from_round",
    "to_round",
    "n_from",
    "n_to",
    "excess_from",
    "excess_to",
    "drift",
    "stderr",
    "p_value",
    "n_repeated",
    "changed",
]


def _with_latest_others(rows: pd.DataFrame, votes: pd.DataFrame) -> pd.DataFrame:
    """Rows of all rounds with ``others``: the other raters' last word on the transcript."""
    by_item = votes.groupby("transcript_id")["label"].agg(["sum", "size"])
    own = votes.set_index(["transcript_id", "rater"])["label"]
    total = rows["transcript_id"].map(by_item["sum"]).to_numpy(float)
    n = rows["transcript_id"].map(by_item["size"]).to_numpy(float)
    mine = own.reindex(pd.MultiIndex.from_frame(rows[["transcript_id", "rater"]])).to_numpy(float)
    others = np.divide(total - mine, n - 1, out=np.full(len(rows), np.nan), where=n > 1)
    return rows.assign(others=others)


def _between(rater: str, before: pd.DataFrame, after: pd.DataFrame) -> tuple[object, ...]:
    gaps = [(part["label"] - part["others"]).dropna().to_numpy(float) for part in (before, after)]
    excess = [float(gap.mean()) if gap.size else float("nan") for gap in gaps]
    variance = sum(gap.var(ddof=1) / gap.size if gap.size > 1 else float("nan") for gap in gaps)
    drift, stderr = excess[1] - excess[0], float(np.sqrt(variance))
    both = before.merge(after, on="transcript_id", suffixes=("_before", "_after"))
    return (
        rater,
        int(before["round"].iloc[0]),
        int(after["round"].iloc[0]),
        gaps[0].size,
        gaps[1].size,
        *excess,
        drift,
        stderr,
        float(2 * ndtr(-abs(drift) / stderr)) if stderr > 0 else float("nan"),
        len(both),
        float((both["label_before"] != both["label_after"]).mean()),
    )


def _holm(p: Floats) -> Floats:
    """Holm's adjustment; nan stays nan."""
    order = np.argsort(p, kind="stable")[: int((~np.isnan(p)).sum())]
    adjusted = np.full(p.shape, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(order.size, 0, -1)), 1)
    return adjusted
