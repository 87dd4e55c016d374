"""Agreement coefficients as functions of sums over items.

Every coefficient is two steps: per-item features, shape (n_items, n_features), and a value computed from their
(weighted) sum, vectorised over leading axes. One formula then serves the estimate, the design weights, the bootstrap
(sums over resampled items) and the posterior (sums over drawn tables). Symbols follow Gwet (2014), Handbook of
Inter-Rater Reliability, 4th ed.: `r` votes of an item, `q` values, `w` agreement weights, `pa` observed and `pe` chance
agreement; for alpha Krippendorff (2011): `o` coincidences, `n_v` their margin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calibration.agreement.ratings import Floats, Ratings

Weights = Literal["identity", "linear", "quadratic", "ordinal"]
Level = Literal["nominal", "ordinal", "interval", "ratio"]


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A statistic of ratings.

    Parameters
    ----------
    name : str
    features : callable, Ratings -> array of shape (n_items, n_features)
    value : callable, array of shape (..., n_features) -> array of shape (...)
        nan where undefined.
    second_is_grader : bool
        Under a design, the second row is the side by which labels may have been drawn.
    least, most : float
        Range of the statistic, at which limits are cut.
    """

    name: str
    features: Callable[[Ratings], Floats]
    value: Callable[[Floats], Floats]
    second_is_grader: bool = True
    least: float = -1.0
    most: float = 1.0


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; nan where the denominator is 0 (up to rounding)."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    safe = np.where(np.abs(denominator) > 1e-12, denominator, np.nan)
    return np.asarray(numerator / safe)


def chance_corrected(pa: Floats, pe: Floats) -> Floats:
    """(pa - pe) / (1 - pe)."""
    return ratio(pa - pe, 1 - pe)


def agreement_weights(weights: Weights, values: NDArray[Any]) -> Floats:
    """Weights of shape (q, q): 1 on the diagonal, less the further two values lie apart.

    Text values count by their rank. ``ordinal`` are Gwet's: 1 - C(|k - l| + 1, 2) / C(q, 2).
    """
    x = values.astype(float) if values.dtype.kind in "biuf" else np.arange(len(values), dtype=float)
    if weights == "identity" or len(x) < 2:
        return np.eye(len(x))
    if weights == "ordinal":
        x = np.arange(len(x), dtype=float)
        apart = np.abs(x[:, None] - x)
        return np.asarray(1 - apart * (apart + 1) / (len(x) * (len(x) - 1)))
    if weights not in ("linear", "quadratic"):
        raise ValueError(f"weights must fulfil weights in (identity, linear, quadratic, ordinal), got {weights!r}.")
    apart = np.abs(x[:, None] - x) / (x[-1] - x[0])
    return np.asarray(1 - (apart if weights == "linear" else apart**2))


def _item_agreement(r: Floats, w: Floats) -> tuple[Floats, Floats]:
    """Share of agreeing pairs of votes per item (0 with fewer than two votes), and whether there is a pair."""
    n_votes = r.sum(axis=1)
    paired = n_votes >= 2
    pairs = np.where(paired, n_votes * (n_votes - 1), 1)
    agreeing = (r * (r @ w - 1)).sum(axis=1)
    return np.where(paired, agreeing / pairs, 0.0), paired.astype(float)


def _counts_coefficient(name: str, w: Floats, chance: Callable[[Floats], Floats]) -> Coefficient:
    """Coefficient of pa and the mean distribution of votes `pi`; single votes inform `pi` only (Gwet)."""

    def features(ratings: Ratings) -> Floats:
        r = ratings.counts
        agreement, paired = _item_agreement(r, w)
        n_votes = r.sum(axis=1, keepdims=True)
        pi = r / np.maximum(n_votes, 1)
        return np.column_stack([agreement, paired, n_votes[:, 0] > 0, pi])

    def value(sums: Floats) -> Floats:
        pa = ratio(sums[..., 0], sums[..., 1])
        pi = ratio(sums[..., 3:], sums[..., 2:3])
        one_value = (sums[..., 3:] > 0).sum(axis=-1) < 2
        return np.where(one_value, np.nan, chance_corrected(pa, chance(pi)))

    return Coefficient(name, features, value)


def gwet(name: str, w: Floats) -> Coefficient:
    """AC1 (identity weights) or AC2: pe = sum w / (q (q - 1)) sum pi (1 - pi)."""
    q = len(w)
    return _counts_coefficient(name, w, lambda pi: w.sum() / max(q * (q - 1), 1) * (pi * (1 - pi)).sum(axis=-1))


def percent(w: Floats) -> Coefficient:
    """Observed agreement pa: mean share of agreeing pairs of votes."""
    return Coefficient(
        "percent_agreement",
        lambda ratings: np.column_stack(_item_agreement(ratings.counts, w)),
        lambda sums: ratio(sums[..., 0], sums[..., 1]),
        least=0.0,
    )


def positive(code: int) -> Coefficient:
    """Agreement on one value: of the votes for it, the share that the other raters of the item share."""

    def features(ratings: Ratings) -> Floats:
        r = ratings.counts
        others = r.sum(axis=1) - 1
        chosen = np.where(others > 0, r[:, code], 0.0)
        return np.column_stack([chosen * (chosen - 1) / np.maximum(others, 1), chosen])

    return Coefficient("positive_agreement", features, lambda sums: ratio(sums[..., 0], sums[..., 1]), least=0.0)


def cohen(w: Floats) -> Coefficient:
    """Cohen's kappa of two raters from their table of values; items rated by both."""
    q = len(w)

    def features(ratings: Ratings) -> Floats:
        a, b = ratings.codes
        cell = np.where((a >= 0) & (b >= 0), a * q + b, -1)
        return np.asarray((cell[:, None] == np.arange(q * q)).astype(float))

    def value(sums: Floats) -> Floats:
        table = sums.reshape(*sums.shape[:-1], q, q)
        p = ratio(table, table.sum(axis=(-2, -1), keepdims=True))
        pe = np.einsum("...k,kl,...l->...", p.sum(axis=-1), w, p.sum(axis=-2))
        return chance_corrected((p * w).sum(axis=(-2, -1)), pe)

    return Coefficient("kappa", features, value)


def alpha(level: Level, values: NDArray[Any]) -> Coefficient:
    """Krippendorff's alpha: 1 - (n - 1) sum o d / sum n_v n_v' d over coincidences `o` of values in an item."""
    if level == "ordinal":
        return _ordinal_alpha(len(values))
    d = _distances(level, values)

    def features(ratings: Ratings) -> Floats:
        r = _pairable(ratings.counts)
        disagreeing = ((r @ d) * r).sum(axis=1) / np.maximum(r.sum(axis=1) - 1, 1)
        return np.column_stack([disagreeing, r])

    def value(sums: Floats) -> Floats:
        n_v = sums[..., 1:]
        return _from_disagreement(sums[..., 0], np.einsum("...k,kl,...l->...", n_v, d, n_v), n_v)

    return Coefficient("alpha", features, value)


def _ordinal_alpha(q: int) -> Coefficient:
    """The ordinal distance depends on how often each value occurs, so the whole coincidence matrix is summed."""

    def features(ratings: Ratings) -> Floats:
        r = _pairable(ratings.counts)
        pairs = r[:, :, None] * r[:, None, :] - r[:, :, None] * np.eye(q)
        o = pairs / np.maximum(r.sum(axis=1) - 1, 1)[:, None, None]
        return np.asarray(o.reshape(len(r), q * q))

    def value(sums: Floats) -> Floats:
        o = sums.reshape(*sums.shape[:-1], q, q)
        n_v = o.sum(axis=-1)
        mid_rank = np.cumsum(n_v, axis=-1) - n_v / 2
        d = (mid_rank[..., :, None] - mid_rank[..., None, :]) ** 2
        return _from_disagreement((o * d).sum(axis=(-2, -1)), np.einsum("...k,...kl,...l->...", n_v, d, n_v), n_v)

    return Coefficient("alpha", features, value)


def _pairable(r: Floats) -> Floats:
    return np.where(r.sum(axis=1, keepdims=True) >= 2, r, 0.0)


def _from_disagreement(observed: Floats, expected: Floats, n_v: Floats) -> Floats:
    return np.asarray(1 - (n_v.sum(axis=-1) - 1) * ratio(observed, expected))


def _distances(level: Level, values: NDArray[Any]) -> Floats:
    if level == "nominal":
        return 1 - np.eye(len(values))
    if values.dtype.kind not in "biuf":
        raise ValueError(f"reliability_data must fulfil numeric values for level {level!r}, got {values[:3].tolist()}.")
    x = values.astype(float)
    if level == "interval":
        return np.asarray((x[:, None] - x) ** 2)
    if level == "ratio":
        total = x[:, None] + x
        return np.asarray(((x[:, None] - x) / np.where(total == 0, 1.0, total)) ** 2)
    raise ValueError(f"level_of_measurement must fulfil level in (nominal, ordinal, interval, ratio), got {level!r}.")
