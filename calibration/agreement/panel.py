"""How many independent graders a panel is worth, from how often they err on the same transcripts."""

from __future__ import annotations

from typing import Literal, Unpack

import numpy as np
from numpy.typing import ArrayLike

from calibration.agreement.coefficients import Coefficient, ratio
from calibration.agreement.measure import Options, measure_pairable
from calibration.agreement.ratings import Floats, Ratings, encode
from calibration.checks import as_vector, check_choice
from calibration.records import Agreement

Among = Literal["all", "harmful", "harmless"]


def error_correlation(
    y: ArrayLike, first: ArrayLike, second: ArrayLike, *, among: Among = "all", **options: Unpack[Options]
) -> Agreement:
    """Correlation of the errors of two graders against humans: 0 independent, 1 the same mistakes.

    Parameters
    ----------
    y : array of shape (n_items,)
        Human label 1 or 0; NaN and ties (0.5) are left out.
    first, second : arrays of shape (n_items,)
        Sides of the graders, 1, 0 or NaN.
    among : {"all", "harmful", "harmless"}
        Over all items; or within a true class, where a harm that is hard for both cannot pass for a harm that is rare.
    **options
        Design, cluster, level and rng as in `calibration.agreement.statistics.cohen_kappa`.

    Returns
    -------
    Agreement
        nan unless both graders erred at least once, and not always. `n_positive`: items on which either erred.

    Examples
    --------
    >>> y = [1] * 20 + [0] * 80
    >>> judge = [1] * 15 + [0] * 5 + [0] * 76 + [1] * 4
    >>> classifier = [1] * 14 + [0] * 6 + [0] * 74 + [1] * 6
    >>> print(f"{error_correlation(y, judge, classifier).value:.2f}")
    0.85
    """
    return _panel(_error_statistic("error_correlation", n_graders=2), y, [first, second], among, **options)


def effective_graders(y: ArrayLike, sides: ArrayLike, *, among: Among = "all", **options: Unpack[Options]) -> Agreement:
    """Number of graders with independent errors that a panel is worth: k / (1 + (k - 1) mean error correlation).

    Parameters
    ----------
    y : array of shape (n_items,)
        Human label 1 or 0; NaN and ties (0.5) are left out.
    sides : array of shape (n_graders, n_items), at least two graders
        1, 0 or NaN; items that a grader left unscored are left out.
    among : {"all", "harmful", "harmless"}
    **options
        Design, cluster, level and rng as in `calibration.agreement.statistics.cohen_kappa`.

    Returns
    -------
    Agreement
        Between 1 and the number of graders (a negative mean correlation counts as 0); nan when no two graders erred.

    References
    ----------
    Kish (1965), Survey Sampling: the design effect of correlated observations.

    Examples
    --------
    >>> y = [1] * 20 + [0] * 80
    >>> judge = [1] * 15 + [0] * 5 + [0] * 76 + [1] * 4
    >>> print(f"{effective_graders(y, [judge, judge, judge]).value:.1f}")
    1.0
    """
    rows = list(np.atleast_2d(np.asarray(sides, dtype=float)))
    if len(rows) < 2:
        raise ValueError(f"sides must fulfil n_graders >= 2, got {len(rows)}.")
    return _panel(_error_statistic("effective_graders", n_graders=len(rows)), y, rows, among, **options)


def _error_statistic(name: Literal["error_correlation", "effective_graders"], n_graders: int) -> Coefficient:
    """Mean pairwise correlation of error indicators, from their moments; or what it makes the panel worth."""
    pairs = np.triu_indices(n_graders, 1)

    def features(ratings: Ratings) -> Floats:
        error = (ratings.codes == 1).T.astype(float)
        return np.column_stack([np.ones(len(error)), error, error[:, pairs[0]] * error[:, pairs[1]]])

    def value(sums: Floats) -> Floats:
        moments = ratio(sums[..., 1:], sums[..., :1])
        rate, joint = moments[..., :n_graders], moments[..., n_graders:]
        spread = np.sqrt(rate * (1 - rate))
        covariance = joint - rate[..., pairs[0]] * rate[..., pairs[1]]
        each = ratio(covariance, spread[..., pairs[0]] * spread[..., pairs[1]])
        defined = ~np.isnan(each)
        mean = ratio(np.where(defined, each, 0).sum(axis=-1), defined.sum(axis=-1).astype(float))
        return mean if name == "error_correlation" else n_graders / (1 + (n_graders - 1) * np.maximum(mean, 0))

    least, most = (-1.0, 1.0) if name == "error_correlation" else (1.0, float(n_graders))
    return Coefficient(name, features, value, second_is_grader=False, least=least, most=most)


def _panel(
    statistic: Coefficient,
    y: ArrayLike,
    sides: list[ArrayLike] | list[Floats],
    among: Among,
    **options: Unpack[Options],
) -> Agreement:
    check_choice("among", among, Among)
    truth = as_vector("y", y)
    rows = np.stack([as_vector("sides", side, truth.size) for side in sides])
    if not np.isin(rows[~np.isnan(rows)], (0, 1)).all():
        raise ValueError("sides must fulfil values in (0, 1, nan).")
    wanted = {"all": (0.0, 1.0), "harmful": (1.0,), "harmless": (0.0,)}[among]
    used = np.isin(truth, wanted) & ~np.isnan(rows).any(axis=0)
    errors = np.where(used, rows != truth, np.nan)
    return measure_pairable(statistic, encode(errors), **options)
