"""Two models, arms or judges over the same items or scenarios: the difference of their rates with an interval."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from calibration.agreement.ratings import Floats
from calibration.checks import as_vector, check_choice, check_level, check_unit_or_nan
from calibration.rates.paired import bonett_price, mcnemar_exact, newcombe_paired, tango
from calibration.records import RateDifference

PairedMethod = Literal["bonett-price", "newcombe", "tango"]
Question = Literal["runs", "any-harm"]

MIN_DIFFERING = 5

_INTERVALS = {"bonett-price": bonett_price, "newcombe": newcombe_paired, "tango": tango}


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
