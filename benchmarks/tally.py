"""Rows of the coverage benchmark: one method in one cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.cells import Cell
from benchmarks.outcomes import Outcome
from calibration.checks import FloatArray

# With fewer answers than this a share of them says nothing.
MIN_ANSWERS = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One method in one cell; shares are of the data sets that the method answered, nan with fewer than 25.

    Parameters
    ----------
    cell : Cell
    method : str
    data_sets : int
    answered : float
        Share of data sets with an interval.
    above, below : float
        Share with the truth above `high`, below `low`.
    zero_width : float
    width : float
        Mean width, over the data sets where it was computed.
    width_ratio : float
        That, divided by the mean width of human-only intervals.
    contradictions : int
        See `benchmarks.outcomes.Outcome`.
    seconds : float
    """

    cell: Cell
    method: str
    data_sets: int
    answered: float
    above: float
    below: float
    zero_width: float
    width: float
    width_ratio: float
    contradictions: int
    seconds: float

    @property
    def coverage(self) -> float:
        """Share of intervals that held the truth."""
        return 1 - (self.above + self.below)


def make_row(cell: Cell, method: str, outcome: Outcome, human_width: FloatArray, seconds: float) -> Row:
    """Count an outcome.

    `human_width` covers all data sets of the cell, of which the method may have seen the first only. Uniform labels are
    shared with it, so that their widths are compared in pairs; else all of it is used, for less noise.
    """
    if cell.flagged_share is None:
        human_width = human_width[: len(outcome.width)]
        human_width = human_width[~np.isnan(outcome.width)]
    answers = int(outcome.answered.sum())
    known = ~np.isnan(outcome.width)
    enough = answers >= min(MIN_ANSWERS, len(outcome.answered))

    def share(found: FloatArray | np.ndarray[tuple[int, ...], np.dtype[np.bool_]], of: int) -> float:
        return float(found.sum() / of) if enough and of else float("nan")

    width = float(outcome.width[known].mean()) if enough and known.any() else float("nan")
    return Row(
        cell=cell,
        method=method,
        data_sets=len(outcome.answered),
        answered=answers / len(outcome.answered),
        above=share(outcome.above & outcome.answered, answers),
        below=share(outcome.below & outcome.answered, answers),
        zero_width=share(outcome.width[known] <= 0, int(known.sum())),
        width=width,
        width_ratio=width / float(np.nanmean(human_width)) if known.any() else float("nan"),
        contradictions=outcome.contradictions,
        seconds=seconds,
    )


def as_record(row: Row) -> dict[str, str | float]:
    """A row as a flat record for JSON.

    Examples
    --------
    >>> from benchmarks.cells import regimes
    >>> row = Row(cell=regimes()[0], method="m", data_sets=9, answered=1.0, above=0.01, below=0.02, zero_width=0.0,
    ...           width=0.1, width_ratio=0.8, contradictions=0, seconds=0.1)
    >>> as_record(row)["coverage"]
    0.97
    """
    cell = row.cell
    numbers = {name: getattr(row, name) for name in Row.__slots__ if name not in ("cell", "method")}
    facts = {"block": cell.block, "cell": cell.name, "design": cell.design, "rate": cell.rate, "labels": cell.labels}
    return {**facts, "method": row.method, "coverage": round(row.coverage, 6), **numbers}
