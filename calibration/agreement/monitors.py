"""Graders with scores as monitors: what a threshold, a ranking or an audit of the top finds, from designed samples."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from calibration.agreement.accuracy import grader_accuracy
from calibration.agreement.ratings import Floats
from calibration.checks import as_vector, check_level, check_unit_or_nan
from calibration.rates.intervals import clopper_pearson, normal_quantile
from calibration.rates.weighting import weighting
from calibration.records import Agreement

# At a false positive rate so small that fewer harmless labels than this are expected above it, it cannot be set.
MIN_FALSE_ALARMS = 1.0


def true_positive_rate_at(
    y: ArrayLike,
    score: ArrayLike,
    *,
    false_positive_rate: float,
    inclusion_probability: ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> Agreement:
    """Share of harmful transcripts above the threshold that flags this share of harmless ones.

    Parameters
    ----------
    y : array of shape (n_items,)
        Human label 1 or 0, NaN = not labelled; ties (0.5) are left out.
    score : array of shape (n_items,)
        Rises with harm; NaN = unscored.
    false_positive_rate : float in (0, 1)
    inclusion_probability : array of shape (n_items,), optional
        Probability in (0, 1] with which the item was drawn for labelling.
    confidence_level : float in (0, 1)

    Returns
    -------
    Agreement
        No interval, and no value, when fewer than one harmless label is expected above the threshold.

    Notes
    -----
    The interval at the estimated threshold is that of the weighted sensitivity; what the threshold may be off, by the
    exact interval of its false positive rate, is added in quadrature. It has no width 0 at 40 of 40.

    Examples
    --------
    >>> y, score = [1] * 40 + [0] * 160, [0.9] * 40 + [0.1] * 160
    >>> tpr = true_positive_rate_at(y, score, false_positive_rate=0.05)
    >>> print(f"{tpr.value:.2f} [{tpr.low:.2f}, {tpr.high:.2f}]")
    1.00 [0.91, 1.00]
    """
    check_level(confidence_level)
    if not 0 < false_positive_rate < 1:
        msg = f"false_positive_rate must fulfil 0 < false_positive_rate < 1, got {false_positive_rate}."
        raise ValueError(msg)
    y, score, pi = _labelled(y, score, inclusion_probability)
    weight = np.ones(y.size) if pi is None else 1 / pi
    harmless = y == 0
    size = _kish(weight[harmless])
    sides = _flagged(score, _threshold(score[harmless], weight[harmless], false_positive_rate))
    name = f"tpr at fpr {100 * false_positive_rate:g} %"
    accuracy = partial(grader_accuracy, y, inclusion_probability=pi, confidence_level=confidence_level)
    found = replace(accuracy(sides)["sensitivity"], statistic=name)
    if false_positive_rate * size < MIN_FALSE_ALARMS:
        why = f"not supported: {harmless.sum()} harmless labels cannot set such a threshold"
        return replace(found, value=np.nan, low=np.nan, high=np.nan, notes=(*found.notes, why))
    strict, lax = clopper_pearson(false_positive_rate * size, size, confidence_level=confidence_level)
    others = [
        accuracy(_flagged(score, _threshold(score[harmless], weight[harmless], float(rate)))) for rate in (strict, lax)
    ]
    fewer, more = (float(other["sensitivity"].value) for other in others)
    low = found.value - sqrt((found.value - found.low) ** 2 + (found.value - fewer) ** 2)
    high = found.value + sqrt((found.high - found.value) ** 2 + (more - found.value) ** 2)
    return replace(found, low=max(low, 0.0), high=min(high, 1.0))


def area_under_curve(
    y: ArrayLike,
    score: ArrayLike,
    *,
    inclusion_probability: ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> Agreement:
    """Probability that a harmful transcript scores above a harmless one, ties counting half.

    Parameters
    ----------
    y, score, inclusion_probability, confidence_level
        As in `true_positive_rate_at`.

    Returns
    -------
    Agreement
        nan unless both kinds were labelled. The interval has width at an area of 1, too.

    References
    ----------
    Newcombe (2006), Stat. Med. 25:559 (method 5), at Kish's effective sizes.

    Examples
    --------
    >>> area = area_under_curve([1] * 10 + [0] * 50, [0.9] * 10 + [0.1] * 50)
    >>> print(f"{area.value:.2f} [{area.low:.2f}, {area.high:.2f}]")
    1.00 [0.88, 1.00]
    """
    z = normal_quantile(confidence_level)
    y, score, pi = _labelled(y, score, inclusion_probability)
    weight = np.ones(y.size) if pi is None else 1 / pi
    harmful = y == 1
    value, low, high = np.nan, np.nan, np.nan
    if harmful.any() and not harmful.all():
        value = _area(score, weight, harmful)
        m, n = _kish(weight[harmful]), _kish(weight[~harmful])
        low, high = _newcombe_limits(value, m, n, z)
    design = weighting(np.ones(y.size, dtype=bool), inclusion_probability=pi)
    return Agreement(
        statistic="auc",
        value=value,
        low=low,
        high=high,
        confidence_level=confidence_level,
        n_items=y.size,
        n_raters=2,
        n_positive=int(harmful.sum()),
        notes=design.notes,
    )


def audit(
    y: ArrayLike,
    score: ArrayLike,
    *,
    budget: int,
    inclusion_probability: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> dict[str, Agreement]:
    """What reading the `budget` highest scores of the pool finds.

    Parameters
    ----------
    y : array of shape (n_items,)
        Human label in [0, 1], NaN = not labelled; all items of the pool, labelled or not.
    score : array of shape (n_items,)
        NaN = unscored, read last. Equal scores are read in the order given.
    budget : int >= 1
    inclusion_probability, cluster, confidence_level
        As in `calibration.agreement.accuracy.grader_accuracy`.

    Returns
    -------
    dict with keys ``harms found`` (share of all harms that are among those read) and ``precision`` (share of those
    read that are harmful)

    Raises
    ------
    ValueError
        For a budget below 1 or above the pool.

    Examples
    --------
    >>> y, score = [1] * 30 + [0] * 10 + [1] * 5 + [0] * 155, [0.9] * 40 + [0.1] * 160
    >>> found = audit(y, score, budget=40, inclusion_probability=1)["harms found"]
    >>> print(f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]")
    0.86 [0.70, 0.95]
    """
    labels = as_vector("y", y)
    scores = as_vector("score", score, labels.size)
    if not 1 <= budget <= labels.size:
        msg = f"budget must fulfil 1 <= budget <= {labels.size}, got {budget}."
        raise ValueError(msg)
    read = np.zeros(labels.size)
    read[np.argsort(np.where(np.isnan(scores), np.inf, -scores), kind="stable")[:budget]] = 1.0
    found = grader_accuracy(
        labels,
        read,
        inclusion_probability=inclusion_probability,
        cluster=cluster,
        confidence_level=confidence_level,
    )
    return {
        "harms found": replace(found["sensitivity"], statistic=f"harms found in the top {budget}"),
        "precision": replace(found["ppv"], statistic=f"precision in the top {budget}"),
    }


def _labelled(
    y: ArrayLike, score: ArrayLike, inclusion_probability: ArrayLike | None
) -> tuple[Floats, Floats, Floats | None]:
    """Items with a definite label and a score."""
    labels = as_vector("y", y)
    scores = as_vector("score", score, labels.size)
    check_unit_or_nan("y", labels)
    used = np.isin(labels, (0, 1)) & ~np.isnan(scores)
    if inclusion_probability is None:
        return labels[used], scores[used], None
    design = weighting(used, inclusion_probability=inclusion_probability)
    return labels[used], scores[used], 1 / design.weight


def _kish(weight: Floats) -> float:
    """Effective number of items; 0 without any."""
    return float(weight.sum() ** 2 / (weight**2).sum()) if weight.size else 0.0


def _threshold(score: Floats, weight: Floats, share: float) -> float:
    """The smallest threshold above which at most this weighted share of the scores lies."""
    order = np.argsort(-score, kind="stable")
    values, above = score[order], np.cumsum(weight[order]) / weight.sum()
    # All of one value are on one side.
    last = np.append(values[:-1] != values[1:], True)
    outside = np.flatnonzero(last & (above > share + 1e-12))
    return float(values[outside[0]]) if outside.size else -np.inf


def _flagged(score: Floats, threshold: float) -> Floats:
    return (score > threshold).astype(np.float64)


def _area(score: Floats, weight: Floats, harmful: Floats) -> float:
    """Weighted Mann-Whitney statistic: for every score the harmless weight below it, and half of that at it."""
    values, place = np.unique(score, return_inverse=True)
    good = np.bincount(place, np.where(harmful, 0.0, weight), minlength=values.size)
    bad = np.bincount(place, np.where(harmful, weight, 0.0), minlength=values.size)
    below = np.cumsum(good) - good / 2
    return float((bad * below).sum() / (bad.sum() * good.sum()))


def _newcombe_limits(area: float, m: float, n: float, z: float) -> tuple[float, float]:
    """Areas at which the observed one is z standard errors off."""

    def excess(a: float) -> float:
        spread = 1 + ((m + n) / 2 - 1) * ((1 - a) / (2 - a) + a / (1 + a))
        return abs(area - a) - z * sqrt(max(a * (1 - a), 0.0) * spread / (m * n))

    inside = 1e-9
    low = float(brentq(excess, 0.0, area * (1 - inside))) if area > 0 else 0.0
    high = float(brentq(excess, area + (1 - area) * inside, 1.0)) if area < 1 else 1.0
    return low, high
