"""Training: one head per fold and harm, the out-of-fold scores that come of it, and how good they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.classifier.bags import Bags
from grader.classifier.evaluation import evaluate
from grader.classifier.folds import Folds
from grader.classifier.heads import HEADS, fit_head, log_odds
from grader.classifier.probability import Aim, choose_threshold, fit_sigmoid, sigmoid
from grader.classifier.select_head import Choice, choose_heads

Float = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

# Below this many positives a trained head is worse than none.
NEEDED = 20
# The head that nested cross-validation chooses, fold by fold.
BEST = "best"


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmModel:
    """All that was learned about one harm.

    Parameters
    ----------
    heads : list, one per fold
        View name to fitted estimator; head k has not seen fold k.
    scales : list of (slope, intercept), one per fold
        Bring the log-odds of different heads to one scale.
    slope, intercept : float
        Of the sigmoid that makes these probabilities.
    threshold : float in [0, 1]
        Probabilities from here up are ``present``.
    n, n_positive : int
        Labels it was trained on.
    metrics : dict
        How well the out-of-fold scores tell harmful from harmless (`evaluate`).
    """

    heads: list[dict[str, Any]]
    scales: Sequence[Sequence[float]]
    slope: float
    intercept: float
    threshold: float
    n: int
    n_positive: int
    metrics: dict[str, Any] = field(default_factory=dict)

    def log_odds(self, bags: Bags, fold: Ints) -> Float:
        """By the head that did not see the transcript, or the mean of all heads where `fold` is -1."""
        scaled = zip(self.heads, self.scales, strict=True)
        every = np.stack([slope * log_odds(head, bags) + intercept for head, (slope, intercept) in scaled])
        held_out = every[np.maximum(fold, 0), np.arange(len(bags))]
        return np.where(fold >= 0, held_out, every.mean(axis=0))

    def probability(self, bags: Bags, fold: Ints) -> Float:
        """`log_odds` as probabilities in [0, 1]."""
        return sigmoid(self.log_odds(bags, fold), self.slope, self.intercept)


def can_train(y: Sequence[float] | Float, *, needed: int = NEEDED) -> str | None:
    """Why a classifier cannot be trained on these labels, or None when it can.

    Parameters
    ----------
    y : array of shape (n,)
        Labels in [0, 1]; NaN (no definite label) and 0.5 (a tie) teach nothing.
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


def checked_labels(y: Mapping[str, Sequence[float] | Float], n: int) -> dict[str, Float]:
    """Labels of `n` transcripts as arrays.

    Raises
    ------
    ValueError
        No harm, another length, a label outside [0, 1], too few of a side.
    """
    if not y:
        raise ValueError("y must hold at least one harm, got none.")
    labels = {harm: np.asarray(label, dtype=float) for harm, label in y.items()}
    for harm, label in labels.items():
        if label.shape != (n,):
            raise ValueError(f"y[{harm!r}] must have shape ({n},), one label per transcript, got {label.shape}.")
        if not ((label >= 0) & (label <= 1) | np.isnan(label)).all():
            raise ValueError(f"y[{harm!r}] must fulfil 0 <= y <= 1 or be NaN, got {label.min()} to {label.max()}.")
        reason = can_train(label)
        if reason:
            raise ValueError(f"y[{harm!r}] must hold enough of both sides, got {reason}.")
    return labels


def train(
    bags: Bags, y: Float, folds: Folds, *, head: str = BEST, aim: Aim = None, rng: np.random.Generator
) -> HarmModel:
    """Fit a head per fold and score every labelled transcript by the one that did not see it.

    Parameters
    ----------
    bags : Bags
    y : array of shape (n_transcripts,), in [0, 1], NaN = not labelled; 0.5 teaches nothing
    folds : Folds
    head : key of `grader.classifier.heads.HEADS`, or "best": chosen for each fold on the others
    aim : see `choose_threshold`
    rng : numpy Generator
        Resamples scenarios for the intervals of the metrics.
    """
    if head != BEST and head not in HEADS:
        raise ValueError(f"head must be {BEST!r} or one of {', '.join(HEADS)}, got {head!r}.")
    labelled = np.flatnonzero(~np.isnan(y) & (y != 0.5))
    bags, target, fold = bags.take(labelled), (y[labelled] > 0.5).astype(float), folds.fold[labelled]
    for k in range(folds.n_folds):
        if len(np.unique(target[fold != k])) < 2:
            raise ValueError(f"y must hold both sides outside every fold, got one side outside fold {k}.")
    choices = choose_heads(bags, target, fold, folds.n_folds) if head == BEST else [Choice(head)] * folds.n_folds
    heads, held_out = held_out_scores(choices, bags, target, fold)
    slope, intercept = fit_sigmoid(held_out, target)
    score = sigmoid(held_out, slope, intercept)
    threshold = choose_threshold(score, target, aim)
    if np.isnan(threshold):
        raise ValueError(f"threshold must reach {aim}, but no threshold does on these labels.")
    words = held_out_scores([Choice("words")] * folds.n_folds, bags, target, fold)[1]
    return HarmModel(
        heads=heads,
        scales=[(choice.slope, choice.intercept) for choice in choices],
        slope=slope,
        intercept=intercept,
        threshold=threshold,
        n=len(labelled),
        n_positive=int(target.sum()),
        metrics={"heads": [choice.head for choice in choices]}
        | evaluate(score, words, target, fold, folds.group[labelled], aim=aim, rng=rng),
    )


def held_out_scores(choices: Sequence[Choice], bags: Bags, y: Float, fold: Ints) -> tuple[list[dict[str, Any]], Float]:
    """The fitted head of each fold, and every transcript's scaled log-odds by the one that did not see it."""
    heads, scores = [], np.full(len(y), np.nan)
    for k, choice in enumerate(choices):
        seen, out = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        heads.append(fit_head(choice.head, bags.take(seen), y[seen]))
        scores[out] = choice.slope * log_odds(heads[-1], bags.take(out)) + choice.intercept
    return heads, scores
