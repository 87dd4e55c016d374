"""The narrower interval: rates that a likelihood-ratio test does not reject."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from calibration.checks import FloatArray, check_choice, check_counts, check_level
from calibration.rates.intervals import Limits, clopper_pearson, normal_quantile, post_stratified
from calibration.records import Target

# Where the scan for the ends begins, so that it begins outside them.
START_SPREAD, START_FACTOR, START_MARGIN, START_BELOW = 3.8, 1.15, 1e-4, 0.8


def likelihood_ratio(
    n_transcripts: ArrayLike,
    n_labeled: ArrayLike,
    n_harmful: ArrayLike,
    *,
    total: float | None = None,
    target: Target = "scenarios",
    confidence_level: float = 0.95,
    alpha_factor: float = 1.0,
) -> Limits:
    """Interval of all rates that an exact test ordered by the likelihood ratio accepts.

    Parameters
    ----------
    n_transcripts, n_labeled, n_harmful : array-like of shape (n_strata,)
        Whole counts per stratum. Validated for up to five labelled strata; three take 0.1 s at 500 labels.
    total : float, optional
        Size of the pool; more than the strata's sum when some transcripts are harmless by definition.
    target : {"scenarios", "pool"}
    confidence_level : float in (0, 1)
    alpha_factor : float
        Multiplies the error level of the test; 1 is strict, 1.1 uses up what discreteness leaves.

    Returns
    -------
    Limits
        As `calibration.rates.intervals.post_stratified`. For target ``pool`` the lower end is that function's.

    Notes
    -----
    Tables of labels are ordered by the likelihood ratio, probabilities are taken at the constrained maximum of the
    other parameters, and tables within 0.15 of a tie count as ties. Tails are not equal: read no one-sided bound
    off it.

    References
    ----------
    Feldman & Cousins (1998), Phys. Rev. D 57:3873.

    Examples
    --------
    >>> estimate, low, high = likelihood_ratio([50, 950], [10, 190], [4, 0])
    >>> print(f"{estimate:.4f} {low:.4f} {high:.4f}")
    0.0200 0.0064 0.0397
    """
    size, n, y = _validated(n_transcripts, n_labeled, n_harmful, target, confidence_level)
    whole = float(size.sum() if total is None else total)
    labeled = n > 0
    missing = float(size[~labeled].sum()) / whole
    if not labeled.any():
        return Limits(np.asarray(0.0), np.asarray(0.0), np.asarray(min(missing, 1.0)))
    # The kernel enumerates all but the last two strata: those with many labels go last.
    order = np.flatnonzero(labeled)[np.argsort(n[labeled], kind="stable")]
    w, n_l, y_l = size[order] / whole, n[order], y[order]
    p = y_l / n_l
    estimate = float((w * p).sum())
    ends = _ends(whole, size[order], n_l, y_l, (1 - confidence_level) * alpha_factor, confidence_level)
    if target != "pool":
        return outward(w, n_l, y_l, ends, whole=whole, missing=missing, confidence_level=confidence_level)
    most = ends[1]
    high = estimate + (most - estimate) * np.sqrt(_pool_share(size[order], n_l, w, p, y_l, confidence_level))
    low = float(post_stratified(size, n, y, total=whole, target="pool", confidence_level=confidence_level).low)
    return Limits(*(np.asarray(v)[()] for v in (estimate, max(low, 0.0), min(high + missing, 1.0))))


def outward(
    w: FloatArray,
    n: FloatArray,
    y: FloatArray,
    ends: tuple[float, float],
    *,
    whole: float,
    missing: float,
    confidence_level: float,
) -> Limits:
    """Ends for known shares of the strata, widened by what the strata's own sampling adds, and by unlabelled weight."""
    p = y / n
    estimate = float((w * p).sum())
    least, most = ends
    mix = normal_quantile(confidence_level) ** 2 * max(float((w * p**2).sum()) - estimate**2, 0) / whole
    high = estimate + np.sqrt((most - estimate) ** 2 + mix)
    low = estimate - np.sqrt((estimate - least) ** 2 + mix) if y.sum() > 0 else 0.0
    return Limits(*(np.asarray(v)[()] for v in (estimate, max(low, 0.0), min(high + missing, 1.0))))


def _ends(
    whole: float, size: FloatArray, n: FloatArray, y: FloatArray, error: float, confidence_level: float
) -> tuple[float, float]:
    """Smallest and largest accepted rate, before the mix of strata is accounted for."""
    from calibration.rates.likelihood_kernels import scan

    w = size / whole
    estimate = float((w * y / n).sum())
    below, above = scan_starts(whole, size, n, y, confidence_level)
    most = scan(above, estimate, error, w, n, y, n)
    least = scan(below, estimate, error, w, n, y, n) if y.sum() > 0 else 0.0
    return least, most


def scan_starts(
    whole: float, size: FloatArray, n: FloatArray, y: FloatArray, confidence_level: float
) -> tuple[float, float]:
    """Rates outside both ends, from which they are sought."""
    w = size / whole
    start = post_stratified(
        size, n, y, total=whole, confidence_level=confidence_level, upper="clopper-pearson", mix_factor=0.0
    )
    above = max(float(start.high), float((w * y / n).sum()) + START_SPREAD * float((w / n).max()))
    return float(start.low) * START_BELOW, above * START_FACTOR + START_MARGIN


def _pool_share(
    size: FloatArray, n: FloatArray, w: FloatArray, p: FloatArray, y: FloatArray, confidence_level: float
) -> float:
    """Finite population correction: the strata's, weighted by what each adds to the width."""
    margin = (w * (clopper_pearson(y, n, confidence_level=confidence_level)[1] - p)) ** 2
    whole = float(margin.sum())
    return float(((1 - n / size) * margin).sum()) / whole if whole > 0 else 0.0


def _validated(
    n_transcripts: ArrayLike, n_labeled: ArrayLike, n_harmful: ArrayLike, target: Target, confidence_level: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    check_level(confidence_level)
    check_choice("target", target, Target)
    if target == "new-scenarios":
        msg = "target must be 'scenarios' or 'pool', got 'new-scenarios'."
        raise ValueError(msg)
    return whole_counts(n_transcripts, n_labeled, n_harmful)


def whole_counts(
    n_transcripts: ArrayLike, n_labeled: ArrayLike, n_harmful: ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Counts per stratum as arrays of one shape; fractions of a label are refused."""
    size, n, y = (np.atleast_1d(np.asarray(a, dtype=np.float64)) for a in (n_transcripts, n_labeled, n_harmful))
    if not (size.shape == n.shape == y.shape and size.ndim == 1):
        msg = f"n_transcripts, n_labeled and n_harmful must share one shape, got {size.shape}, {n.shape}, {y.shape}."
        raise ValueError(msg)
    check_counts(size, n, n_name="n_transcripts", x_name="n_labeled")
    check_counts(n, y, n_name="n_labeled", x_name="n_harmful")
    whole = np.concatenate([n, y])
    if not np.allclose(whole, np.round(whole), rtol=0, atol=1e-9):
        msg = f"n_labeled and n_harmful must be whole numbers, got {whole[whole != np.round(whole)][0]}."
        raise ValueError(msg)
    return size, np.round(n), np.round(y)
