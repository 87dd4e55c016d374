"""From a coefficient and ratings to an `Agreement`: value, choice of interval, counts, notes."""

from __future__ import annotations

from typing import Literal, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from calibration.agreement.coefficients import Coefficient
from calibration.agreement.ratings import Floats, Ratings
from calibration.agreement.resampling import linearised_stderr, posterior_values, resampled_values
from calibration.checks import check_choice, check_level
from calibration.rates.intervals import normal_quantile
from calibration.rates.weighting import Weighting, weighting
from calibration.records import Agreement

MIN_POSITIVE = 10
# A bootstrap over fewer scenarios says next to nothing about how scenarios differ.
MIN_SCENARIOS = 5

Interval = Literal["default", "linearised"]


class Options(TypedDict, total=False):
    """What every coefficient takes beside its ratings; see `calibration.agreement.statistics.cohen_kappa`."""

    inclusion_probability: ArrayLike | None
    stratum: ArrayLike | None
    cluster: ArrayLike | None
    confidence_level: float
    rng: np.random.Generator | None
    n_resamples: int
    interval: Interval


def measure(
    coefficient: Coefficient,
    ratings: Ratings,
    design: Weighting,
    *,
    value: float | None = None,
    confidence_level: float = 0.95,
    rng: np.random.Generator | None = None,
    n_resamples: int = 1000,
    interval: Interval = "default",
) -> Agreement:
    """Value and interval of a coefficient of the items given."""
    check_level(confidence_level)
    check_choice("interval", interval, Interval)
    features = coefficient.features(ratings)
    value = float(coefficient.value(design.weight @ features)) if value is None else value
    low, high, notes = float("nan"), float("nan"), design.notes
    if not np.isnan(value):
        rng = np.random.default_rng(0) if rng is None else rng
        if interval == "linearised":
            low, high = _linearised(coefficient, features, design, value, confidence_level)
            notes += ("interval: linearised, too narrow when one value is rare",)
        elif reason := _constant_rater(coefficient, ratings):
            notes += (reason,)
        elif why := _no_posterior(ratings, design):
            draws, reason = _resampled(coefficient, ratings, features, design, n_resamples, rng)
            low, high = _stretched(coefficient, value, draws, confidence_level, design)
            notes += (reason or why,)
        else:
            low, high = _hold(value, posterior_values(coefficient, ratings, design, rng=rng), confidence_level)
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


def _constant_rater(coefficient: Coefficient, ratings: Ratings) -> str:
    """Why a kappa cannot vary: a rater who uses one value throughout makes it 0 whatever the other says."""
    if coefficient.name != "kappa" or len(ratings.codes) != 2:
        return ""
    both = (ratings.codes >= 0).all(axis=0)
    for which, codes in zip(("first", "second"), ratings.codes[:, both], strict=True):
        if codes.size and np.ptp(codes) == 0:
            return f"no interval: the {which} rater uses one value throughout, so that kappa is 0 by construction"
    return ""


def _no_posterior(ratings: Ratings, design: Weighting) -> str:
    """Why the interval is a bootstrap; empty when the posterior of the 2x2 table serves."""
    if design.cluster is not None:
        return "interval: bootstrap over clusters"
    two_complete = len(ratings.codes) == 2 and ratings.is_binary and bool((ratings.codes >= 0).all())
    return "" if two_complete else "interval: bootstrap over items"


def _resampled(
    coefficient: Coefficient,
    ratings: Ratings,
    features: Floats,
    design: Weighting,
    n_resamples: int,
    rng: np.random.Generator,
) -> tuple[Floats, str]:
    """Bootstrap values, or none and the reason why."""
    none = np.empty(0)
    if (n := ratings.n_off_mode()) < MIN_POSITIVE:
        positive = ratings.is_binary and n == ratings.n_positive()
        what = "a positive vote" if positive else "a vote for anything but the commonest value"
        return none, f"no interval: {n} items have {what}, {MIN_POSITIVE} are needed"
    if design.cluster is not None and (clusters := len(np.unique(design.cluster))) < MIN_SCENARIOS:
        return none, f"no interval: the items are of {clusters} scenarios, {MIN_SCENARIOS} are needed"
    draws = resampled_values(coefficient, features, design, n_resamples=n_resamples, rng=rng)
    draws = draws[np.isfinite(draws)]
    if draws.size < n_resamples / 2 or np.ptp(draws) < 1e-12:
        return none, "no interval: the resamples do not vary"
    return draws, ""


def _stretched(
    coefficient: Coefficient, value: float, draws: Floats, level: float, design: Weighting
) -> tuple[float, float]:
    """Interval of the draws; over S scenarios stretched about the value by sqrt(S / (S - 1)) t(S - 1) / z.

    A bootstrap over few units is too narrow, as z in place of t is; the root allows for the skew that remains.
    """
    low, high = _hold(value, draws, level)
    if design.cluster is None or np.isnan(low):
        return low, high
    n_scenarios = len(np.unique(design.cluster))
    stretch = float(stdtrit(n_scenarios - 1, 0.5 + level / 2)) / normal_quantile(level)
    stretch *= float(np.sqrt(n_scenarios / (n_scenarios - 1)))
    low, high = value - stretch * (value - low), value + stretch * (high - value)
    return max(low, coefficient.least), min(high, coefficient.most)


def _hold(value: float, draws: Floats, confidence_level: float) -> tuple[float, float]:
    """Central interval of the draws, widened to hold the value; nan without draws."""
    if not draws.size:
        return float("nan"), float("nan")
    tail = (1 - confidence_level) / 2
    low, high = np.nanquantile(draws, [tail, 1 - tail])
    return min(float(low), value), max(float(high), value)


def _linearised(
    coefficient: Coefficient, features: Floats, design: Weighting, value: float, confidence_level: float
) -> tuple[float, float]:
    """Value -+ t standard errors, cut at -1 and 1; nan with one unit or without spread."""
    n_units = len(features) if design.cluster is None else len(np.unique(design.cluster))
    stderr = linearised_stderr(coefficient, features, design) if n_units > 1 else 0.0
    if not stderr > 1e-12:
        return float("nan"), float("nan")
    half = float(stdtrit(n_units - 1, 0.5 + confidence_level / 2)) * stderr
    return max(value - half, -1.0), min(value + half, 1.0)


def measure_pairable(coefficient: Coefficient, ratings: Ratings, **options: Unpack[Options]) -> Agreement:
    """Measure on the items with at least two votes, under their design."""
    return _measure_used(coefficient, ratings, (ratings.codes >= 0).sum(axis=0) >= 2, **options)


def measure_rated(coefficient: Coefficient, ratings: Ratings, **options: Unpack[Options]) -> Agreement:
    """Measure on all items with a vote: single votes inform the distribution of values (Gwet).

    Not so under a design: which items have a single vote is then a matter of the design.
    """
    designed = options.get("inclusion_probability") is not None or options.get("stratum") is not None
    if designed:
        return measure_pairable(coefficient, ratings, **options)
    return _measure_used(coefficient, ratings, (ratings.codes >= 0).sum(axis=0) >= 1, **options)


def _measure_used(
    coefficient: Coefficient,
    ratings: Ratings,
    used: NDArray[np.bool_],
    *,
    inclusion_probability: ArrayLike | None = None,
    stratum: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    confidence_level: float = 0.95,
    rng: np.random.Generator | None = None,
    n_resamples: int = 1000,
    interval: Interval = "default",
) -> Agreement:
    design = weighting(used, inclusion_probability=inclusion_probability, stratum=stratum, cluster=cluster)
    return measure(
        coefficient,
        ratings.take(used),
        design,
        confidence_level=confidence_level,
        rng=rng,
        n_resamples=n_resamples,
        interval=interval,
    )
