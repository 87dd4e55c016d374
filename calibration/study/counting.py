"""Counting the verdicts of a pool shard by shard: how many transcripts of each kind there are, never which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from calibration.findings.study import GraderFacts
from calibration.study.campaign.drawn import Drawn
from calibration.study.classifier_facts import with_training
from calibration.study.design import Design
from calibration.study.facts import BY_VERDICT, pool_facts, with_sets, with_verdict_columns
from calibration.study.harm_table import HarmTable
from calibration.study.join import joined_table, named_covariates, ordered_graders
from calibration.study.settings import StudySettings
from grader.errors import InputError
from grader.verdict.scores import grader_scores
from labels.labelset import LabelSet

# Counted tables are joined whenever this many shards wait, so that memory stays flat.
_JOIN_EVERY = 16
# The table of a harm that no shard spoke of so far; it is there when a later one does.
_UNNAMED = ""

_VERSION = ["grader", "grader_version"]


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
    versions : DataFrame
        Each ``grader`` with each ``grader_version`` of its verdicts.
    left_out : tuple of str
        Harms with verdicts and without a table.
    """

    tables: tuple[HarmTable, ...]
    graders: tuple[GraderFacts, ...]
    n_rows: int
    versions: pd.DataFrame
    left_out: tuple[str, ...]


class Counting:
    """What is known after some of the shards.

    Parameters
    ----------
    settings : StudySettings
    consensus : frame of `LabelSet.consensus`
    design : design frame, "uniform" or None
    """

    def __init__(self, settings: StudySettings, consensus: pd.DataFrame, design: Design) -> None:
        self.settings, self.consensus, self.design = settings, consensus, Drawn(design)
        self.keys = (*settings.by, settings.cluster) if settings.target == "new-scenarios" else settings.by
        self.splitting = sorted({key for key in (*settings.by, *settings.where) if key.startswith(BY_VERDICT)})
        self.waiting: dict[str, list[HarmTable]] = {_UNNAMED: []}
        self.graders: dict[str, GraderFacts] = {}
        self.covariates = {key.removeprefix(BY_VERDICT) for key in self.splitting}
        self.said: set[tuple[str, str]] = set()
        self.versions: set[tuple[str, str]] = set()
        self.labelled = set(consensus["harm"])
        self.labelled_ids = np.asarray(consensus["transcript_id"], dtype=object)
        self.unseen = set(self.labelled_ids)
        self.unseen_scenarios = {s for scenarios in settings.sets.values() for s in scenarios}
        self.n_rows = 0

    def add(self, shard: pd.DataFrame) -> None:
        """Count one shard, all verdicts on its transcripts (and the branches of its episodes)."""
        self.n_rows += len(shard)
        shard, ids = _numbered(shard)
        scores = grader_scores(shard)
        for grader in with_training(ordered_graders(scores, None), shard.drop_duplicates(["grader", "harm"])):
            self.graders.setdefault(grader.name, grader)
        self.said |= _pairs(scores, "harm")
        self.versions |= _pairs(scores, "grader_version")
        self.covariates |= named_covariates(shard.drop_duplicates("harm"))
        facts = self._facts(pool_facts(shard, None), scores)
        own = _renamed(self.consensus, ids.get_indexer(pd.Index(self.labelled_ids)), facts.index)
        self.unseen -= set(ids[own.pop("place")])
        drawn = self.design.among(ids)
        for harm in self._harms():
            table = self._table(harm, facts, scores, own, drawn.of(harm, facts.index))
            if table.facts.empty:
                continue
            waiting = self.waiting.setdefault(harm, list(self.waiting[_UNNAMED]))
            waiting.append(table.condensed(self.keys))
            if len(waiting) >= _JOIN_EVERY:
                self.waiting[harm] = [_joined(waiting, self.keys)]

    def _facts(self, facts: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
        """The shard's transcripts with every column that groups or excludes."""
        judge, settings = self._order()[0].name, self.settings
        for key in self.splitting:
            if (key.removeprefix(BY_VERDICT), judge) in set(zip(scores["harm"], scores["grader"], strict=True)):
                facts = with_verdict_columns(facts, scores, [key], judge)
            else:
                facts = facts.assign(**{key: "unscored"})
        if settings.sets and settings.cluster in facts:
            here = set(facts[settings.cluster].astype(str))
            self.unseen_scenarios -= here
            sets = {name: tuple(s for s in scenarios if s in here) for name, scenarios in settings.sets.items()}
            facts = with_sets(facts, sets, settings.cluster)
        return facts.reindex(columns=list(dict.fromkeys([*facts.columns, *self.keys, *settings.where])))

    def _order(self) -> tuple[GraderFacts, ...]:
        """All graders so far, the one that makes the strata first."""
        known = pd.DataFrame([(g.name, g.version, g.kind) for g in self.graders.values()])
        known.columns = pd.Index(["grader", "grader_version", "grader_kind"])
        return tuple(self.graders[grader.name] for grader in ordered_graders(known, self.settings.grader))

    def _harms(self) -> list[str]:
        """Harms that may be asked for: those with verdicts or labels so far; last, one that stands for the rest."""
        return [*sorted({*(harm for harm, _ in self.said), *self.labelled}), _UNNAMED]

    def _table(
        self, harm: str, facts: pd.DataFrame, scores: pd.DataFrame, consensus: pd.DataFrame, design: pd.DataFrame | None
    ) -> HarmTable:
        """One harm's rows of this shard; the share of a uniform sample is filled in when all shards are counted."""
        if self.design.uniform:
            labelled = consensus.loc[consensus["harm"] == harm, "transcript_id"]
            drawn = facts.index.isin(labelled)
            design = pd.DataFrame({"transcript_id": facts.index, "drawn": drawn, "inclusion_probability": 1.0})
        table = joined_table(harm, facts, scores, consensus, design, [g.name for g in self._order()])
        keep = np.ones(len(table.facts), dtype=bool)
        for key, value in self.settings.where.items():
            keep &= (table.facts[key].astype(str) == value).to_numpy()
        return table if keep.all() else table.where(keep)

    def result(self, labels: LabelSet | None) -> CountedPool:
        """The counts of all shards.

        Raises
        ------
        InputError
            No shard, nothing that fulfils the condition, a name that no shard knows, labels of other transcripts.
        """
        settings, spoken = self.settings, {harm for harm, _ in self.said}
        if not any(self.waiting.values()):
            where = settings.where
            raise InputError(f"no transcript where {dict(where)}" if where and self.n_rows else "no verdicts to count")
        if self.unseen:
            raise InputError(f"{len(self.unseen)} labelled transcripts have no verdict, the first {min(self.unseen)!r}")
        if self.unseen_scenarios:
            raise InputError(f"no transcript of scenario {min(self.unseen_scenarios)!r}, which a set names")
        order = [grader.name for grader in self._order()]
        for key in self.splitting:
            if (key.removeprefix(BY_VERDICT), order[0]) not in self.said:
                raise InputError(
                    f"no verdict of {order[0]!r} on {key.removeprefix(BY_VERDICT)!r}, by which rates are to be split"
                )
        tables = []
        for harm in self._asked(spoken, labels):
            names = [name for name in order if (harm, name) in self.said or name == order[0]]
            table = _with_graders(_joined(self.waiting[harm], self.keys), harm, names)
            tables.append(_uniform(table) if self.design.uniform or _is_census(table) else table)
        return CountedPool(
            tables=tuple(tables),
            graders=self._order(),
            n_rows=self.n_rows,
            versions=pd.DataFrame([(name, version) for version, name in self.versions], columns=_VERSION),
            left_out=tuple(sorted(spoken - {table.harm for table in tables})),
        )

    def _asked(self, spoken: set[str], labels: LabelSet | None) -> list[str]:
        """The harms that were asked for, else those with verdicts (and labels) that are no covariates."""
        if self.settings.harms is not None:
            for harm in self.settings.harms:
                if harm not in spoken:
                    raise InputError(f"no verdict on harm {harm!r}; there are verdicts on {sorted(spoken)}")
                if labels is not None and harm not in labels.harms:
                    raise InputError(f"no label for harm {harm!r}; there are labels for {list(labels.harms)}")
            return list(self.settings.harms)
        found = sorted(h for h in spoken - self.covariates if labels is None or h in labels.harms)
        if not found and labels is not None:
            raise InputError(f"no harm in common: verdicts on {sorted(spoken)}, labels on {list(labels.harms)}")
        return found


def _pairs(scores: pd.DataFrame, column: str) -> set[tuple[str, str]]:
    """A column's values, each with the graders that have it."""
    return set(scores[[column, "grader"]].drop_duplicates().itertuples(index=False, name=None))


def _numbered(shard: pd.DataFrame) -> tuple[pd.DataFrame, pd.Index]:
    """The shard with numbers for ids, which are faster to join, and the ids by number.

    Episodes are named among ids: a shard that has them keeps the ids, and these are sorted as facts are.
    """
    if "episode" in shard and shard["episode"].notna().any():
        shard = shard.assign(**{column: shard[column].astype(object) for column in ("transcript_id", "episode")})
        return shard, pd.Index(np.sort(shard["transcript_id"].unique()))
    codes, ids = pd.factorize(shard["transcript_id"])
    return shard.assign(transcript_id=codes), pd.Index(np.asarray(ids, dtype=object))


def _renamed(consensus: pd.DataFrame, place: NDArray[np.intp], index: pd.Index) -> pd.DataFrame:
    """The labels of a shard's transcripts, under the names they have in `index`; `place` is where they stand there."""
    own, known = consensus[place >= 0], place[place >= 0]
    return own.assign(transcript_id=index[known], place=known)


def _with_graders(table: HarmTable, harm: str, names: Sequence[str]) -> HarmTable:
    """A counted table of these graders, in this order."""
    outcome: Any = table.outcome.reindex(columns=list(names)).astype(object)
    return replace(table, harm=harm, side=table.side.reindex(columns=list(names)), outcome=outcome.fillna("not_graded"))


def _joined(tables: Sequence[HarmTable], keys: Sequence[str]) -> HarmTable:
    """The counts of several parts of a pool together."""
    if len(tables) == 1:
        return tables[0]
    graders = list(dict.fromkeys(name for table in tables for name in table.graders))
    known = [table.inclusion_probability for table in tables]
    whole = [pi for pi in known if pi is not None]
    alike = [_with_graders(table, table.harm, graders) for table in tables]
    return HarmTable(
        harm=tables[0].harm,
        facts=pd.concat([t.facts.astype(object) for t in alike], ignore_index=True),
        side=pd.concat([t.side for t in alike], ignore_index=True),
        outcome=pd.concat([t.outcome for t in alike], ignore_index=True),
        y=pd.concat([t.y for t in tables], ignore_index=True),
        inclusion_probability=pd.concat(whole, ignore_index=True) if len(whole) == len(known) else None,
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
