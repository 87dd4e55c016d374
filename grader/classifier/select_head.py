"""Which head, for each fold: the one that does best on the other folds alone.

For fold k every view is fitted without folds k and j, for each other fold j, and scores fold j. So the head that later
scores fold k, and the scale of its log-odds, were chosen without a look at fold k. A model that saw neither j nor k
serves both ways, which makes ten fits a view for five folds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from grader.classifier.bags import Bags
from grader.classifier.heads import DEFAULT, HEADS
from grader.classifier.metrics import auroc
from grader.classifier.probability import fit_sigmoid
from grader.classifier.views import VIEWS

Float = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Choice:
    """A head, and the numbers that bring its log-odds to one scale with those of other heads."""

    head: str
    slope: float = 1.0
    intercept: float = 0.0


def choose_heads(bags: Bags, y: Float, fold: Ints, n_folds: int) -> list[Choice]:
    """The choice for each fold, made on the others.

    Parameters
    ----------
    bags : Bags
    y : array of shape (n_transcripts,), 0 or 1
    fold : int array of shape (n_transcripts,)
    n_folds : int

    Returns
    -------
    list of Choice
        The first of `HEADS` for a fold whose others cannot be split once more.
    """
    inner = {view: _inner_scores(view, bags, y, fold, n_folds) for view in VIEWS}
    return [_best({view: scores[k] for view, scores in inner.items()}, y, fold) for k in range(n_folds)]


def _inner_scores(view: str, bags: Bags, y: Float, fold: Ints, n_folds: int) -> Float:
    """Row k: log-odds of every transcript by a model that saw neither fold k nor the transcript's; nan in fold k."""
    scores = np.full((n_folds, len(y)), np.nan)
    for pair in combinations(range(n_folds), 2):
        seen = np.flatnonzero(~np.isin(fold, pair))
        if len(np.unique(y[seen])) < 2:
            continue
        fitted = VIEWS[view].fit(bags.take(seen), y[seen])
        for held_out, judged in (pair, pair[::-1]):
            rows = np.flatnonzero(fold == judged)
            scores[held_out, rows] = VIEWS[view].log_odds(fitted, bags.take(rows))
    return scores


def _best(scores: Mapping[str, Float], y: Float, fold: Ints) -> Choice:
    known = ~np.isnan(next(iter(scores.values())))
    if len(np.unique(y[known])) < 2:
        return Choice(DEFAULT)
    heads = {name: np.mean([scores[view][known] for view in views], axis=0) for name, views in HEADS.items()}
    name = _first_as_good_as_the_best(heads, y[known], fold[known])
    return Choice(name, *fit_sigmoid(heads[name], y[known]))


def _first_as_good_as_the_best(heads: Mapping[str, Float], y: Float, fold: Ints) -> str:
    """The first head whose AUROC is within one standard error of the best's: of their difference, over the folds.

    Few folds, or folds that disagree, so leave the choice with the head that is first in the list.
    """
    inside = [fold == k for k in np.unique(fold) if len(np.unique(y[fold == k])) == 2]
    if not inside:
        return DEFAULT
    quality = np.array([[auroc(z[i], y[i], np.ones((1, i.sum())))[0] for i in inside] for z in heads.values()])
    behind = quality[quality.mean(axis=1).argmax()] - quality
    error = behind.std(axis=1, ddof=1) / np.sqrt(len(inside)) if len(inside) > 1 else np.full(len(behind), np.inf)
    return list(heads)[int(np.argmax(behind.mean(axis=1) <= error))]
