"""Labels counted per cell: whole where they weigh the same, effective where they do not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calibration.checks import FloatArray

IntArray = NDArray[np.int64]


def effective_counts(
    codes: IntArray, cells: IntArray, y: FloatArray, weights: FloatArray, times: FloatArray, shape: tuple[int, ...]
) -> tuple[FloatArray, FloatArray, bool]:
    """Labelled and harmful counts per cell; Kish sizes and Hajek means where weights differ inside a stratum."""
    k, size = shape[0], int(np.prod(shape))
    count = np.bincount(codes, times, minlength=k).astype(np.float64)
    sum_w = np.bincount(codes, times * weights, minlength=k)
    spread = np.zeros(k)
    np.maximum.at(spread, codes, weights)
    smallest = np.full(k, np.inf)
    np.minimum.at(smallest, codes, weights)
    unequal = (count > 0) & (spread > smallest * (1 + 1e-9))
    kish = np.divide(sum_w**2, np.bincount(codes, times * weights**2, minlength=k), out=np.zeros(k), where=count > 0)
    # Scaled so that a stratum's weights add up to its effective size.
    scale = np.divide(np.where(unequal, kish, count), sum_w, out=np.zeros(k), where=count > 0)
    unit = times * np.where(unequal[codes], weights * scale[codes], 1.0)
    n_labeled = np.bincount(cells, unit, minlength=size).astype(np.float64).reshape(shape)
    n_harmful = np.bincount(cells, unit * y, minlength=size).astype(np.float64).reshape(shape)
    return n_labeled, n_harmful, bool(unequal.any())


def tied_counts(
    cells: IntArray, y: FloatArray, times: FloatArray, shape: tuple[int, ...], *, unequal: bool
) -> FloatArray:
    """Labels of 1/2 per cell; nan throughout where labels weigh differently or are other fractions."""
    if unequal or not np.isin(y, (0, 0.5, 1)).all():
        return np.full(shape, np.nan)
    counts = np.bincount(cells, np.where(y == 0.5, times, 0.0), minlength=int(np.prod(shape)))
    return counts.astype(np.float64).reshape(shape)
