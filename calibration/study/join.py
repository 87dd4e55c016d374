"""Verdicts, labels and a design joined to one table per harm over the pool."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from calibration.findings.study import GraderFacts
from calibration.study.classifier_facts import with_training
from calibration.study.counts import WeightedPool
from calibration.study.design import (
    Design,
    OnContradiction,
    check_frame,
    check_known_ids,
    check_uniform,
    harm_design,
)
from calibration.study.episodes import join_episodes
from calibration.study.facts import (
    BY_VERDICT,
    denominator,
    has_episodes,
    known_column,
    pool_facts,
    with_sets,
    with_verdict_columns,
)
from calibration.study.harm_table import HarmTable, harm_table
from calibration.study.settings import StudySettings
from calibration.study.used_labels import UsedLabels, used_labels
from grader.errors import InputError
from grader.verdict.scores import grader_scores
from labels.labelset import LabelSet

# What a drawn transcript is that nobody answered on.
OpenItems = Literal["undecided", "to come"]


def named_covariates(verdicts: pd.DataFrame) -> set[str]:
    """Covariates: rubrics that split rates but get no rate of their own unless asked for."""
    kinds = (u.get("rubric_kind") if isinstance(u, dict) else None for u in verdicts["usage"])
    return set(verdicts.loc[[kind == "covariate" for kind in kinds], "harm"])


def common_harms(scores: pd.DataFrame, labels: LabelSet | None, asked: Sequence[str] | None) -> list[str]:
    """The harms that were asked for, else those with both verdicts and labels."""
    graded = sorted(scores["harm"].unique())
    if asked is None:
        asked = [h for h in graded if labels is None or h in labels.harms]
        if not asked and labels is not None:
            raise InputError(f"no harm in common: verdicts on {graded}, labels on {list(labels.harms)}")
    if not asked:
        raise InputError("no harm was asked for: name one, or leave harms out for all that have verdicts")
    for harm in asked:
        if harm not in graded:
            raise InputError(f"no verdict on harm {harm!r}; there are verdicts on {graded}")
        if labels is not None and harm not in labels.harms:
            raise InputError(f"no label for harm {harm!r}; there are labels for {list(labels.harms)}")
    return list(dict.fromkeys(asked))


def refuse_versions(scores: pd.DataFrame) -> None:
    """Refuse a table in which one grader has verdicts of two versions on one harm.

    Raises
    ------
    InputError
        Such a table: its verdicts are not those of one grader.
    """
    known = scores.loc[scores["grader_version"].fillna("").astype(str) != "", ["grader", "harm", "grader_version"]]
    once = known.drop_duplicates().astype(str).sort_values(["grader", "harm", "grader_version"])
    again = once[once.duplicated(["grader", "harm"])]
    if again.empty:
        return
    grader, harm, _ = again.iloc[0]
    versions = once.loc[(once["grader"] == grader) & (once["harm"] == harm), "grader_version"]
    raise InputError(
        f"verdicts of {grader!r} on {harm!r} are of {len(versions)} versions ({', '.join(versions)}): "
        "grade all transcripts with one version, or give the versions names of their own"
    )


def ordered_graders(scores: pd.DataFrame, chosen: str | None) -> tuple[GraderFacts, ...]:
    """All graders, the one whose sides make the strata first, then classifiers."""
    rows = scores.drop_duplicates("grader")[["grader", "grader_version", "grader_kind"]]
    graders = [GraderFacts(name=n, version=v, kind=k) for n, v, k in sorted(rows.itertuples(index=False, name=None))]
    if chosen is not None and chosen not in {g.name for g in graders}:
        raise InputError(f"no grader {chosen!r}; there are {[g.name for g in graders]}")
    names, rank = {g.name for g in graders}, {"judge": 0, "classifier": 1}
    judge = chosen or min(graders, key=lambda g: (rank.get(g.kind, 2), not _is_panel(g.name, names))).name
    return tuple(sorted(graders, key=lambda g: (g.name != judge, g.kind != "classifier")))


def _is_panel(name: str, names: Collection[str]) -> bool:
    """True for a panel whose members' verdicts are present as well: its name is theirs, joined by ``+``."""
    members = name.split("+")
    return len(members) > 1 and all(member in names for member in members)


def joined_table(
    harm: str, facts: pd.DataFrame, scores: pd.DataFrame, consensus: pd.DataFrame, design: Design, graders: list[str]
) -> HarmTable:
    """One harm's table, with the graders that have verdicts on it; the first in any case.

    A transcript without a verdict is ``not_graded``.
    """
    labels = consensus[consensus["harm"] == harm]
    verdicts = scores[scores["harm"] == harm]
    plan = harm_design(harm, design, facts, labels)
    table = join_episodes(harm_table(harm, facts, verdicts, labels, plan), plan)
    present = set(verdicts["grader"])
    columns = [name for name in graders if name in present or name == graders[0]]
    outcome = table.outcome.reindex(columns=columns).astype(object).fillna("not_graded")
    return replace(table, side=table.side.reindex(columns=columns), outcome=outcome)


def no_labels() -> pd.DataFrame:
    """An empty consensus."""
    return pd.DataFrame(
        {"transcript_id": pd.Series(dtype=object), "harm": pd.Series(dtype=object), "y": pd.Series(dtype=float)}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedPool:
    """Verdicts, labels, facts and design of a study, brought together.

    Parameters
    ----------
    verdicts : verdict frame
    labels : LabelSet or None
        Those that may enter numbers: of transcripts that the rates count and that the design drew.
    given : UsedLabels
        Every label that was read, with the reason why it is not used.
    settings : StudySettings
    design : design frame, "uniform" or None
    scores : frame of `grader.verdict.scores.grader_scores`
    facts : DataFrame by transcript, of metadata
        Of the transcripts that the rates count.
    pool : DataFrame by transcript
        As `facts`, of all transcripts, also of those that `settings.where` leaves out.
    verdict_counts : DataFrame
        ``transcript_id, harm`` of the verdicts, one row each, or (counted) with how many each stands for.
    is_counted : bool
        Whether rows stand for several transcripts, known by their sides alone.
    harms : tuple of str
        Those that have rates.
    graders : tuple of GraderFacts
        The one that makes the strata first.
    consensus : frame of `LabelSet.consensus`
    tables : tuple of HarmTable
        One per harm.
    notes : tuple of str
        What a reader of any rate must know about the join.
    """

    verdicts: pd.DataFrame
    labels: LabelSet | None
    given: UsedLabels
    settings: StudySettings
    design: Design
    scores: pd.DataFrame
    facts: pd.DataFrame
    pool: pd.DataFrame
    verdict_counts: pd.DataFrame
    is_counted: bool
    harms: tuple[str, ...]
    graders: tuple[GraderFacts, ...]
    consensus: pd.DataFrame
    tables: tuple[HarmTable, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def strata_by(self) -> str:
        """Name of the grader whose sides make the strata."""
        return self.graders[0].name

    def table(self, harm: str, scores: pd.DataFrame) -> HarmTable:
        """One harm's table with other scores of the graders."""
        names = [grader.name for grader in self.graders]
        return joined_table(harm, self.facts, scores, self.consensus, self.design, names)


def _without_open_items(table: HarmTable, labels: LabelSet) -> HarmTable:
    """Of a campaign that goes on, transcripts that nobody answered on yet are still to come, not undecided."""
    rows = labels.frame[(labels.frame["harm"] == table.harm) & labels.frame["status"].isin(["unsure", "skipped"])]
    answered = table.drawn.index.isin(rows["transcript_id"])
    return replace(table, drawn=table.drawn & (table.y.notna() | answered))


def joined_pool(
    verdicts: pd.DataFrame,
    labels: LabelSet | None,
    settings: StudySettings,
    *,
    pool: pd.DataFrame | None = None,
    design: Design = None,
    on_contradiction: OnContradiction = "refuse",
    open_items: OpenItems = "undecided",
) -> JoinedPool:
    """Join what a study reads, and check it.

    Raises
    ------
    InputError
        As `run_study`.
    """
    keys = (*settings.by, *settings.where, settings.cluster)
    weighted = WeightedPool(
        facts=pool_facts(verdicts, pool, keys),
        scores=grader_scores(verdicts),
        verdicts=verdicts,
        verdict_counts=verdicts[["transcript_id", "harm"]],
        design=design,
        is_counted=False,
    )
    return join_weighted(weighted, labels, settings, on_contradiction=on_contradiction, open_items=open_items)


def join_weighted(
    weighted: WeightedPool,
    labels: LabelSet | None,
    settings: StudySettings,
    *,
    on_contradiction: OnContradiction = "refuse",
    open_items: OpenItems = "undecided",
) -> JoinedPool:
    """Join a pool whose rows may stand for several transcripts.

    Raises
    ------
    InputError
        As `run_study`.
    """
    verdicts, scores, every, design = weighted.verdicts, weighted.scores, weighted.facts, weighted.design
    splitting = {key for key in (*settings.by, *settings.where) if key.startswith(BY_VERDICT)}
    covariates = {key.removeprefix(BY_VERDICT) for key in splitting} | named_covariates(verdicts)
    wanted = scores if settings.harms is not None else scores[~scores["harm"].isin(covariates)]
    harms = common_harms(wanted, labels, settings.harms)
    if labels is not None:
        check_known_ids(labels, every.index)
    notes = list(check_frame(design, every, harms)) if isinstance(design, pd.DataFrame) else []
    graders = ordered_graders(scores, settings.grader)
    facts = with_verdict_columns(every, scores, sorted(splitting), graders[0].name)
    facts = with_sets(facts, settings.sets, settings.cluster)
    for key in settings.by:
        known_column(facts, key)
    facts = facts[denominator(facts, settings.where)]
    given = used_labels(labels, facts, harms, design)
    usable = given.labels
    joined = JoinedPool(
        verdicts=verdicts,
        labels=usable,
        given=given,
        settings=settings,
        design=design,
        scores=scores,
        facts=facts,
        pool=every,
        verdict_counts=weighted.verdict_counts,
        is_counted=weighted.is_counted,
        harms=tuple(harms),
        graders=with_training(graders, verdicts),
        consensus=no_labels() if usable is None else usable.consensus(),
    )
    tables = tuple(joined.table(harm, scores) for harm in harms)
    if design is not None and not isinstance(design, pd.DataFrame):
        keys = (*settings.by, settings.cluster)
        said = (check_uniform(table, keys, on_contradiction) for table in tables)
        tables = tuple(replace(t, remarks=(note,)) if note else t for t, note in zip(tables, said, strict=True))
    if open_items == "to come" and usable is not None:
        tables = tuple(_without_open_items(table, usable) for table in tables)
    if has_episodes(facts):
        given = given.without_partial_episodes(tables, facts)
    return replace(joined, given=given, tables=tables, notes=(*notes, *given.notes()))
