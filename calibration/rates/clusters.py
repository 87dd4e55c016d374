"""Intervals for scenarios that nobody wrote yet: the scenarios at hand are a sample, not the whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from calibration.checks import FloatArray, check_level, check_share
from calibration.rates.intervals import (
    Limits,
    Upper,
    clopper_pearson,
    clopper_pearson_upper,
    normal_quantile,
    post_stratified,
)


def new_scenarios(
    n_transcripts: ArrayLike,
    n_labeled: ArrayLike,
    n_harmful: ArrayLike,
    *,
    known_zero: ArrayLike | None = None,
    confidence_level: float = 0.95,
    assumed_icc: float = 0.2,
    upper: Upper = "guarded",
) -> Limits:
    """Envelope of the post-stratified interval with effective counts and of Korn-Graubard.

    Parameters
    ----------
    n_transcripts, n_labeled, n_harmful : array-like of shape (n_strata, n_scenarios)
        Pool, labelled and harmful counts per stratum and scenario; the last two may be fractions.
    known_zero : array-like of shape (n_scenarios,), optional
        Transcripts harmless by definition.
    confidence_level : float in (0, 1)
    assumed_icc : float in [0, 1]
        Correlation of outcomes inside a scenario. Assumed, since rare harm cannot estimate it.
    upper : {"guarded", "jeffreys", "clopper-pearson"}

    Returns
    -------
    Limits
        `low` and `high` are nan when fewer than two scenarios hold labels.

    References
    ----------
    Korn & Graubard (1998), Surv. Methodol. 24:193; Zou & Donner (2008), Stat. Med. 27:1693.

    Examples
    --------
    >>> size, n, y = [[30] * 10], [[5] * 10], [[5] + [0] * 9]
    >>> estimate, low, high = new_scenarios(size, n, y)
    >>> print(f"{estimate:.2f} {low:.3f} {high:.2f}")
    0.10 0.001 0.53
    """
    check_level(confidence_level)
    check_share("assumed_icc", assumed_icc)
    size, n, y = (np.asarray(a, dtype=np.float64) for a in (n_transcripts, n_labeled, n_harmful))
    zeros = np.zeros(size.shape[1]) if known_zero is None else np.asarray(known_zero, dtype=np.float64)
    sizes = size.sum(0) + zeros
    n_scenarios = int((n.sum(0) > 0).sum())
    simple = post_stratified(size.sum(1), n.sum(1), y.sum(1), total=sizes.sum())
    if n_scenarios < 2:
        return Limits(simple.estimate, np.asarray(np.nan), np.asarray(np.nan))
    spread = stdtrit(n_scenarios - 1, 0.5 + confidence_level / 2) / normal_quantile(confidence_level)
    shrink = _design_effect(n, assumed_icc) * spread**2
    part_a = post_stratified(
        size.sum(1),
        n.sum(1) / shrink,
        y.sum(1) / shrink,
        total=sizes.sum(),
        target="new-scenarios",
        confidence_level=confidence_level,
        upper=upper,
        mix_factor=_design_effect(sizes[None], assumed_icc)[0] * spread**2,
    )
    low, high = part_a.low, part_a.high
    part_b = _korn_graubard(size, n, y, sizes, n_scenarios, confidence_level)
    if part_b is not None:
        unlabeled = size.sum(1)[n.sum(1) == 0].sum() / sizes.sum()
        low = np.minimum(low, part_b[0])
        high = np.clip(np.maximum(high, part_b[1] + unlabeled), 0, 1)
    return Limits(simple.estimate, low, high)


def one_draw_per_scenario(n_scenarios: int, n_harmful_scenarios: int, *, confidence_level: float = 0.95) -> float:
    """One-sided upper bound when every scenario is worth one draw: the worst that clustering can do.

    Examples
    --------
    >>> print(f"{one_draw_per_scenario(20, 0):.4f}")
    0.1391
    """
    return float(clopper_pearson_upper(n_harmful_scenarios, n_scenarios, confidence_level=confidence_level))


def _design_effect(n: FloatArray, icc: float) -> FloatArray:
    """Kish's 1 + (m - 1) icc per stratum, with m the size-weighted mean cluster size; never below 1."""
    total = n.sum(1)
    m = np.divide((n**2).sum(1), total, out=np.ones(len(n)), where=total > 0)
    effect: FloatArray = 1 + np.maximum(m - 1, 0) * icc
    return effect


def _korn_graubard(
    size: FloatArray, n: FloatArray, y: FloatArray, sizes: FloatArray, n_scenarios: int, confidence_level: float
) -> tuple[FloatArray, FloatArray] | None:
    """Exact interval at the effective size that the scenarios' own scatter implies; None where there is none."""
    n_h, size_h, total, g = n.sum(1), size.sum(1), sizes.sum(), n_scenarios
    labeled = n_h > 0
    p = np.divide(y.sum(1), n_h, out=np.zeros(len(n_h)), where=labeled)
    expand = np.divide(size_h, n_h, out=np.zeros(len(n_h)), where=labeled)
    rate = float((size_h * p).sum() / total)
    z_c = (p[:, None] * size + expand[:, None] * (y - p[:, None] * n)).sum(0)
    variance = g / (g - 1) * ((z_c - rate * sizes) ** 2).sum() / total**2
    if rate in (0, 1) or variance <= 1e-12 * rate:
        return None
    n_all = n_h.sum()
    tail = 0.5 + confidence_level / 2
    n_eff = min(n_all, rate * (1 - rate) / variance)
    n_eff *= (stdtrit(max(n_all - 1, 1e-9), tail) / stdtrit(g - 1, tail)) ** 2 if n_all > 1 else 1.0
    n_eff = max(n_eff, 1.0)
    return clopper_pearson(rate * n_eff, n_eff, confidence_level=confidence_level)
