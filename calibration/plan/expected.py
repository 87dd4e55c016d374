"""The interval to expect from a sampling design, by simulating the labels that are still to come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import binom

from calibration.checks import FloatArray
from calibration.plan.planned_designs import PlannedDesign, joined, labels_by_cell, whole_numbers
from calibration.rates.intervals import Limits, post_stratified
from calibration.rates.likelihood_ratio import likelihood_ratio
from calibration.rates.methods import too_many_labels
from calibration.rates.pool_interval import pool_likelihood_ratio

PlanMethod = Literal["post-stratified", "likelihood-ratio"]
PlanTarget = Literal["scenarios", "pool"]

N_SIMULATIONS = 300
# Where harms are many, widths hardly vary and likelihood-ratio intervals take longer.
MANY_HARMS, FEW_SIMULATIONS = 20, 50
# The same in three strata or more, where an interval takes much longer: widths to about 1 %.
VERY_FEW_SIMULATIONS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedPool:
    """The pool as assumed; arrays of shape (2,) are flagged, not flagged; of shape (4,) by judge and classifier."""

    size: FloatArray
    p: FloatArray
    target: PlanTarget
    method: PlanMethod
    confidence_level: float

    @property
    def n_transcripts(self) -> int:
        """Over all cells."""
        return round(float(self.size.sum()))


class Sample(NamedTuple):
    """Strata of a rate as planned: pool, labels and expected rate, arrays of shape (n_strata,)."""

    size: FloatArray
    n: FloatArray
    p: FloatArray


def assumed_pool(
    rate: float,
    n_transcripts: int,
    judge: tuple[float, float],
    target: PlanTarget,
    method: PlanMethod,
    confidence_level: float,
    classifier: tuple[float, float] | None = None,
) -> AssumedPool:
    """The pool that graders are expected to leave: whole numbers of transcripts in each cell, their expected rates.

    `judge` and `classifier` are sensitivity and specificity; the two err independently given the truth.
    """
    harmful, harmless = np.array([rate]), np.array([1 - rate])
    for sensitivity, specificity in (judge,) if classifier is None else (judge, classifier):
        harmful = np.outer(harmful, [sensitivity, 1 - sensitivity]).ravel()
        harmless = np.outer(harmless, [1 - specificity, specificity]).ravel()
    share = harmful + harmless
    p = np.clip(np.divide(harmful, share, out=np.zeros(len(share)), where=share > 0), 0, 1)
    size = whole_numbers(n_transcripts * share, np.full(len(share), np.inf))
    return AssumedPool(size=size, p=p, target=target, method=method, confidence_level=confidence_level)


def stratified_uniforms(rng: np.random.Generator, n: int, k: int = 2) -> FloatArray:
    """Uniform numbers of shape (n, k), one in each of n equal cells per column."""
    cells = np.stack([rng.permutation(n) for _ in range(k)], axis=1)
    return np.asarray((cells + rng.random(cells.shape)) / n, dtype=np.float64)


def planned_sample(n: int, design: PlannedDesign, pool: AssumedPool) -> Sample | None:
    """The strata of the rate with `n` labels, or None where the method takes no such labels.

    A stratum without a label joins the largest that has some, as `calibration.rates.estimate` has it under a uniform
    design.
    """
    cells = labels_by_cell(n, design, pool.size)
    for strata in design.strata:
        size, harmful = joined(pool.size, strata), joined(pool.size * pool.p, strata)
        counts = whole_numbers(joined(cells, strata), size)
        filled = counts > 0
        home = int(np.argmax(np.where(filled, size, -1)))
        size[home], harmful[home] = size[home] + size[~filled].sum(), harmful[home] + harmful[~filled].sum()
        sample = Sample(size[filled], counts[filled], harmful[filled] / size[filled])
        if pool.method == "post-stratified" or not too_many_labels(sample.n):
            return sample
    return None


def expected_limits(sample: Sample, pool: AssumedPool, seed: int) -> tuple[float, float]:
    """Mean low and high over simulated campaigns, each distinct table of labels computed once.

    One seed gives the same random numbers whatever the number of labels, so that widths of two plans can be compared.
    """
    size, n, p = sample
    slow = pool.method == "likelihood-ratio" and min(n @ p, n @ (1 - p)) > MANY_HARMS
    few = FEW_SIMULATIONS if n.size <= 2 else VERY_FEW_SIMULATIONS
    uniforms = stratified_uniforms(np.random.default_rng(seed), few if slow else N_SIMULATIONS, len(pool.p))
    tables, times = np.unique(binom.ppf(uniforms[:, : n.size], n, p), axis=0, return_counts=True)
    limits = _limits(size, n, tables, pool)
    return float(np.average(limits.low, weights=times)), float(np.average(limits.high, weights=times))


def _limits(size: FloatArray, n: FloatArray, y: FloatArray, pool: AssumedPool) -> Limits:
    if pool.method == "post-stratified":
        return post_stratified(
            size, np.broadcast_to(n, y.shape), y, target=pool.target, confidence_level=pool.confidence_level
        )
    interval = pool_likelihood_ratio if pool.target == "pool" else likelihood_ratio
    each = [interval(np.round(size), n, row, confidence_level=pool.confidence_level) for row in y]
    return Limits(*(np.array(values) for values in zip(*each, strict=True)))
