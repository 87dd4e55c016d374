"""Rates of a pool that does not fit into memory: verdicts shard by shard, counted, never listed.

A rate needs how many transcripts there are of each kind (group, scenario, what graders say, how drawn, how labelled),
not which. One pass over the shards gives these counts; the estimate from them takes milliseconds, however large the
pool.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from calibration.findings import GraderFacts, Report
from calibration.study.comparing import independent_comparisons
from calibration.study.joining import (
    BY_VERDICT,
    Design,
    joined_table,
    named_covariates,
    no_labels,
    ordered_graders,
    pool_facts,
    with_sets,
    with_verdict_columns,
)
from calibration.study.pool import HarmTable
from calibration.study.rates import rate_findings
from calibration.study.settings import StudySettings
from grader.errors import InputError
from grader.scores import grader_scores
from labels.labelset import LabelSet

# Counted tables are joined whenever this many shards wait, so that memory stays flat.
_JOIN_EVERY = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedPool:
    """A pool as counts.

    Parameters
    ----------
    tables : tuple of HarmTable
        One per harm, equal rows counted once.
    graders : tuple of GraderFacts
        The one that makes the strata first.
    n_rows : int
        Verdicts that were counted.
    """

    tables: tuple[HarmTable, ...]
    graders: tuple[GraderFacts, ...]
    n_rows: int


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
    consensus = no_labels() if labels is None else labels.consensus()
    counting = _Counting(settings, consensus, design)
    for shard in shards:
        counting.add(shard)
    return counting.result(labels)


class _Counting:
    """What is known after some of the shards."""

    def __init__(self, settings: StudySettings, consensus: pd.DataFrame, design: Design) -> None:
        self.settings, self.consensus, self.design = settings, consensus, design
        self.keys = (*settings.by, settings.cluster) if settings.target == "new-scenarios" else settings.by
        self.splitting = sorted(key for key in (*settings.by, *settings.where) if key.startswith(BY_VERDICT))
        self.waiting: dict[str, list[HarmTable]] = {}
        self.graders: dict[str, GraderFacts] = {}
        self.unseen = set(consensus["transcript_id"])
        self.n_rows = 0

    def add(self, shard: pd.DataFrame) -> None:
        scores, facts = grader_scores(shard), pool_facts(shard, None)
        self.n_rows += len(shard)
        for grader in ordered_graders(scores, None):
            self.graders.setdefault(grader.name, grader)
        judge = self.order()[0].name
        facts = with_verdict_columns(facts, scores, self.splitting, judge)
        facts = with_sets(facts, self.settings.sets, self.settings.cluster)
        own = self.consensus[self.consensus["transcript_id"].isin(facts.index)]
        self.unseen -= set(own["transcript_id"])
        facts = facts.reindex(columns=list(dict.fromkeys([*facts.columns, *self.keys, *self.settings.where])))
        for harm in self.harms(shard):
            table = self.table(harm, facts, scores, own)
            if table.facts.empty:
                continue
            waiting = self.waiting.setdefault(harm, [])
            waiting.append(table.condensed(self.keys))
            if len(waiting) >= _JOIN_EVERY:
                self.waiting[harm] = [_joined(waiting, self.keys)]

    def order(self) -> tuple[GraderFacts, ...]:
        """All graders so far, the one that makes the strata first."""
        known = pd.DataFrame([(g.name, g.version, g.kind) for g in self.graders.values()])
        known.columns = pd.Index(["grader", "grader_version", "grader_kind"])
        return ordered_graders(known, self.settings.grader)

    def harms(self, shard: pd.DataFrame) -> Sequence[str]:
        """Those asked for, else all that are no covariates."""
        found = sorted(shard["harm"].unique())
        if self.settings.harms is not None:
            return [harm for harm in found if harm in self.settings.harms]
        splitting = {key.removeprefix(BY_VERDICT) for key in self.splitting}
        covariates = splitting | named_covariates(shard.drop_duplicates("harm"))
        return [harm for harm in found if harm not in covariates]

    def table(self, harm: str, facts: pd.DataFrame, scores: pd.DataFrame, consensus: pd.DataFrame) -> HarmTable:
        """One harm's rows of this shard; the share of a uniform sample is filled in when all shards are counted."""
        design = self.design
        if isinstance(design, str):
            labelled = consensus.loc[consensus["harm"] == harm, "transcript_id"]
            drawn = facts.index.isin(labelled)
            design = pd.DataFrame({"transcript_id": facts.index, "drawn": drawn, "inclusion_probability": 1.0})
        names = [g.name for g in self.order()]
        table = joined_table(harm, facts, scores, consensus, design, names)
        keep = np.ones(len(table.facts), dtype=bool)
        for key, value in self.settings.where.items():
            keep &= (table.facts[key].astype(str) == value).to_numpy()
        return table.where(keep)

    def result(self, labels: LabelSet | None) -> CountedPool:
        if not self.waiting:
            where = self.settings.where
            raise InputError(f"no transcript where {dict(where)}" if where and self.n_rows else "no verdicts to count")
        if self.unseen:
            raise InputError(f"{len(self.unseen)} labelled transcripts have no verdict, the first {min(self.unseen)!r}")
        tables = [_joined(waiting, self.keys) for _, waiting in sorted(self.waiting.items())]
        tables = [_uniform(t) if isinstance(self.design, str) or _is_census(t) else t for t in tables]
        return CountedPool(tables=tuple(tables), graders=self.order(), n_rows=self.n_rows)


def _joined(tables: Sequence[HarmTable], keys: Sequence[str]) -> HarmTable:
    """The counts of several parts of a pool together."""
    if len(tables) == 1:
        return tables[0]
    graders = list(dict.fromkeys(name for table in tables for name in table.graders))
    known = [table.inclusion_probability for table in tables]
    missing = [pi is None for pi in known]
    return HarmTable(
        harm=tables[0].harm,
        facts=pd.concat([t.facts for t in tables], ignore_index=True),
        side=pd.concat([t.side.reindex(columns=graders) for t in tables], ignore_index=True),
        outcome=pd.concat(
            [t.outcome.reindex(columns=graders, fill_value="not_graded") for t in tables], ignore_index=True
        ),
        y=pd.concat([t.y for t in tables], ignore_index=True),
        inclusion_probability=None
        if any(missing)
        else pd.concat([pi for pi in known if pi is not None], ignore_index=True),
        drawn=pd.concat([t.drawn for t in tables], ignore_index=True),
        frequency=np.concatenate([t.times() for t in tables]),
    ).condensed(keys)


def _is_census(table: HarmTable) -> bool:
    """Whether everything is labelled, however it was drawn."""
    return table.inclusion_probability is None and bool(table.y.notna().all())


def _uniform(table: HarmTable) -> HarmTable:
    """Every transcript had the same chance: the labelled share of the pool."""
    times = table.times()
    share = float(times[table.y.notna()].sum() / times.sum())
    return replace(table, inclusion_probability=pd.Series(max(share, 1e-12), index=table.y.index))


def study_shards(
    shards: Iterable[pd.DataFrame],
    labels: LabelSet | None,
    settings: StudySettings,
    *,
    design: Design = None,
    provenance: Mapping[str, Any] | None = None,
) -> Report:
    """Rates of every group, and their differences, from shards of verdicts; see `count_shards`."""
    counted = count_shards(shards, labels, settings, design=design)
    grader = counted.graders[0].name
    rates = tuple(finding for table in counted.tables for finding in rate_findings(table, grader, settings))
    notes = () if labels is None else tuple(labels.notes)
    return Report(
        rates=rates,
        agreement=(),
        comparisons=tuple(independent_comparisons(rates)) if labels is not None else (),
        graders=counted.graders,
        harms=tuple(table.harm for table in counted.tables),
        provenance=dict(provenance or {}),
        notes=(*notes, f"Counted {counted.n_rows:,} verdicts."),
    )
