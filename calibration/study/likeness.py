"""What is to be known of a classifier beside its scores: how far the pool is like its labels, and whose they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd


def unlikeness(verdicts: pd.DataFrame) -> pd.Series[float]:
    """How unlike the labelled ones each transcript is, by transcript id; the largest where several graders say.

    Parameters
    ----------
    verdicts : verdict frame
        A trained classifier's ``usage`` holds ``unlikeness``, above 1 for what is unlike anything labelled.

    Returns
    -------
    Series
        Empty where no classifier took part; transcripts without text are not in it.

    Examples
    --------
    >>> from grader.verdict_frame import verdict_frame
    >>> rows = [{"transcript_id": i, "harm": "leaking", "grader": "c", "usage": {"unlikeness": u}}
    ...         for i, u in [("a", 0.4), ("b", 1.7)]]
    >>> unlikeness(verdict_frame(rows)).to_dict()
    {'a': 0.4, 'b': 1.7}
    """
    said = pd.Series([usage.get("unlikeness") for usage in verdicts["usage"]], dtype=float)
    return said.groupby(verdicts["transcript_id"].to_numpy()).max().dropna()


def likeness_notes(verdicts: pd.DataFrame) -> tuple[str, ...]:
    """The share of the pool that is unlike anything labelled, and whose labels those were; none without a classifier.

    Examples
    --------
    >>> from grader.verdict_frame import verdict_frame
    >>> rows = [{"transcript_id": i, "harm": "leaking", "grader": "c", "usage": {"unlikeness": u}}
    ...         for i, u in [("a", 0.4), ("b", 1.7)]]
    >>> likeness_notes(verdict_frame(rows))[0].split(":")[0]
    '1 of 2 transcripts (50 %) are unlike anything labelled'
    """
    known = unlikeness(verdicts)
    if known.empty:
        return ()
    n_unlike = int((known > 1).sum())
    told = f"{n_unlike} of {len(known)} transcripts ({100 * n_unlike / len(known):.0f} %) are unlike anything labelled"
    advice = "the classifier's scores of them are guesses; label some first (design most-unlike-training)"
    likeness = f"{told}: {advice}." if n_unlike else f"{told}."
    judged = sorted({g for g, u in zip(verdicts["grader"], verdicts["usage"], strict=True) if _on_judge(u)})
    return (likeness, *(f"{name} was trained on a judge's verdicts, not on human labels: it repeats the judge's errors."
                        for name in judged))  # fmt: skip


def _on_judge(usage: Mapping[str, Any]) -> bool:
    return usage.get("trained_on") == "judge"
