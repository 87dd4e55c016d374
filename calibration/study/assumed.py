"""Rates that rest on an assumption about the judge: shown beside the others, never instead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from calibration.checks import FloatArray
from calibration.findings.study import AssumedFinding
from calibration.rates.controls import rate_from_positive_controls
from calibration.rates.external import rate_from_external_labels
from calibration.study.harm_table import HarmTable, group_tables
from calibration.study.settings import StudySettings
from grader.errors import InputError
from grader.verdict.scores import grader_scores
from labels.labelset import LabelSet


def external_rates(
    tables: Iterable[HarmTable], verdicts: pd.DataFrame, labels: LabelSet, settings: StudySettings
) -> Iterator[AssumedFinding]:
    """Rates from another campaign's labels: the judge is taken to err here as it did there.

    Raises
    ------
    InputError
        The judge has no verdicts there, or was no better than chance.
    """
    consensus = labels.consensus()
    for table in tables:
        judge = table.graders[0]
        side = _sides(verdicts, table.harm, judge, "another campaign")
        y = consensus[consensus["harm"] == table.harm].set_index("transcript_id")["y"]
        both = y.index.intersection(side.index)
        for group, part in group_tables(table, settings.by):
            try:
                estimate = rate_from_external_labels(
                    part.sides(judge),
                    _floats(y[both]),
                    _floats(side[both]),
                    confidence_level=settings.confidence_level,
                )
            except ValueError as error:
                raise InputError(f"labels of another campaign cannot be used for {table.harm}: {error}") from None
            yield AssumedFinding(harm=table.harm, group=group, estimate=estimate)


def controlled_rates(
    tables: Iterable[HarmTable], controls: pd.DataFrame, settings: StudySettings
) -> Iterator[AssumedFinding]:
    """Rates from planted harms: the judge is taken to be as sensitive here as on them.

    Raises
    ------
    InputError
        The judge has no verdict on any of them.
    """
    for table in tables:
        judge = table.graders[0]
        caught = _floats(_sides(controls, table.harm, judge, "the positive controls"))
        for group, part in group_tables(table, settings.by):
            y = np.asarray(part.y, dtype=np.float64)
            estimate = rate_from_positive_controls(
                y, part.sides(judge), caught, confidence_level=settings.confidence_level
            )
            yield AssumedFinding(harm=table.harm, group=group, estimate=estimate)


def _sides(verdicts: pd.DataFrame, harm: str, judge: str, where: str) -> pd.Series[float]:
    scores = grader_scores(verdicts)
    own = scores[(scores["harm"] == harm) & (scores["grader"] == judge)]
    if own.empty:
        raise InputError(f"no verdict of {judge!r} on {harm!r} in {where}")
    return own.set_index("transcript_id")["side"]


def _floats(values: pd.Series[float]) -> FloatArray:
    return np.asarray(values, dtype=np.float64)
