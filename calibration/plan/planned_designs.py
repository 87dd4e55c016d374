"""Sampling designs as a plan sees them: which parts of the pool are drawn from, and what becomes strata of the rate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibration.checks import FloatArray
from calibration.rates.strata_rules import SECOND_SPEAKS_FROM

# Of the labels of a design by disagreement, on transcripts that both graders flag (`labels.draw_sample`).
AGREED_SHARE = 0.10

# Strata, each as the cells of the pool that it joins.
Strata = tuple[tuple[int, ...], ...]
# Cells of a pool that a judge looks at: flagged, not. With a classifier: both flag, the judge only, the classifier
# only, neither.
JUDGE_CELLS: Strata = ((0,), (1,))
BOTH_CELLS: Strata = ((0,), (1,), (2,), (3,))
BY_JUDGE: Strata = ((0, 1), (2, 3))
BY_AGREEMENT: Strata = ((0,), (1, 2), (3,))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDesign:
    """A design over the cells of a pool.

    Parameters
    ----------
    drawn : Strata
        Inside which labels are drawn at random.
    shares : tuple of float or None
        Of the labels, on each of them; the last has none and takes the rest.
    strata : tuple of Strata
        Those of the rate, the preferred ones first.
    """

    drawn: Strata
    shares: tuple[float | None, ...]
    strata: tuple[Strata, ...]


def planned_design(name: str, size: FloatArray, *, whole_counts: bool) -> PlannedDesign:
    """The design `name` over cells of these sizes.

    Parameters
    ----------
    name : str
        ``uniform``, ``flagged-P`` or (with a classifier) ``disagree-P``, as in `labels.draw_sample`.
    size : array of shape (2,) or (4,)
    whole_counts : bool
        Whether the method lets a second grader speak, see `calibration.rates.strata_rules`.

    Raises
    ------
    ValueError
        An unknown design, one that needs a classifier where there is none, or a method that cannot use it.

    Examples
    --------
    >>> planned_design("flagged-25", np.array([50.0, 950.0]), whole_counts=True).shares
    (0.25, None)
    """
    found = re.fullmatch(r"(flagged|disagree)-(\d{1,2})", name)
    if name != "uniform" and (found is None or int(found.group(2)) == 0):
        msg = f"designs must be 'uniform', 'flagged-P' or 'disagree-P' with P from 1 to 99, got {name!r}."
        raise ValueError(msg)
    kind, share = ("uniform", 0.0) if found is None else (found.group(1), int(found.group(2)) / 100)
    alone = len(size) == len(JUDGE_CELLS)
    if kind == "disagree":
        if alone or not whole_counts or share + AGREED_SHARE >= 1:
            msg = (
                "designs 'disagree-P' must have a classifier, method 'likelihood-ratio' and P below "
                f"{100 * (1 - AGREED_SHARE):g}, got {name!r}."
            )
            raise ValueError(msg)
        strata = BY_AGREEMENT if _second_speaks(size) else BOTH_CELLS
        return PlannedDesign(drawn=BY_AGREEMENT, shares=(AGREED_SHARE, share, None), strata=(strata,))
    judge = JUDGE_CELLS if alone else BY_JUDGE
    speaks = whole_counts and not alone and _second_speaks(size)
    if kind == "uniform":
        everything = (tuple(range(len(size))),)
        return PlannedDesign(drawn=everything, shares=(None,), strata=(BY_AGREEMENT, judge) if speaks else (judge,))
    # What one grader flags is drawn with two probabilities, and labels of unlike weight are kept apart.
    return PlannedDesign(drawn=judge, shares=(share, None), strata=(BOTH_CELLS, judge) if speaks else (judge,))


def labels_by_cell(n: int, design: PlannedDesign, size: FloatArray) -> FloatArray:
    """How many of `n` labels fall into each cell: shares as far as there are transcripts, fractions inside a stratum.

    Examples
    --------
    >>> design = planned_design("flagged-25", np.array([20.0, 980.0]), whole_counts=True)
    >>> labels_by_cell(200, design, np.array([20.0, 980.0]))
    array([ 20., 180.])
    """
    sizes = np.array([size[list(cells)].sum() for cells in design.drawn])
    counts = np.array([min(round(n * (share or 0.0)), s) for share, s in zip(design.shares, sizes, strict=True)])
    # Only the last stratum has no share: it takes the rest, and what it cannot hold goes back, to the first in turn.
    counts[-1] = min(n - counts[:-1].sum(), sizes[-1])
    for k in range(len(counts)):
        counts[k] += min(n - counts.sum(), sizes[k] - counts[k])
    cells = np.zeros(len(size))
    for members, count, whole in zip(design.drawn, counts, sizes, strict=True):
        cells[list(members)] = count * size[list(members)] / max(whole, 1)
    return cells


def joined(cells: FloatArray, strata: Strata) -> FloatArray:
    """Sums over the cells of each stratum."""
    return np.array([cells[list(members)].sum() for members in strata])


def whole_numbers(counts: FloatArray, most: FloatArray) -> FloatArray:
    """Counts rounded so that their sum stays, none above `most`; largest remainders first."""
    whole = np.floor(counts + 1e-9)
    order: Sequence[int] = np.argsort(whole - counts, kind="stable").tolist()
    for k in order:
        if whole.sum() < round(float(counts.sum())) and whole[k] < most[k]:
            whole[k] += 1
    return whole


def _second_speaks(size: FloatArray) -> bool:
    """Whether the graders are expected to agree beyond chance (`calibration.rates.strata_rules`)."""
    both, judge_only, classifier_only, _ = size / size.sum()
    p, q = both + judge_only, both + classifier_only
    spread = p + q - 2 * p * q
    return bool(spread > 0 and 2 * (both - p * q) / spread >= SECOND_SPEAKS_FROM)
