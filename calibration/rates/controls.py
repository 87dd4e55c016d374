"""Rates from planted harms: how many the judge caught there stands in for its sensitivity here. An assumption."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv

from calibration.checks import FloatArray, check_level
from calibration.rates.borrowed import as_labels, as_sides, borrowed_rate, check_parts
from calibration.records import RateEstimate

SAME_SENSITIVITY = (
    "assumes the judge is as sensitive to harm in this pool as it was to the controls; shown beside the default, "
    "never instead: where it is 20 points less sensitive, simulated coverage fell to 14 %"
)
QUADRATURE_NODES = 96


def rate_from_positive_controls(
    y: ArrayLike, side: ArrayLike, controls: ArrayLike, *, confidence_level: float = 0.95
) -> RateEstimate:
    """Harm rate from labels of flagged transcripts and from how many planted harms the judge caught.

    Flagged share x share of the flagged that is harmful / sensitivity on the controls. Labels of transcripts that
    were not flagged do not enter: the controls stand in for them.

    Parameters
    ----------
    y : array of shape (n_transcripts,)
        Human labels of this pool in [0, 1], nan = not labelled; the labelled flagged ones must be a random sample of
        all flagged ones.
    side : array of shape (n_transcripts,)
        1 flagged, 0 not flagged, nan = unscored.
    controls : array of shape (n_controls,)
        The judge's side on transcripts known to be harmful: 1 caught, 0 missed, nan = unscored (a miss).
    confidence_level : float in (0, 1)

    Returns
    -------
    RateEstimate
        Method ``positive-controls``. `rate` is nan when no flagged transcript was labelled or no control was caught.
        Unscored transcripts count as harmless in `low` and as harmful in `high`.

    Raises
    ------
    ValueError
        Values outside their range, lengths that differ, no control.

    References
    ----------
    Limits of the positive share and of the sensitivity as in Clopper & Pearson (1934), of the flagged share as in
    Jeffreys; the quotient's quantile by numerical quadrature.

    Examples
    --------
    >>> side = [1] * 30 + [0] * 1170
    >>> y = [1] * 6 + [0] * 24 + [float("nan")] * 1170
    >>> estimate = rate_from_positive_controls(y, side, [1] * 24 + [0] * 6)
    >>> print(f"{estimate.rate:.5f} [{estimate.low:.4f}, {estimate.high:.4f}]")
    0.00625 [0.0022, 0.0143]
    """
    pool, planted = as_sides("side", side), as_sides("controls", controls)
    labels = as_labels("y", y, pool)
    flagged = (pool == 1) & ~np.isnan(labels)
    return rate_from_control_counts(
        int((pool == 1).sum()),
        int((~np.isnan(pool)).sum()),
        n_labeled=int(flagged.sum()),
        n_harmful=float(labels[flagged].sum()),
        n_controls=planted.size,
        n_caught=int((planted == 1).sum()),
        n_transcripts=pool.size,
        confidence_level=confidence_level,
    )


def rate_from_control_counts(
    n_flagged: int,
    n_scored: int,
    *,
    n_labeled: int,
    n_harmful: float,
    n_controls: int,
    n_caught: int,
    n_transcripts: int | None = None,
    confidence_level: float = 0.95,
) -> RateEstimate:
    """The same rate from counts.

    Parameters
    ----------
    n_flagged, n_scored : int, 0 <= n_flagged <= n_scored
        In this pool.
    n_labeled, n_harmful : numbers, 0 <= n_harmful <= n_labeled <= n_flagged
        Labels of flagged transcripts.
    n_controls, n_caught : int, 0 <= n_caught <= n_controls, n_controls >= 1
    n_transcripts : int, optional
        All of the pool, where some have no verdict.
    confidence_level : float in (0, 1)

    Returns
    -------
    RateEstimate

    Examples
    --------
    >>> estimate = rate_from_control_counts(30, 1200, n_labeled=30, n_harmful=6, n_controls=30, n_caught=24)
    >>> print(f"{estimate.rate:.5f} [{estimate.low:.4f}, {estimate.high:.4f}]")
    0.00625 [0.0022, 0.0143]
    """
    check_level(confidence_level)
    whole = n_scored if n_transcripts is None else n_transcripts
    check_parts(("n_flagged", n_flagged), ("n_scored", n_scored), ("n_transcripts", whole))
    check_parts(("n_caught", n_caught), ("n_controls", n_controls))
    if not 0 <= n_harmful <= n_labeled <= n_flagged:
        found = f"{n_harmful}, {n_labeled}, {n_flagged}"
        msg = f"n_harmful must fulfil 0 <= n_harmful <= n_labeled <= n_flagged, got {found}."
        raise ValueError(msg)
    rate = float("nan")
    if n_labeled and n_caught:
        rate = min(n_flagged / n_scored * (n_harmful / n_labeled) / (n_caught / n_controls), 1.0)
    low, high = _control_limits(n_flagged, n_scored, n_labeled, n_harmful, n_controls, n_caught, confidence_level)
    known = f"{n_caught} of {n_controls} controls caught; {n_harmful:g} of {n_labeled} labelled flagged ones harmful"
    return borrowed_rate(
        (rate, low, high),
        n_flagged=n_flagged,
        n_scored=n_scored,
        n_transcripts=whole,
        labeled=(n_labeled, n_harmful),
        method="positive-controls",
        notes=[SAME_SENSITIVITY, known],
        confidence_level=confidence_level,
    )


def _control_limits(
    n_flagged: int, n_scored: int, n: int, y: float, controls: int, caught: int, confidence_level: float
) -> tuple[float, float]:
    """Quantiles of flagged share x positive share / sensitivity, each end with the cautious Beta of both shares."""
    tail = (1 - confidence_level) / 2
    weight_q = _legendre()[1]
    q = _quantiles(n_flagged + 0.5, n_scored - n_flagged + 0.5)[0]

    def share_below(x: float) -> float:
        """P(q * share / sensitivity < x) for the lower end, smoothed over the share."""
        below = betainc(y, n - y + 1, np.minimum(x * np.divide.outer(sensitivity, q), 1))
        return float(weight_s @ below @ weight_q)

    def share_above(x: float) -> float:
        """P(q * share / sensitivity > x) for the upper end, smoothed over the sensitivity."""
        above = betainc(caught, controls - caught + 1, np.minimum(np.multiply.outer(positive, q) / x, 1))
        return float(weight_p @ above @ weight_q)

    low, high = 0.0, 1.0
    if y > 0:
        sensitivity, weight_s = _quantiles(caught + 1, controls - caught)
        low = _root(lambda x: share_below(x) - tail)
    if caught > 0:
        positive, weight_p = _quantiles(y + 1, n - y)
        high = _root(lambda x: tail - share_above(x))
    return low, high


def _legendre() -> tuple[FloatArray, FloatArray]:
    """Nodes in (0, 1) and weights that sum to 1."""
    node, weight = np.polynomial.legendre.leggauss(QUADRATURE_NODES)
    return (node + 1) / 2, weight / 2


def _quantiles(a: float, b: float) -> tuple[FloatArray, FloatArray]:
    """Quantiles of Beta(a, b) at the nodes of the quadrature, and their weights; Beta(a, 0) is 1 for certain."""
    if b == 0:
        return np.ones(1), np.ones(1)
    node, weight = _legendre()
    return np.asarray(betaincinv(a, b, node), dtype=np.float64), weight


def _root(rising: Callable[[float], float]) -> float:
    """Where a rising function on (0, 1] crosses 0; 1 if it does not."""
    least = 1e-12
    if rising(least) >= 0:
        return 0.0
    return 1.0 if rising(1.0) <= 0 else float(brentq(rising, least, 1.0, xtol=1e-13))
