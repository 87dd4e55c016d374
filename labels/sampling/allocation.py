"""How many labels each stratum of a sampling design gets."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from labels.sampling.strata import DISAGREE, FLAGGED

# Of the labels of a design by disagreement, on transcripts that all graders flag.
AGREED_SHARE = 0.10


def allocate(sizes: pd.Series, n: int, design: str, pilot: Mapping[str, float] | None = None) -> dict[str, int]:
    """How many labels each stratum gets: n in all, none more than it holds, at least one each when n allows.

    Parameters
    ----------
    sizes : Series from stratum to transcripts that may be drawn
    n, design, pilot
        As in `labels.sampling.designs.draw_sample`; ``n <= sizes.sum()``.

    Raises
    ------
    ValueError
        A pilot without a rate in [0, 1] for some stratum; shares that leave nothing for the rest.

    Examples
    --------
    >>> allocate(pd.Series({"flagged": 20, "not flagged": 980}), 100, "flagged-25")
    {'flagged': 20, 'not flagged': 80}
    """
    flagged, disagree = FLAGGED.fullmatch(design), DISAGREE.fullmatch(design)
    if flagged:
        weight = _with_shares(sizes, {"flagged": int(flagged.group(1)) / 100})
    elif disagree:
        weight = _with_shares(sizes, {"disagree": int(disagree.group(1)) / 100, "agreed": AGREED_SHARE})
    elif design == "neyman":
        weight = sizes * np.sqrt([_variance(str(stratum), pilot) for stratum in sizes.index])
    elif design == "most-unlike-training":
        return {"most-unlike": n}
    else:
        weight = sizes.astype(float)
    return _shares(weight, sizes, n)


def _with_shares(sizes: pd.Series, shares: Mapping[str, float]) -> pd.Series:
    """Weights that give the named strata their shares, and the others the rest by size."""
    if sum(shares.values()) >= 1:
        raise ValueError(f"design must leave labels for other transcripts, got shares of {dict(shares)}.")
    named = {name: share for name, share in shares.items() if name in sizes}
    weight = sizes.astype(float)
    others = weight.drop(list(named)).sum()
    if named and others:
        weight = weight * (1 - sum(named.values())) / others
        for name, share in named.items():
            weight[name] = share
    return weight


def _variance(stratum: str, pilot: Mapping[str, float] | None) -> float:
    rate = None if pilot is None else pilot.get(stratum)
    if rate is None or not 0 <= rate <= 1:
        raise ValueError(f"pilot must give a rate in [0, 1] for stratum {stratum!r}, got {rate}.")
    return rate * (1 - rate)


def _shares(weight: pd.Series, sizes: pd.Series, n: int) -> dict[str, int]:
    """`n` divided in proportion to `weight` (largest remainders), within 1 (if n allows) and the stratum's size."""
    low = np.minimum(1, sizes.to_numpy()) if n >= len(sizes) else np.zeros(len(sizes), dtype=int)
    high = sizes.to_numpy()
    share = weight.to_numpy(dtype=float)
    share = share if share.sum() > 0 else high.astype(float)
    counts = low.copy()
    while counts.sum() < n:
        open_ = counts < high
        # The stratum furthest below its share gets the next label; ties by name: equal input, equal output.
        ideal = n * np.where(open_, share, 0.0) / max(share[open_].sum(), 1e-300)
        gap = np.where(open_, ideal - counts, -np.inf)
        counts[int(np.argmax(gap))] += 1
    return {str(stratum): int(count) for stratum, count in zip(sizes.index, counts, strict=True)}
