"""Compiled kernels for labels that may be ties (0, 1/2, 1): the likelihood-ratio test on sums in half units.

S_h is the sum of a stratum's labels and rho_h the correlation of two raters' votes on one transcript beyond its
stratum's rate: one label is 1 with probability p^2 + rho p (1 - p) and 1/2 with 2 p (1 - p) (1 - rho). D doubles when
counts are written in half units, so that the staircase of whole counts serves.
"""

from __future__ import annotations

from math import exp, lgamma, log

import numpy as np

from calibration.checks import FloatArray
from calibration.rates.likelihood_kernels import (
    HALVINGS,
    NEAR_TIE,
    SCAN_STEPS,
    compiled,
    extreme_share,
    statistic,
)

SUM_FLOOR = 1e-8


@compiled
def sum_probability(s: int, n: int, log_p: FloatArray) -> float:
    """Probability that n labels sum to s halves; log_p holds the logs of P(0), P(1/2), P(1)."""
    total = 0.0
    whole = lgamma(n + 1.0)
    for ones in range(max(0, s - n), s // 2 + 1):
        halves = s - 2 * ones
        zeros = n - ones - halves
        value = whole - lgamma(ones + 1.0) - lgamma(halves + 1.0) - lgamma(zeros + 1.0)
        for count, which in ((zeros, 0), (halves, 1), (ones, 2)):
            if count > 0:
                value += count * log_p[which]
        total += exp(value)
    return total


@compiled
def sum_pmf(n: float, p: float, rho: float) -> tuple[int, FloatArray]:
    """Smallest sum in half units and the probabilities from there on, as far as they reach SUM_FLOOR."""
    size = int(n)
    if p <= 0.0:
        return 0, np.ones(1)
    if p >= 1.0:
        return 2 * size, np.ones(1)
    q = p * (1.0 - p)
    tie = 2.0 * q * (1.0 - rho)
    log_p = np.array([log((1.0 - p) ** 2 + rho * q), log(tie) if tie > 0.0 else -np.inf, log(p * p + rho * q)])
    pmf = np.zeros(2 * size + 1)
    middle = min(int(2.0 * n * p), 2 * size)
    # Without ties every other sum is impossible: two in a row below the floor end the search.
    first, small = middle, 0
    while first >= 0 and small < 2:
        pmf[first] = sum_probability(first, size, log_p)
        small = small + 1 if pmf[first] < SUM_FLOOR else 0
        first -= 1
    last, small = middle + 1, 0
    while last <= 2 * size and small < 2:
        pmf[last] = sum_probability(last, size, log_p)
        small = small + 1 if pmf[last] < SUM_FLOOR else 0
        last += 1
    return first + 1, pmf[first + 1 : last].copy()


@compiled
def soft_p_value(t: float, w: FloatArray, n: FloatArray, y: FloatArray, rho: FloatArray) -> float:
    """Probability, at the constrained maximum, of sums as unlikely as y; at least two strata."""
    k = len(w)
    if t <= 0.0 or t >= w.sum():
        return 0.0
    eta = np.empty(k)
    cut = 2.0 * (statistic(t, w, n, y, eta) - NEAR_TIE)
    if cut <= 0.0:
        return 1.0
    lead = k - 2
    starts, first, position = np.zeros(lead), np.zeros(2), np.zeros(lead, dtype=np.int64)
    pmfs = [sum_pmf(n[h], eta[h], rho[h])[1] for h in range(k)]
    for h in range(k):
        start = sum_pmf(n[h], eta[h], rho[h])[0]
        if h < lead:
            starts[h] = start
        else:
            first[h - lead] = start
    table, total, halves = np.zeros(k), 0.0, 2.0 * n
    while True:
        probability = 1.0
        for h in range(lead):
            table[h] = starts[h] + position[h]
            probability *= pmfs[h][position[h]]
        total += probability * extreme_share(t, cut, w, halves, table, first, pmfs[k - 2], pmfs[k - 1])
        h = 0
        while h < lead:
            position[h] += 1
            if position[h] < len(pmfs[h]):
                break
            position[h] = 0
            h += 1
        if h == lead:
            return total


@compiled
def soft_scan(
    start: float, estimate: float, threshold: float, w: FloatArray, n: FloatArray, y: FloatArray, rho: FloatArray
) -> float:
    """The outermost accepted rate between start and the estimate: equal steps inwards, then halvings."""
    step = (estimate - start) / SCAN_STEPS
    s = 0
    while s < SCAN_STEPS and soft_p_value(start + s * step, w, n, y, rho) <= threshold:
        s += 1
    if s == 0:
        return start
    inside = start + s * step
    outside = inside - step
    for _ in range(HALVINGS):
        middle = 0.5 * (outside + inside)
        if soft_p_value(middle, w, n, y, rho) > threshold:
            inside = middle
        else:
            outside = middle
    return inside
