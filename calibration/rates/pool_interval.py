"""The interval for the very transcripts of the pool: a likelihood-ratio test on hypergeometric tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from calibration.checks import FloatArray, check_level
from calibration.rates.intervals import Limits
from calibration.rates.likelihood_ratio import whole_counts

# Above this size labels drawn with and without replacement no longer differ, and the tables get slow.
MAX_POOL = 200_000


def pool_likelihood_ratio(
    n_transcripts: ArrayLike,
    n_labeled: ArrayLike,
    n_harmful: ArrayLike,
    *,
    total: float | None = None,
    confidence_level: float = 0.95,
) -> Limits:
    """Interval for the share of harm among the transcripts of this pool, labels drawn without replacement.

    Parameters
    ----------
    n_transcripts, n_labeled, n_harmful : array-like of shape (n_strata,)
        Whole counts per stratum.
    total : float, optional
        Size of the pool; more than the strata's sum when some transcripts are harmless by definition.
    confidence_level : float in (0, 1)

    Returns
    -------
    Limits
        The numbers of harmful transcripts that the test does not reject, as shares of the pool. `estimate` is the sum
        over labelled strata; a stratum without labels counts as harmless in `low` and adds its weight to `high`. With
        every transcript labelled all three are equal.

    Notes
    -----
    Tables of labels are ordered by the likelihood ratio of hypergeometric counts; their probabilities are taken at the
    allocation of harm to strata that fits best, and with up to 30 harmful transcripts at its neighbours as well. Over
    the 5,120 small pools of the test, with up to 10 harmful transcripts, exact coverage is .949 or better.

    References
    ----------
    Feldman & Cousins (1998), Phys. Rev. D 57:3873, for the ordering.

    Examples
    --------
    >>> estimate, low, high = pool_likelihood_ratio([60, 540], [15, 135], [2, 1])
    >>> print(f"{600 * estimate:.0f} of 600, {600 * low:.0f} to {600 * high:.0f}")
    12 of 600, 5 to 27
    """
    check_level(confidence_level)
    size, n, y = whole_counts(n_transcripts, n_labeled, n_harmful)
    whole = float(size.sum() if total is None else total)
    labeled = n > 0
    missing = float(size[~labeled].sum()) / whole
    if not labeled.any():
        return Limits(np.asarray(0.0), np.asarray(0.0), np.asarray(min(missing, 1.0)))
    # The kernel enumerates all but the last two strata: those with many labels go last.
    order = np.flatnonzero(labeled)[np.argsort(n[labeled], kind="stable")]
    size, n, y = size[order], n[order], y[order]
    least, most = _ends(size, n, y, 1 - confidence_level)
    estimate = float((size * y / n).sum()) / whole
    return Limits(*(np.asarray(v) for v in (estimate, least / whole, min(most / whole + missing, 1.0))))


def _ends(size: FloatArray, n: FloatArray, y: FloatArray, error: float) -> tuple[float, float]:
    """Smallest and largest accepted number of harmful transcripts."""
    from calibration.rates.pool_kernels import best_harmful, pool_scan

    if len(n) == 1:
        # The kernel takes two strata or more: one transcript that is known to be harmless changes nothing.
        size, n, y = np.append(1.0, size), np.append(1.0, n), np.append(0.0, y)
    log_factorial = gammaln(np.arange(int(size.max()) + 1) + 1.0)
    best = np.empty(len(n))
    best_harmful(size, n, y, best)
    confirmed, possible = float(y.sum()), float((size - n + y).sum())
    least, most = (
        pool_scan(start, float(best.sum()), error, size, n, y, log_factorial) for start in (confirmed, possible)
    )
    return least, most
