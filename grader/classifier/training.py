"""Training: one head per fold and harm, the out-of-fold scores that come of it, and whether they may grade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.classifier.agreement import view_agreement
from grader.classifier.bags import Bags
from grader.classifier.evaluation import evaluate
from grader.classifier.folds import Folds
from grader.classifier.gate import Gate, decide
from grader.classifier.heads import fit_head, view_log_odds
from grader.classifier.probability import Aim, choose_threshold, fit_sigmoid, sigmoid
from grader.classifier.shortcut import find_shortcut
from grader.classifier.views import VIEWS

Float = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

# With fewer of either side no interval says anything; from here on the gate decides.
NEEDED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmModel:
    """All that was learned about one harm.

    Parameters
    ----------
    heads : list, one per fold
        View name to fitted estimator; head k has not seen fold k.
    slope, intercept : float
        Of the sigmoid that makes log-odds probabilities.
    threshold : float in [0, 1]
        Probabilities from here up are ``present``.
    n, n_positive : int
        Labels it was trained on.
    gate : Gate
        Whether its scores may grade.
    agreement : float
        Rank correlation of embedding views and word views on transcripts that the views did not see.
    metrics : dict
        How well the out-of-fold scores tell harmful from harmless (`evaluate`).
    """

    heads: list[dict[str, Any]]
    slope: float
    intercept: float
    threshold: float
    n: int
    n_positive: int
    gate: Gate
    agreement: float
    metrics: dict[str, Any] = field(default_factory=dict)

    def view_log_odds(self, bags: Bags, fold: Ints) -> Float:
        """Log-odds by view, shape (n_views, n_transcripts), each transcript by head number `fold`."""
        result = np.empty((len(VIEWS), len(bags)))
        for k in np.unique(fold):
            rows = np.flatnonzero(fold == k)
            result[:, rows] = view_log_odds(self.heads[k], bags.take(rows))
        return result

    def log_odds(self, bags: Bags, fold: Ints) -> Float:
        """Log-odds, shape (n_transcripts,): the mean over views."""
        return np.asarray(self.view_log_odds(bags, fold).mean(axis=0))

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
    >>> can_train([1.0] * 8 + [0.0] * 50) is None
    True
    >>> can_train([1.0, 0.0, float("nan")])
    '1 positive label, but training needs 8'
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
    bags: Bags, y: Float, folds: Folds, item_folds: Folds, *, aim: Aim = None, rng: np.random.Generator
) -> HarmModel:
    """Fit a head per fold and score every labelled transcript by the one that did not see it.

    Parameters
    ----------
    bags : Bags
    y : array of shape (n_transcripts,), in [0, 1], NaN = not labelled; 0.5 teaches nothing
    folds : Folds
        By scenario where there are enough: they say how good scores are on a new scenario.
    item_folds : Folds
        By transcript: they say how good scores are on scenarios that were labelled.
    aim : see `choose_threshold`
    rng : numpy Generator
        Resamples scenarios for the intervals of the metrics, permutes labels for the shortcut.
    """
    labelled = np.flatnonzero(~np.isnan(y) & (y != 0.5))
    bags, target = bags.take(labelled), (y[labelled] > 0.5).astype(float)
    fold, group = folds.fold[labelled], folds.group[labelled]
    heads, views = held_out(bags, target, fold, folds.n_folds)
    log_odds = views.mean(axis=0)
    slope, intercept = fit_sigmoid(log_odds, target)
    score = sigmoid(log_odds, slope, intercept)
    threshold = choose_threshold(score, target, aim)
    if np.isnan(threshold):
        raise ValueError(f"threshold must reach {aim}, but no threshold does on these labels.")
    words = views[list(VIEWS).index("words")]
    metrics = evaluate(score, words, target, fold, group, aim=aim, rng=rng)
    seen_scenarios = metrics["table"]["classifier"]["auroc"]
    if folds.grouping == "scenario":
        item_fold = item_folds.fold[labelled]
        item_score = held_out(bags, target, item_fold, item_folds.n_folds)[1].mean(axis=0)
        seen_scenarios = evaluate(
            item_score, item_score, target, item_fold, item_folds.group[labelled], aim=None, rng=rng
        )["table"]["classifier"]["auroc"]
    return HarmModel(
        heads=heads,
        slope=slope,
        intercept=intercept,
        threshold=threshold,
        n=len(labelled),
        n_positive=int(target.sum()),
        gate=decide(
            score,
            target,
            group,
            new_scenario=metrics["table"]["classifier"]["auroc"],
            known_scenario=seen_scenarios,
            slope=slope,
            shortcut=find_shortcut(bags, target, score, rng),
        ),
        agreement=view_agreement(views, fold),
        metrics=metrics,
    )


def held_out(bags: Bags, y: Float, fold: Ints, n_folds: int) -> tuple[list[dict[str, Any]], Float]:
    """The fitted head of each fold, and log-odds (n_views, n_transcripts) by the head that did not see the transcript.

    Raises
    ------
    ValueError
        A fold that leaves only one side to learn from.
    """
    heads, scores = [], np.full((len(VIEWS), len(y)), np.nan)
    for k in range(n_folds):
        seen, out = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        if len(np.unique(y[seen])) < 2:
            raise ValueError(f"y must hold both sides outside every fold, got one side outside fold {k}.")
        heads.append(fit_head(bags.take(seen), y[seen]))
        scores[:, out] = view_log_odds(heads[-1], bags.take(out))
    return heads, scores
