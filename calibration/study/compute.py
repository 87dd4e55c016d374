"""A study: verdicts and labels joined, every agreement and rate of a run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from calibration.checks import FloatArray
from calibration.compare import compare_groups
from calibration.findings import AgreementFinding, ComparisonFinding, GraderFacts, RateFinding, Report
from calibration.methods import Method
from calibration.rates import estimate_rate
from calibration.records import RateEstimate, Target
from calibration.study.pairs import grader_agreement, human_agreement
from calibration.study.pool import HarmTable, group_tables, harm_table, join_episodes
from grader.errors import InputError
from grader.scores import grader_scores
from grader.verdict_frame import VERDICT_COLUMNS
from labels.labelset import LabelSet

Design = pd.DataFrame | Literal["uniform"] | None
Part = Literal["rates", "agreement", "comparisons"]

PARTS: tuple[Part, ...] = get_args(Part)
MAX_COMPARED_GROUPS = 8
SAMPLE_ONLY = "valid only for this sample: how the labelled transcripts were drawn is not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the rates of a study are computed; see `calibration.estimate_rate`."""

    by: tuple[str, ...] = ()
    cluster: str = "scenario"
    target: Target = "scenarios"
    method: Method = "post-stratified"
    confidence_level: float = 0.95
    assumed_icc: float = 0.2


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
    method: Method = "post-stratified",
    confidence_level: float = 0.95,
    assumed_icc: float = 0.2,
    rng: np.random.Generator | None = None,
    provenance: Mapping[str, Any] | None = None,
    parts: Collection[Part] = PARTS,
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
    by : metadata keys that form groups
    cluster : metadata key of the scenario
    where : metadata key -> value; which transcripts are the denominator
    harms : which harms (default: all that have verdicts)
    grader : which grader's sides make the strata (default: the first judge, else the first grader)
    target, method, confidence_level, assumed_icc : see `estimate_rate`
    rng : numpy Generator for bootstrap intervals (default: seeded with 0)
    provenance : what is needed to do it again; goes into the report
    parts : which of ``rates``, ``agreement`` and ``comparisons`` (which need rates) to compute

    Returns
    -------
    Report

    Raises
    ------
    InputError
        Labels for transcripts outside the pool, no verdict or label for an asked-for harm, an unknown
        metadata key or grader.
    """
    settings = Settings(
        by=tuple(by),
        cluster=cluster,
        target=target,
        method=method,
        confidence_level=confidence_level,
        assumed_icc=assumed_icc,
    )
    rng = np.random.default_rng(0) if rng is None else rng
    scores = grader_scores(verdicts)
    facts = _pool_facts(verdicts, pool)
    harms = _harms(scores, labels, harms)
    if labels is not None:
        labels.check(facts.index)
    graders = _graders(scores, grader)
    consensus = _no_labels() if labels is None else labels.consensus()
    tables = [_table(harm, facts, scores, consensus, design, [g.name for g in graders]) for harm in harms]
    tables = [_denominator(table, where or {}) for table in tables]
    rates = tuple(f for table in tables for f in _rates(table, graders[0].name, settings)) if "rates" in parts else ()
    return Report(
        rates=rates,
        agreement=tuple(_agreement(tables, facts, labels, settings, rng)) if "agreement" in parts else (),
        comparisons=tuple(_comparisons(rates, labels)) if "comparisons" in parts else (),
        graders=graders,
        harms=tuple(harms),
        provenance=dict(provenance or {}),
        notes=_study_notes(labels),
    )


def _pool_facts(verdicts: pd.DataFrame, pool: pd.DataFrame | None) -> pd.DataFrame:
    """Metadata by transcript id: from the pool, filled up from the verdicts."""
    own = [c for c in verdicts.columns if c == "transcript_id" or c not in _VERDICT_ONLY]
    known = verdicts[own].drop_duplicates("transcript_id").set_index("transcript_id")
    if pool is None:
        return known
    facts = pool.drop_duplicates("transcript_id").set_index("transcript_id")
    if stray := set(known.index) - set(facts.index):
        raise InputError(f"{len(stray)} verdicts are on transcripts outside the pool, the first {min(stray)!r}")
    return facts.combine_first(known.reindex(facts.index)).reindex(facts.index)


_VERDICT_ONLY = frozenset(VERDICT_COLUMNS[: VERDICT_COLUMNS.index("grader_kind") + 1])


def _harms(scores: pd.DataFrame, labels: LabelSet | None, asked: Sequence[str] | None) -> list[str]:
    graded = list(dict.fromkeys(scores["harm"]))
    if asked is None:
        asked = [h for h in graded if labels is None or h in labels.harms]
        if not asked and labels is not None:
            raise InputError(f"no harm in common: verdicts on {graded}, labels on {list(labels.harms)}")
    for harm in asked:
        if harm not in graded:
            raise InputError(f"no verdict on harm {harm!r}; there are verdicts on {graded}")
        if labels is not None and harm not in labels.harms:
            raise InputError(f"no label for harm {harm!r}; there are labels for {list(labels.harms)}")
    return list(asked)


def _graders(scores: pd.DataFrame, chosen: str | None) -> tuple[GraderFacts, ...]:
    """All graders, the one whose sides make the strata first, then classifiers."""
    rows = scores.drop_duplicates("grader")[["grader", "grader_version", "grader_kind"]]
    graders = [GraderFacts(name=n, version=v, kind=k) for n, v, k in rows.itertuples(index=False, name=None)]
    if chosen is not None and chosen not in {g.name for g in graders}:
        raise InputError(f"no grader {chosen!r}; there are {[g.name for g in graders]}")
    rank = {"judge": 0, "classifier": 1}
    judge = chosen or min(graders, key=lambda g: rank.get(g.kind, 2)).name
    return tuple(sorted(graders, key=lambda g: (g.name != judge, g.kind != "classifier")))


def _table(
    harm: str, facts: pd.DataFrame, scores: pd.DataFrame, consensus: pd.DataFrame, design: Design, graders: list[str]
) -> HarmTable:
    labels = consensus[consensus["harm"] == harm]
    own = scores[scores["harm"] == harm]
    table = join_episodes(harm_table(harm, facts, own, labels, _design(harm, design, facts, labels)))
    outcome = table.outcome.reindex(columns=graders).fillna("not_graded")
    return replace(table, side=table.side.reindex(columns=graders), outcome=outcome)


def _denominator(table: HarmTable, where: Mapping[str, str]) -> HarmTable:
    """The transcripts that the rates count."""
    keep = np.ones(len(table.facts), dtype=bool)
    for key, value in where.items():
        keep &= (_column(table.facts, key).astype(str) == value).to_numpy()
    if not keep.any():
        raise InputError(f"no transcript where {dict(where)}")
    return table.where(keep)


def _design(harm: str, design: Design, facts: pd.DataFrame, consensus: pd.DataFrame) -> pd.DataFrame | None:
    """The design frame of one harm, from whichever place tells how transcripts were drawn."""
    if isinstance(design, pd.DataFrame):
        return design[design["harm"] == harm].drop_duplicates("transcript_id")
    labelled = consensus[consensus["y"].notna()]
    if design is None and "inclusion_probability" in labelled and labelled["inclusion_probability"].notna().all():
        return labelled.assign(drawn=True)
    share = len(labelled) / len(facts)
    if design == "uniform" or share == 1.0:
        drawn = facts.index.isin(consensus["transcript_id"])
        return pd.DataFrame({"transcript_id": facts.index, "drawn": drawn, "inclusion_probability": max(share, 1e-12)})
    return None


def _rates(table: HarmTable, grader: str, settings: Settings) -> Iterable[RateFinding]:
    for key in settings.by:
        _column(table.facts, key)
    for group, part in group_tables(table, settings.by):
        estimate = _estimate(part, _strata_scores(part, grader), settings)
        labelled = bool(part.y.notna().any())
        bounds = estimate.bounds if labelled else _apparent_bounds(part.sides(grader))
        yield RateFinding(
            harm=table.harm,
            group=group,
            estimate=replace(estimate, bounds=bounds, notes=(*estimate.notes, *_notes(part))),
            human_only=_estimate(part, None, settings) if labelled else None,
            grader=grader,
            grader_rates={name: float(part.side[name].mean()) for name in part.graders},
            outcomes={str(k): int(n) for k, n in part.outcome[grader].value_counts().items()},
        )


def _apparent_bounds(side: FloatArray) -> tuple[float, float]:
    """The grader's rate with all unscored transcripts counted as harmless, as harmful: all there is without labels."""
    flagged, unscored = float((side == 1).sum()), float(np.isnan(side).sum())
    return flagged / side.size, (flagged + unscored) / side.size


def _strata_scores(part: HarmTable, grader: str) -> np.ndarray[Any, Any]:
    """The judge's side in column 0, the other graders' after it, classifiers first."""
    others = (name for name in part.graders if name != grader)
    return np.asarray(part.side[[grader, *others]], dtype=np.float64)


def _estimate(part: HarmTable, score: np.ndarray[Any, Any] | None, settings: Settings) -> RateEstimate:
    cluster = None
    if settings.target == "new-scenarios":
        cluster = _column(part.facts, settings.cluster).astype(str).to_numpy()
    return estimate_rate(
        part.y.to_numpy(dtype=float),
        score,
        inclusion_probability=part.probabilities(),
        cluster=cluster,
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
    if missing := int((part.drawn & ~labelled).sum()):
        notes.append(f"{missing} drawn for labelling without a definite label (unsure, skipped or still open)")
    return notes


def _agreement(
    tables: Iterable[HarmTable],
    facts: pd.DataFrame,
    labels: LabelSet | None,
    settings: Settings,
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


def _comparisons(rates: Sequence[RateFinding], labels: LabelSet | None) -> Iterable[ComparisonFinding]:
    """Every pair of groups of one harm, p-values adjusted by Holm."""
    for harm in dict.fromkeys(f.harm for f in rates):
        findings = [f for f in rates if f.harm == harm]
        if labels is None or not 1 < len(findings) <= MAX_COMPARED_GROUPS:
            continue
        by_name = {str(i): f for i, f in enumerate(findings)}
        for (a, b), difference in compare_groups({name: f.estimate for name, f in by_name.items()}).items():
            yield ComparisonFinding(harm=harm, first=by_name[a].group, second=by_name[b].group, difference=difference)


def _study_notes(labels: LabelSet | None) -> tuple[str, ...]:
    if labels is None:
        return ("No labels: these are graders' rates, not harm rates.",)
    return (f"Harm as labelled by these {len(labels.raters)} raters.",)


def _column(facts: pd.DataFrame, key: str) -> pd.Series[Any]:
    if key not in facts or facts[key].isna().all():
        known = [str(c) for c in facts if not facts[c].isna().all() and c != "content_hash"]
        raise InputError(f"no transcript has {key!r}; there is {', '.join(known) or 'no metadata'}")
    return facts[key]


def _no_labels() -> pd.DataFrame:
    return pd.DataFrame(
        {"transcript_id": pd.Series(dtype=object), "harm": pd.Series(dtype=object), "y": pd.Series(dtype=float)}
    )
