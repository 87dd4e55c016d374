"""Compiled kernels of the likelihood-ratio interval; importing this module loads numba.

Symbols are those of the formulas: W weights, n labelled, y harmful counts per stratum, t the rate under test, m the
multiplier of the constraint sum W p = t, D the likelihood-ratio statistic.

Why the p-value is cheap: D falls in every y_h as long as the table's estimate is below t, and rises above it, since
its derivative is 2 (logit p_hat - logit p_constrained), and the constraint moves every stratum the same way. So the
tables that are as extreme as the observed one are a lower and an upper staircase, and two pointers walk their edges.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, lgamma, log, sqrt
from typing import ParamSpec, TypeVar, cast

import numba
import numpy as np

from calibration.checks import FloatArray

P = ParamSpec("P")
R = TypeVar("R")

NEAR_TIE = 0.15
PMF_FLOOR = 1e-7
SCAN_STEPS = 24
HALVINGS = 9


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile with numba and cache the result on disk."""
    return cast("Callable[P, R]", numba.njit(cache=True, nogil=True)(function))


@compiled
def stratum_root(m: float, w: float, n: float, y: float) -> float:
    """Root in [0, 1] of m w p^2 - (n + m w) p + y = 0."""
    a = m * w
    b = n + a
    root = sqrt(max(b * b - 4.0 * a * y, 0.0))
    if b > 0.0:
        p = 2.0 * y / (b + root)
    elif a < 0.0:
        p = (b - root) / (2.0 * a)
    else:
        p = 0.0
    return min(max(p, 0.0), 1.0)


@compiled
def constrained_maximum(t: float, w: FloatArray, n: FloatArray, y: FloatArray, p: FloatArray) -> None:
    """Write into p the maximiser of the likelihood under sum w p = t; safeguarded Newton in the multiplier."""
    k = len(w)
    estimate, sum_w, sum_y, sum_n = 0.0, 0.0, 0.0, 0.0
    for h in range(k):
        estimate += w[h] * y[h] / n[h]
        sum_w += w[h]
        sum_y += y[h]
        sum_n += n[h]
    if estimate < t:
        low, high = (-(sum_n - sum_y) / (sum_w - t) if t < sum_w else -1e300), 0.0
        m = low if sum_y == 0.0 else 0.5 * low
    else:
        low, high = 0.0, (sum_y / t if t > 0.0 else 1e300)
        m = high if sum_y == sum_n else 0.5 * high
    for _ in range(200):
        gap, slope = -t, 0.0
        for h in range(k):
            p[h] = stratum_root(m, w[h], n[h], y[h])
            gap += w[h] * p[h]
            # The denominator is minus the root of the discriminant; 0 only at a kink.
            below = 2.0 * m * w[h] * p[h] - n[h] - m * w[h]
            if below != 0.0:
                slope += w[h] * w[h] * p[h] * (1.0 - p[h]) / below
        if abs(gap) <= 1e-13 * max(t, 1e-3):
            break
        if gap > 0.0:
            low = m
        else:
            high = m
        step = m - gap / slope if slope != 0.0 else low - 1.0
        following = step if low < step < high else 0.5 * (low + high)
        if following == m:
            break
        m = following


@compiled
def log_likelihood(n: FloatArray, y: FloatArray, p: FloatArray) -> float:
    """Binomial log likelihood over strata, without the constant; -inf where a table is impossible."""
    total = 0.0
    for h in range(len(n)):
        if y[h] > 0.0:
            total += y[h] * log(p[h]) if p[h] > 0.0 else -np.inf
        if y[h] < n[h]:
            total += (n[h] - y[h]) * log(1.0 - p[h]) if p[h] < 1.0 else -np.inf
    return total


@compiled
def statistic(t: float, w: FloatArray, n: FloatArray, y: FloatArray, p: FloatArray) -> float:
    """D(y; t); p is overwritten with the constrained maximiser."""
    best = 0.0
    for h in range(len(n)):
        if y[h] > 0.0:
            best += y[h] * log(y[h] / n[h])
        if y[h] < n[h]:
            best += (n[h] - y[h]) * log(1.0 - y[h] / n[h])
    constrained_maximum(t, w, n, y, p)
    return 2.0 * (best - log_likelihood(n, y, p))


@compiled
def trimmed_pmf(n: float, p: float) -> tuple[int, FloatArray]:
    """Smallest count and the binomial probabilities from there on, as far as they reach PMF_FLOOR."""
    size = int(n)
    pmf = np.zeros(size + 1)
    if p <= 0.0:
        return 0, np.ones(1)
    if p >= 1.0:
        return size, np.ones(1)
    # From the mode outwards, where nothing underflows.
    mode = min(int((size + 1) * p), size)
    odds = p / (1.0 - p)
    pmf[mode] = exp(
        lgamma(size + 1.0)
        - lgamma(mode + 1.0)
        - lgamma(size - mode + 1.0)
        + mode * log(p)
        + (size - mode) * log(1.0 - p)
    )
    first = mode
    while first > 0:
        value = pmf[first] * first / ((size - first + 1.0) * odds)
        if value < PMF_FLOOR:
            break
        first -= 1
        pmf[first] = value
    last = mode
    while last < size:
        value = pmf[last] * (size - last) / (last + 1.0) * odds
        if value < PMF_FLOOR:
            break
        last += 1
        pmf[last] = value
    return first, pmf[first : last + 1].copy()


@compiled
def extreme_share(
    t: float,
    cut: float,
    w: FloatArray,
    n: FloatArray,
    y: FloatArray,
    first: FloatArray,
    pmf_1: FloatArray,
    pmf_2: FloatArray,
) -> float:
    """Probability of D >= cut over the last two strata, the earlier strata of y held fixed."""
    k = len(w)
    i, j = k - 2, k - 1
    p = np.empty(k)
    outer = 0.0
    for h in range(k - 2):
        outer += w[h] * y[h] / n[h]
    size = len(pmf_2)
    cumulated = np.zeros(size + 1)
    for c in range(size):
        cumulated[c + 1] = cumulated[c] + pmf_2[c]
    lower, upper, total = size, size, 0.0
    for r in range(len(pmf_1)):
        y[i] = first[0] + r
        base = outer + w[i] * y[i] / n[i]
        # lower: how many counts of the last stratum are extreme from below; it never grows with r.
        while lower > 0:
            y[j] = first[1] + lower - 1
            if base + w[j] * y[j] / n[j] < t and statistic(t, w, n, y, p) >= cut:
                break
            lower -= 1
        # upper: from which count on they are extreme from above.
        while upper > 0:
            y[j] = first[1] + upper - 1
            if not (base + w[j] * y[j] / n[j] > t and statistic(t, w, n, y, p) >= cut):
                break
            upper -= 1
        total += pmf_1[r] * (cumulated[lower] + cumulated[size] - cumulated[upper])
    return total


@compiled
def p_value(t: float, w: FloatArray, n: FloatArray, y: FloatArray, tables: FloatArray) -> float:
    """Probability, at the constrained maximum, of tables as unlikely as y; n of the enumeration in `tables`."""
    k = len(w)
    if t <= 0.0 or t >= w.sum():
        return 0.0
    eta = np.empty(k)
    cut = statistic(t, w, n, y, eta) - NEAR_TIE
    if cut <= 0.0:
        return 1.0
    first = np.zeros(2)
    if k == 1:
        # A second stratum of weight 0 with one label that is never harmful.
        w2, n2, y2 = np.array([0.0, w[0]]), np.array([1.0, tables[0]]), np.zeros(2)
        start, pmf = trimmed_pmf(tables[0], eta[0])
        first[1] = start
        return extreme_share(t, cut, w2, n2, y2, first, np.ones(1), pmf)
    start_1, pmf_1 = trimmed_pmf(tables[k - 2], eta[k - 2])
    start_2, pmf_2 = trimmed_pmf(tables[k - 1], eta[k - 1])
    first[0], first[1] = start_1, start_2
    if k == 2:
        return extreme_share(t, cut, w, tables, np.zeros(2), first, pmf_1, pmf_2)
    return outer_sum(t, cut, w, tables, eta, first, pmf_1, pmf_2)


@compiled
def outer_sum(
    t: float,
    cut: float,
    w: FloatArray,
    n: FloatArray,
    eta: FloatArray,
    first: FloatArray,
    pmf_1: FloatArray,
    pmf_2: FloatArray,
) -> float:
    """Three or more strata: every combination of the leading ones, the staircase for the last two."""
    k = len(w)
    lead = k - 2
    starts = np.zeros(lead)
    pmfs = [trimmed_pmf(n[h], eta[h])[1] for h in range(lead)]
    for h in range(lead):
        starts[h] = trimmed_pmf(n[h], eta[h])[0]
    position = np.zeros(lead, dtype=np.int64)
    y = np.zeros(k)
    total = 0.0
    while True:
        probability = 1.0
        for h in range(lead):
            y[h] = starts[h] + position[h]
            probability *= pmfs[h][position[h]]
        total += probability * extreme_share(t, cut, w, n, y, first, pmf_1, pmf_2)
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
def scan(
    start: float, estimate: float, threshold: float, w: FloatArray, n: FloatArray, y: FloatArray, tables: FloatArray
) -> float:
    """The outermost accepted rate between start and the estimate: equal steps inwards, then halvings."""
    step = (estimate - start) / SCAN_STEPS
    outside, inside = start, estimate
    for s in range(SCAN_STEPS + 1):
        t = start + s * step
        if s == SCAN_STEPS or p_value(t, w, n, y, tables) > threshold:
            inside = t
            outside = t - step if s > 0 else t
            break
    if outside == inside:
        return inside
    for _ in range(HALVINGS):
        middle = 0.5 * (outside + inside)
        if p_value(middle, w, n, y, tables) > threshold:
            inside = middle
        else:
            outside = middle
    return inside
