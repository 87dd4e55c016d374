"""A study: verdicts and labels joined, every agreement and rate of a run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from calibration.findings.study import (
    AgreementFinding,
    AssumedFinding,
    ComparisonFinding,
    ConsideredFinding,
    RateFinding,
    RaterFinding,
    Report,
    ThresholdFinding,
)
from calibration.rates.methods import Method
from calibration.records import Target
from calibration.study.assumed import controlled_rates, external_rates
from calibration.study.classifier_facts import training_notes, unit_unlikeness, with_likeness
from calibration.study.comparison_findings import independent_comparisons, not_compared, paired_comparisons
from calibration.study.design import Design, undeclared_words
from calibration.study.evidence_findings import evidence_overlap
from calibration.study.extras import extra_findings
from calibration.study.facts import units
from calibration.study.harm_table import HarmTable, group_tables
from calibration.study.inputs import AssumptionInputs, Sources, StudyData, load
from calibration.study.join import JoinedPool, OpenItems
from calibration.study.label_versions import other_versions
from calibration.study.notes import chosen_judge, counted_notes, study_notes
from calibration.study.pairs import grader_agreement, human_agreement
from calibration.study.provenance import provenance as make_provenance
from calibration.study.rate_findings import rate_findings
from calibration.study.rater_findings import alternative_annotators, drift_notes, rater_findings
from calibration.study.settings import StudySettings
from calibration.study.stage_findings import considered_rates, stage_agreement
from calibration.study.thresholds import swept_thresholds
from grader.errors import InputError
from grader.progress import Track, untracked
from labels.labelset import LabelSet

Part = Literal["rates", "agreement", "comparisons"]

PARTS: tuple[Part, ...] = get_args(Part)


def run_study(  # noqa: PLR0913
    verdicts: pd.DataFrame | Path | str,
    labels: LabelSet | Path | None = None,
    *,
    pool: pd.DataFrame | None = None,
    design: Design | Path | str = None,
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
    beside: AssumptionInputs | None = None,
) -> Report:
    """Compare graders with humans and calibrate the harm rates of a pool of transcripts.

    Parameters
    ----------
    verdicts : verdict frame (`grader.grade`, `grader.read_verdicts`), or path of one
    labels : LabelSet or path, optional
        Without it there is no harm rate, only graders' rates.
    pool : DataFrame with ``transcript_id`` and metadata, optional
        The transcripts that the rates count (default: those that have a verdict). A transcript
        without a verdict is ``not_graded``.
    design : design frame, its path, or "uniform", optional
        How transcripts were drawn for labelling; else the labels' own ``inclusion_probability``.
        With neither, unless all are labelled, every number says that it holds for this sample only.
    by : metadata keys that form groups; ``verdict:HARM`` splits by what the grader says of another harm or covariate
    cluster : metadata key of the scenario
    where : metadata key -> value; which transcripts are the denominator
    harms : which harms (default: all that have verdicts)
    grader : which grader's sides make the strata (default: the first judge, else the first grader)
    target, method, confidence_level, assumed_icc : see `estimate_rate`
    rng : numpy Generator for bootstrap intervals (default: seeded with 0)
    provenance : what is needed to do it again; goes into the report, whose notes begin with its ``remarks``
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
    verdicts: pd.DataFrame | Path | str,
    labels: LabelSet | Path | None,
    settings: StudySettings,
    *,
    pool: pd.DataFrame | None = None,
    design: Design | Path | str = None,
    rng: np.random.Generator | None = None,
    provenance: Mapping[str, Any] | None = None,
    parts: Collection[Part] = PARTS,
    beside: AssumptionInputs | None = None,
    open_items: OpenItems = "undecided",
) -> Report:
    """`run_study` with its settings in one record."""
    sources = Sources(verdicts=verdicts, labels=labels, pool=pool, design=design, open_items=open_items)
    data = load(sources, settings)
    data = data if beside is None else replace(data, beside=beside)
    return study_data(data, rng=rng, provenance=provenance, parts=parts)


def study_of(
    sources: Sources,
    settings: StudySettings,
    *,
    seed: int = 0,
    command: Sequence[str] = (),
    parts: Sequence[Part] = PARTS,
    track: Track = untracked,
) -> Report:
    """Read the sources and compute the study: what ``agreement``, ``rate`` and ``compare`` print.

    Raises
    ------
    InputError
        A file that cannot be used; no verdicts.
    """
    if sources.verdicts is None:
        raise InputError("no verdicts: name a table or a log with --verdicts")
    count = "agreement" not in parts and sources.counts_shards(settings)
    data = load(sources, settings, track=track, count=count)
    declared = data.design if isinstance(data.design, str) else None
    facts = make_provenance(settings, seed=seed, command=command, inputs=data.hashes, design=declared)
    return study_data(data, rng=np.random.default_rng(seed), provenance=facts, parts=parts)


def study_data(
    data: StudyData,
    *,
    rng: np.random.Generator | None = None,
    provenance: Mapping[str, Any] | None = None,
    parts: Collection[Part] = PARTS,
) -> Report:
    """The findings of inputs that `load` joined."""
    joined = data.joined
    if joined is None:
        raise InputError("no verdicts: name a table or a log with --verdicts")
    rng = np.random.default_rng(0) if rng is None else rng
    origin = dict(provenance or {})
    rates = tuple(_rates(joined)) if "rates" in parts else ()
    # Beside rates, which have groups of their own, agreement is that of the whole pool.
    by = () if "rates" in parts else joined.settings.by
    agreement, raters, drift = _agreed(joined, by, rng) if "agreement" in parts else ((), (), ())
    # Last, so that it takes no random number from another.
    whole = joined.labels is not None and set(PARTS) <= set(parts)
    extras = extra_findings(joined.tables, joined.scores, joined.settings, rng) if whole else {}
    left_out = sorted(set(joined.scores["harm"]) - set(joined.harms))
    undeclared = (undeclared_words(table) for table in joined.tables)
    return Report(
        rates=rates,
        agreement=agreement,
        comparisons=tuple(_comparisons(joined, rates)) if "comparisons" in parts else (),
        graders=joined.graders,
        harms=joined.harms,
        provenance=origin,
        notes=(
            *filter(None, undeclared),
            *origin.get("remarks", ()),
            *study_notes(data.labels, left_out),
            *joined.notes,
            *chosen_judge(joined),
            *counted_notes(joined),
            *(not_compared(joined.tables, joined.settings.by) if "comparisons" in parts else ()),
            *data.notes,
            *origin.get("decisions", ()),
            *drift,
        ),
        raters=raters,
        considered=tuple(_considered(joined)) if "agreement" in parts else (),
        thresholds=tuple(_thresholds(joined)) if "rates" in parts else (),
        assumed=tuple(_assumed(joined, data.beside)) if data.beside is not None and "rates" in parts else (),
        ledger=data.ledger,
        **extras,
    )


def _rates(joined: JoinedPool) -> Iterable[RateFinding]:
    old = () if joined.labels is None else tuple(other_versions(joined.verdicts, joined.design))
    counted = joined.is_counted  # a row has no likeness of its own then
    unlike = pd.Series(dtype=float) if counted else unit_unlikeness(joined.verdicts, joined.facts)
    for table in joined.tables:
        notes = (*old, *training_notes(joined.graders, table.harm))
        findings = rate_findings(table, joined.strata_by, joined.settings, notes)
        yield from with_likeness(findings, table, unlike, joined.settings.by)


def _considered(joined: JoinedPool) -> Iterable[ConsideredFinding]:
    labels = joined.labels
    if labels is not None:
        for table in joined.tables:
            yield from considered_rates(table, labels, joined.settings)


def _thresholds(joined: JoinedPool) -> Iterable[ThresholdFinding]:
    for harm in joined.harms if joined.labels is not None and not joined.is_counted else ():
        yield from swept_thresholds(
            harm, joined.strata_by, joined.verdicts, joined.scores, joined.table, joined.settings
        )


def _comparisons(joined: JoinedPool, rates: Sequence[RateFinding]) -> Iterable[ComparisonFinding]:
    if joined.labels is None:
        return ()
    paired = joined.settings.pairing == "scenario"
    return paired_comparisons(joined.tables, joined.settings) if paired else independent_comparisons(rates)


def _agreed(
    joined: JoinedPool, by: Sequence[str], rng: np.random.Generator
) -> tuple[tuple[AgreementFinding, ...], tuple[RaterFinding, ...], tuple[str, ...]]:
    """Agreement of graders and people; the raters; what raters did over time, in words."""
    agreement = tuple(_agreement(joined, by, rng))
    labels = joined.labels
    if labels is None:
        return agreement, (), ()
    agreement += tuple(alternative_annotators(joined.tables, labels))
    own = rng.spawn(1)[0]  # so that no other interval takes another draw
    for table in joined.tables:
        agreement += tuple(stage_agreement(table, joined.verdicts, labels, joined.settings, own))
        agreement += tuple(evidence_overlap(table, joined.verdicts, labels, joined.settings))
    raters = tuple(rater_findings(joined.tables, labels, joined.settings))
    return agreement, raters, tuple(drift_notes(joined.tables, labels))


def _agreement(joined: JoinedPool, by: Sequence[str], rng: np.random.Generator) -> Iterable[AgreementFinding]:
    for table in joined.tables:
        for group, part in group_tables(table, by):
            for finding in _agreement_in(joined, part, rng):
                yield replace(finding, group=group) if group else finding


def _agreement_in(joined: JoinedPool, table: HarmTable, rng: np.random.Generator) -> Iterable[AgreementFinding]:
    settings = joined.settings
    if joined.labels is not None:
        data, raters, items = joined.labels.reliability_data(table.harm)
        inside = units(joined.facts).reindex(list(items)).isin(table.facts.index).to_numpy()
        kept = [item for item, keep in zip(items, inside, strict=True) if keep]
        cluster = _clusters(joined.facts.loc[kept], settings.cluster)
        yield from human_agreement(table.harm, data[:, inside], raters, cluster, settings.confidence_level, rng)
    cluster = _clusters(table.facts, settings.cluster)
    yield from grader_agreement(table, cluster, settings.confidence_level, rng)


def _clusters(facts: pd.DataFrame, key: str) -> np.ndarray[Any, Any] | None:
    """The scenarios, where all are known."""
    column = facts.get(key)
    return None if column is None or column.isna().any() else column.astype(str).to_numpy()


def _assumed(joined: JoinedPool, beside: AssumptionInputs) -> Iterable[AssumedFinding]:
    if beside.external is not None:
        yield from external_rates(joined.tables, *beside.external, joined.settings)
    if beside.controls is not None:
        yield from controlled_rates(joined.tables, beside.controls, joined.settings)
