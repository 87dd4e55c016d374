"""How each rater labels: error rates, signs of carelessness, drift between rounds, the rate each would give.

All on the definite votes of one harm in a `LabelSet`. Tables have one row per rater and NaN where there is nothing to
say. Nothing here knows how the transcripts were drawn unless a column says "weighted".
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labels.dawid_skene import DawidSkene, dawid_skene
from labels.labelset import LabelSet
from labels.rater_drift import rater_drift

__all__ = ["DawidSkene", "dawid_skene", "fit_raters", "rater_drift", "rater_report"]

Floats = NDArray[np.float64]

MIN_SHARED = 10  # items of each kind before a rater is called no better than chance
FAST = 1 / 3  # of the typical rater's median time
OUTLIER = 3.0  # robust standard deviations below the median rater
STREAK = 1e-3  # probability below which a run of equal answers is suspicious


def fit_raters(labels: LabelSet, harm: str) -> DawidSkene:
    """Dawid and Skene's error rates of the raters for one harm; values 0 and 1.

    Examples
    --------
    >>> rows = [(f"t{i}", "leaking", rater, float(i < 4)) for i in range(10) for rater in ("ana", "bo", "cy")]
    >>> fit_raters(LabelSet.from_rows(rows), "leaking").prevalence.round(2).tolist()
    [0.6, 0.4]
    """
    votes = labels.votes(harm)
    return dawid_skene(votes["transcript_id"], votes["rater"], votes["label"])


def rater_report(labels: LabelSet, harm: str) -> pd.DataFrame:
    """Every rater against the majority of the others, with flags.

    Parameters
    ----------
    labels : LabelSet
    harm : str

    Returns
    -------
    DataFrame
        ``rater, n_votes, positive_rate``; against the strict majority of the others on the same transcripts:
        ``n_shared, agreement, n_positive`` (others' majority says harm), ``sensitivity, specificity, informedness``
        (sensitivity + specificity - 1: 0 is chance, whatever the prevalence); ``excess`` (mean of own vote minus the
        others' share of yes: positive is strict); ``median_seconds``; ``longest_run`` of equal answers in order of
        time; ``flags``, a tuple of

        - ``chance``: informedness not above 0 (one-sided 5 %), with at least 10 shared transcripts of each kind;
        - ``outlier``: informedness more than 3 robust standard deviations below the median rater;
        - ``fast``: median time under a third of the median rater's;
        - ``streak``: a run of equal answers with a probability under 0.001 at the rater's own rate.

        Flags are reasons to look, not to drop a rater.

    Examples
    --------
    >>> rows = [(f"t{i:02}", "leaking", rater, float(i % 2)) for i in range(40) for rater in ("ana", "bo", "cy")]
    >>> rows += [(f"t{i:02}", "leaking", "careless", 0.0) for i in range(40)]
    >>> rater_report(LabelSet.from_rows(rows), "leaking").set_index("rater")["flags"].to_dict()
    {'ana': (), 'bo': (), 'careless': ('chance', 'outlier'), 'cy': ()}
    """
    votes = _with_others(labels.votes(harm))
    rows = [_one_rater(str(rater), own) for rater, own in votes.groupby("rater", sort=True)]
    table = pd.DataFrame(rows, columns=_REPORT)
    table["flags"] = _flags(table)
    return table.drop(columns="stderr")


_REPORT = [
    "rater",
    "n_votes",
    "positive_rate",
    "n_shared",
    "agreement",
    "n_positive",
    "sensitivity",
    "specificity",
    "informedness",
    "stderr",
    "excess",
    "median_seconds",
    "longest_run",
]


def _with_others(votes: pd.DataFrame) -> pd.DataFrame:
    """Votes with ``others``: the share of yes among the other raters of the transcript, NaN when there is none."""
    by_item = votes.groupby("transcript_id")["label"]
    total, n = by_item.transform("sum"), by_item.transform("size")
    return votes.assign(others=((total - votes["label"]) / (n - 1)).where(n > 1))


def _one_rater(rater: str, own: pd.DataFrame) -> tuple[object, ...]:
    vote, others = own["label"].to_numpy(float), own["others"].to_numpy(float)
    shared = ~np.isnan(others) & (others != 0.5)
    majority = others[shared] > 0.5
    right = (vote[shared] > 0.5) == majority
    sensitivity, specificity = _mean(right[majority]), _mean(right[~majority])
    known = ~np.isnan(others)
    return (
        rater,
        vote.size,
        _mean(vote),
        int(shared.sum()),
        _mean(right),
        int(majority.sum()),
        sensitivity,
        specificity,
        sensitivity + specificity - 1,
        _informedness_stderr(sensitivity, specificity, int(majority.sum()), int((~majority).sum())),
        _mean(vote[known] - others[known]),
        float(own["seconds"].median()) if own["seconds"].notna().any() else float("nan"),
        _longest_run(own),
    )


def _mean(values: Floats | NDArray[np.bool_]) -> float:
    return float(values.astype(float).mean()) if values.size else float("nan")


def _informedness_stderr(sensitivity: float, specificity: float, n_positive: int, n_negative: int) -> float:
    """Agresti-Caffo: two successes and failures added in all, so that a constant rater has an error, too."""
    if not n_positive or not n_negative:
        return float("nan")
    variance = 0.0
    for share, n in ((sensitivity, n_positive), (specificity, n_negative)):
        p = (share * n + 1) / (n + 2)
        variance += p * (1 - p) / (n + 2)
    return float(np.sqrt(variance))


def _longest_run(own: pd.DataFrame) -> float:
    """Longest run of equal answers in order of time; NaN when times are not known."""
    if own["created_at"].isna().any():
        return float("nan")
    vote = own.sort_values("created_at", kind="stable")["label"].to_numpy()
    starts = np.flatnonzero(np.r_[True, vote[1:] != vote[:-1], True])
    return float(np.diff(starts).max())


def _flags(table: pd.DataFrame) -> list[tuple[str, ...]]:
    skill = table["informedness"].to_numpy(float)
    enough = np.minimum(table["n_positive"], table["n_shared"] - table["n_positive"]) >= MIN_SHARED
    seconds = table["median_seconds"].to_numpy(float)
    # Somewhere in n answers a run of length L has at most probability (1 + n (1 - p)) p^L, p that of the commoner one.
    rate = table["positive_rate"].to_numpy(float)
    common = np.maximum(rate, 1 - rate)
    run = (1 + table["n_votes"].to_numpy(float) * (1 - common)) * common ** table["longest_run"].to_numpy(float)
    signs = {
        "chance": enough & (skill < 1.645 * table["stderr"]),
        "outlier": skill < _lower_fence(skill),
        "fast": seconds < FAST * np.nanmedian(seconds)
        if np.isfinite(seconds).sum() > 1
        else np.zeros(len(table), bool),
        "streak": (run < STREAK) & (common < 1),
    }
    return [tuple(name for name, flagged in signs.items() if np.asarray(flagged)[i]) for i in range(len(table))]


def _lower_fence(skill: Floats) -> float:
    """Median less 3 robust standard deviations; no fence with fewer than 4 raters."""
    known = skill[~np.isnan(skill)]
    if known.size < 4:
        return -np.inf
    median = float(np.median(known))
    # Raters cannot be told apart by less than a few points of skill.
    spread = max(1.4826 * float(np.median(np.abs(known - median))), 0.05)
    return median - OUTLIER * spread
