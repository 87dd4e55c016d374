"""Compiled kernels of the pool's interval: a likelihood-ratio test on hypergeometric tables; importing loads numba.

T transcripts, n labelled, y harmful among these and H harmful in the pool, per stratum; M is the number of harmful
transcripts in the whole pool under test and D the likelihood-ratio statistic. `log_factorial` holds log k! for every k
up to the largest T.

D falls in every y_h while the table's estimate is below M and rises above it, as for binomial counts
(`calibration.rates.likelihood_kernels`): the tables that are as extreme as the observed one are two staircases.
"""

from __future__ import annotations

from math import exp

import numpy as np

from calibration.checks import FloatArray
from calibration.rates.likelihood_kernels import NEAR_TIE, PMF_FLOOR, SCAN_STEPS, compiled

# Up to so many harmful (or harmless) transcripts in the pool, allocations near the best one are tried as well.
FEW_HARMS = 30
NEIGHBOUR_LOSS = 1.0


@compiled
def log_chance(size: float, n: float, y: float, harmful: float, log_factorial: FloatArray) -> float:
    """Log of C(H, y) C(T - H, n - y), the hypergeometric likelihood without its constant; -inf where impossible."""
    if harmful < y or size - harmful < n - y:
        return -np.inf
    f = log_factorial
    a, b = int(harmful), int(size - harmful)
    c, d = int(y), int(n - y)
    return float(f[a] - f[c] - f[a - c] + f[b] - f[d] - f[b - d])


@compiled
def gain(
    h: int, step: float, size: FloatArray, n: FloatArray, y: FloatArray, harmful: FloatArray, lf: FloatArray
) -> float:
    """What the log likelihood gains when stratum h has `step` more harmful transcripts; -inf where impossible."""
    after = log_chance(size[h], n[h], y[h], harmful[h] + step, lf)
    if after == -np.inf:
        return -np.inf
    return after - log_chance(size[h], n[h], y[h], harmful[h], lf)


@compiled
def best_harmful(size: FloatArray, n: FloatArray, y: FloatArray, harmful: FloatArray) -> None:
    """Write the unconstrained maximum of the likelihood, floor(y (T + 1) / n), into `harmful`."""
    for h in range(len(n)):
        best = np.floor(y[h] * (size[h] + 1.0) / n[h])
        harmful[h] = min(max(best, y[h]), size[h] - n[h] + y[h])


@compiled
def reach_total(m: float, size: FloatArray, n: FloatArray, y: FloatArray, harmful: FloatArray, lf: FloatArray) -> float:
    """Change `harmful` by the likeliest steps until sum H = M; the first step's size, or 0 where M is impossible."""
    missing = m - harmful.sum()
    sign = 1.0 if missing > 0 else -1.0
    step = 1.0
    while 2.0 * step <= abs(missing):
        step *= 2.0
    widest = step
    while abs(missing) > 0:
        step = min(step, abs(missing))
        best, where = -np.inf, -1
        for h in range(len(n)):
            value = gain(h, sign * step, size, n, y, harmful, lf)
            if value > best:
                best, where = value, h
        if where >= 0:
            harmful[where] += sign * step
            missing -= sign * step
        elif step == 1.0:
            return 0.0
        else:
            step = np.floor(step / 2.0)
    return widest


@compiled
def constrain(m: float, size: FloatArray, n: FloatArray, y: FloatArray, harmful: FloatArray, lf: FloatArray) -> bool:
    """Move `harmful` to the maximum of the likelihood under sum H = M; False where no table allows it.

    The likelihood is concave in every H_h, so that an allocation which no exchange of one transcript improves is the
    maximum. Steps that halve keep the number of exchanges small in large pools.
    """
    k = len(n)
    step = reach_total(m, size, n, y, harmful, lf)
    if step == 0.0:
        return False
    while step >= 1.0:
        best, giver, taker = 1e-11, -1, -1
        for a in range(k):
            loss = gain(a, -step, size, n, y, harmful, lf)
            for b in range(k):
                value = loss + gain(b, step, size, n, y, harmful, lf) if a != b else -np.inf
                if value > best:
                    best, giver, taker = value, a, b
        if giver >= 0:
            harmful[giver] -= step
            harmful[taker] += step
        else:
            step = np.floor(step / 2.0)
    return True


@compiled
def pool_statistic(
    m: float, size: FloatArray, n: FloatArray, y: FloatArray, harmful: FloatArray, lf: FloatArray
) -> float:
    """D(y; M); `harmful` is overwritten with the constrained maximiser. Infinite where M is impossible."""
    k = len(n)
    best_harmful(size, n, y, harmful)
    value = 0.0
    for h in range(k):
        value += log_chance(size[h], n[h], y[h], harmful[h], lf)
    if not constrain(m, size, n, y, harmful, lf):
        return np.inf
    for h in range(k):
        value -= log_chance(size[h], n[h], y[h], harmful[h], lf)
    return 2.0 * value


@compiled
def hypergeometric_pmf(size: float, n: float, harmful: float, lf: FloatArray) -> tuple[int, FloatArray]:
    """Smallest count and the probabilities from there on, as far as they reach PMF_FLOOR."""
    least, most = int(max(0.0, n - size + harmful)), int(min(n, harmful))
    pmf = np.zeros(most - least + 1)
    mode = min(max(int((n + 1.0) * (harmful + 1.0) / (size + 2.0)), least), most)
    whole = lf[int(size)] - lf[int(n)] - lf[int(size - n)]
    first = mode
    while first >= least:
        pmf[first - least] = exp(log_chance(size, n, float(first), harmful, lf) - whole)
        if pmf[first - least] < PMF_FLOOR and first < mode:
            break
        first -= 1
    last = mode + 1
    while last <= most:
        pmf[last - least] = exp(log_chance(size, n, float(last), harmful, lf) - whole)
        if pmf[last - least] < PMF_FLOOR:
            break
        last += 1
    first = max(first + 1, least)
    return first, pmf[first - least : last - least].copy()


@compiled
def pool_extreme(
    m: float,
    cut: float,
    size: FloatArray,
    n: FloatArray,
    y: FloatArray,
    first: FloatArray,
    pmf_1: FloatArray,
    pmf_2: FloatArray,
    lf: FloatArray,
) -> float:
    """Probability of D >= cut over the last two strata, the earlier strata of y held fixed."""
    k = len(n)
    i, j = k - 2, k - 1
    harmful = np.empty(k)
    outer = 0.0
    for h in range(k - 2):
        outer += size[h] * y[h] / n[h]
    length = len(pmf_2)
    cumulated = np.zeros(length + 1)
    for c in range(length):
        cumulated[c + 1] = cumulated[c] + pmf_2[c]
    lower, upper, total = length, length, 0.0
    for r in range(len(pmf_1)):
        y[i] = first[0] + r
        base = outer + size[i] * y[i] / n[i]
        while lower > 0:
            y[j] = first[1] + lower - 1
            if base + size[j] * y[j] / n[j] < m and pool_statistic(m, size, n, y, harmful, lf) >= cut:
                break
            lower -= 1
        while upper > 0:
            y[j] = first[1] + upper - 1
            if not (base + size[j] * y[j] / n[j] > m and pool_statistic(m, size, n, y, harmful, lf) >= cut):
                break
            upper -= 1
        total += pmf_1[r] * (cumulated[lower] + cumulated[length] - cumulated[upper])
    return total


@compiled
def table_chance(m: float, cut: float, size: FloatArray, n: FloatArray, harmful: FloatArray, lf: FloatArray) -> float:
    """Probability of tables with D >= cut when stratum h has `harmful[h]` harmful transcripts; at least two strata."""
    k = len(n)
    lead = k - 2
    starts, first, position = np.zeros(lead), np.zeros(2), np.zeros(lead, dtype=np.int64)
    pmfs = [hypergeometric_pmf(size[h], n[h], harmful[h], lf)[1] for h in range(k)]
    for h in range(k):
        start = hypergeometric_pmf(size[h], n[h], harmful[h], lf)[0]
        if h < lead:
            starts[h] = start
        else:
            first[h - lead] = start
    table = np.zeros(k)
    total = 0.0
    while True:
        probability = 1.0
        for h in range(lead):
            table[h] = starts[h] + position[h]
            probability *= pmfs[h][position[h]]
        total += probability * pool_extreme(m, cut, size, n, table, first, pmfs[k - 2], pmfs[k - 1], lf)
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
def pool_p_value(m: float, size: FloatArray, n: FloatArray, y: FloatArray, lf: FloatArray) -> float:
    """Probability of tables as unlikely as y under sum H = M, at the constrained maximum.

    With few harms one exchange between strata changes that probability a lot. There it is the largest over the
    allocations whose log likelihood is within NEIGHBOUR_LOSS of the maximum, on every line of exchanges through it.
    """
    k = len(n)
    eta = np.empty(k)
    cut = pool_statistic(m, size, n, y, eta, lf) - NEAR_TIE
    if cut <= 0.0:
        return 1.0
    if cut == np.inf:
        return 0.0
    worst = table_chance(m, cut, size, n, eta, lf)
    if min(m, size.sum() - m) > FEW_HARMS:
        return worst
    for a in range(k):
        for b in range(k):
            step = 1.0
            while a != b and (
                gain(a, -step, size, n, y, eta, lf) + gain(b, step, size, n, y, eta, lf) >= -NEIGHBOUR_LOSS
            ):
                near = eta.copy()
                near[a] -= step
                near[b] += step
                worst = max(worst, table_chance(m, cut, size, n, near, lf))
                step += 1.0
    return worst


@compiled
def pool_scan(
    start: float, inside: float, threshold: float, size: FloatArray, n: FloatArray, y: FloatArray, lf: FloatArray
) -> float:
    """The outermost accepted count between start and the estimate: steps inwards, then halvings to the very count."""
    step = np.ceil(abs(inside - start) / SCAN_STEPS) * (1.0 if inside > start else -1.0)
    if step == 0.0:
        return inside
    outside, m = start, start
    while (inside - m) * step > 0.0 and pool_p_value(m, size, n, y, lf) <= threshold:
        outside = m
        m += step
    if m == start:
        return start
    accepted = m if (inside - m) * step > 0.0 else inside
    while abs(accepted - outside) > 1.0:
        middle = np.floor(0.5 * (accepted + outside))
        if pool_p_value(middle, size, n, y, lf) > threshold:
            accepted = middle
        else:
            outside = middle
    return accepted
