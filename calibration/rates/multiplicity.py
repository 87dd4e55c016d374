"""P-values of several comparisons at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.agreement.ratings import Floats


def holm(p_values: ArrayLike) -> Floats:
    """Holm's step-down adjustment: controls the chance of any false claim; nan stays nan and is not counted.

    References
    ----------
    Holm (1979), Scand. J. Stat. 6:65.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p, order, m = _ascending(p_values)
    adjusted = np.minimum(np.maximum.accumulate(p[order] * (m - np.arange(m))), 1)
    return _put_back(p, order, adjusted)


def benjamini_yekutieli(p_values: ArrayLike) -> Floats:
    """Benjamini-Yekutieli adjustment: false discovery rate under any dependence; nan stays nan.

    References
    ----------
    Benjamini & Yekutieli (2001), Ann. Stat. 29:1165.

    Examples
    --------
    >>> print(benjamini_yekutieli([0.001, 0.008, 0.2]).round(4))
    [0.0055 0.022  0.3667]
    """
    p, order, m = _ascending(p_values)
    ranks = np.arange(1, m + 1)
    raw = p[order] * m / ranks * (1 / ranks).sum()
    adjusted = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1)
    return _put_back(p, order, adjusted)


def _ascending(p_values: ArrayLike) -> tuple[Floats, NDArray[np.intp], int]:
    p = np.asarray(p_values, dtype=float)
    if p.ndim != 1 or ((p < 0) | (p > 1)).any():
        raise ValueError(f"p_values must fulfil 0 <= p <= 1 in one dimension, got {p.tolist()}.")
    m = int((~np.isnan(p)).sum())
    return p, np.argsort(p, kind="stable")[:m], m


def _put_back(p: Floats, order: NDArray[np.intp], adjusted: Floats) -> Floats:
    result = np.full(p.shape, np.nan)
    result[order] = adjusted
    return result
