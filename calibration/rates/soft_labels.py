"""The likelihood-ratio interval for labels of an even number of raters, whose votes may tie."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from calibration.checks import FloatArray, check_counts, check_level
from calibration.rates.intervals import Limits
from calibration.rates.likelihood_ratio import outward, scan_starts


def soft_likelihood_ratio(
    n_transcripts: ArrayLike,
    n_labeled: ArrayLike,
    n_harmful: ArrayLike,
    n_tied: ArrayLike,
    *,
    total: float | None = None,
    confidence_level: float = 0.95,
) -> Limits:
    """Interval of all rates that the likelihood-ratio test accepts when some labels are ties.

    Parameters
    ----------
    n_transcripts, n_labeled, n_harmful, n_tied : array-like of shape (n_strata,)
        `n_harmful` is the sum of labels that are 0, 1/2 or 1; `n_tied` counts the halves.
    total : float, optional
        Size of the pool; more than the strata's sum when some transcripts are harmless by definition.
    confidence_level : float in (0, 1)

    Returns
    -------
    Limits
        As `calibration.rates.likelihood_ratio.likelihood_ratio`, and without ties the same numbers. The rate is the
        expected share of such raters who say harm.

    Raises
    ------
    ValueError
        Shapes that differ, counts that such labels cannot have.

    Notes
    -----
    The correlation of votes within a transcript is kept at its estimate from the ties,
    ``1 - rho = min(1, ties / (2 n p (1 - p) + 1))``. Coverage .950 to .986 in twelve cells with two raters, width .71
    to .88 of the post-stratified interval.

    Examples
    --------
    >>> estimate, low, high = soft_likelihood_ratio([50, 950], [10, 190], [4.5, 0.5], [1, 1])
    >>> print(f"{estimate:.4f} {low:.4f} {high:.4f}")
    0.0250 0.0088 0.0449
    """
    check_level(confidence_level)
    size, n, y, tied = (
        np.atleast_1d(np.asarray(a, dtype=np.float64)) for a in (n_transcripts, n_labeled, n_harmful, n_tied)
    )
    _check(size, n, y, tied)
    whole = float(size.sum() if total is None else total)
    labeled = n > 0
    missing = float(size[~labeled].sum()) / whole
    if not labeled.any():
        return Limits(np.asarray(0.0), np.asarray(0.0), np.asarray(min(missing, 1.0)))
    order = np.flatnonzero(labeled)[np.argsort(n[labeled], kind="stable")]
    size, n, y, rho = size[order], n[order], y[order], vote_correlation(n[order], y[order], tied[order])
    ends = _ends(whole, size, n, y, rho, confidence_level)
    return outward(size / whole, n, y, ends, whole=whole, missing=missing, confidence_level=confidence_level)


def vote_correlation(n: FloatArray, y: FloatArray, tied: FloatArray) -> FloatArray:
    """Correlation of two votes on one transcript beyond its stratum's rate; 1 without ties, never below 0."""
    p = y / n
    return np.asarray(1 - np.minimum(1, tied / (2 * n * p * (1 - p) + 1)))


def _ends(
    whole: float, size: FloatArray, n: FloatArray, y: FloatArray, rho: FloatArray, confidence_level: float
) -> tuple[float, float]:
    from calibration.rates.soft_kernels import soft_scan

    below, above = scan_starts(whole, size, n, y, confidence_level)
    w = size / whole
    estimate, error = float((w * y / n).sum()), 1 - confidence_level
    if len(n) == 1:
        # The kernel takes two strata or more: one of weight 0 with one label changes nothing.
        w, n, y, rho = np.append(0.0, w), np.append(1.0, n), np.append(0.0, y), np.append(1.0, rho)
    least = soft_scan(below, estimate, error, w, n, y, rho) if y.sum() > 0 else 0.0
    return least, soft_scan(above, estimate, error, w, n, y, rho)


def _check(size: FloatArray, n: FloatArray, y: FloatArray, tied: FloatArray) -> None:
    if not (size.shape == n.shape == y.shape == tied.shape and size.ndim == 1):
        shapes = size.shape, n.shape, y.shape, tied.shape
        msg = f"n_transcripts, n_labeled, n_harmful and n_tied must share one shape, got {shapes}."
        raise ValueError(msg)
    check_counts(size, n, n_name="n_transcripts", x_name="n_labeled")
    check_counts(n, y, n_name="n_labeled", x_name="n_harmful")
    ones = y - tied / 2
    if not (np.allclose(ones, np.round(ones), atol=1e-9) and np.allclose(tied, np.round(tied), atol=1e-9)):
        msg = f"n_harmful must be whole numbers plus half of n_tied, got {y.tolist()} and {tied.tolist()}."
        raise ValueError(msg)
    if (ones < -1e-9).any() or (ones + tied > n + 1e-9).any() or (tied < 0).any():
        msg = f"n_tied must fulfil n_tied / 2 <= n_harmful <= n_labeled - n_tied / 2, got {tied.tolist()}."
        raise ValueError(msg)
