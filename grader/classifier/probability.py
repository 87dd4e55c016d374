"""From log-odds to probability, and from probability to a side."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Aim = tuple[Literal["sensitivity", "precision"], float] | None

# A calibrated score keeps the order of the log-odds, even where these are no better than chance.
LEAST_SLOPE = 0.01


def read_aim(text: str) -> Aim:
    """What a threshold is to reach, from text such as ``sensitivity=0.9``.

    Raises
    ------
    ValueError
        Another name, or a value outside 0 < value <= 1.

    Examples
    --------
    >>> read_aim("precision=0.8")
    ('precision', 0.8)
    """
    name, _, value = text.partition("=")
    try:
        share = float(value)
    except ValueError:
        share = float("nan")
    if 0 < share <= 1 and name == "sensitivity":
        return "sensitivity", share
    if 0 < share <= 1 and name == "precision":
        return "precision", share
    raise ValueError(f"aim must be sensitivity=SHARE or precision=SHARE with 0 < SHARE <= 1, got {text!r}.")


def fit_sigmoid(log_odds: Float, y: Float) -> tuple[float, float]:
    """Slope and intercept that make ``1 / (1 + exp(-(slope * log_odds + intercept)))`` a probability.

    Parameters
    ----------
    log_odds : array of shape (n,)
        Out-of-fold: each from a model that did not see its label.
    y : array of shape (n,), 0 or 1

    Returns
    -------
    (slope, intercept)
        The slope is at least 0.01.

    Notes
    -----
    Targets are smoothed to (n_positive + 1) / (n_positive + 2) and 1 / (n_negative + 2), so that
    separable scores do not get a probability of 0 or 1.

    References
    ----------
    Platt (1999), Probabilistic outputs for support vector machines.
    """
    from sklearn.linear_model import LogisticRegression

    n_positive = float(y.sum())
    target = np.where(y == 1, (n_positive + 1) / (n_positive + 2), 1 / (len(y) - n_positive + 2))
    rows = np.concatenate([log_odds, log_odds])[:, None]
    model = LogisticRegression(C=1e6, max_iter=1_000).fit(
        rows, np.repeat([1, 0], len(y)), sample_weight=np.concatenate([target, 1 - target])
    )
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope >= LEAST_SLOPE:
        return slope, intercept
    rate = float(target.mean())
    return LEAST_SLOPE, float(np.log(rate / (1 - rate)) - LEAST_SLOPE * log_odds.mean())


def sigmoid(log_odds: Float, slope: float, intercept: float) -> Float:
    """The probability that belongs to `log_odds`, by the numbers of `fit_sigmoid`."""
    from scipy.special import expit

    return np.asarray(expit(slope * log_odds + intercept), dtype=float)


def choose_threshold(score: Float, y: Float, aim: Aim = None) -> float:
    """From which score on a transcript counts as harmful.

    Parameters
    ----------
    score : array of shape (n,), out-of-fold probabilities
    y : array of shape (n,), 0 or 1, with at least one 1
    aim : (name, value), optional
        ``("sensitivity", 0.9)``: flag as few as find 90 % of the positives.
        ``("precision", 0.8)``: flag as many as leave at least 80 % of the flagged positive.
        By default as many are flagged as are positive, where sensitivity and precision are equal.

    Returns
    -------
    float in [0, 1]
        Half way between the last flagged score and the next, since neither side is known to begin
        there; nan when no threshold reaches the precision.

    Examples
    --------
    >>> score, y = np.array([0.9, 0.8, 0.4, 0.1]), np.array([1.0, 0.0, 1.0, 0.0])
    >>> choose_threshold(score, y, ("sensitivity", 1.0)), choose_threshold(score, y)
    (0.25, 0.6000000000000001)
    >>> choose_threshold(score, y, ("precision", 0.9))
    0.8500000000000001
    """
    values, place = np.unique(-score, return_inverse=True)
    flagged = np.cumsum(np.bincount(place))
    found = np.cumsum(np.bincount(place, weights=y))
    match aim:
        case None:
            last = int(np.argmin(np.abs(flagged - y.sum())))
        case ("sensitivity", float(least)):
            last = int(np.argmax(found >= least * y.sum()))
        case ("precision", float(least)):
            good = np.flatnonzero(found >= least * flagged)
            if len(good) == 0:
                return float("nan")
            last = int(good[-1])
        case _:
            raise ValueError(f"aim must be ('sensitivity' | 'precision', value), got {aim!r}.")
    following = -values[last + 1] if last + 1 < len(values) else 0.0
    return float((following - values[last]) / 2)
