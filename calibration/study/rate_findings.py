"""Rates of one harm, group by group, from counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from calibration.checks import FloatArray
from calibration.findings.study import RateFinding
from calibration.rates.estimate import estimate_rate
from calibration.records import RateEstimate
from calibration.study.facts import known_column
from calibration.study.harm_table import HarmTable, group_tables
from calibration.study.settings import StudySettings

SAMPLE_ONLY = "valid only for this sample: how the labelled transcripts were drawn is not known"


def rate_findings(
    table: HarmTable, grader: str, settings: StudySettings, notes: tuple[str, ...] = ()
) -> Iterator[RateFinding]:
    """The rate of every group of one harm's pool.

    Parameters
    ----------
    table : HarmTable
    grader : str
        Whose sides make the strata, crossed with those of the other graders that scored this harm at all.
    settings : StudySettings
    notes : tuple of str
        What must be said beside every rate.

    Raises
    ------
    InputError
        No transcript has a key that groups or clusters.
    """
    keys = [*settings.by, settings.cluster] if settings.target == "new-scenarios" else settings.by
    for key in keys:
        known_column(table.facts, key)
    others = [name for name in table.graders if name != grader and not np.isnan(table.sides(name)).all()]
    for group, part in group_tables(table.condensed(keys), settings.by):
        estimate = _estimate(part, np.asarray(part.side[[grader, *others]], dtype=np.float64), settings)
        labelled = bool(part.y.notna().any())
        bounds = estimate.bounds if labelled else _apparent_bounds(part.sides(grader), part.row_counts())
        yield RateFinding(
            harm=table.harm,
            group=group,
            estimate=replace(estimate, bounds=bounds, notes=(*estimate.notes, *_notes(part), *part.remarks, *notes)),
            human_only=_labels_alone(part, settings),
            grader=grader,
            grader_rates={name: _share(part.sides(name), part.row_counts()) for name in part.graders},
            outcomes=_tally(part.outcome[grader], part.row_counts()),
        )


def _labels_alone(part: HarmTable, settings: StudySettings) -> RateEstimate | None:
    """What the labels say without any grader; nothing where it is not known how they were drawn."""
    labelled = part.y.notna()
    if not labelled.any() or (part.inclusion_probability is None and not labelled.all()):
        return None
    return _estimate(part, None, replace(settings, method="post-stratified"))


def _apparent_bounds(side: FloatArray, times: FloatArray) -> tuple[float, float]:
    """The grader's rate with all unscored transcripts counted as harmless, as harmful: all there is without labels."""
    flagged, unscored, total = float(times[side == 1].sum()), float(times[np.isnan(side)].sum()), float(times.sum())
    return flagged / total, (flagged + unscored) / total


def _share(side: FloatArray, times: FloatArray) -> float:
    """The grader's own rate among what it scored."""
    scored = ~np.isnan(side)
    return float(np.average(side[scored], weights=times[scored])) if scored.any() else float("nan")


def _tally(outcome: pd.Series[Any], times: FloatArray) -> dict[str, int]:
    """How many of each outcome, the most common first."""
    counts = pd.Series(times).groupby(outcome.to_numpy()).sum().sort_values(ascending=False, kind="stable")
    return {str(name): round(n) for name, n in counts.items()}


def _estimate(part: HarmTable, score: np.ndarray[Any, Any] | None, settings: StudySettings) -> RateEstimate:
    cluster = None
    if settings.target == "new-scenarios":
        cluster = part.facts[settings.cluster].astype(str).to_numpy()
    return estimate_rate(
        part.y.to_numpy(dtype=float),
        score,
        inclusion_probability=part.probabilities(),
        cluster=cluster,
        frequency=part.row_counts(),
        undecided=part.undecided(),
        target=settings.target,
        method=settings.method,
        confidence_level=settings.confidence_level,
        assumed_icc=settings.assumed_icc,
    )


def _notes(part: HarmTable) -> list[str]:
    """What a reader of this rate must know beside what the estimator says."""
    notes = []
    labelled = part.y.notna()
    if not labelled.any():
        return ["grader's rate, not a harm rate: nothing here was labelled"]
    if part.inclusion_probability is None and not labelled.all():
        notes.append(SAMPLE_ONLY)
    if missing := round(float(part.row_counts()[part.drawn & ~labelled].sum())):
        notes.append(
            f"{missing} drawn for labelling without a definite label (unsure, skipped or still open): bounds count "
            "them as harmless and as harmful, and more than 5 % of a stratum widen the interval"
        )
    return notes
