"""Two models, arms or judges: differences of rates with intervals.

Two groups with rates of their own: `compare_rates` (MOVER on the two intervals); several: `compare_groups` (Holm). The
same items or scenarios under both: `compare_paired`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtr, stdtrit

from calibration.agreement.ratings import Floats
from calibration.checks import as_vector, check_choice, check_level, check_unit_or_nan
from calibration.rates.intervals import normal_quantile, post_stratified
from calibration.rates.multiplicity import holm
from calibration.rates.paired import bonett_price, mcnemar_exact, newcombe_paired, tango
from calibration.records import RateDifference, RateEstimate

PairedMethod = Literal["bonett-price", "newcombe", "tango"]
Question = Literal["runs", "any-harm"]

MIN_DIFFERING = 5
MIN_P = 1e-12

_INTERVALS = {"bonett-price": bonett_price, "newcombe": newcombe_paired, "tango": tango}


def compare_rates(first: RateEstimate, second: RateEstimate) -> RateDifference:
    """Difference of two independent rates (first minus second) by MOVER.

    Parameters
    ----------
    first, second : RateEstimate
        Of different transcripts, at the same confidence level and target.

    Returns
    -------
    RateDifference
        With a rate that is nan (too much unlabelled) the difference is nan and the limits are the extremes of the two
        intervals. `p_value` is below 1 - confidence_level exactly when the interval excludes 0: it is 1 - the level at
        which the interval just touches 0. For ``post-stratified`` rates the limits are recomputed at that level; for
        others the half-width towards 0 is taken as proportional to the normal quantile.

    Raises
    ------
    ValueError
        When level or target differ.

    References
    ----------
    Zou & Donner (2008), Stat. Med. 27:1693.

    Examples
    --------
    >>> facts = dict(confidence_level=0.95, target="pool", method="", n_transcripts=100, n_scored=100, n_labeled=100)
    >>> baseline = RateEstimate(rate=0.30, low=0.21, high=0.40, n_harmful=30, **facts)
    >>> treated = RateEstimate(rate=0.05, low=0.02, high=0.11, n_harmful=5, **facts)
    >>> d = compare_rates(baseline, treated)
    >>> print(f"{d.difference:.2f} [{d.low:.2f}, {d.high:.2f}], p {d.p_value:.0e}")
    0.25 [0.14, 0.35], p 6e-06
    """
    if first.confidence_level != second.confidence_level:
        levels = (first.confidence_level, second.confidence_level)
        raise ValueError(f"first and second must fulfil equal confidence_level, got {levels}.")
    if first.target != second.target:
        raise ValueError(f"first and second must fulfil equal target, got {(first.target, second.target)}.")
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
    """Every pair of several groups, p-values adjusted by Holm.

    Parameters
    ----------
    rates : mapping of group name to RateEstimate

    Returns
    -------
    dict of (first, second) to RateDifference
        `p_value` is adjusted for the number of pairs; `notes` hold the raw one. The intervals are each at the level of
        the rates and are not adjusted.
    """
    pairs = {(a, b): compare_rates(rates[a], rates[b]) for a, b in combinations(rates, 2)}
    adjusted = holm([pair.p_value for pair in pairs.values()])
    return {
        names: replace(
            pair,
            p_value=float(p),
            method="mover, holm",
            notes=(*pair.notes, f"p before adjusting for {len(pairs)} comparisons: {pair.p_value:.3g}"),
        )
        for (names, pair), p in zip(pairs.items(), adjusted, strict=True)
    }


def compare_paired(
    a: ArrayLike,
    b: ArrayLike,
    *,
    scenario: ArrayLike | None = None,
    inclusion_probability: tuple[ArrayLike, ArrayLike] | None = None,
    question: Question = "runs",
    method: PairedMethod = "bonett-price",
    confidence_level: float = 0.95,
) -> RateDifference:
    """Difference of two rates over the same items or scenarios (a minus b).

    Parameters
    ----------
    a, b : arrays of shape (n,)
        1 harmful, 0 harmless, NaN missing. Without `scenario`, position i is the same item under both.
    scenario : array of shape (n,), optional
        Scenario of position i, for both sides; several runs per scenario; NaN where a side has fewer.
    inclusion_probability : pair of arrays of shape (n,), optional
        Probability in (0, 1] with which run i of a, and of b, was drawn for labelling; read where a value is given.
        Each run then counts 1 / probability within its scenario, so that labels drawn more often from flagged runs do
        not pass for the scenario.
    question : {"runs", "any-harm"}
        With `scenario`: mean difference of the scenarios' harm rates, or difference in the share of scenarios with any
        harmful run (which grows with the number of runs).
    method : {"bonett-price", "newcombe", "tango"}
        For one 0/1 pair per item or scenario.
    confidence_level : float in (0, 1)

    Returns
    -------
    RateDifference
        `n_paired` counts items or scenarios seen under both; all is nan when there is none. `difference` is the plain
        difference of shares; the Bonett-Price interval is centred on a slightly shrunken one. Pairs: p_value of the
        exact McNemar test. Runs: t interval over scenarios, none (nan) when fewer than 5 scenarios differ.

    Raises
    ------
    ValueError
        Unless shapes agree and values are 0, 1 or NaN (for ``runs`` with scenarios: in [0, 1]); for unequal
        probabilities without scenarios, or with ``any-harm``: which runs were seen would decide the answer.

    References
    ----------
    Bonett & Price (2012), J. Educ. Behav. Stat. 37:479; Newcombe (1998), Stat. Med. 17:2635 (method 10);
    Tango (1998), Stat. Med. 17:891.

    Examples
    --------
    >>> d = compare_paired([1] * 6 + [0] * 194, [0] * 5 + [1, 1] + [0] * 193)
    >>> print(f"{d.difference:.3f} [{d.low:.3f}, {d.high:.3f}], p {d.p_value:.2f}")
    0.020 [-0.008, 0.047], p 0.22
    """
    check_level(confidence_level)
    check_choice("question", question, Question)
    check_choice("method", method, PairedMethod)
    a = as_vector("a", a)
    b = as_vector("b", b, a.size)
    check_unit_or_nan("a", a)
    check_unit_or_nan("b", b)
    weights = _run_weights(a, b, inclusion_probability)
    if weights is not None and (scenario is None or question == "any-harm"):
        rule = "equal probabilities unless scenario is given and question is 'runs'"
        raise ValueError(f"inclusion_probability must fulfil {rule}, got unequal ones.")
    if scenario is None:
        return _binary_pairs(a, b, method, confidence_level, "items")
    codes = _scenario_codes(scenario, a.size)
    if weights is not None:
        first, second = (_weighted_means(codes, x, w) for x, w in zip((a, b), weights, strict=True))
        difference = _scenario_means(first, second, confidence_level)
        note = "runs are weighted by 1 / inclusion probability within their scenario"
        return replace(difference, notes=(*difference.notes, note))
    if question == "any-harm":
        return _binary_pairs(_by_scenario(codes, a, "any"), _by_scenario(codes, b, "any"), method, confidence_level)
    return _scenario_means(_by_scenario(codes, a, "mean"), _by_scenario(codes, b, "mean"), confidence_level)


def _run_weights(
    a: Floats, b: Floats, inclusion_probability: tuple[ArrayLike, ArrayLike] | None
) -> tuple[Floats, Floats] | None:
    """1 / probability of each labelled run; None where all weigh the same."""
    if inclusion_probability is None:
        return None
    weights = []
    for x, given in zip((a, b), inclusion_probability, strict=True):
        pi = as_vector("inclusion_probability", given, x.size)
        labelled = ~np.isnan(x)
        wrong = pi[labelled & ~((pi > 0) & (pi <= 1))]
        if wrong.size:
            raise ValueError(f"inclusion_probability must fulfil 0 < p <= 1 where labelled, got {wrong[0]}.")
        weights.append(np.where(labelled, 1 / np.where(labelled, pi, 1.0), np.nan))
    if all(np.nanmax(w, initial=0) <= np.nanmin(w, initial=np.inf) * (1 + 1e-9) for w in weights):
        return None
    return weights[0], weights[1]


def _weighted_means(codes: NDArray[np.int64], x: Floats, weight: Floats) -> Floats:
    """Weighted mean of every scenario's labelled runs; nan where it has none."""
    seen, n = ~np.isnan(x), codes.max(initial=-1) + 1
    total = np.bincount(codes[seen], weights=weight[seen], minlength=n)
    harmful = np.bincount(codes[seen], weights=(weight * x)[seen], minlength=n)
    return np.divide(harmful, total, out=np.full(n, np.nan), where=total > 0)


def _scenario_codes(scenario: ArrayLike, n: int) -> NDArray[np.int64]:
    labels = np.asarray(scenario)
    if labels.shape != (n,):
        raise ValueError(f"scenario must fulfil shape == ({n},), got {labels.shape}.")
    labels = labels.astype(str) if labels.dtype.kind == "O" else labels
    return np.asarray(np.unique(labels, return_inverse=True)[1], dtype=np.int64)


def _by_scenario(codes: NDArray[np.int64], x: Floats, how: Literal["mean", "any"]) -> Floats:
    """One value per scenario; nan where the scenario has no run."""
    seen = ~np.isnan(x)
    n = codes.max(initial=-1) + 1
    runs = np.bincount(codes[seen], minlength=n).astype(float)
    harmful = np.bincount(codes[seen], weights=x[seen], minlength=n)
    mean = np.divide(harmful, runs, out=np.full(n, np.nan), where=runs > 0)
    return mean if how == "mean" else np.where(np.isnan(mean), np.nan, mean > 0)


def _binary_pairs(a: Floats, b: Floats, method: PairedMethod, level: float, unit: str = "scenarios") -> RateDifference:
    both = ~np.isnan(a) & ~np.isnan(b)
    a, b = a[both], b[both]
    if not np.isin(a, (0, 1)).all() or not np.isin(b, (0, 1)).all():
        raise ValueError("a and b must fulfil values in (0, 1, nan) for pairs, got fractions.")
    n11, n10, n01 = int((a * b).sum()), int((a * (1 - b)).sum()), int(((1 - a) * b).sum())
    n = a.size
    low, high = _INTERVALS[method](n11, n10, n01, n - n11 - n10 - n01, confidence_level=level)
    return RateDifference(
        difference=(n10 - n01) / n if n else float("nan"),
        low=low,
        high=high,
        confidence_level=level,
        p_value=mcnemar_exact(n10, n01) if n else float("nan"),
        method=method,
        n_paired=n,
        notes=(f"{unit}: {n11} both, {n10} first only, {n01} second only, {n - n11 - n10 - n01} neither",),
    )


def _scenario_means(a: Floats, b: Floats, level: float) -> RateDifference:
    difference = (a - b)[~np.isnan(a) & ~np.isnan(b)]
    n, differing = difference.size, int((np.abs(difference) > 1e-12).sum())
    mean = float(difference.mean()) if n else float("nan")
    low = high = p_value = float("nan")
    notes = [f"{differing} of {n} scenarios differ"]
    if differing < MIN_DIFFERING:
        notes.append(f"no interval: at least {MIN_DIFFERING} scenarios must differ; question='any-harm' has one")
    elif np.ptp(difference) < 1e-12:
        notes.append("no interval: every scenario differs by the same, which leaves nothing to judge the spread by")
    else:
        stderr = float(difference.std(ddof=1) / np.sqrt(n))
        half = float(stdtrit(n - 1, 0.5 + level / 2)) * stderr
        low, high = max(mean - half, -1.0), min(mean + half, 1.0)
        p_value = float(2 * stdtr(n - 1, -abs(mean) / stderr))
    return RateDifference(
        difference=mean,
        low=low,
        high=high,
        confidence_level=level,
        p_value=p_value,
        method="scenario means, t",
        n_paired=n,
        notes=tuple(notes),
    )
