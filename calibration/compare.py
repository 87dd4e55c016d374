"""Two models, arms or judges: differences of rates with intervals.

Two groups with rates of their own: `compare_rates`; several: `compare_groups`. Rates by the likelihood ratio from whole
counts are compared by the same test (`calibration.rates.inversion`), others by MOVER on their two intervals. The same
items or scenarios under both: `compare_paired`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np
from scipy.special import ndtr

from calibration.rates.contrasts import GroupCounts, counts_of
from calibration.rates.intervals import normal_quantile, post_stratified
from calibration.rates.inversion import difference_interval
from calibration.rates.multiplicity import holm
from calibration.rates.tiers import MAX_GROUPS, shaffer
from calibration.records import RateDifference, RateEstimate
from calibration.same_scenarios import compare_paired

__all__ = ["compare_groups", "compare_paired", "compare_rates"]

MIN_P = 1e-12
LIKELIHOOD_RATIO = "likelihood-ratio"
# Combinations of labels in the strata that the test enumerates one by one: beyond so many it takes seconds.
MAX_LEADING_TABLES = 3000
# A limit is found to a thousandth of the interval's width; among very many pairs to a fiftieth, rounded outward.
HALVINGS, FEW_HALVINGS, MANY_PAIRS = 11, 6, 30


def compare_rates(first: RateEstimate, second: RateEstimate) -> RateDifference:
    """Difference of two independent rates (first minus second).

    Parameters
    ----------
    first, second : RateEstimate
        Of different transcripts, at the same confidence level and target.

    Returns
    -------
    RateDifference
        Two ``likelihood-ratio`` rates of target ``scenarios`` from whole counts: interval and p-value from one
        likelihood-ratio test, corrected for the finite number of runs. Others: MOVER on the two intervals; `p_value` is
        then 1 - the level at which the interval just touches 0. For ``post-stratified`` rates the limits are
        recomputed at that level; for others the half-width towards 0 is taken as proportional to the normal quantile.
        Either way `p_value` is below 1 - confidence_level exactly when the interval excludes 0. With a rate that is
        nan (too much unlabelled) the difference is nan and the limits are the extremes of the two intervals.

    Raises
    ------
    ValueError
        When level or target differ.

    References
    ----------
    Zou & Donner (2008), Stat. Med. 27:1693 (MOVER).

    Examples
    --------
    >>> facts = dict(confidence_level=0.95, target="pool", method="", n_transcripts=100, n_scored=100, n_labeled=100)
    >>> baseline = RateEstimate(rate=0.30, low=0.21, high=0.40, n_harmful=30, **facts)
    >>> treated = RateEstimate(rate=0.05, low=0.02, high=0.11, n_harmful=5, **facts)
    >>> d = compare_rates(baseline, treated)
    >>> print(f"{d.difference:.2f} [{d.low:.2f}, {d.high:.2f}], p {d.p_value:.0e}")
    0.25 [0.14, 0.35], p 6e-06
    """
    return _compare(first, second, HALVINGS)


def _compare(first: RateEstimate, second: RateEstimate, halvings: int) -> RateDifference:
    if first.confidence_level != second.confidence_level:
        levels = (first.confidence_level, second.confidence_level)
        raise ValueError(f"first and second must fulfil equal confidence_level, got {levels}.")
    if first.target != second.target:
        raise ValueError(f"first and second must fulfil equal target, got {(first.target, second.target)}.")
    counts = _testable(first, second)
    if counts is not None:
        return _by_likelihood_ratio(first, second, counts, halvings)
    difference = first.rate - second.rate
    notes = ["takes the two groups as independent"]
    if np.isnan(difference):
        low, high, p_value = first.low - second.high, first.high - second.low, float("nan")
        notes.append("a rate is not known (too much of its pool is unlabelled): the limits are worst cases")
    else:
        low, high = _mover((first.rate, first.low, first.high), (second.rate, second.low, second.high))
        p_value = _inverted(first, second, low, high)
    return RateDifference(
        difference=difference,
        low=max(low, -1.0),
        high=min(high, 1.0),
        confidence_level=first.confidence_level,
        p_value=p_value,
        method="mover",
        n_paired=0,
        notes=tuple(notes),
    )


def _testable(first: RateEstimate, second: RateEstimate) -> tuple[GroupCounts, GroupCounts] | None:
    """Counts for the likelihood-ratio test; None where an estimate has none, or where there are too many tables."""
    if {first.method, second.method} != {LIKELIHOOD_RATIO}:
        return None
    a, b = counts_of(first), counts_of(second)
    if a is None or b is None:
        return None
    leading = np.sort(np.concatenate([a.n, b.n]))[:-2]
    return (a, b) if np.prod(leading + 1) <= MAX_LEADING_TABLES else None


def _by_likelihood_ratio(
    first: RateEstimate, second: RateEstimate, counts: tuple[GroupCounts, GroupCounts], halvings: int
) -> RateDifference:
    mover = _mover((first.rate, first.low, first.high), (second.rate, second.low, second.high))
    found = difference_interval(*counts, confidence_level=first.confidence_level, halvings=halvings, guess=mover)
    return RateDifference(
        difference=found.estimate,
        low=found.low,
        high=found.high,
        confidence_level=first.confidence_level,
        p_value=found.p_value,
        method=LIKELIHOOD_RATIO,
        n_paired=0,
        notes=("takes the two groups as independent",),
    )


def _mover(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[float, float]:
    """Interval of a difference from rate, low and high of both sides."""
    (p, p_low, p_high), (q, q_low, q_high) = first, second
    return p - q - float(np.hypot(p - p_low, q_high - q)), p - q + float(np.hypot(p_high - p, q - q_low))


def _inverted(first: RateEstimate, second: RateEstimate, low: float, high: float) -> float:
    """Two-sided p-value: 1 - the level at which the interval just touches 0."""
    difference, level = first.rate - second.rate, first.confidence_level
    if np.isnan(low) or np.isnan(high):
        return float("nan")
    if difference == 0:
        return 1.0
    if not (_can_refit(first) and _can_refit(second)):
        towards_zero = difference - low if difference > 0 else high - difference
        return float(2 * ndtr(-normal_quantile(level) * abs(difference) / towards_zero)) if towards_zero > 0 else MIN_P

    def excludes_zero(p_value: float) -> bool:
        at_low, at_high = _mover(
            (first.rate, *_limits_at(first, 1 - p_value)), (second.rate, *_limits_at(second, 1 - p_value))
        )
        return at_low > 0 or at_high < 0

    shown = low > 0 or high < 0
    least, most = (MIN_P, 1 - level) if shown else (1 - level, 1 - MIN_P)
    for _ in range(40):
        middle = float(np.sqrt(least * most))
        least, most = (least, middle) if excludes_zero(middle) else (middle, most)
    return most if shown else least


def _limits_at(estimate: RateEstimate, level: float) -> tuple[float, float]:
    """The post-stratified limits at another level, from the counts that the estimate carries."""
    counts = [(s.n_transcripts, s.n_labeled, s.n_harmful) for s in estimate.strata if s.n_labeled > 0]
    _, low, high = post_stratified(
        *zip(*counts, strict=True), total=estimate.n_transcripts, target=estimate.target, confidence_level=level
    )
    return float(low), float(high)


def _can_refit(estimate: RateEstimate) -> bool:
    """Whether the limits follow from the strata's counts: not so for other methods, clusters, cuts at the confirmed."""
    if not any(stratum.n_labeled > 0 for stratum in estimate.strata):
        return False
    again = _limits_at(estimate, estimate.confidence_level)
    return bool(np.allclose(again, (estimate.low, estimate.high), rtol=0, atol=1e-9))


def compare_groups(rates: Mapping[str, RateEstimate]) -> dict[tuple[str, str], RateDifference]:
    """Every pair of several groups, p-values adjusted for the number of pairs.

    Parameters
    ----------
    rates : mapping of group name to RateEstimate
        Up to 64.

    Returns
    -------
    dict of (first, second) to RateDifference
        `p_value` is adjusted by Shaffer's step-down where every pair was tested by the likelihood ratio, else by
        Holm's; `notes` hold the raw one. The intervals are each at the level of the rates and are not adjusted.

    Raises
    ------
    ValueError
        For more groups.
    """
    if len(rates) > MAX_GROUPS:
        msg = f"rates must hold at most {MAX_GROUPS} groups, got {len(rates)}."
        raise ValueError(msg)
    couples = list(combinations(rates, 2))
    halvings = HALVINGS if len(couples) <= MANY_PAIRS else FEW_HALVINGS
    pairs = {(a, b): _compare(rates[a], rates[b], halvings) for a, b in couples}
    raw = [pair.p_value for pair in pairs.values()]
    one_test = all(pair.method == LIKELIHOOD_RATIO for pair in pairs.values())
    adjusted, step_down = (shaffer(raw, len(rates)), "shaffer") if one_test else (holm(raw), "holm")
    return {
        names: replace(
            pair,
            p_value=float(p),
            method=f"{pair.method}, {step_down}",
            notes=(*pair.notes, f"p before adjusting for {len(pairs)} comparisons: {pair.p_value:.3g}"),
        )
        for (names, pair), p in zip(pairs.items(), adjusted, strict=True)
    }
