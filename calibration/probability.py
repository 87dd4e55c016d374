"""Do a grader's scores mean what they say? Brier score, log loss, reliability curve, each beside its null reference.

Probabilities rank and stratify; the validity of a rate never rests on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, xlogy

from calibration.agreement.ratings import Floats, Ints
from calibration.checks import as_vector, check_choice, check_level, check_unit_or_nan
from calibration.rates.intervals import clopper_pearson
from calibration.rates.weighting import weighting

Binning = Literal["width", "mass"]

N_NULL = 400
# What log loss takes 0 and 1 for; a certain and wrong score would cost infinity.
CERTAIN = 1e-15


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """One point of the reliability curve: items with a score from `start` to `end`.

    `rate` is their (weighted) share of harm with Clopper-Pearson limits; `score` their mean score.
    """

    start: float
    end: float
    n_items: int
    score: float
    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreNull:
    """What a PERFECTLY calibrated grader with these very scores would show: the measure of the numbers beside it.

    `brier`, `log_loss` and `ece` are expectations; `ece_high` is the value that chance exceeds in 5 % of samples.
    """

    brier: float
    log_loss: float
    ece: float
    ece_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """How well scores serve as probabilities.

    Parameters
    ----------
    brier, log_loss, ece : float
        Mean squared error, mean negative log likelihood (nats), expected calibration error; nan without items.
    null : ScoreNull
    miscalibration, discrimination, uncertainty : float
        brier = miscalibration - discrimination + uncertainty, by isotonic recalibration (CORP). `uncertainty` is the
        Brier score of the base rate.
    bins : tuple of ReliabilityBin
        Filled bins only.
    confidence_level : float
    n_items, n_positive : int
    notes : tuple of str
    """

    brier: float
    log_loss: float
    ece: float
    null: ScoreNull
    miscalibration: float
    discrimination: float
    uncertainty: float
    bins: tuple[ReliabilityBin, ...]
    confidence_level: float
    n_items: int
    n_positive: int
    notes: tuple[str, ...] = ()


def reliability(
    y: ArrayLike,
    score: ArrayLike,
    *,
    inclusion_probability: ArrayLike | None = None,
    n_bins: int = 10,
    binning: Binning = "width",
    confidence_level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Reliability:
    """Brier score, log loss, calibration error and reliability curve of scores against human labels.

    Parameters
    ----------
    y : array of shape (n_items,)
        Human label in [0, 1] (fractions are vote shares), nan = not labelled.
    score : array of shape (n_items,)
        In [0, 1], nan = unscored; of a model that was not fitted on these labels, or out of fold.
    inclusion_probability : array of shape (n_items,), optional
        Probability in (0, 1] with which the item was drawn for labelling; everything is then weighted by its inverse.
    n_bins : int >= 1
    binning : {"width", "mass"}
        Bins of equal width in [0, 1], or of about equal numbers of items; equal scores share a bin.
    confidence_level : float in (0, 1)
        Of the bands.
    rng : numpy Generator, optional
        For the null reference of the calibration error; fixed seed unless given.

    Returns
    -------
    Reliability

    Raises
    ------
    ValueError
        Values outside their range, lengths that differ.

    References
    ----------
    Brier (1950), Mon. Weather Rev. 78:1; Naeini, Cooper & Hauskrecht (2015), AAAI (ECE); Dimitriadis, Gneiting &
    Jordan (2021), PNAS 118:e2016191118 (CORP).

    Examples
    --------
    >>> result = reliability([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3])
    >>> print(f"{result.brier:.4f} {result.ece:.3f}, expected when perfect {result.null.ece:.2f}")
    0.0375 0.175, expected when perfect 0.28
    """
    check_level(confidence_level)
    check_choice("binning", binning, Binning)
    if n_bins < 1:
        msg = f"n_bins must be at least 1, got {n_bins}."
        raise ValueError(msg)
    labels = as_vector("y", y)
    scores = as_vector("score", score, labels.size)
    check_unit_or_nan("y", labels)
    check_unit_or_nan("score", scores)
    used = ~np.isnan(labels) & ~np.isnan(scores)
    design = weighting(used, inclusion_probability=inclusion_probability)
    y_used, p = labels[used], scores[used]
    notes = _notes(labels, scores, y_used, p) + (design.notes if inclusion_probability is None else ())
    w = design.weight / design.weight.sum() if p.size else design.weight
    code = _bin_codes(p, w, n_bins, binning)
    miscalibration, discrimination, uncertainty = _decomposed(y_used, p, w)
    return Reliability(
        brier=_mean((p - y_used) ** 2, w),
        log_loss=_mean(_log_loss(y_used, p), w),
        ece=_calibration_error(y_used, p, w, code),
        null=_null(p, w, code, np.random.default_rng(0) if rng is None else rng),
        miscalibration=miscalibration,
        discrimination=discrimination,
        uncertainty=uncertainty,
        bins=tuple(_bin(y_used, p, w, code == k, confidence_level) for k in np.unique(code)),
        confidence_level=confidence_level,
        n_items=p.size,
        n_positive=int((y_used > 0).sum()),
        notes=notes,
    )


def _notes(labels: Floats, scores: Floats, y: Floats, p: Floats) -> tuple[str, ...]:
    notes = []
    if unscored := int((~np.isnan(labels) & np.isnan(scores)).sum()):
        notes.append(f"{unscored} labelled items without a score left out")
    if wrong := int(((p == 0) & (y > 0) | (p == 1) & (y < 1)).sum()):
        notes.append(f"{wrong} items scored 0 or 1 and labelled otherwise: log loss takes 1e-15 for 0")
    return tuple(notes)


def _mean(values: Floats, w: Floats) -> float:
    return float(w @ values) if values.size else float("nan")


def _log_loss(y: Floats, p: Floats) -> Floats:
    q = np.clip(p, CERTAIN, 1 - CERTAIN)
    return np.asarray(-xlogy(y, q) - xlogy(1 - y, 1 - q), dtype=np.float64)


def _bin_codes(p: Floats, w: Floats, n_bins: int, binning: Binning) -> Ints:
    """Bin of each score. By mass: where the middle of the scores equal to it lies in the distribution."""
    position = p
    if binning == "mass" and p.size:
        _, value = np.unique(p, return_inverse=True)
        mass = np.bincount(value, weights=w)
        position = (np.cumsum(mass) - mass / 2)[value]
    # Ten digits: 0.3 is the start of the fourth bin of ten, though 0.3 * 10 may be 2.9999999999999996.
    return np.asarray(np.minimum(np.floor(np.round(position * n_bins, 10)), n_bins - 1), dtype=np.int64)


def _calibration_error(y: Floats, p: Floats, w: Floats, code: Ints) -> float:
    return float(np.abs(np.bincount(code, weights=w * (p - y))).sum()) if p.size else float("nan")


def _null(p: Floats, w: Floats, code: Ints, rng: np.random.Generator) -> ScoreNull:
    if not p.size:
        return ScoreNull(brier=np.nan, log_loss=np.nan, ece=np.nan, ece_high=np.nan)
    errors = [_calibration_error((rng.random(p.size) < p).astype(np.float64), p, w, code) for _ in range(N_NULL)]
    return ScoreNull(
        brier=_mean(p * (1 - p), w),
        log_loss=_mean(np.asarray(entr(p) + entr(1 - p)), w),
        ece=float(np.mean(errors)),
        ece_high=float(np.quantile(errors, 0.95)),
    )


def _decomposed(y: Floats, p: Floats, w: Floats) -> tuple[float, float, float]:
    """Brier score taken apart by isotonic recalibration."""
    if not p.size:
        return (float("nan"),) * 3
    from sklearn.isotonic import IsotonicRegression

    best = IsotonicRegression().fit(p, y, sample_weight=w).predict(p)
    base = _mean(y, w)
    recalibrated, uncertainty = _mean((best - y) ** 2, w), _mean((base - y) ** 2, w)
    return _mean((p - y) ** 2, w) - recalibrated, uncertainty - recalibrated, uncertainty


def _bin(y: Floats, p: Floats, w: Floats, inside: NDArray[np.bool_], level: float) -> ReliabilityBin:
    y, p, w = y[inside], p[inside], w[inside]
    rate = float(np.average(y, weights=w))
    size = float(w.sum() ** 2 / (w**2).sum())
    low, high = clopper_pearson(min(rate, 1.0) * size, size, confidence_level=level)
    return ReliabilityBin(
        start=float(p.min()),
        end=float(p.max()),
        n_items=p.size,
        score=float(np.average(p, weights=w)),
        rate=rate,
        low=float(low),
        high=float(high),
    )
