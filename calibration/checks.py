"""Checks that every public function of this package makes: name, rule, value."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def check_level(confidence_level: float) -> None:
    """Refuse a confidence level outside (0, 1); 95 is a common slip for 0.95."""
    if not 0 < confidence_level < 1:
        msg = f"confidence_level must fulfil 0 < confidence_level < 1, got {confidence_level}."
        raise ValueError(msg)


def check_choice(name: str, value: str, literal: Any) -> None:
    """Refuse a word that the Literal type does not list."""
    allowed = get_args(literal)
    if value not in allowed:
        msg = f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}."
        raise ValueError(msg)


def check_share(name: str, value: float) -> None:
    """Refuse a number outside [0, 1]."""
    if not 0 <= value <= 1:
        msg = f"{name} must fulfil 0 <= {name} <= 1, got {value}."
        raise ValueError(msg)


def as_vector(name: str, values: ArrayLike, length: int | None = None) -> FloatArray:
    """One-dimensional float array (None becomes nan), of the length given."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        msg = f"{name} must hold numbers (nan where missing), got {_example(values)!r}."
        raise ValueError(msg) from None
    if array.ndim != 1:
        msg = f"{name} must have one dimension, got shape {array.shape}."
        raise ValueError(msg)
    check_length(name, len(array), length)
    return array


def check_length(name: str, n: int, length: int | None) -> None:
    """Refuse arrays that do not belong together."""
    if length is not None and n != length:
        msg = f"{name} must have one value per transcript ({length}), got {n}."
        raise ValueError(msg)


def check_unit_or_nan(name: str, array: FloatArray) -> None:
    """Refuse values outside [0, 1]; nan means missing."""
    bad = ~np.isnan(array) & ~((array >= 0) & (array <= 1))
    if bad.any():
        place = np.argwhere(bad)[0]
        msg = f"{name} must fulfil 0 <= {name} <= 1 (nan where missing), got {array[tuple(place)]} at {place[0]}."
        raise ValueError(msg)


def check_counts(n: FloatArray, x: FloatArray, *, n_name: str = "n", x_name: str = "x") -> None:
    """Refuse counts that no sample can have: negative, not finite, more successes than trials."""
    if not (np.isfinite(n).all() and (n >= 0).all()):
        msg = f"{n_name} must be finite and at least 0, got {n[~(np.isfinite(n) & (n >= 0))].flat[0]}."
        raise ValueError(msg)
    x, n = np.broadcast_arrays(x, n)
    bad = ~((x >= 0) & (x <= n * (1 + 1e-12) + 1e-12))
    if bad.any():
        msg = f"{x_name} must fulfil 0 <= {x_name} <= {n_name}, got {x[bad].flat[0]} of {n[bad].flat[0]}."
        raise ValueError(msg)


def _example(values: Any) -> Any:
    for value in np.asarray(values, dtype=object).ravel()[:1000]:
        try:
            float(value)
        except (TypeError, ValueError):
            return value
    return values
