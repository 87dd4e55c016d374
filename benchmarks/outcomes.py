"""Whether intervals held the truth: from limits, or from one likelihood-ratio test at the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.tables import Tables
from calibration.checks import FloatArray
from calibration.rates.intervals import Limits, normal_quantile
from calibration.rates.likelihood_ratio import likelihood_ratio
from calibration.rates.pool_interval import pool_likelihood_ratio
from calibration.rates.strata_rules import BoolArray
from calibration.records import Target

LEVEL = 0.95
# What rounding may do to a limit that equals the truth.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the intervals of one method in the data sets of one cell.

    Parameters
    ----------
    answered, above, below : bool arrays of shape (data_sets,)
        Whether there is an interval, and whether the truth lies above or below it.
    width : array of shape (data_sets,)
        nan where there is none, or where it was not computed.
    contradictions : int
        Data sets where the test at the truth accepts and the interval, computed as well, leaves the truth out.
    """

    answered: BoolArray
    above: BoolArray
    below: BoolArray
    width: FloatArray
    contradictions: int = 0


def outcome_of_limits(limits: Limits, truth: FloatArray) -> Outcome:
    """Compare limits with the truth; nan limits are no answer, and an answer is cut at 0 and 1.

    Examples
    --------
    >>> limits = Limits(*np.array([[0.1, 0.2, np.nan], [0.0, 0.15, np.nan], [0.2, 0.3, np.nan]]))
    >>> outcome = outcome_of_limits(limits, np.full(3, 0.1))
    >>> outcome.answered, outcome.below
    (array([ True,  True, False]), array([False,  True, False]))
    """
    low, high = np.clip(limits.low, 0, 1), np.clip(limits.high, 0, 1)
    return Outcome(
        answered=~np.isnan(low) & ~np.isnan(high),
        above=truth > high + ROUNDING,
        below=truth < low - ROUNDING,
        width=high - low,
    )


def likelihood_ratio_outcome(tables: Tables, truth: FloatArray, *, target: Target, intervals: int) -> Outcome:
    """Membership of the truth by one test each; whole intervals for the first `intervals` data sets.

    Where the test rejects, the interval is computed before a miss is counted: it reaches out to the outermost accepted
    rate, which may lie beyond a rejected one. Where the test accepts, the truth counts as held; how often the interval
    itself, which a scan in steps finds, would not agree is counted where both are known. For target ``pool``
    every interval is computed.
    """
    rows, first, inverse = np.unique(np.column_stack([*tables, truth]), axis=0, return_index=True, return_inverse=True)
    k = tables.n.shape[1]
    above, below = np.zeros(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    width, contradictions = np.full(len(rows), np.nan), 0
    for i, row in enumerate(rows):
        # Strata that were joined to another have no transcripts left.
        size, n, y = row[:-1].reshape(3, k)[:, row[:k] > 0]
        t = float(row[-1])
        accepted = target != "pool" and accepts(size, n, y, t)
        if accepted and first[i] >= intervals:
            continue
        interval = pool_likelihood_ratio if target == "pool" else likelihood_ratio
        _, low, high = interval(size, n, y, confidence_level=LEVEL)
        width[i] = high - low
        outside = t > high + ROUNDING, t < low - ROUNDING
        if accepted:
            contradictions += any(outside)
        above[i], below[i] = outside
    # Only the first data sets enter the width: beyond them only misses have one.
    widths = np.where(np.arange(len(truth)) < intervals, width[inverse], np.nan)
    return Outcome(
        answered=np.ones(len(truth), dtype=bool),
        above=above[inverse],
        below=below[inverse],
        width=widths,
        contradictions=contradictions,
    )


def accepts(size: FloatArray, n: FloatArray, y: FloatArray, truth: float) -> bool:
    """Whether one test says that the interval holds the truth.

    The interval is est +- sqrt(reach^2 + mix), with reach the way from the estimate to the outermost rate that the test
    accepts. So it holds the truth when the test accepts the rate that lies sqrt((truth - est)^2 - mix) from the
    estimate, on the truth's side; and always when the mix alone reaches the truth.
    """
    from calibration.rates.likelihood_kernels import p_value

    total = size.sum()
    used = n > 0
    w, n, y = size[used] / total, n[used], y[used]
    p = y / n
    estimate = float((w * p).sum())
    if truth < estimate and y.sum() == 0:
        return True
    mix = normal_quantile(LEVEL) ** 2 * max(float((w * p**2).sum()) - estimate**2, 0.0) / total
    reach = (truth - estimate) ** 2 - mix
    if reach <= 0:
        return True
    return p_value(estimate + np.copysign(np.sqrt(reach), truth - estimate), w, n, y, n) > 1 - LEVEL
