"""From verdicts to one score per transcript, harm and grader."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

KEY = ["transcript_id", "harm", "grader"]


def grader_scores(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Reduce repeats: what each grader says of each transcript and harm.

    Parameters
    ----------
    verdicts : verdict frame (`grader.verdict.frame`)

    Returns
    -------
    DataFrame with one row per transcript, harm and grader
        ``score`` in [0, 1]: the one verdict's score (else its side), or with repeats the share of
        scored repeats that say present; NaN only when no repeat was scored. ``side``: 1.0 | 0.0 | NaN:
        ``present``, with repeats ``score >= 0.5``. ``outcome``: ``scored``, else the first repeat's reason.
        ``grader_kind``, ``grader_version``, ``n_repeats``, and ``unverified``: positive, but no quote was found.

    Examples
    --------
    >>> from grader.verdict.records import Verdict
    >>> from grader.verdict.frame import verdict_frame
    >>> votes = [True, True, False]
    >>> j = {"transcript_id": "a", "harm": "leaking", "grader": "j", "grader_version": "1"}
    >>> rows = [Verdict(**j, present=p, repeat=i).to_dict()
    ...         for i, p in enumerate(votes)]
    >>> grader_scores(verdict_frame(rows))[["score", "side"]].round(2).values.tolist()
    [[0.67, 1.0]]
    """
    side = verdicts["present"].astype("Float64").astype(float)
    table = verdicts[[*KEY, "repeat", "score", "outcome", "grader_kind", "grader_version"]].assign(
        side=side, unverified=_unverified(side, verdicts["usage"])
    )
    if (table["repeat"] == 0).all():
        return (
            table.drop(columns="repeat").assign(score=table["score"].fillna(side), n_repeats=1).reset_index(drop=True)
        )
    table = table.sort_values("repeat", kind="stable")
    reduced = (
        table.groupby(KEY, sort=False, observed=True)
        .agg(
            n_repeats=("side", "size"),
            share=("side", "mean"),
            score=("score", "first"),
            outcome=("outcome", "first"),
            grader_kind=("grader_kind", "first"),
            grader_version=("grader_version", "first"),
            unverified=("unverified", "any"),
        )
        .reset_index()
    )
    several = reduced["n_repeats"] > 1
    reduced["outcome"] = reduced["outcome"].where(reduced["share"].isna(), "scored")
    reduced["side"] = reduced["share"].where(~several, (reduced["share"] >= 0.5).astype(float))
    reduced.loc[reduced["share"].isna(), "side"] = float("nan")
    reduced["score"] = reduced["share"].where(several | reduced["score"].isna(), reduced["score"])
    return reduced.drop(columns="share")


def _unverified(side: pd.Series[float], usage: pd.Series[Any]) -> NDArray[np.bool_]:
    """Positive verdicts that say themselves that their quotes were not found."""
    found = np.zeros(len(side), dtype=bool)
    positive = np.flatnonzero(side.to_numpy() == 1.0)
    told = usage.to_numpy(dtype=object)[positive]
    found[positive] = [isinstance(u, dict) and u.get("evidence_verified") is False for u in told]
    return found
