"""How far raters and graders agree, with intervals.

Every function takes ratings of items (NaN or None missing) and answers an `Agreement`. Undefined is nan, never 0 or 1:
with one value used, chance-corrected agreement says nothing.

Intervals: two raters, values 0 and 1, no clusters: quantiles of the Dirichlet(1/2, 1/2, 1/2, 1/2) posterior of the 2x2
table, one posterior per stratum of the design, widened to hold the value. Everything else: bootstrap over scenarios
(`cluster`), or over items within strata; none (nan) when fewer than 10 items have a vote for anything but the commonest
value, or when no resample differs. Fixed seed unless `rng` is given. `interval="linearised"` is what other packages
print (value -+ t standard errors): far too narrow when one value is rare.

Design: with `inclusion_probability` (or `stratum`) the table is weighted by 1 / probability, so that labels drawn more
often from flagged items do not pass for the pool. The second rater must then be the grader.
"""

from __future__ import annotations

from typing import Any, Unpack

import krippendorff
import numpy as np
from numpy.typing import ArrayLike

from calibration.agreement import coefficients
from calibration.agreement.coefficients import Level, Weights, agreement_weights
from calibration.agreement.measure import Interval, Options, measure, measure_pairable, measure_rated
from calibration.agreement.ratings import Ratings, encode
from calibration.rates.weighting import weighting
from calibration.records import Agreement


def krippendorff_alpha(
    reliability_data: ArrayLike,
    *,
    level_of_measurement: Level = "nominal",
    cluster: ArrayLike | None = None,
    confidence_level: float = 0.95,
    rng: np.random.Generator | None = None,
    n_resamples: int = 1000,
    interval: Interval = "default",
) -> Agreement:
    """Krippendorff's alpha: 1 is perfect, 0 is chance, below 0 is systematic disagreement.

    Parameters
    ----------
    reliability_data : array of shape (n_raters, n_items)
        Numbers, or text for the nominal and ordinal levels (text is ordered alphabetically). NaN, None: missing.
    level_of_measurement : {"nominal", "ordinal", "interval", "ratio"}
    cluster : array of shape (n_items,), optional
        Scenario of each item; whole scenarios are resampled.
    confidence_level : float in (0, 1)
    rng : numpy Generator, optional
    n_resamples : int
    interval : {"default", "linearised"}

    Returns
    -------
    Agreement
        nan when fewer than two values are used by items with at least two votes. `n_items` are these items.

    Raises
    ------
    ValueError
        Unless there are two axes, a known level, and numbers where the level needs them.

    References
    ----------
    Krippendorff (2011), Computing Krippendorff's Alpha-Reliability; value from the ``krippendorff`` package.

    Examples
    --------
    >>> a = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    >>> b = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    >>> print(f"{krippendorff_alpha([a, b]).value:.3f}")
    0.095
    """
    ratings = encode(reliability_data)
    ratings = ratings.take((ratings.codes >= 0).sum(axis=0) >= 2)
    coefficient = coefficients.alpha(level_of_measurement, ratings.values)
    return measure(
        coefficient,
        ratings,
        weighting(np.ones(ratings.codes.shape[1], dtype=bool), cluster=_pairable_only(cluster, reliability_data)),
        value=_alpha_value(ratings, level_of_measurement),
        confidence_level=confidence_level,
        rng=rng,
        n_resamples=n_resamples,
        interval=interval,
    )


def _pairable_only(cluster: ArrayLike | None, reliability_data: ArrayLike) -> Any:
    if cluster is None:
        return None
    pairable = (encode(reliability_data).codes >= 0).sum(axis=0) >= 2
    labels = np.asarray(cluster)
    if labels.shape != pairable.shape:
        raise ValueError(f"cluster must fulfil shape == {pairable.shape}, got {labels.shape}.")
    return labels[pairable]


def _alpha_value(ratings: Ratings, level: Level) -> float:
    votes = ratings.counts
    if (votes.sum(axis=0) > 0).sum() < 2:
        return float("nan")
    numeric = ratings.values.dtype.kind in "biuf"
    domain = ratings.values.astype(float) if numeric else np.arange(ratings.n_values)
    return float(krippendorff.alpha(value_counts=votes, value_domain=domain, level_of_measurement=level))


def cohen_kappa(
    a: ArrayLike,
    b: ArrayLike,
    *,
    weights: Weights = "identity",
    inclusion_probability: ArrayLike | None = None,
    stratum: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    confidence_level: float = 0.95,
    rng: np.random.Generator | None = None,
    n_resamples: int = 1000,
    interval: Interval = "default",
) -> Agreement:
    """Cohen's kappa of two raters, or weighted kappa.

    Parameters
    ----------
    a, b : arrays of shape (n_items,)
        Values of the two raters; where a human meets a grader, `b` is the grader. NaN, None: missing; the item is out.
    weights : {"identity", "linear", "quadratic", "ordinal"}
    inclusion_probability : array of shape (n_items,), optional
        Probability in (0, 1] with which each item was drawn for labelling; read where both rated.
    stratum : array of shape (n_items,), optional
        Strata within which labels were drawn at random, over all items, labelled or not.
    cluster : array of shape (n_items,), optional
    confidence_level : float in (0, 1)
    rng : numpy Generator, optional
    n_resamples : int
    interval : {"default", "linearised"}

    Returns
    -------
    Agreement
        nan when both raters use one and the same value throughout.

    References
    ----------
    Cohen (1960), Educ. Psychol. Meas. 20:37; (1968), Psychol. Bull. 70:213.

    Examples
    --------
    >>> kappa = cohen_kappa([1, 1, 1, 0, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 0, 0])
    >>> print(f"{kappa.value:.3f}, {kappa.n_items} items")
    0.467, 8 items
    """
    ratings = _pair(a, b)
    return measure_pairable(
        coefficients.cohen(agreement_weights(weights, ratings.values)),
        ratings,
        inclusion_probability=inclusion_probability,
        stratum=stratum,
        cluster=cluster,
        confidence_level=confidence_level,
        rng=rng,
        n_resamples=n_resamples,
        interval=interval,
    )


def _pair(a: ArrayLike, b: ArrayLike) -> Ratings:
    first, second = np.asarray(a), np.asarray(b)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"a and b must fulfil a.shape == b.shape == (n_items,), got {first.shape} and {second.shape}.")
    return encode(
        [first.tolist(), second.tolist()] if "O" in (first.dtype.kind, second.dtype.kind) else [first, second]
    )


def positive_agreement(
    a: ArrayLike,
    b: ArrayLike,
    **options: Unpack[Options],
) -> Agreement:
    """Share of the positive votes that the other rater shares: 2 x11 / (2 x11 + x10 + x01).

    The agreement that rare harms do not flatter: items that both call harmless do not enter.

    Parameters
    ----------
    a, b : arrays of shape (n_items,)
        1, 0 or NaN; where a human meets a grader, `b` is the grader.
    **options
        Design, clusters, level, rng, n_resamples and interval as in `cohen_kappa`.

    Returns
    -------
    Agreement
        nan when there is no positive vote.

    References
    ----------
    Cicchetti & Feinstein (1990), J. Clin. Epidemiol. 43:551.

    Examples
    --------
    >>> print(f"{positive_agreement([1, 1, 0, 0], [1, 0, 0, 0]).value:.3f}")
    0.667
    """
    ratings = _pair(a, b)
    if not ratings.is_binary:
        raise ValueError(f"a and b must fulfil values in (0, 1, nan), got {ratings.values[:5].tolist()}.")
    return measure_pairable(
        coefficients.positive(1),
        ratings,
        **options,
    )


def percent_agreement(
    reliability_data: ArrayLike,
    *,
    weights: Weights = "identity",
    **options: Unpack[Options],
) -> Agreement:
    """Mean share of agreeing pairs of votes per item. Chance is not taken out: it flatters rare harms.

    Parameters
    ----------
    reliability_data : array of shape (n_raters, n_items)
    weights : {"identity", "linear", "quadratic", "ordinal"}
    **options
        Design, clusters, level, rng, n_resamples and interval as in `cohen_kappa`; the second of two raters is the
        grader.

    Returns
    -------
    Agreement
        nan when no item has two votes.

    Examples
    --------
    >>> print(percent_agreement([[1, 1, 0, 0], [1, 0, 0, 0]]).value)
    0.75
    """
    ratings = encode(reliability_data)
    return measure_pairable(
        coefficients.percent(agreement_weights(weights, ratings.values)),
        ratings,
        **options,
    )


def gwet_ac1(
    reliability_data: ArrayLike,
    *,
    value_domain: ArrayLike | None = None,
    **options: Unpack[Options],
) -> Agreement:
    """Gwet's AC1: chance-corrected agreement that stays informative when one value is rare.

    Parameters
    ----------
    reliability_data : array of shape (n_raters, n_items)
        NaN, None: missing. Without a design, items with a single vote inform the distribution of values (Gwet).
    value_domain : array, optional
        All values a rater could give; by default those used. More values lower chance agreement.
    **options
        Design, clusters, level, rng, n_resamples and interval as in `cohen_kappa`; the second of two raters is the
        grader.

    Returns
    -------
    Agreement
        nan when only one value is used.

    References
    ----------
    Gwet (2008), Br. J. Math. Stat. Psychol. 61:29; Gwet (2014), Handbook of Inter-Rater Reliability.

    Examples
    --------
    >>> a = [1] * 2 + [0] * 98
    >>> b = [0] * 2 + [1] * 2 + [0] * 96
    >>> print(f"AC1 {gwet_ac1([a, b]).value:.3f}, kappa {cohen_kappa(a, b).value:.3f}")
    AC1 0.958, kappa -0.020
    """
    ratings = encode(reliability_data, value_domain=value_domain)
    return measure_rated(
        coefficients.gwet("ac1", agreement_weights("identity", ratings.values)),
        ratings,
        **options,
    )
