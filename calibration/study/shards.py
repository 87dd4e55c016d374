"""Rates of a pool that does not fit into memory: verdicts shard by shard, counted, never listed.

A rate needs how many transcripts there are of each kind (group, scenario, what graders say, how drawn, how labelled),
not which. One pass over the shards gives these counts; the estimate from them takes milliseconds, however large the
pool.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from calibration.findings.study import Report
from calibration.study.classifier_facts import training_notes
from calibration.study.comparison_findings import independent_comparisons
from calibration.study.counting import CountedPool, Counting
from calibration.study.design import Design
from calibration.study.join import no_labels
from calibration.study.label_versions import other_versions
from calibration.study.notes import study_notes
from calibration.study.rate_findings import rate_findings
from calibration.study.settings import StudySettings
from labels.labelset import LabelSet


def shard_facts(settings: StudySettings) -> tuple[str, ...]:
    """The facts of transcripts that counting needs of each shard (`grader.verdict.sides.verdict_shards`)."""
    return tuple(dict.fromkeys((*settings.by, *settings.where, settings.cluster)))


def count_shards(
    shards: Iterable[pd.DataFrame], labels: LabelSet | None, settings: StudySettings, *, design: Design = None
) -> CountedPool:
    """Count the verdicts of a pool, one shard in memory at a time.

    Parameters
    ----------
    shards : verdict frames
        All verdicts on a transcript (and on the branches of an episode) lie in one shard. A shard that was
        counted twice is not noticed.
    labels : LabelSet or None
    settings : StudySettings
        Which harms, groups, scenarios and denominator.
    design : design frame, "uniform" or None
        As in `run_study`.

    Raises
    ------
    InputError
        No shard, an unknown key or grader, labels of transcripts that no shard holds.
    """
    counting = Counting(settings, no_labels() if labels is None else labels.consensus(), design)
    for shard in shards:
        counting.add(shard)
    return counting.result(labels)


def study_shards(
    shards: Iterable[pd.DataFrame],
    labels: LabelSet | None,
    settings: StudySettings,
    *,
    design: Design = None,
    provenance: Mapping[str, Any] | None = None,
) -> Report:
    """Rates of every group, and their differences, from shards of verdicts; see `count_shards`.

    How many transcripts are unlike anything labelled is not told: it takes every verdict's own notes.
    """
    counted = count_shards(shards, labels, settings, design=design)
    grader = counted.graders[0].name
    old = () if labels is None else tuple(other_versions(counted.versions, design))
    rates = tuple(
        finding
        for table in counted.tables
        for finding in rate_findings(table, grader, settings, (*old, *training_notes(counted.graders, table.harm)))
    )
    return Report(
        rates=rates,
        agreement=(),
        comparisons=tuple(independent_comparisons(rates)) if labels is not None else (),
        graders=counted.graders,
        harms=tuple(table.harm for table in counted.tables),
        provenance=dict(provenance or {}),
        notes=(*study_notes(labels, counted.left_out), f"Counted {counted.n_rows:,} verdicts."),
    )
