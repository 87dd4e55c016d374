"""Counts per stratum of many data sets, cut from what both graders say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.simulate import Campaigns
from calibration.checks import FloatArray
from calibration.rates.strata_rules import COMMON_APPARENT_RATE, MIN_LABELS_PER_CELL


class Tables(NamedTuple):
    """Pool, labelled and harmful counts: arrays of shape (data_sets, n_strata)."""

    size: FloatArray
    n: FloatArray
    y: FloatArray


def by_judge(campaigns: Campaigns) -> Tables:
    """The judge's two sides, flagged first, as drawn."""
    return Tables(*(a.sum((2, 3)).astype(np.float64) for a in (campaigns.size, campaigns.n, campaigns.y)))


def by_both(campaigns: Campaigns) -> Tables:
    """Four strata: flagged by both, by the judge only, by the classifier only, by neither."""
    flat = (a.sum(3).reshape(len(a), 4).astype(np.float64) for a in (campaigns.size, campaigns.n, campaigns.y))
    return Tables(*flat)


def judge_strata(campaigns: Campaigns) -> Tables:
    """The judge's sides as the library makes strata of them: under a uniform design no stratum is left unlabelled."""
    sides = by_judge(campaigns)
    return join_empty(sides, [0, 1]) if campaigns.cell.flagged_share is None else sides


def frozen_rule(campaigns: Campaigns) -> Tables:
    """The frozen rule for two graders: four strata where harm is common and every cell well labelled, else the judge's.

    Returned as four columns, two of them empty where the judge stands alone.
    """
    both, judge = by_both(campaigns), judge_strata(campaigns)
    apparent = both.size[:, :2].sum(1) / campaigns.cell.pool
    split = (apparent >= COMMON_APPARENT_RATE) & (both.n.min(1) >= MIN_LABELS_PER_CELL)
    padded = (np.insert(a, [1, 2], 0.0, axis=1) for a in judge)
    return Tables(*(np.where(split[:, None], four, two) for four, two in zip(both, padded, strict=True)))


def three_strata(campaigns: Campaigns) -> Tables:
    """Flagged by the classifier only, by the judge, by neither.

    The first and the last share the judge's side, hence their inclusion probability: under every design the one
    without labels may be joined to the other.
    """
    both = by_both(campaigns)
    cut = Tables(*(np.stack([a[:, 2], a[:, 0] + a[:, 1], a[:, 3]], axis=1) for a in both))
    joined = join_empty(cut, [0, 2])
    return join_empty(joined, [0, 1, 2]) if campaigns.cell.flagged_share is None else joined


def either_flags(campaigns: Campaigns) -> Tables:
    """Two strata: flagged by either grader, by neither. For uniform designs only, since it cuts across the judge's."""
    both = by_both(campaigns)
    return join_empty(Tables(*(np.stack([a[:, :3].sum(1), a[:, 3]], axis=1) for a in both)), [0, 1])


def by_agreement(campaigns: Campaigns) -> Tables:
    """Three strata: flagged by one grader only, by both, by neither. For uniform designs only."""
    both = by_both(campaigns)
    cut = Tables(*(np.stack([a[:, 1] + a[:, 2], a[:, 0], a[:, 3]], axis=1) for a in both))
    return join_empty(cut, [0, 1, 2])


def join_empty(tables: Tables, columns: Sequence[int]) -> Tables:
    """Join those of the columns that hold no label to the largest labelled one among them.

    Examples
    --------
    >>> tables = Tables(*(np.array([row], dtype=float) for row in ([10, 990], [0, 50], [0, 2])))
    >>> join_empty(tables, [0, 1]).size
    array([[   0., 1000.]])
    """
    inside = np.zeros(tables.n.shape[1], dtype=bool)
    inside[list(columns)] = True
    labeled = inside & (tables.n > 0)
    empty = inside & (tables.n == 0) & labeled.any(1, keepdims=True)
    home = np.where(labeled, tables.size, -1.0).argmax(1)
    size = np.where(empty, 0.0, tables.size)
    size[np.arange(len(size)), home] += np.where(empty, tables.size, 0.0).sum(1)
    return tables._replace(size=size)
