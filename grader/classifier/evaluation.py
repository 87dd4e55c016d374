"""The training report of one harm: its out-of-fold scores against two baselines, and what its threshold reaches."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from grader.classifier.metrics import METRICS, Interval, interval, over_folds, resamples
from grader.classifier.probability import Aim, choose_threshold

Float = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


def evaluate(
    score: Float, words: Float, y: Float, fold: Ints, group: Ints, *, aim: Aim, rng: np.random.Generator
) -> dict[str, Any]:
    """How good out-of-fold scores are.

    Parameters
    ----------
    score : array of shape (n,)
        Of the classifier, out of fold.
    words : array of shape (n,)
        Of TF-IDF and logistic regression on the whole transcript, in the same folds.
    y : array of shape (n,), 0 or 1
    fold, group : int arrays of shape (n,)
        Groups (scenarios) are resampled for the intervals.
    aim : see `choose_threshold`
    rng : numpy Generator

    Returns
    -------
    dict
        ``auroc``: its mean over folds. ``table``: for ``classifier``, ``words`` and ``majority`` each metric as
        (value, low, high). ``better_than_words``: the difference of AUROC. ``threshold``: ``sensitivity``,
        ``specificity`` and ``precision`` where each fold's threshold is chosen on the other folds. ``n_groups``.
    """
    weight = resamples(group, rng)
    rivals = {"classifier": score, "words": words, "majority": np.zeros(len(y))}
    values = {
        name: {metric: over_folds(f, rival, y, fold, weight) for metric, f in METRICS.items()}
        for name, rival in rivals.items()
    }
    return {
        "auroc": float(values["classifier"]["auroc"][0]),
        "table": {name: {m: interval(v) for m, v in row.items()} for name, row in values.items()},
        "better_than_words": interval(values["classifier"]["auroc"] - values["words"]["auroc"]),
        "threshold": _reached(_flagged(score, y, fold, aim), y, weight),
        "n_groups": len(np.unique(group)),
    }


def _flagged(score: Float, y: Float, fold: Ints, aim: Aim) -> npt.NDArray[np.bool_]:
    """Sides by thresholds that the transcript's own fold had no part in."""
    flagged = np.zeros(len(y), dtype=bool)
    for k in np.unique(fold):
        # Where no threshold reaches the aim it is nan, and nothing is flagged.
        flagged[fold == k] = score[fold == k] >= choose_threshold(score[fold != k], y[fold != k], aim)
    return flagged


def _reached(flagged: npt.NDArray[np.bool_], y: Float, weight: Float) -> dict[str, Interval]:
    hit, spared = weight @ (flagged * y), weight @ (~flagged * (1 - y))
    with np.errstate(invalid="ignore"):
        return {
            "sensitivity": interval(hit / (weight @ y)),
            "specificity": interval(spared / (weight @ (1 - y))),
            "precision": interval(hit / (weight @ flagged)),
        }
