"""How far raters and graders agree, with intervals.

Every function takes ratings of items (NaN or None missing) and answers an `Agreement`. Undefined is nan, never 0 or 1:
with one value used, chance-corrected agreement says nothing.

Intervals: two raters, values 0 and 1, no clusters: quantiles of the Dirichlet(1/2, 1/2, 1/2, 1/2) posterior of the 2x2
table, one posterior per stratum of the design, widened to hold the value. Everything else: bootstrap over scenarios
(`cluster`), or over items within strata; none (nan) when fewer than 10 items have a vote for anything but the commonest
value, or when no resample differs. Fixed seed unless `rng` is given.

Design: with `inclusion_probability` (or `stratum`) the table is weighted by 1 / probability, so that labels drawn more
often from flagged items do not pass for the pool. The second rater must then be the grader.
"""

from __future__ import annotations

from typing import Any

import krippendorff
import numpy as np
from numpy.typing import ArrayLike

from calibration import coefficients
from calibration.checks import check_level
from calibration.coefficients import Coefficient, Level, Weights, agreement_weights
from calibration.records import Agreement
from calibration.reliability import Ratings, encode
from calibration.resampling import posterior_values, resampled_values
from calibration.weighting import Weighting, weighting

MIN_POSITIVE = 10


def krippendorff_alpha(
    reliability_data: ArrayLike,
    *,
    level_of_measurement: Level = "nominal",
    cluster: ArrayLike | None = None,
    confidence_level: float = 0.95,
    rng: np.random.Generator | None = None,
    n_resamples: int = 1000,
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
    return _measure(
        coefficient,
        ratings,
        weighting(np.ones(ratings.codes.shape[1], dtype=bool), cluster=_pairable_only(cluster, reliability_data)),
        value=_alpha_value(ratings, level_of_measurement),
        confidence_level=confidence_level,
        rng=rng,
        n_resamples=n_resamples,
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


def _measure(
    coefficient: Coefficient,
    ratings: Ratings,
    design: Weighting,
    *,
    confidence_level: float,
    rng: np.random.Generator | None,
    n_resamples: int,
    value: float | None = None,
) -> Agreement:
    """Value and interval of a coefficient of the items given."""
    check_level(confidence_level)
    features = coefficient.features(ratings)
    value = float(coefficient.value(design.weight @ features)) if value is None else value
    low, high, notes = float("nan"), float("nan"), design.notes
    if not np.isnan(value):
        rng = np.random.default_rng(0) if rng is None else rng
        if why := _no_posterior(ratings, design):
            draws, reason = _resampled(coefficient, ratings, features, design, n_resamples, rng)
            notes += (reason or why,)
        else:
            draws = posterior_values(coefficient, ratings, design, rng=rng)
        if draws is not None:
            low, high = _hold(value, draws, confidence_level)
    return Agreement(
        statistic=coefficient.name,
        value=value,
        low=low,
        high=high,
        confidence_level=confidence_level,
        n_items=int(((ratings.codes >= 0).sum(axis=0) >= 2).sum()),
        n_raters=int((ratings.codes >= 0).any(axis=1).sum()),
        n_positive=ratings.n_positive(),
        notes=notes,
    )


def _no_posterior(ratings: Ratings, design: Weighting) -> str:
    """Why the interval is a bootstrap; empty when the posterior of the 2x2 table serves."""
    if design.cluster is not None:
        return "interval: bootstrap over clusters"
    two_complete = len(ratings.codes) == 2 and ratings.is_binary and bool((ratings.codes >= 0).all())
    return "" if two_complete else "interval: bootstrap over items"


def _resampled(
    coefficient: Coefficient,
    ratings: Ratings,
    features: np.ndarray[Any, np.dtype[np.float64]],
    design: Weighting,
    n_resamples: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray[Any, np.dtype[np.float64]] | None, str]:
    """Bootstrap values, or None and the reason why there is no interval."""
    if (n := ratings.n_off_mode()) < MIN_POSITIVE:
        what = "a positive vote" if ratings.is_binary else "a vote for anything but the commonest value"
        return None, f"no interval: {n} items have {what}, {MIN_POSITIVE} are needed"
    if design.cluster is not None and len(np.unique(design.cluster)) < 2:
        return None, "no interval: all items are in one cluster"
    draws = resampled_values(coefficient, features, design, n_resamples=n_resamples, rng=rng)
    draws = draws[np.isfinite(draws)]
    if draws.size < n_resamples / 2 or np.ptp(draws) < 1e-12:
        return None, "no interval: the resamples do not vary"
    return draws, ""


def _hold(value: float, draws: np.ndarray[Any, np.dtype[np.float64]], confidence_level: float) -> tuple[float, float]:
    """Central interval of the draws, widened to hold the value."""
    tail = (1 - confidence_level) / 2
    low, high = np.nanquantile(draws, [tail, 1 - tail])
    return min(float(low), value), max(float(high), value)


def _of_ratings(
    coefficient: Coefficient,
    ratings: Ratings,
    *,
    inclusion_probability: ArrayLike | None,
    stratum: ArrayLike | None,
    cluster: ArrayLike | None,
    singles: bool,
    **options: Any,
) -> Agreement:
    """Keep the items that enter, read their design, measure. Single votes enter only where no design is known."""
    designed = inclusion_probability is not None or stratum is not None
    used = (ratings.codes >= 0).sum(axis=0) >= (1 if singles and not designed else 2)
    design = weighting(used, inclusion_probability=inclusion_probability, stratum=stratum, cluster=cluster)
    return _measure(coefficient, ratings.take(used), design, **options)


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
    return _of_ratings(
        coefficients.cohen(agreement_weights(weights, ratings.values)),
        ratings,
        inclusion_probability=inclusion_probability,
        stratum=stratum,
        cluster=cluster,
        singles=False,
        confidence_level=confidence_level,
        rng=rng,
        n_resamples=n_resamples,
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
    *,
    inclusion_probability: ArrayLike | None = None,
    stratum: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    confidence_level: float = 0.95,
    rng: np.random.Generator | None = None,
    n_resamples: int = 1000,
) -> Agreement:
    """Share of the positive votes that the other rater shares: 2 x11 / (2 x11 + x10 + x01).

    The agreement that rare harms do not flatter: items that both call harmless do not enter.

    Parameters
    ----------
    a, b : arrays of shape (n_items,)
        1, 0 or NaN; where a human meets a grader, `b` is the grader.
    inclusion_probability, stratum, cluster : arrays of shape (n_items,), optional
        As in `cohen_kappa`.
    confidence_level : float in (0, 1)
    rng : numpy Generator, optional
    n_resamples : int

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
    return _of_ratings(
        coefficients.positive(1),
        ratings,
        inclusion_probability=inclusion_probability,
        stratum=stratum,
        cluster=cluster,
        singles=False,
        confidence_level=confidence_level,
        rng=rng,
        n_resamples=n_resamples,
    )


def percent_agreement(
    reliability_data: ArrayLike,
    *,
    weights: Weights = "identity",
    inclusion_probability: ArrayLike | None = None,
    stratum: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    confidence_level: float = 0.95,
    rng: np.random.Generator | None = None,
    n_resamples: int = 1000,
) -> Agreement:
    """Mean share of agreeing pairs of votes per item. Chance is not taken out: it flatters rare harms.

    Parameters
    ----------
    reliability_data : array of shape (n_raters, n_items)
    weights : {"identity", "linear", "quadratic", "ordinal"}
    inclusion_probability, stratum, cluster : arrays of shape (n_items,), optional
        As in `cohen_kappa`; the second of two raters is the grader.
    confidence_level : float in (0, 1)
    rng : numpy Generator, optional
    n_resamples : int

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
    return _of_ratings(
        coefficients.percent(agreement_weights(weights, ratings.values)),
        ratings,
        inclusion_probability=inclusion_probability,
        stratum=stratum,
        cluster=cluster,
        singles=False,
        confidence_level=confidence_level,
        rng=rng,
        n_resamples=n_resamples,
    )


def gwet_ac1(
    reliability_data: ArrayLike,
    *,
    inclusion_probability: ArrayLike | None = None,
    stratum: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    value_domain: ArrayLike | None = None,
    confidence_level: float = 0.95,
    rng: np.random.Generator | None = None,
    n_resamples: int = 1000,
) -> Agreement:
    """Gwet's AC1: chance-corrected agreement that stays informative when one value is rare.

    Parameters
    ----------
    reliability_data : array of shape (n_raters, n_items)
        NaN, None: missing. Without a design, items with a single vote inform the distribution of values (Gwet).
    inclusion_probability, stratum, cluster : arrays of shape (n_items,), optional
        As in `cohen_kappa`; the second of two raters is the grader.
    value_domain : array, optional
        All values a rater could give; by default those used. More values lower chance agreement.
    confidence_level : float in (0, 1)
    rng : numpy Generator, optional
    n_resamples : int

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
    return _of_ratings(
        coefficients.gwet("ac1", agreement_weights("identity", ratings.values)),
        ratings,
        inclusion_probability=inclusion_probability,
        stratum=stratum,
        cluster=cluster,
        singles=True,
        confidence_level=confidence_level,
        rng=rng,
        n_resamples=n_resamples,
    )
