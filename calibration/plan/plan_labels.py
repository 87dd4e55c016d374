"""How many labels, and which design: expected intervals before any label is paid for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from calibration.checks import check_choice, check_level, check_share
from calibration.plan.expected import (
    AssumedPool,
    PlanMethod,
    PlanTarget,
    assumed_pool,
    expected_limits,
    planned_sample,
)
from calibration.plan.planned_designs import PlannedDesign, labels_by_cell, planned_design
from calibration.rates.sentences import clean_labels_needed

__all__ = ["DesignPlan", "LabelPlan", "clean_labels_needed", "plan_labels"]

DESIGNS = ("uniform", "flagged-10", "flagged-25")
DISAGREE = "disagree-25"
# A plan is a guess about a rate: label counts are sought to this relative precision.
PRECISION = 0.01
MIN_LABELS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignPlan:
    """One sampling design: how many labels, and the interval to expect from them.

    Parameters
    ----------
    design : str
        ``uniform``, ``flagged-P`` or ``disagree-P``, as in `labels.draw_sample`.
    n_labels, n_flagged : int or None
        Labels in all, and on transcripts that some grader flags; None where no number of labels reaches the width.
    low, high, width : float
        Means over simulated campaigns; nan where `n_labels` is None.
    """

    design: str
    n_labels: int | None
    n_flagged: int | None
    low: float
    high: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPlan:
    """What was assumed, every design, and how many clean labels would show a rate below the assumed one.

    Parameters
    ----------
    rate, sensitivity, specificity : float in [0, 1]
    n_transcripts : int
    confidence_level : float in (0, 1)
    target, method : str
    classifier : (float, float) or None
        Sensitivity and specificity of the second grader.
    designs : tuple of DesignPlan
    clean_labels : (int, int) or None
        Labels that, all harmless, show a rate below `rate`: one-sided, two-sided claim. None for a rate of 0 or 1.
    """

    rate: float
    n_transcripts: int
    sensitivity: float
    specificity: float
    confidence_level: float
    target: PlanTarget
    method: PlanMethod
    designs: tuple[DesignPlan, ...]
    clean_labels: tuple[int, int] | None
    classifier: tuple[float, float] | None = None

    @property
    def best(self) -> DesignPlan:
        """The design with the fewest labels; among equals, the narrowest interval, then the first."""
        unreachable = self.n_transcripts + 1
        return min(self.designs, key=lambda d: (d.n_labels or unreachable, np.nan_to_num(d.width, nan=np.inf)))


def plan_labels(  # noqa: PLR0913
    rate: float,
    *,
    width: float | None = None,
    n_labels: int | None = None,
    n_transcripts: int = 5000,
    sensitivity: float = 0.8,
    specificity: float = 0.95,
    classifier: tuple[float, float] | None = None,
    designs: Sequence[str] | None = None,
    target: PlanTarget = "scenarios",
    method: PlanMethod = "likelihood-ratio",
    confidence_level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> LabelPlan:
    """Labels needed for an interval of a given width, or the interval to expect from a given number of labels.

    Parameters
    ----------
    rate : float in [0, 1]
        The harm rate to expect.
    width : float in (0, 1), optional
        Expected high - low to reach. Give this or `n_labels`.
    n_labels : int, 1 <= n_labels <= n_transcripts, optional
    n_transcripts : int
        Size of the pool.
    sensitivity, specificity : float in [0, 1]
        The judge's, as far as known; they decide how much the judge narrows the interval, never whether it holds.
    classifier : (float, float), optional
        Sensitivity and specificity of a second grader that errs independently of the judge; it makes strata with the
        judge where `estimate_rate` would let it.
    designs : sequence of str, optional
        ``uniform`` or ``flagged-P``: P per cent of the labels on what the judge flags (all of it if little); with a
        classifier also ``disagree-P``: P per cent where the two disagree, 10 % where both flag. Default: uniform,
        flagged-10, flagged-25, and disagree-25 with a classifier.
    target : {"scenarios", "pool"}
    method : {"likelihood-ratio", "post-stratified"}
    confidence_level : float in (0, 1)
    rng : numpy Generator, optional
        Fixed seed unless given.

    Returns
    -------
    LabelPlan

    Raises
    ------
    ValueError
        Numbers outside their range, an unknown word, both or neither of `width` and `n_labels`.

    Notes
    -----
    Up to 300 campaigns per design are simulated, with the same random numbers for every number of labels. For an upper
    bound sample uniformly or with at most 10 % on flagged transcripts; for finding harm or measuring precision, 25 %.

    Examples
    --------
    >>> plan = plan_labels(0.01, width=0.03, method="post-stratified")
    >>> plan.best.design, 150 < plan.best.n_labels < 200
    ('uniform', True)
    >>> plan.clean_labels
    (299, 368)
    """
    check_level(confidence_level)
    check_choice("target", target, PlanTarget)
    check_choice("method", method, PlanMethod)
    for name, value in (("rate", rate), ("sensitivity", sensitivity), ("specificity", specificity)):
        check_share(name, value)
    for value in classifier or ():
        check_share("classifier", value)
    _check_wish(width, n_labels, n_transcripts)
    judge = (sensitivity, specificity)
    pool = assumed_pool(rate, n_transcripts, judge, target, method, confidence_level, classifier)
    if designs is None:
        designs = DESIGNS if classifier is None or method == "post-stratified" else (*DESIGNS, DISAGREE)
    seed = 0 if rng is None else int(rng.integers(2**32))
    clean = None
    if 0 < rate < 1:
        clean = tuple(clean_labels_needed(rate, confidence_level=confidence_level, sides=sides) for sides in (1, 2))
    return LabelPlan(
        rate=rate,
        n_transcripts=n_transcripts,
        sensitivity=sensitivity,
        specificity=specificity,
        confidence_level=confidence_level,
        target=target,
        method=method,
        designs=tuple(_plan(design, pool, width, n_labels, seed) for design in designs),
        clean_labels=clean if clean is None else (clean[0], clean[1]),
        classifier=classifier,
    )


def _check_wish(width: float | None, n_labels: int | None, n_transcripts: int) -> None:
    if n_transcripts < 1:
        msg = f"n_transcripts must be at least 1, got {n_transcripts}."
        raise ValueError(msg)
    if (width is None) == (n_labels is None):
        msg = f"width or n_labels must be given, one of them, got {width} and {n_labels}."
        raise ValueError(msg)
    if width is not None and not 0 < width < 1:
        msg = f"width must fulfil 0 < width < 1, got {width}."
        raise ValueError(msg)
    if n_labels is not None and not 1 <= n_labels <= n_transcripts:
        msg = f"n_labels must fulfil 1 <= n_labels <= n_transcripts ({n_transcripts}), got {n_labels}."
        raise ValueError(msg)


def _plan(name: str, pool: AssumedPool, width: float | None, n_labels: int | None, seed: int) -> DesignPlan:
    design = planned_design(name, pool.size, whole_counts=pool.method == "likelihood-ratio")

    def expect(n: int) -> DesignPlan | None:
        sample = planned_sample(n, design, pool)
        if sample is None:
            return None
        low, high = expected_limits(sample, pool, seed)
        flagged = round(float(labels_by_cell(n, design, pool.size)[:-1].sum()))
        return DesignPlan(design=name, n_labels=n, n_flagged=flagged, low=low, high=high, width=high - low)

    most = _most(design, pool)
    found = expect(n_labels) if n_labels is not None else _fewest(expect, width or 0.0, most)
    nan = float("nan")
    return found or DesignPlan(design=name, n_labels=None, n_flagged=None, low=nan, high=nan, width=nan)


def _most(design: PlannedDesign, pool: AssumedPool) -> int:
    """The most labels that the method takes in the strata of this design."""
    taken, too_many = 0, pool.n_transcripts + 1
    while too_many - taken > 1:
        middle = (taken + too_many) // 2
        if planned_sample(middle, design, pool) is None:
            too_many = middle
        else:
            taken = middle
    return taken


def _fewest(expect: Callable[[int], DesignPlan | None], width: float, most: int) -> DesignPlan | None:
    """The fewest labels that reach the width, to 1 %: doubled until they do, then bisected."""
    short, n = 0, min(MIN_LABELS, most)
    while (plan := expect(n)) is not None and plan.width > width:
        if n == most:
            return None
        short, n = n, min(2 * n, most)
    while n - short > max(1, PRECISION * n):
        middle = (short + n) // 2
        trial = expect(middle)
        if trial is None or trial.width > width:
            short = middle
        else:
            n, plan = middle, trial
    return plan
