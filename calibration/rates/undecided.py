"""Transcripts that were drawn for labelling and have no definite label: a part of the pool that no label speaks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar, cast

import numpy as np

from calibration.checks import FloatArray
from calibration.rates.strata_rules import BoolArray, IntArray

# What the name of a part of a stratum ends with that raters could not decide.
UNDECIDED = ", undecided"
# From here the interval is widened by it (statistics of labels that depend on the truth).
MAX_UNDECIDED_SHARE = 0.05

Counts = TypeVar("Counts")


def undecided_counts(
    codes: IntArray,
    undecided: BoolArray,
    labeled: BoolArray,
    times: FloatArray,
    pi: FloatArray | None,
    n_labeled: FloatArray,
) -> FloatArray | None:
    """Undecided transcripts of each stratum, on the scale of its effective labelled count; None without any."""
    if not undecided.any():
        return None
    weight = times if pi is None else times / np.where(pi > 0, pi, 1.0)
    k = len(n_labeled)
    decided = np.bincount(codes[labeled], weight[labeled], minlength=k)
    open_ = np.bincount(codes[undecided], weight[undecided], minlength=k)
    scaled: FloatArray = n_labeled * np.divide(open_, decided, out=np.zeros(k), where=decided > 0)
    return scaled


def undecided_share(counts: Any) -> FloatArray:
    """Of each labelled stratum of a `StrataCounts`, the share of the drawn transcripts without a definite label."""
    labels: FloatArray = counts.marginal().n_labeled
    if counts.n_undecided is None:
        return np.zeros(len(labels))
    drawn = labels + counts.n_undecided
    share: FloatArray = np.divide(counts.n_undecided, drawn, out=np.zeros(len(labels)), where=labels > 0)
    return share


def apart_from_undecided(strata: Counts) -> Counts:
    """Split strata (`StrataCounts`) with many undecided transcripts: nothing is known about that part of the pool."""
    counts: Any = strata
    share = undecided_share(counts)
    many = np.flatnonzero(share > MAX_UNDECIDED_SHARE)
    if not many.size:
        return strata
    # Whole transcripts, outward.
    parts = counts.n_transcripts[many] * share[many].reshape(-1, *[1] * (counts.n_transcripts.ndim - 1))
    parts = np.minimum(np.ceil(parts - 1e-9), counts.n_transcripts[many] - counts.n_labeled[many])
    parts = np.maximum(parts, 0.0)
    sizes = counts.n_transcripts.copy()
    sizes[many] -= parts
    left = None if counts.n_undecided is None else np.where(share > MAX_UNDECIDED_SHARE, 0.0, counts.n_undecided)
    empty = np.zeros_like(parts)
    apart = replace(
        counts,
        names=(*counts.names, *(f"{counts.names[i]}{UNDECIDED}" for i in many)),
        n_transcripts=np.concatenate([sizes, parts]),
        n_labeled=np.concatenate([counts.n_labeled, empty]),
        n_harmful=np.concatenate([counts.n_harmful, empty]),
        n_tied=np.concatenate([counts.n_tied, empty]),
        flagged=np.append(counts.flagged, counts.flagged[many]),
        n_undecided=None if left is None else np.append(left, np.zeros(many.size)),
    )
    return cast("Counts", apart)
