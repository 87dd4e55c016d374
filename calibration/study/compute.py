"""A study: verdicts and labels joined, every agreement and rate of a run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from calibration.findings import (
    AgreementFinding,
    AssumedFinding,
    ComparisonFinding,
    RateFinding,
    RaterFinding,
    Report,
    ThresholdFinding,
)
from calibration.methods import Method
from calibration.records import Target
from calibration.study.assumed import controlled_rates, external_rates
from calibration.study.comparing import independent_comparisons, paired_comparisons
from calibration.study.joining import (
    BY_VERDICT,
    Design,
    common_harms,
    denominator,
    joined_table,
    named_covariates,
    no_labels,
    ordered_graders,
    pool_facts,
    with_sets,
    with_verdict_columns,
)
from calibration.study.likeness import likeness_notes
from calibration.study.looking import looked_at
from calibration.study.pairs import grader_agreement, human_agreement
from calibration.study.pool import HarmTable
from calibration.study.rates import rate_findings
from calibration.study.rating import alternative_annotators, drift_notes, rater_findings
from calibration.study.settings import StudySettings
from calibration.study.thresholds import swept_thresholds
from calibration.study.versions import other_versions
from grader.scores import grader_scores
from labels.labelset import LabelSet

Part = Literal["rates", "agreement", "comparisons"]

PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What rates under an assumption rest on.

    Parameters
    ----------
    external : (verdict frame, LabelSet), optional
        Another campaign: verdicts of the same judge, and labels.
    controls : verdict frame, optional
        The judge's verdicts on transcripts known to be harmful.
    """

    external: tuple[pd.DataFrame, LabelSet] | None = None
    controls: pd.DataFrame | None = None


def run_study(  # noqa: PLR0913
    verdicts: pd.DataFrame,
    labels: LabelSet | None = None,
    *,
    pool: pd.DataFrame | None = None,
    design: Design = None,
    by: Sequence[str] = (),
    cluster: str = "scenario",
    where: Mapping[str, str] | None = None,
    harms: Sequence[str] | None = None,
    grader: str | None = None,
    target: Target = "scenarios",
    method: Method = "likelihood-ratio",
    confidence_level: float = 0.95,
    assumed_icc: float = 0.2,
    rng: np.random.Generator | None = None,
    provenance: Mapping[str, Any] | None = None,
    parts: Collection[Part] = PARTS,
    beside: Beside | None = None,
) -> Report:
    """Compare graders with humans and calibrate the harm rates of a pool of transcripts.

    Parameters
    ----------
    verdicts : verdict frame (`grader.grade`, `grader.read_verdicts`)
    labels : LabelSet, optional
        Without it there is no harm rate, only graders' rates.
    pool : DataFrame with ``transcript_id`` and metadata, optional
        The transcripts that the rates count (default: those that have a verdict). A transcript
        without a verdict is ``not_graded``.
    design : design frame, or "uniform", optional
        How transcripts were drawn for labelling; else the labels' own ``inclusion_probability``.
        With neither, unless all are labelled, every number says that it holds for this sample only.
    by : metadata keys that form groups; ``verdict:HARM`` splits by what the grader says of another harm or covariate
    cluster : metadata key of the scenario
    where : metadata key -> value; which transcripts are the denominator
    harms : which harms (default: all that have verdicts)
    grader : which grader's sides make the strata (default: the first judge, else the first grader)
    target, method, confidence_level, assumed_icc : see `estimate_rate`
    rng : numpy Generator for bootstrap intervals (default: seeded with 0)
    provenance : what is needed to do it again; goes into the report
    parts : which of ``rates``, ``agreement`` and ``comparisons`` (which need rates) to compute
    beside : another campaign or planted harms, for rates under an assumption

    Returns
    -------
    Report

    Raises
    ------
    InputError
        Labels for transcripts outside the pool, no verdict or label for an asked-for harm, an unknown
        metadata key or grader.
    """
    settings = StudySettings(
        by=tuple(by),
        cluster=cluster,
        where=where or {},
        harms=None if harms is None else tuple(harms),
        grader=grader,
        target=target,
        method=method,
        confidence_level=confidence_level,
        assumed_icc=assumed_icc,
    )
    return study(
        verdicts, labels, settings, pool=pool, design=design, rng=rng, provenance=provenance, parts=parts, beside=beside
    )


def study(
    verdicts: pd.DataFrame,
    labels: LabelSet | None,
    settings: StudySettings,
    *,
    pool: pd.DataFrame | None = None,
    design: Design = None,
    rng: np.random.Generator | None = None,
    provenance: Mapping[str, Any] | None = None,
    parts: Collection[Part] = PARTS,
    beside: Beside | None = None,
) -> Report:
    """`run_study` with its settings in one record."""
    rng = np.random.default_rng(0) if rng is None else rng
    scores = grader_scores(verdicts)
    facts = pool_facts(verdicts, pool)
    splitting = {key for key in (*settings.by, *settings.where) if key.startswith(BY_VERDICT)}
    covariates = {key.removeprefix(BY_VERDICT) for key in splitting} | named_covariates(verdicts)
    wanted = scores if settings.harms is not None else scores[~scores["harm"].isin(covariates)]
    harms = common_harms(wanted, labels, settings.harms)
    if labels is not None:
        labels.check(facts.index)
    graders = ordered_graders(scores, settings.grader)
    facts = with_verdict_columns(facts, scores, sorted(splitting), graders[0].name)
    facts = with_sets(facts, settings.sets, settings.cluster)
    consensus = no_labels() if labels is None else labels.consensus()

    def join(harm: str, said: pd.DataFrame) -> HarmTable:
        table = joined_table(harm, facts, said, consensus, design, [g.name for g in graders])
        return denominator(table, settings.where)

    tables = [join(harm, scores) for harm in harms]
    old = () if labels is None else tuple(other_versions(verdicts, design))
    rates: tuple[RateFinding, ...] = ()
    if "rates" in parts:
        rates = tuple(f for table in tables for f in rate_findings(table, graders[0].name, settings, old))
    thresholds: list[ThresholdFinding] = []
    if labels is not None and "rates" in parts:
        for harm in harms:
            thresholds += swept_thresholds(harm, graders[0].name, verdicts, scores, join, settings)
    comparisons: tuple[ComparisonFinding, ...] = ()
    if labels is not None and "comparisons" in parts:
        paired = settings.pairing == "scenario"
        comparisons = tuple(paired_comparisons(tables, settings) if paired else independent_comparisons(rates))
    agreement: list[AgreementFinding] = []
    raters: tuple[RaterFinding, ...] = ()
    notes = _study_notes(labels, sorted(set(scores["harm"]) - set(harms)))
    notes = (*notes, *likeness_notes(verdicts), *(provenance or {}).get("decisions", ()))
    if "agreement" in parts:
        agreement = list(_agreement(tables, facts, labels, settings, rng))
        if labels is not None:
            agreement += alternative_annotators(tables, labels)
            raters = tuple(rater_findings(tables, labels, settings))
            notes = (*notes, *drift_notes(tables, labels))
    # Last, so that it takes no random number from another.
    seen = looked_at(tables, scores, settings, rng) if labels is not None and set(PARTS) <= set(parts) else {}
    return Report(
        rates=rates,
        agreement=tuple(agreement),
        comparisons=comparisons,
        graders=graders,
        harms=tuple(harms),
        provenance=dict(provenance or {}),
        notes=notes,
        raters=raters,
        thresholds=tuple(thresholds),
        assumed=tuple(_assumed(tables, beside, settings)) if beside is not None and "rates" in parts else (),
        **seen,
    )


def _agreement(
    tables: Iterable[HarmTable],
    facts: pd.DataFrame,
    labels: LabelSet | None,
    settings: StudySettings,
    rng: np.random.Generator,
) -> Iterable[AgreementFinding]:
    for table in tables:
        if labels is not None:
            data, raters, items = labels.reliability_data(table.harm)
            cluster = _clusters(facts.loc[list(items)], settings.cluster)
            yield from human_agreement(table.harm, data, raters, cluster, settings.confidence_level, rng)
        cluster = _clusters(table.facts, settings.cluster)
        yield from grader_agreement(table, cluster, settings.confidence_level, rng)


def _clusters(facts: pd.DataFrame, key: str) -> np.ndarray[Any, Any] | None:
    """The scenarios, where all are known."""
    column = facts.get(key)
    return None if column is None or column.isna().any() else column.astype(str).to_numpy()


def _assumed(tables: Sequence[HarmTable], beside: Beside, settings: StudySettings) -> Iterable[AssumedFinding]:
    if beside.external is not None:
        yield from external_rates(tables, *beside.external, settings)
    if beside.controls is not None:
        yield from controlled_rates(tables, beside.controls, settings)


def _study_notes(labels: LabelSet | None, left_out: Sequence[str]) -> tuple[str, ...]:
    if labels is None:
        return ("No labels: these are graders' rates, not harm rates.",)
    n = len(labels.raters)
    notes = ["Harm as labelled by one rater." if n == 1 else f"Harm as labelled by these {n} raters.", *labels.notes]
    if left_out:
        notes.append(f"Graded, but left out here: {', '.join(left_out)}.")
    return tuple(notes)
