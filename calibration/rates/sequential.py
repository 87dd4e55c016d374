"""Looking at the labels again and again: intervals that hold at every look, and when to stop."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import betaln, xlog1py, xlogy

from calibration.checks import FloatArray, check_counts, check_level

Decision = Literal["below", "above", "narrow enough", "go on"]

# Labels to come are a guess: sought to this relative precision.
PRECISION = 0.01


def confidence_sequence(n_harmful: float, n_labeled: float, *, confidence_level: float = 0.95) -> tuple[float, float]:
    """Interval of a rate that may be looked at after every label, and still holds at all looks together.

    Parameters
    ----------
    n_harmful, n_labeled : float, 0 <= n_harmful <= n_labeled
        Labels so far, drawn uniformly.
    confidence_level : float in (0, 1)
        Probability that the rate lies in the interval at every look.

    Returns
    -------
    low, high : float in [0, 1]; (0, 1) without labels

    Raises
    ------
    ValueError
        Counts that no sample can have, a level outside (0, 1).

    Notes
    -----
    All rates p whose likelihood is at least 1 - confidence_level of the Beta(1/2, 1/2) mixture's. A plain 95 %
    interval looked at every 10 labels misses at some look in 6 to 20 % of campaigns; this one in at most 1.2 %, and in
    at most 3.8 % with a look after every label to 1,000. It costs about twice the labels.

    References
    ----------
    Robbins (1970), Ann. Math. Stat. 41:1397.

    Examples
    --------
    >>> low, high = confidence_sequence(2, 200)
    >>> print(f"{low:.5f} {high:.4f}")
    0.00020 0.0555
    """
    check_level(confidence_level)
    check_counts(
        np.asarray(n_labeled, dtype=float), np.asarray(n_harmful, dtype=float), n_name="n_labeled", x_name="n_harmful"
    )
    x, n = float(n_harmful), float(n_labeled)
    if n == 0:
        return 0.0, 1.0
    mixture = float(betaln(0.5 + x, 0.5 + n - x) - betaln(0.5, 0.5) + np.log(1 - confidence_level))

    def excess(p: float) -> float:
        """Log evidence against p, less what it takes to exclude p: convex, negative at x / n."""
        return mixture - float(xlogy(x, p) + xlog1py(n - x, -p))

    p = x / n
    low = float(brentq(excess, 1e-300, p, xtol=1e-14)) if x > 0 and excess(1e-300) > 0 else 0.0
    high = float(brentq(excess, p, 1.0 - 1e-16, xtol=1e-14)) if x < n and excess(1.0 - 1e-16) > 0 else 1.0
    return low, high


def stratified_confidence_sequence(
    n_transcripts: ArrayLike, n_labeled: ArrayLike, n_harmful: ArrayLike, *, confidence_level: float = 0.95
) -> tuple[float, float]:
    """The same for labels drawn within strata: each stratum at level a / K, ends added up with the strata's weights.

    Parameters
    ----------
    n_transcripts, n_labeled, n_harmful : array-like of shape (n_strata,)
        Pool, labelled and harmful counts; a stratum without labels may be anything from 0 to 1.
    confidence_level : float in (0, 1)

    Returns
    -------
    low, high : float in [0, 1]

    Raises
    ------
    ValueError
        Counts that no sample can have, shapes that differ, an empty pool.

    Examples
    --------
    >>> low, high = stratified_confidence_sequence([200, 1000], [40, 160], [28, 3])
    >>> print(f"{low:.3f} {high:.3f}")
    0.073 0.220
    """
    check_level(confidence_level)
    size, n, y = (np.atleast_1d(np.asarray(a, dtype=np.float64)) for a in (n_transcripts, n_labeled, n_harmful))
    if not (size.shape == n.shape == y.shape and size.ndim == 1 and size.sum() > 0):
        msg = f"n_transcripts, n_labeled and n_harmful must share one shape, got {size.shape}, {n.shape}, {y.shape}."
        raise ValueError(msg)
    check_counts(size, n, n_name="n_transcripts", x_name="n_labeled")
    level = 1 - (1 - confidence_level) / size.size
    limits = np.array([confidence_sequence(y_h, n_h, confidence_level=level) for y_h, n_h in zip(y, n, strict=True)])
    low, high = (size / size.sum()) @ limits
    return float(low), float(high)


def labels_for_width(
    n_transcripts: ArrayLike,
    n_labeled: ArrayLike,
    n_harmful: ArrayLike,
    width: float,
    *,
    confidence_level: float = 0.95,
) -> int | None:
    """How many labels in all until the stratified sequence is expected to be as narrow as `width`.

    Parameters
    ----------
    n_transcripts, n_labeled, n_harmful : array-like of shape (n_strata,)
        As in `stratified_confidence_sequence`: what there is so far.
    width : float in (0, 1)
    confidence_level : float in (0, 1)

    Returns
    -------
    int or None
        None where labelling the whole pool does not reach it.

    Raises
    ------
    ValueError
        As `stratified_confidence_sequence`; a width outside (0, 1).

    Notes
    -----
    Every stratum goes on at its present share of the labels until it is exhausted (one without labels as if it had
    one), and further labels are as harmful as (harmful + 1/2) / (labelled + 1) says. A guess, to 1 %.

    Examples
    --------
    >>> n = labels_for_width([5000], [100], [0], 0.05)
    >>> low, high = confidence_sequence(0.5 / 101 * (n - 100), n)
    >>> 0.049 < high - low <= 0.05
    True
    """
    if not 0 < width < 1:
        msg = f"width must fulfil 0 < width < 1, got {width}."
        raise ValueError(msg)
    size, n, y = (np.atleast_1d(np.asarray(a, dtype=np.float64)) for a in (n_transcripts, n_labeled, n_harmful))
    expected = (y + 0.5) / (n + 1)

    def labels_at(factor: float) -> FloatArray:
        return np.asarray(np.maximum(n, np.minimum(size, np.ceil(np.maximum(n, 1) * factor))))

    def reached(factor: float) -> bool:
        at = labels_at(factor)
        low, high = stratified_confidence_sequence(size, at, y + (at - n) * expected, confidence_level=confidence_level)
        return high - low <= width

    short, enough = 1.0, float((size / np.maximum(n, 1)).max())
    if reached(short):
        return round(float(n.sum()))
    if not reached(enough):
        return None
    while enough / short > 1 + PRECISION:
        middle = float(np.sqrt(short * enough))
        short, enough = (short, middle) if reached(middle) else (middle, enough)
    return round(float(labels_at(enough).sum()))


def when_to_stop(
    low: float, high: float, *, width: float | None = None, below: float | None = None, above: float | None = None
) -> Decision:
    """What a look at a confidence sequence says about going on.

    Parameters
    ----------
    low, high : float in [0, 1]
        Of `confidence_sequence`; with an interval that does not allow for repeated looks the answer means little.
    width : float, optional
        Stop when high - low is at most this.
    below, above : float, optional
        Stop when the rate is shown to be below (above) this.

    Returns
    -------
    {"below", "above", "narrow enough", "go on"}

    Examples
    --------
    >>> when_to_stop(*confidence_sequence(0, 500), below=0.02)
    'below'
    >>> when_to_stop(*confidence_sequence(0, 200), below=0.02)
    'go on'
    """
    if not 0 <= low <= high <= 1:
        msg = f"low and high must fulfil 0 <= low <= high <= 1, got {low} and {high}."
        raise ValueError(msg)
    if below is not None and high < below:
        return "below"
    if above is not None and low > above:
        return "above"
    return "narrow enough" if width is not None and high - low <= width else "go on"
