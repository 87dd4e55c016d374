"""The interval to expect from a sampling design, by simulating the labels that are still to come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import binom

from calibration.checks import FloatArray
from calibration.intervals import Limits, post_stratified
from calibration.likelihood_ratio import likelihood_ratio

PlanMethod = Literal["post-stratified", "likelihood-ratio"]
PlanTarget = Literal["scenarios", "pool"]

N_SIMULATIONS = 300
# Where harms are many, widths hardly vary and likelihood-ratio intervals take longer.
MANY_HARMS, FEW_SIMULATIONS = 20, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedPool:
    """The pool as assumed; arrays of shape (2,) are flagged, not flagged."""

    size: FloatArray
    p: FloatArray
    target: PlanTarget
    method: PlanMethod
    confidence_level: float

    @property
    def n_transcripts(self) -> int:
        """Flagged and not flagged."""
        return round(float(self.size.sum()))


def assumed_pool(
    rate: float,
    n_transcripts: int,
    sensitivity: float,
    specificity: float,
    target: PlanTarget,
    method: PlanMethod,
    confidence_level: float,
) -> AssumedPool:
    """The pool that the judge is expected to leave: whole numbers of flagged transcripts, their expected rates."""
    flagged = rate * sensitivity + (1 - rate) * (1 - specificity)
    harm = np.array([rate * sensitivity, rate * (1 - sensitivity)])
    share = np.array([flagged, 1 - flagged])
    p = np.clip(np.divide(harm, share, out=np.zeros(2), where=share > 0), 0, 1)
    n_flagged = round(n_transcripts * flagged)
    size = np.array([n_flagged, n_transcripts - n_flagged], dtype=np.float64)
    return AssumedPool(size=size, p=p, target=target, method=method, confidence_level=confidence_level)


def stratified_uniforms(rng: np.random.Generator, n: int) -> FloatArray:
    """Uniform numbers of shape (n, 2), one in each of n equal cells per column."""
    cells = np.stack([rng.permutation(n), rng.permutation(n)], axis=1)
    return np.asarray((cells + rng.random(cells.shape)) / n, dtype=np.float64)


def allocate(n: int, share: float | None, pool: AssumedPool) -> FloatArray:
    """Labels on flagged and on other transcripts: proportional, or a share of all labels where there are enough."""
    flagged, others = pool.size
    wanted = n * flagged / (flagged + others) if share is None else n * share
    first = float(np.clip(round(wanted), max(n - others, 0), min(flagged, n)))
    return np.array([first, n - first])


def expected_limits(labels: FloatArray, pool: AssumedPool, seed: int) -> tuple[float, float]:
    """Mean low and high over simulated campaigns, each distinct table of labels computed once.

    One seed gives the same random numbers whatever the number of labels, so that widths of two plans can be compared.
    """
    size, n, p = pool.size, labels, pool.p
    if (labels == 0).any():
        # A side without a label joins the other, as `calibration.rates` has it under a uniform design.
        size, n, p = size.sum(keepdims=True), n.sum(keepdims=True), np.array([size @ p / size.sum()])
    slow = pool.method == "likelihood-ratio" and min(n @ p, n @ (1 - p)) > MANY_HARMS
    uniforms = stratified_uniforms(np.random.default_rng(seed), FEW_SIMULATIONS if slow else N_SIMULATIONS)
    tables, times = np.unique(binom.ppf(uniforms[:, : n.size], n, p), axis=0, return_counts=True)
    limits = _limits(size, n, tables, pool)
    return float(np.average(limits.low, weights=times)), float(np.average(limits.high, weights=times))


def _limits(size: FloatArray, n: FloatArray, y: FloatArray, pool: AssumedPool) -> Limits:
    if pool.method == "post-stratified":
        return post_stratified(
            size, np.broadcast_to(n, y.shape), y, target=pool.target, confidence_level=pool.confidence_level
        )
    each = [likelihood_ratio(size, n, row, target=pool.target, confidence_level=pool.confidence_level) for row in y]
    return Limits(*(np.array(values) for values in zip(*each, strict=True)))
