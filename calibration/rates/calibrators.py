"""From scores to probabilities, learned from human labels out of fold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.agreement.ratings import Floats, Ints
from calibration.checks import as_vector, check_choice, check_unit_or_nan
from calibration.rates.strata import factorize

CalibrationMethod = Literal["sigmoid", "venn-abers"]
Calibrator = Callable[[Floats], Floats]

N_FOLDS = 5


def calibrate_scores(
    y: ArrayLike,
    score: ArrayLike,
    *,
    cluster: ArrayLike | None = None,
    method: CalibrationMethod = "sigmoid",
    n_folds: int = N_FOLDS,
    rng: np.random.Generator | None = None,
) -> NDArray[np.float64]:
    """Probabilities of harm from scores; nobody's own label enters into its probability.

    Parameters
    ----------
    y : array of shape (n_items,)
        Human label in [0, 1] (for ``venn-abers`` 0 or 1), nan = not labelled.
    score : array of shape (n_items,)
        Any numbers that rise with harm, nan = unscored.
    cluster : array of shape (n_items,), optional
        Scenario; whole scenarios share a fold.
    method : {"sigmoid", "venn-abers"}
        ``sigmoid`` (Platt) fits two numbers and needs few labels; ``venn-abers`` assumes only that harm does not fall
        with the score.
    n_folds : int >= 2
    rng : numpy Generator, optional
        Draws the folds; fixed seed unless given.

    Returns
    -------
    array of shape (n_items,) in [0, 1]
        Labelled items: the model fitted on the other folds. Others: the mean of all folds' models. nan where unscored.

    Raises
    ------
    ValueError
        Values outside their range, lengths that differ, fewer than two labelled items or scenarios.

    References
    ----------
    Platt (1999), Advances in Large Margin Classifiers; Vovk & Petej (2014), Venn-Abers predictors, UAI.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> score = rng.random(400)
    >>> y = (rng.random(400) < score**3).astype(float)
    >>> p = calibrate_scores(y, score, method="venn-abers")
    >>> bool(((p - y) ** 2).mean() < ((score - y) ** 2).mean())
    True
    """
    check_choice("method", method, CalibrationMethod)
    labels = as_vector("y", y)
    scores = as_vector("score", score, labels.size)
    check_unit_or_nan("y", labels)
    usable = ~np.isnan(labels) & ~np.isnan(scores)
    if method == "venn-abers" and not np.isin(labels[usable], (0, 1)).all():
        msg = "y must be 0, 1 or nan for method 'venn-abers', got fractions."
        raise ValueError(msg)
    fit = fit_sigmoid if method == "sigmoid" else fit_venn_abers
    fold = _folds(usable, cluster, n_folds, np.random.default_rng(0) if rng is None else rng)
    scored = ~np.isnan(scores)
    models = [fit(labels[usable & (fold != k)], scores[usable & (fold != k)]) for k in range(fold.max() + 1)]
    by_model = np.array([model(scores[scored]) for model in models])
    probability = np.full(labels.size, np.nan)
    probability[scored] = by_model.mean(axis=0)
    own = fold[usable]
    probability[usable] = by_model[:, usable[scored]][own, np.arange(own.size)]
    return probability


def fit_sigmoid(y: Floats, score: Floats) -> Calibrator:
    """Platt's sigmoid of the score, with his shrunken targets so that separable labels have a finite answer.

    Parameters
    ----------
    y, score : arrays of shape (n_items,), at least one item

    Returns
    -------
    function from scores to probabilities
    """
    from sklearn.linear_model import LogisticRegression

    positive, negative = y.sum(), (1 - y).sum()
    target = y * (positive + 1) / (positive + 2) + (1 - y) / (negative + 2)
    centre, spread = score.mean(), score.std() or 1.0
    x = ((score - centre) / spread)[:, None]
    model = LogisticRegression(C=1e6, tol=1e-8, max_iter=1000)
    model.fit(np.vstack([x, x]), np.repeat([1, 0], y.size), sample_weight=np.concatenate([target, 1 - target]))
    return lambda new: np.asarray(model.predict_proba(((new - centre) / spread)[:, None])[:, 1], dtype=np.float64)


def fit_venn_abers(y: Floats, score: Floats) -> Calibrator:
    """Inductive Venn-Abers: isotonic regression with the new item taken as harmless, as harmful; the two merged.

    A new score only matters by where it falls among the known ones, so both regressions are done once per place.

    Parameters
    ----------
    y, score : arrays of shape (n_items,), y in {0, 1}, at least one item

    Returns
    -------
    function from scores to probabilities p1 / (1 - p0 + p1)
    """
    known, at = np.unique(score, return_inverse=True)
    weight = np.bincount(at).astype(np.float64)
    harmful = np.asarray(np.bincount(at, weights=y), dtype=np.float64)
    # Places: below known[0], at it, between it and known[1], at that, ...: 2 k + 1 in all.
    p0, p1 = (
        np.array([_isotonic_at(harmful, weight, place, label) for place in range(2 * known.size + 1)])
        for label in (0.0, 1.0)
    )
    merged = p1 / (1 - p0 + p1)

    def predict(new: Floats) -> Floats:
        left, right = np.searchsorted(known, new, side="left"), np.searchsorted(known, new, side="right")
        return np.asarray(merged[left + right], dtype=np.float64)

    return predict


def _isotonic_at(harmful: Floats, weight: Floats, place: int, label: float) -> float:
    """Isotonic fit of one more item with this label at this place, read off there."""
    from sklearn.isotonic import isotonic_regression

    i, tied = divmod(place, 2)
    if tied:
        total, n = harmful.copy(), weight.copy()
        total[i] += label
        n[i] += 1
    else:
        total, n = np.insert(harmful, i, label), np.insert(weight, i, 1.0)
    return float(isotonic_regression(total / n, sample_weight=n)[i])


def _folds(usable: NDArray[np.bool_], cluster: ArrayLike | None, n_folds: int, rng: np.random.Generator) -> Ints:
    """Fold of every usable item, -1 elsewhere; clusters stay whole."""
    if n_folds < 2:
        msg = f"n_folds must be at least 2, got {n_folds}."
        raise ValueError(msg)
    group = np.arange(usable.size) if cluster is None else factorize("cluster", cluster, usable.size)[0]
    groups, code = np.unique(group[usable], return_inverse=True)
    if groups.size < 2:
        unit = "items" if cluster is None else "scenarios"
        msg = f"y must hold labels of at least two {unit} with a score, got {groups.size}."
        raise ValueError(msg)
    fold = np.full(usable.size, -1, dtype=np.int64)
    fold[usable] = (rng.permutation(groups.size) % min(n_folds, groups.size))[code]
    return fold
