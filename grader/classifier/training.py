"""Training: one head per fold and harm, and the out-of-fold scores that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.classifier.bags import Bags
from grader.classifier.folds import Folds
from grader.classifier.heads import fit_head, log_odds
from grader.classifier.probability import Aim, choose_threshold, fit_sigmoid, sigmoid

Float = npt.NDArray[np.float64]

# Below this many positives a trained head is worse than none.
NEEDED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmModel:
    """All that was learned about one harm.

    Parameters
    ----------
    heads : list, one per fold
        View name to fitted pipeline; head k has not seen fold k.
    slope, intercept : float
        Of the sigmoid that makes log-odds probabilities.
    threshold : float in [0, 1]
        Probabilities from here up are ``present``.
    n, n_positive : int
        Labels it was trained on.
    metrics : dict
        How well the out-of-fold scores tell harmful from harmless.
    """

    heads: list[dict[str, Any]]
    slope: float
    intercept: float
    threshold: float
    n: int
    n_positive: int
    metrics: dict[str, Any] = field(default_factory=dict)

    def log_odds(self, bags: Bags, fold: npt.NDArray[np.intp]) -> Float:
        """By the head that did not see the transcript, or the mean of all heads where `fold` is -1."""
        every = np.stack([log_odds(head, bags) for head in self.heads])
        held_out = every[np.maximum(fold, 0), np.arange(len(bags))]
        return np.where(fold >= 0, held_out, every.mean(axis=0))

    def probability(self, bags: Bags, fold: npt.NDArray[np.intp]) -> Float:
        """`log_odds` as probabilities in [0, 1]."""
        return sigmoid(self.log_odds(bags, fold), self.slope, self.intercept)


def can_train(y: Sequence[float] | Float, *, needed: int = NEEDED) -> str | None:
    """Why a classifier cannot be trained on these labels, or None when it can.

    Parameters
    ----------
    y : array of shape (n,)
        Labels in [0, 1]; NaN (nobody was definite) and 0.5 (a tie) teach nothing.
    needed : int
        Fewest positives, and fewest negatives.

    Examples
    --------
    >>> can_train([1.0] * 20 + [0.0] * 50) is None
    True
    >>> can_train([1.0, 0.0, float("nan")])
    '1 positive label, but training needs 20'
    """
    y = np.asarray(y, dtype=float)
    for name, n in (("positive", int((y > 0.5).sum())), ("negative", int((y < 0.5).sum()))):
        if n < needed:
            return f"{n} {name} label{'s' if n != 1 else ''}, but training needs {needed}"
    return None


def train(bags: Bags, y: Float, folds: Folds, *, head: str, aim: Aim = None) -> HarmModel:
    """Fit a head per fold and score every labelled transcript by the one that did not see it.

    Parameters
    ----------
    bags : Bags
    y : array of shape (n_transcripts,), in [0, 1], NaN = not labelled; 0.5 teaches nothing
    folds : Folds
    head : key of `grader.classifier.heads.HEADS`
    aim : see `choose_threshold`
    """
    known = np.flatnonzero(~np.isnan(y) & (y != 0.5))
    target = (y[known] > 0.5).astype(float)
    heads, held_out = [], np.full(len(known), np.nan)
    for k in range(folds.n_folds):
        out = folds.fold[known] == k
        if len(np.unique(target[~out])) < 2:
            raise ValueError(f"y must hold both sides outside every fold, got one side outside fold {k}.")
        heads.append(fit_head(head, bags.take(known[~out]), target[~out]))
        held_out[out] = log_odds(heads[-1], bags.take(known[out]))
    slope, intercept = fit_sigmoid(held_out, target)
    score = sigmoid(held_out, slope, intercept)
    threshold = choose_threshold(score, target, aim)
    if np.isnan(threshold):
        raise ValueError(f"threshold must reach {aim}, but no threshold does on these labels.")
    return HarmModel(
        heads=heads,
        slope=slope,
        intercept=intercept,
        threshold=threshold,
        n=len(known),
        n_positive=int(target.sum()),
        metrics=per_fold_auroc(held_out, target, folds.fold[known]),
    )


def per_fold_auroc(score: Float, y: Float, fold: npt.NDArray[np.intp]) -> dict[str, Any]:
    """Mean over folds of the area under the ROC curve; folds with one side only are left out."""
    from sklearn.metrics import roc_auc_score

    inside = [fold == k for k in np.unique(fold)]
    values = [float(roc_auc_score(y[i], score[i])) for i in inside if len(np.unique(y[i])) == 2]
    return {"auroc": float(np.mean(values)) if values else float("nan")}
