"""How far it went: raters with each other and with the judge, and how often harm was considered but not done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from calibration.agreement.statistics import cohen_kappa, krippendorff_alpha
from calibration.findings.study import AgreementFinding, ConsideredFinding
from calibration.records import Agreement
from calibration.study.harm_table import HarmTable, group_tables
from calibration.study.pairs import HUMAN, MAX_RATERS_PAIRED, without_sample_note
from calibration.study.rater_findings import rate_as_labelled
from calibration.study.settings import StudySettings
from grader.verdict.records import STAGES
from labels.labelset import LabelSet
from labels.stages import consensus_stage, stage_votes

ALPHA, KAPPA = "stage_alpha_ordinal", "stage_kappa_weighted"
CONSIDERED = float(STAGES.index("considered"))
Clusters = NDArray[Any] | None


def stage_agreement(
    table: HarmTable,
    verdicts: pd.DataFrame,
    labels: LabelSet,
    settings: StudySettings,
    rng: np.random.Generator,
) -> Iterator[AgreementFinding]:
    """How far raters agree on the stage, with each other and with every grader that names one.

    Alpha is for an ordinal scale; kappa is weighted linearly: two stages apart count twice as much as one. What is
    between humans and a grader is weighted by the sampling design, where it is known.

    Parameters
    ----------
    table : HarmTable
    verdicts : verdict frame
    labels : LabelSet
    settings : StudySettings
    rng : numpy Generator
    """
    votes = stage_votes(labels, table.harm)
    votes = votes[votes["transcript_id"].isin(table.facts.index)]
    if votes.empty:
        return
    options: dict[str, Any] = {"confidence_level": settings.confidence_level, "rng": rng}
    people = votes[votes["source"] == "annotation"]
    data = people.pivot_table(index="rater", columns="transcript_id", values="stage", aggfunc="first")
    cluster = _scenarios(table, data.columns, settings)
    for between, agreement in _among_raters(data, cluster, options):
        yield AgreementFinding(harm=table.harm, between=between, agreement=agreement, weighted=False)
    human = consensus_stage(votes).reindex(table.facts.index)
    human = human.where(table.drawn) if table.inclusion_probability is not None else human
    for name in table.graders:
        grader = _grader_stage(verdicts, table.harm, name).reindex(table.facts.index)
        yield from _with_grader(table, name, human, grader, settings, options)


def _among_raters(
    data: pd.DataFrame, cluster: Clusters, options: dict[str, Any]
) -> Iterator[tuple[tuple[str, str], Agreement]]:
    ratings = data.to_numpy(dtype=float)
    if not ((~np.isnan(ratings)).sum(axis=0) > 1).any():
        return
    alpha = krippendorff_alpha(ratings, level_of_measurement="ordinal", cluster=cluster, **options)
    yield (HUMAN, HUMAN), replace(alpha, statistic=ALPHA)
    if len(data) > MAX_RATERS_PAIRED:
        return
    for i, j in combinations(range(len(data)), 2):
        both = ~np.isnan(ratings[[i, j]]).any(axis=0)
        if both.any():
            clusters = None if cluster is None else cluster[both]
            kappa = cohen_kappa(ratings[i, both], ratings[j, both], weights="linear", cluster=clusters, **options)
            yield (f"rater {data.index[i]}", f"rater {data.index[j]}"), replace(kappa, statistic=KAPPA)


def _with_grader(
    table: HarmTable, name: str, human: pd.Series, grader: pd.Series, settings: StudySettings, options: dict[str, Any]
) -> Iterator[AgreementFinding]:
    both = (human.notna() & grader.notna()).to_numpy()
    if not both.any():
        return
    pi, cluster = table.probabilities(), _scenarios(table, table.facts.index[both], settings)
    pair = np.stack([human.to_numpy(float)[both], grader.to_numpy(float)[both]])
    weights = None if pi is None else pi[both]
    kappa = cohen_kappa(*pair, weights="linear", inclusion_probability=weights, cluster=cluster, **options)
    found = [replace(kappa, statistic=KAPPA)]
    if weights is None or np.ptp(weights) == 0:  # alpha knows no weights; equal ones change nothing
        alpha = krippendorff_alpha(pair, level_of_measurement="ordinal", cluster=cluster, **options)
        found.append(replace(alpha, statistic=ALPHA))
    for agreement in found:
        agreement = agreement if weights is None else without_sample_note(agreement)
        yield AgreementFinding(harm=table.harm, between=(HUMAN, name), agreement=agreement, weighted=pi is not None)


def _grader_stage(verdicts: pd.DataFrame, harm: str, grader: str) -> pd.Series:
    """A grader's stage by transcript; of several repeats the median (the lower of two)."""
    own = verdicts[(verdicts["harm"] == harm) & (verdicts["grader"] == grader) & (verdicts["outcome"] == "scored")]
    code = own["stage"].map({stage: float(code) for code, stage in enumerate(STAGES)}).astype(float)
    known = own.assign(stage=code)[code.notna()]
    median: pd.Series = known.groupby("transcript_id")["stage"].quantile(0.5, "lower").astype(float)
    return median


def _scenarios(table: HarmTable, ids: Sequence[str] | pd.Index, settings: StudySettings) -> Clusters:
    column = table.facts.get(settings.cluster)
    if column is None or column.loc[list(ids)].isna().any():
        return None
    return np.asarray(column.loc[list(ids)].astype(str))


def considered_rates(table: HarmTable, labels: LabelSet, settings: StudySettings) -> Iterator[ConsideredFinding]:
    """How often harm was considered and not done, as raters say, per group, with the rate's own interval.

    Parameters
    ----------
    table : HarmTable
    labels : LabelSet
    settings : StudySettings
    """
    votes = stage_votes(labels, table.harm)
    stage = consensus_stage(votes).reindex(table.facts.index).where(table.y.notna())
    if stage.isna().all():
        return
    considered = replace(table, y=(stage == CONSIDERED).astype(float).where(stage.notna()))
    for group, part in group_tables(considered, settings.by):
        y = np.asarray(part.y, dtype=np.float64)
        if np.isfinite(y).any():
            estimate = rate_as_labelled(part, y, settings)
            yield ConsideredFinding(harm=table.harm, group=group, estimate=estimate)
