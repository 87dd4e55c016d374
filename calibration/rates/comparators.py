"""What other tools would have answered: kept for comparison, each with the reason not to trust it.

Arrays work as in `calibration.rates.intervals`: the last axis is the judge's side (flagged, not flagged), the axes
before
it are separate data sets. Limits are as the formulas give them, below 0 and without width if need be; they are cut at
[0, 1] and get their warning when they enter a record (`calibration.rates.methods`).
"""

from __future__ import annotations

import numpy as np

from calibration.checks import FloatArray
from calibration.rates.intervals import Limits, clopper_pearson, normal_quantile, wilson

FLAGGED_FIRST = np.array([1.0, 0.0])


def apparent(size: FloatArray, n: FloatArray, y: FloatArray, *, confidence_level: float = 0.95) -> Limits:
    """The judge's own rate with a Wilson interval; n and y are not used."""
    flagged, total = size[..., 0], size.sum(-1)
    return Limits(flagged / total, *wilson(flagged, total, confidence_level=confidence_level))


def human_only(size: FloatArray, n: FloatArray, y: FloatArray, *, confidence_level: float = 0.95) -> Limits:
    """Labels alone, drawn uniformly: Clopper-Pearson."""
    labels, harmful = n.sum(-1), y.sum(-1)
    rate = np.divide(harmful, labels, out=np.full(np.shape(labels), np.nan), where=labels > 0)
    return Limits(rate, *clopper_pearson(harmful, labels, confidence_level=confidence_level))


def human_only_weighted(size: FloatArray, n: FloatArray, y: FloatArray, *, confidence_level: float = 0.95) -> Limits:
    """Labels alone, drawn with unequal probability: weighted mean, Clopper-Pearson at the Kish size."""
    weight = np.where(n > 0, size, 0.0)
    total = weight.sum(-1)
    rate = np.divide(_shares(n, y) * weight, total[..., None], where=total[..., None] > 0).sum(-1)
    spread = np.divide(weight**2, n, out=np.zeros(n.shape), where=n > 0).sum(-1)
    kish = np.divide(total**2, spread, out=np.zeros(np.shape(total)), where=spread > 0)
    return Limits(rate, *clopper_pearson(rate * kish, kish, confidence_level=confidence_level))


def rogan_gladen(
    size: FloatArray, n: FloatArray, y: FloatArray, *, uniform: bool = True, confidence_level: float = 0.95
) -> Limits:
    """Apparent rate corrected by sensitivity and specificity, delta-method interval.

    nan unless both classes were labelled and the judge does better than chance.

    References
    ----------
    Rogan & Gladen (1978), Am. J. Epidemiol. 107:71.
    """
    z = normal_quantile(confidence_level)
    weight = _label_weights(size, n, uniform=uniform)
    total = size.sum(-1)
    q = size[..., 0] / total
    harmful, harmless = (weight * y).sum(-1), (weight * (n - y)).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = (weight * y)[..., 0] / harmful
        sp = (weight * (n - y))[..., 1] / harmless
        gain = se + sp - 1
        gain = np.where(gain > 0, gain, np.nan)
        rate = (q + sp - 1) / gain
        variance = (
            q * (1 - q) / total
            + rate**2 * se * (1 - se) / y.sum(-1)
            + (1 - rate) ** 2 * sp * (1 - sp) / (n - y).sum(-1)
        ) / gain**2
    margin = z * np.sqrt(variance)
    return Limits(rate, rate - margin, rate + margin)


def ppi(
    size: FloatArray,
    n: FloatArray,
    y: FloatArray,
    *,
    uniform: bool = True,
    power: float | None = None,
    confidence_level: float = 0.95,
) -> Limits:
    """Prediction-powered mean (PPI++) with the judge's side as the prediction, Wald interval.

    Parameters
    ----------
    size, n, y : arrays of shape (..., 2)
    uniform : bool
        Whether labels count equally and the unlabelled rest is the second sample, as PPI has it; if not, each label
        counts as the transcripts of its side that it stands for, and the second sample is the whole pool.
    power : float, optional
        The tuning weight lambda; None tunes it for the smallest variance, cut to [0, 1].
    confidence_level : float in (0, 1)

    References
    ----------
    Angelopoulos, Duchi & Zrnic (2023), PPI++, arXiv:2311.01453.
    """
    z = normal_quantile(confidence_level)
    v = _label_weights(size, n, uniform=uniform)
    size = size - n if uniform else size
    labels, pool = n.sum(-1), size.sum(-1)
    v = v * np.divide(labels, (v * n).sum(-1))[..., None]

    def mean(harmful: FloatArray, harmless: FloatArray) -> FloatArray:
        """Mean over labels of a quantity given per side, for harmful and for harmless ones."""
        value: FloatArray = ((y * harmful + (n - y) * harmless) / labels[..., None]).sum(-1)
        return value

    says = FLAGGED_FIRST
    q = size[..., 0] / pool
    centre = (q + mean(v * (1 - says), v * (0 - says)))[..., None]
    if power is None:
        a1, a0, b = v * (1 - centre), v * (0 - centre), v * (says - centre)
        covariance = mean(a1 * b, a0 * b) - mean(a1, a0) * mean(b, b)
        b_pool = says - centre
        everything = labels + pool
        first = ((n * b).sum(-1) + (size * b_pool).sum(-1)) / everything
        second = ((n * b**2).sum(-1) + (size * b_pool**2).sum(-1)) / everything
        spread = (second - first**2) * everything / (everything - 1)
        tuned = np.divide(covariance, (1 + labels / pool) * spread, out=np.zeros(np.shape(spread)), where=spread > 0)
        lam = np.clip(tuned, 0, 1)
    else:
        lam = np.full(np.shape(pool), power)
    r1, r0 = v * (1 - lam[..., None] * says), v * (0 - lam[..., None] * says)
    rate = lam * q + mean(r1, r0)
    rectifier = np.maximum(mean(r1**2, r0**2) - mean(r1, r0) ** 2, 0) / labels
    margin = z * np.sqrt(lam**2 * q * (1 - q) / pool + rectifier)
    return Limits(rate, rate - margin, rate + margin)


def aipw(size: FloatArray, n: FloatArray, y: FloatArray, *, confidence_level: float = 0.95) -> Limits:
    """Augmented inverse-probability mean, the labelled mean of each side as outcome model, Wald interval.

    A side without labels counts with the other side's mean.

    References
    ----------
    Robins, Rotnitzky & Zhao (1994), JASA 89:846.
    """
    z = normal_quantile(confidence_level)
    total = size.sum(-1)
    overall = np.divide(y.sum(-1), n.sum(-1))
    p = np.where(n > 0, _shares(n, y), overall[..., None])
    w = size / total[..., None]
    rate = (w * p).sum(-1)
    within = np.divide(w**2 * p * (1 - p), n, out=np.zeros(np.broadcast(p, n).shape), where=n > 0).sum(-1)
    between = ((w * p**2).sum(-1) - rate**2) / total
    margin = z * np.sqrt(within + np.maximum(between, 0))
    return Limits(rate, rate - margin, rate + margin)


def _shares(n: FloatArray, y: FloatArray) -> FloatArray:
    return np.divide(y, n, out=np.zeros(np.broadcast(y, n).shape), where=n > 0)


def _label_weights(size: FloatArray, n: FloatArray, *, uniform: bool) -> FloatArray:
    if uniform:
        return np.ones(np.broadcast(size, n).shape)
    return np.divide(size, n, out=np.zeros(np.broadcast(size, n).shape), where=n > 0)
