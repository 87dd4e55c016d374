"""Two-by-two tables of pairs: intervals for the difference of two shares over the same items, numbers in, numbers out.

The table is a both, b first only, c second only, d neither.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import bdtr

from calibration.rates.intervals import normal_quantile, wilson


def bonett_price(a: int, b: int, c: int, d: int, *, confidence_level: float = 0.95) -> tuple[float, float]:
    """Interval for a paired difference of shares: a both, b first only, c second only, d neither; nan without pairs.

    References
    ----------
    Bonett & Price (2012), J. Educ. Behav. Stat. 37:479.
    """
    n = a + b + c + d
    if n == 0:
        return float("nan"), float("nan")
    p, q = (b + 1) / (n + 2), (c + 1) / (n + 2)
    half = normal_quantile(confidence_level) * float(np.sqrt((p + q - (p - q) ** 2) / (n + 2)))
    return max(p - q - half, -1.0), min(p - q + half, 1.0)


def newcombe_paired(a: int, b: int, c: int, d: int, *, confidence_level: float = 0.95) -> tuple[float, float]:
    """Newcombe's method 10 for the same table: Wilson intervals of both margins joined with their correlation.

    References
    ----------
    Newcombe (1998), Stat. Med. 17:2635.
    """
    n = a + b + c + d
    if n == 0:
        return float("nan"), float("nan")
    p, q = (a + b) / n, (a + c) / n
    p_low, p_high = (float(limit) for limit in wilson(a + b, n, confidence_level=confidence_level))
    q_low, q_high = (float(limit) for limit in wilson(a + c, n, confidence_level=confidence_level))
    phi = _newcombe_phi(a, b, c, d)
    below, above = (p - p_low, q_high - q), (p_high - p, q - q_low)
    low, high = (float(np.sqrt(u**2 - 2 * phi * u * v + v**2)) for u, v in (below, above))
    return p - q - low, p - q + high


def _newcombe_phi(a: int, b: int, c: int, d: int) -> float:
    """Correlation of the margins, with the continuity correction of the source; 0 when a margin is empty."""
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    if margins == 0:
        return 0.0
    covariance = float(a * d - b * c)
    if covariance > 0:
        covariance = max(covariance - (a + b + c + d) / 2, 0)
    return float(covariance / np.sqrt(margins))


def tango(a: int, b: int, c: int, d: int, *, confidence_level: float = 0.95) -> tuple[float, float]:
    """Tango's score interval for the same table, by bisection.

    References
    ----------
    Tango (1998), Stat. Med. 17:891.
    """
    n = a + b + c + d
    if n == 0:
        return float("nan"), float("nan")
    z, difference = normal_quantile(confidence_level), (b - c) / n

    def rejected(delta: float) -> bool:
        return abs(_tango_score(b, c, n, delta)) > z

    return _edge(rejected, difference, -1.0), _edge(rejected, difference, 1.0)


def _tango_score(b: int, c: int, n: int, delta: float) -> float:
    """Score statistic at a hypothetical difference, the smaller cell at its constrained maximum."""
    linear = -b - c + (2 * n - b + c) * delta
    smaller = (np.sqrt(max(linear**2 + 8 * n * c * delta * (1 - delta), 0.0)) - linear) / (4 * n)
    variance = n * (2 * smaller + delta * (1 - delta))
    return float((b - c - n * delta) / np.sqrt(variance)) if variance > 0 else 0.0


def _edge(rejected: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where acceptance turns into rejection between two points."""
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if rejected(middle) else (middle, outside)
    return inside


def mcnemar_exact(b: int, c: int) -> float:
    """Exact two-sided McNemar p-value from the discordant counts; 1 when there is none."""
    return min(1.0, 2 * float(bdtr(min(b, c), b + c, 0.5))) if b + c else 1.0
