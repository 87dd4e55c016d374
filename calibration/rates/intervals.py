"""Intervals from counts: binomial, and weighted sums of binomials (MOVER).

Everything works on arrays: the last axis of `post_stratified` is the stratum, all axes before it are separate
data sets, so that a simulation of a thousand campaigns is one call. Counts may be fractions (effective counts
under unequal weights, clusters or soft labels): the Beta quantiles do not mind.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, ndtri

from calibration.checks import FloatArray, check_counts, check_level
from calibration.records import Target

Upper = Literal["guarded", "jeffreys", "clopper-pearson"]

# A stratum dominates when the others' squared zero-count margins sum to less than this share of its own.
DOMINANCE = 0.4


class Limits(NamedTuple):
    """Point and interval of a rate; arrays when many data sets were given."""

    estimate: FloatArray
    low: FloatArray
    high: FloatArray


def normal_quantile(confidence_level: float) -> float:
    """Two-sided normal quantile z, 1.959964 at 0.95."""
    check_level(confidence_level)
    return float(ndtri(0.5 + confidence_level / 2))


def clopper_pearson(x: ArrayLike, n: ArrayLike, *, confidence_level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Exact binomial interval with equal tails.

    Parameters
    ----------
    x, n : array-like of the same or broadcastable shape
        Successes and trials, 0 <= x <= n; fractions allowed.
    confidence_level : float in (0, 1)

    Returns
    -------
    low, high : arrays in [0, 1]; (0, 1) where n is 0

    References
    ----------
    Clopper & Pearson (1934), Biometrika 26:404.

    Examples
    --------
    >>> low, high = clopper_pearson(81, 263)
    >>> print(f"{low:.4f} {high:.4f}")
    0.2527 0.3676
    """
    x, n, tail = _counts(x, n, confidence_level)
    return _cp_low(x, n, tail), _cp_high(x, n, tail)


def clopper_pearson_upper(x: ArrayLike, n: ArrayLike, *, confidence_level: float = 0.95) -> FloatArray:
    """One-sided exact upper bound: all of the error on one side. 1 where n is 0.

    Examples
    --------
    >>> print(f"{clopper_pearson_upper(0, 200):.4f}")
    0.0149
    """
    x, n, tail = _counts(x, n, confidence_level)
    return _cp_high(x, n, 2 * tail)


def wilson(x: ArrayLike, n: ArrayLike, *, confidence_level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Wilson score interval; (0, 1) where n is 0.

    References
    ----------
    Wilson (1927), JASA 22:209; Newcombe (1998), Stat. Med. 17:857.

    Examples
    --------
    >>> low, high = wilson(81, 263)
    >>> print(f"{low:.4f} {high:.4f}")
    0.2553 0.3662
    """
    x, n, _ = _counts(x, n, confidence_level)
    z = normal_quantile(confidence_level)
    centre = (x + z**2 / 2) / (n + z**2)
    # With n = 0 this is 1/2 +- 1/2.
    margin = z * np.sqrt(x * (1 - np.divide(x, n, out=np.zeros_like(x), where=n > 0)) + z**2 / 4) / (n + z**2)
    # The limits are exactly 0 and 1 at the ends; cancellation must not say 1e-18.
    return np.where(x > 0, centre - margin, 0.0)[()], np.where(x < n, centre + margin, 1.0)[()]


def jeffreys(x: ArrayLike, n: ArrayLike, *, confidence_level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Quantiles of Beta(x + 1/2, n - x + 1/2), without the usual end corrections.

    References
    ----------
    Brown, Cai & DasGupta (2001), Stat. Sci. 16:101.

    Examples
    --------
    >>> low, high = jeffreys(81, 263)
    >>> print(f"{low:.4f} {high:.4f}")
    0.2545 0.3656
    """
    x, n, tail = _counts(x, n, confidence_level)
    return _beta_quantile(x + 0.5, n - x + 0.5, tail), _beta_quantile(x + 0.5, n - x + 0.5, 1 - tail)


def post_stratified(
    n_transcripts: ArrayLike,
    n_labeled: ArrayLike,
    n_harmful: ArrayLike,
    *,
    total: ArrayLike | None = None,
    target: Target = "scenarios",
    confidence_level: float = 0.95,
    upper: Upper = "guarded",
    mix_factor: float = 1.0,
) -> Limits:
    """Interval for a weighted sum of independent proportions (guarded MOVER).

    Parameters
    ----------
    n_transcripts, n_labeled, n_harmful : array-like of shape (..., n_strata)
        Pool, labelled and harmful counts per stratum; the last two may be fractions.
    total : array-like of shape (...), optional
        Size of the pool; more than the strata's sum when some transcripts are harmless by definition.
    target : {"scenarios", "pool", "new-scenarios"}
        For ``pool`` the finite population correction applies and the mix of strata is known. ``new-scenarios``
        computes as ``scenarios`` does: the caller passes effective counts (`calibration.rates.clusters`).
    confidence_level : float in (0, 1)
    upper : {"guarded", "jeffreys", "clopper-pearson"}
        Upper limit inside each stratum. ``guarded`` takes Clopper-Pearson in a stratum that dominates the width
        and Jeffreys elsewhere; it looks at pool and labelled counts only, so it does not use outcomes.
    mix_factor : float
        Inflation of the variance of the mix of strata.

    Returns
    -------
    Limits
        `estimate` is the sum over labelled strata (not renormalised); a stratum without labels counts as harmless in
        `low` and adds its weight to `high`. `low` is 0 when no harm was labelled.

    Notes
    -----
    Strata must be independent simple random samples. The limits are not cut at what the labels have confirmed; the
    caller does that where the target is the pool.

    References
    ----------
    Zou & Donner (2008), Stat. Med. 27:1693; Tang (2021) for strata.

    Examples
    --------
    >>> estimate, low, high = post_stratified([200, 1000], [40, 160], [28, 3])
    >>> print(f"{estimate:.4f} {low:.4f} {high:.4f}")
    0.1323 0.0988 0.1681
    """
    size, n, y = (np.asarray(a, dtype=np.float64) for a in (n_transcripts, n_labeled, n_harmful))
    total = size.sum(-1) if total is None else np.asarray(total, dtype=np.float64)
    z, tail = normal_quantile(confidence_level), (1 - confidence_level) / 2
    labeled = n > 0
    weight = size / total[..., None]
    p = np.divide(y, n, out=np.zeros(np.broadcast(y, n).shape), where=labeled)
    estimate = (weight * p).sum(-1)
    lower, higher = _cp_low(y, n, tail), _upper_limit(y, n, np.where(labeled, weight, 0.0), tail, upper)
    if target == "pool":
        f, mix = 1 - n / np.maximum(size, n), np.zeros_like(estimate)
    else:
        f = np.ones_like(p)
        mix = mix_factor * z**2 * np.maximum((weight * p**2).sum(-1) - estimate**2, 0) / total
    f = np.where(labeled, f, 0.0)
    below = np.sqrt((f * weight**2 * (p - lower) ** 2).sum(-1) + mix)
    above = np.sqrt((f * weight**2 * (higher - p) ** 2).sum(-1) + mix)
    unlabeled = np.where(labeled, 0.0, weight).sum(-1)
    low = np.where(y.sum(-1) > 0, estimate - below, 0.0)
    return Limits(estimate, np.clip(low, 0, 1), np.clip(estimate + above + unlabeled, 0, 1))


def _upper_limit(y: FloatArray, n: FloatArray, weight: FloatArray, tail: float, upper: Upper) -> FloatArray:
    if upper == "jeffreys":
        return _beta_quantile(y + 0.5, n - y + 0.5, 1 - tail)
    exact = _cp_high(y, n, tail)
    if upper == "clopper-pearson":
        return exact
    margin = (weight * _cp_high(np.zeros_like(n), n, tail)) ** 2
    dominates = margin.sum(-1, keepdims=True) - margin < DOMINANCE * margin
    return np.where(dominates, exact, _beta_quantile(y + 0.5, n - y + 0.5, 1 - tail))


def _cp_low(x: FloatArray, n: FloatArray, tail: float) -> FloatArray:
    # Beta(0, .) is no distribution; scipy answers nan there, the limit is 0.
    return np.where(x > 0, _beta_quantile(np.where(x > 0, x, 1.0), n - x + 1, tail), 0.0)[()]


def _cp_high(x: FloatArray, n: FloatArray, tail: float) -> FloatArray:
    return np.where(x < n, _beta_quantile(x + 1, np.where(x < n, n - x, 1.0), 1 - tail), 1.0)[()]


def _beta_quantile(a: FloatArray, b: FloatArray, share: float) -> FloatArray:
    quantile: FloatArray = np.asarray(betaincinv(a, b, share), dtype=np.float64)[()]
    return quantile


def _counts(x: ArrayLike, n: ArrayLike, confidence_level: float) -> tuple[FloatArray, FloatArray, float]:
    check_level(confidence_level)
    x, n = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(n, dtype=np.float64))
    check_counts(n, x)
    return x, n, (1 - confidence_level) / 2
