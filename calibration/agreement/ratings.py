"""Ratings as integer codes: what every agreement coefficient reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """Ratings of items by raters.

    Parameters
    ----------
    codes : array of shape (n_raters, n_items)
        Position of each rating in `values`; -1 is missing.
    values : array of shape (n_values,)
        The value domain, sorted.
    """

    codes: Ints
    values: NDArray[Any]

    @property
    def n_values(self) -> int:
        """Size of the value domain."""
        return len(self.values)

    @property
    def is_binary(self) -> bool:
        """Whether the domain is {0, 1}: not harmful, harmful."""
        return self.values.dtype.kind in "biuf" and self.values.tolist() == [0, 1]

    @property
    def counts(self) -> Floats:
        """Votes per item and value, shape (n_items, n_values)."""
        return np.asarray((self.codes[:, :, None] == np.arange(self.n_values)).sum(axis=0), dtype=np.float64)

    def take(self, items: NDArray[np.bool_]) -> Ratings:
        """Only some items, with the domain unchanged."""
        return Ratings(codes=self.codes[:, items], values=self.values)

    def n_positive(self) -> int:
        """Items with a positive vote; beyond {0, 1}, with a vote for anything but the commonest value."""
        if self.is_binary:
            return int((self.codes == 1).any(axis=0).sum())
        return self.n_off_mode()

    def n_off_mode(self) -> int:
        """Items with a vote for anything but the commonest value: what an interval can learn from."""
        votes = self.counts
        rest = np.delete(votes, votes.sum(axis=0).argmax(), axis=1)
        return int((rest.sum(axis=1) > 0).sum())


def encode(reliability_data: ArrayLike, *, value_domain: ArrayLike | None = None) -> Ratings:
    """Turn ratings of shape (n_raters, n_items) into codes.

    NaN and None are missing. Values that are all 0 or 1 have the domain {0, 1} even if one was never used.

    Raises
    ------
    ValueError
        Unless the data has two axes and every value lies in `value_domain`.

    Examples
    --------
    >>> encode([[0, 1, float("nan")], [0, 0, 0]]).codes
    array([[ 0,  1, -1],
           [ 0,  0,  0]])
    """
    data = np.asarray(reliability_data)
    if data.ndim != 2:
        raise ValueError(f"reliability_data must fulfil ndim == 2 (n_raters, n_items), got shape {data.shape}.")
    missing = _missing(data)
    if data.dtype.kind == "O":
        data = _plain(data, missing)
    seen = np.unique(data[~missing])
    values = _domain(seen) if value_domain is None else np.unique(np.asarray(value_domain))
    if not np.isin(seen, values).all():
        outside = np.setdiff1d(seen, values).tolist()
        raise ValueError(f"reliability_data must fulfil values in value_domain, got {outside}.")
    codes = np.full(data.shape, -1, dtype=np.int64)
    codes[~missing] = np.searchsorted(values, data[~missing])
    return Ratings(codes=codes, values=values)


def _missing(data: NDArray[Any]) -> NDArray[np.bool_]:
    if data.dtype.kind == "f":
        return np.asarray(np.isnan(data))
    if data.dtype.kind == "O":
        flat = [value is None or value != value for value in data.ravel()]
        return np.array(flat, dtype=bool).reshape(data.shape)
    return np.zeros(data.shape, dtype=bool)


def _plain(data: NDArray[Any], missing: NDArray[np.bool_]) -> NDArray[Any]:
    """Objects as numbers or text, so that they sort; what stands in for a missing value is never read."""
    present = data[~missing]
    plain = np.asarray(present.tolist())
    filled = np.zeros(data.shape, dtype=plain.dtype if plain.size else float)
    filled[~missing] = plain
    return filled


def _domain(seen: NDArray[Any]) -> NDArray[Any]:
    if seen.dtype.kind in "biuf" and np.isin(seen, [0, 1]).all():
        return np.array([0.0, 1.0])
    return seen
