"""What rates with a borrowed sensitivity share: their checks and their record."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from calibration.checks import FloatArray, as_vector, check_unit_or_nan
from calibration.rates.estimate import MAX_UNLABELED_WEIGHT
from calibration.rates.strata_rules import UNSCORED
from calibration.records import RateEstimate, Stratum


def borrowed_rate(
    limits: tuple[float, float, float],
    *,
    n_flagged: float,
    n_scored: int,
    n_transcripts: int,
    labeled: tuple[float, float] = (0.0, 0.0),
    method: str,
    notes: Sequence[str],
    confidence_level: float,
) -> RateEstimate:
    """A record for the whole pool from limits for its scored part.

    Unscored transcripts are harmless in `low` and harmful in `high`; above 5 % of them `rate` is nan. `labeled` are
    the labels among the flagged and the harmful ones of these.
    """
    rate, low, high = limits
    share = n_scored / n_transcripts
    sizes = {"flagged": n_flagged, "not flagged": n_scored - n_flagged, UNSCORED: n_transcripts - n_scored}
    remarks = list(notes)
    if share < 1:
        remarks.append(f"Scored {n_scored} of {n_transcripts} transcripts; the others are added to the upper end.")
    strata = []
    for name, size in sizes.items():
        n, y = labeled if name == "flagged" else (0.0, 0.0)
        strata.append(Stratum(name=name, n_transcripts=round(size), n_labeled=float(n), n_harmful=float(y)))
    return RateEstimate(
        rate=rate if 1 - share <= MAX_UNLABELED_WEIGHT else float("nan"),
        low=low * share,
        high=high * share + 1 - share,
        confidence_level=confidence_level,
        target="scenarios",
        method=method,
        n_transcripts=n_transcripts,
        n_scored=n_scored,
        n_labeled=round(labeled[0]),
        n_harmful=float(labeled[1]),
        strata=tuple(stratum for stratum in strata if stratum.n_transcripts),
        bounds=(0.0, 1.0) if np.isnan(rate) else (rate * share, rate * share + 1 - share),
        notes=tuple(remarks),
    )


def as_sides(name: str, values: ArrayLike) -> FloatArray:
    """Sides of a judge: 1 flagged, 0 not flagged, nan unscored."""
    sides = as_vector(name, values)
    wrong = sides[~np.isnan(sides) & ~np.isin(sides, (0, 1))]
    if wrong.size:
        msg = f"{name} must be 1, 0 or nan, got {wrong[0]}."
        raise ValueError(msg)
    return sides


def as_labels(name: str, values: ArrayLike, side: FloatArray) -> FloatArray:
    """Human labels in [0, 1] or nan, one per side."""
    labels = as_vector(name, values, side.size)
    check_unit_or_nan(name, labels)
    return labels


def check_parts(*chain: tuple[str, float]) -> None:
    """Refuse a part above its whole, and an empty whole: (name, count) from the smallest part to the largest whole."""
    counts = [count for _, count in chain]
    if counts[0] < 0 or counts[1] <= 0 or not all(a <= b for a, b in zip(counts, counts[1:], strict=False)):
        rule = " <= ".join(("0", *(name for name, _ in chain)))
        found = ", ".join(f"{count:g}" for count in counts)
        msg = f"{chain[0][0]} must fulfil {rule}, with {chain[1][0]} above 0, got {found}."
        raise ValueError(msg)
