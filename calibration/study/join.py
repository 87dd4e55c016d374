"""From verdicts, labels and a design to one table per harm over the pool."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from calibration.findings.study import GraderFacts
from calibration.study.classifier_facts import with_teachers
from calibration.study.harm_table import HarmTable, harm_table, join_episodes
from calibration.study.settings import StudySettings
from grader.errors import InputError
from grader.verdict.frame import VERDICT_COLUMNS
from grader.verdict.scores import grader_scores
from labels.labelset import LabelSet

Design = pd.DataFrame | Literal["uniform"] | None

# Groups by what a grader says of another harm or covariate, e.g. ``verdict:eval_awareness``.
BY_VERDICT = "verdict:"
_VERDICT_ONLY = frozenset(VERDICT_COLUMNS[: VERDICT_COLUMNS.index("grader_kind") + 1])


def pool_facts(verdicts: pd.DataFrame, pool: pd.DataFrame | None) -> pd.DataFrame:
    """Metadata by transcript id: from the pool, filled up from the verdicts."""
    own = [c for c in verdicts.columns if c == "transcript_id" or c not in _VERDICT_ONLY]
    # By id, so that resampling does not depend on the order in which verdicts arrived.
    known = verdicts[own].drop_duplicates("transcript_id").set_index("transcript_id").sort_index()
    if pool is None:
        return known
    facts = pool.drop_duplicates("transcript_id").set_index("transcript_id").sort_index()
    if stray := set(known.index) - set(facts.index):
        raise InputError(f"{len(stray)} verdicts are on transcripts outside the pool, the first {min(stray)!r}")
    return facts.combine_first(known.reindex(facts.index)).reindex(facts.index)


def named_covariates(verdicts: pd.DataFrame) -> set[str]:
    """What was asked like a harm but is none; it splits rates and has none of its own unless asked for."""
    kinds = (u.get("rubric_kind") if isinstance(u, dict) else None for u in verdicts["usage"])
    return set(verdicts.loc[[kind == "covariate" for kind in kinds], "harm"])


def with_verdict_columns(facts: pd.DataFrame, scores: pd.DataFrame, keys: Iterable[str], grader: str) -> pd.DataFrame:
    """`facts` with a column for each key ``verdict:HARM``: ``yes``, ``no`` or ``unscored``, as `grader` says.

    Of an episode's branches, one that says yes is enough.
    """
    for key in keys:
        if not key.startswith(BY_VERDICT):
            continue
        harm = key.removeprefix(BY_VERDICT)
        own = scores[(scores["harm"] == harm) & (scores["grader"] == grader)]
        if own.empty:
            raise InputError(f"no verdict of {grader!r} on {harm!r}, by which rates are to be split")
        side = own.set_index("transcript_id")["side"].reindex(facts.index)
        if "episode" in facts:
            episode = facts["episode"].astype(object)
            unit = episode.where(episode.notna(), pd.Series(facts.index, index=facts.index))
            side = side.groupby(unit).transform("max")
        facts = facts.assign(**{key: side.map({1.0: "yes", 0.0: "no"}).fillna("unscored")})
    return facts


def with_sets(facts: pd.DataFrame, sets: Mapping[str, Sequence[str]], cluster: str) -> pd.DataFrame:
    """`facts` with a column ``set``: which of the named sets of scenarios each transcript's scenario is in.

    Raises
    ------
    InputError
        A scenario that no transcript has, or that is in two sets.
    """
    if not sets:
        return facts
    home: dict[str, str] = {}
    known = set(known_column(facts, cluster).astype(str))
    for name, scenarios in sets.items():
        for scenario in scenarios:
            if scenario not in known:
                raise InputError(
                    f"no transcript of scenario {scenario!r} of set {name!r}; there is {', '.join(sorted(known))}"
                )
            if scenario in home:
                raise InputError(f"scenario {scenario!r} is in two sets, {home[scenario]!r} and {name!r}")
            home[scenario] = name
    return facts.assign(set=facts[cluster].astype(str).map(home))


def common_harms(scores: pd.DataFrame, labels: LabelSet | None, asked: Sequence[str] | None) -> list[str]:
    """The harms that were asked for, else those with both verdicts and labels."""
    graded = sorted(scores["harm"].unique())
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
    """Whether a grader speaks for others that speak for themselves, too: its name is theirs, joined by ``+``."""
    members = name.split("+")
    return len(members) > 1 and all(member in names for member in members)


def joined_table(
    harm: str, facts: pd.DataFrame, scores: pd.DataFrame, consensus: pd.DataFrame, design: Design, graders: list[str]
) -> HarmTable:
    """One harm's table, of the graders that speak of it, the first in any case; no verdict is ``not_graded``."""
    labels = consensus[consensus["harm"] == harm]
    own = scores[scores["harm"] == harm]
    table = join_episodes(harm_table(harm, facts, own, labels, _design(harm, design, facts, labels)))
    said = set(own["grader"])
    columns = [name for name in graders if name in said or name == graders[0]]
    outcome = table.outcome.reindex(columns=columns).astype(object).fillna("not_graded")
    return replace(table, side=table.side.reindex(columns=columns), outcome=outcome)


def denominator(table: HarmTable, where: Mapping[str, str]) -> HarmTable:
    """The transcripts that the rates count."""
    keep = np.ones(len(table.facts), dtype=bool)
    for key, value in where.items():
        keep &= (known_column(table.facts, key).astype(str) == value).to_numpy()
    if not keep.any():
        raise InputError(f"no transcript where {dict(where)}")
    return table.where(keep)


def _design(harm: str, design: Design, facts: pd.DataFrame, consensus: pd.DataFrame) -> pd.DataFrame | None:
    """The design frame of one harm, from whichever place tells how transcripts were drawn."""
    if isinstance(design, pd.DataFrame):
        own = design[design["harm"] == harm] if "harm" in design else design
        return own.drop_duplicates("transcript_id")
    labelled = consensus[consensus["y"].notna()]
    if design is None and "inclusion_probability" in labelled and labelled["inclusion_probability"].notna().all():
        return labelled.assign(drawn=True)
    share = len(labelled) / len(facts)
    if design == "uniform" or share == 1.0:
        drawn = facts.index.isin(consensus["transcript_id"])
        return pd.DataFrame({"transcript_id": facts.index, "drawn": drawn, "inclusion_probability": max(share, 1e-12)})
    return None


def known_column(facts: pd.DataFrame, key: str) -> pd.Series[Any]:
    """A metadata column that some transcript has."""
    if key not in facts or facts[key].isna().all():
        known = [str(c) for c in facts if not facts[c].isna().all() and c != "content_hash"]
        raise InputError(f"no transcript has {key!r}; there is {', '.join(known) or 'no metadata'}")
    return facts[key]


def no_labels() -> pd.DataFrame:
    """A consensus nobody has voted for."""
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
    settings : StudySettings
    design : design frame, "uniform" or None
    scores : frame of `grader.verdict.scores.grader_scores`
    facts : DataFrame by transcript, of metadata
    harms : tuple of str
        Those that have rates.
    graders : tuple of GraderFacts
        The one that makes the strata first.
    consensus : frame of `LabelSet.consensus`
    """

    verdicts: pd.DataFrame
    labels: LabelSet | None
    settings: StudySettings
    design: Design
    scores: pd.DataFrame
    facts: pd.DataFrame
    harms: tuple[str, ...]
    graders: tuple[GraderFacts, ...]
    consensus: pd.DataFrame

    @property
    def strata_by(self) -> str:
        """Name of the grader whose sides make the strata."""
        return self.graders[0].name

    def tables(self) -> list[HarmTable]:
        """The denominator of every harm."""
        return [self.table(harm, self.scores) for harm in self.harms]

    def table(self, harm: str, said: pd.DataFrame) -> HarmTable:
        """The denominator of one harm, where graders' scores are those in `said`."""
        names = [grader.name for grader in self.graders]
        table = joined_table(harm, self.facts, said, self.consensus, self.design, names)
        return denominator(table, self.settings.where)


def joined_pool(
    verdicts: pd.DataFrame,
    labels: LabelSet | None,
    settings: StudySettings,
    *,
    pool: pd.DataFrame | None = None,
    design: Design = None,
) -> JoinedPool:
    """Bring together what `run_study` is given.

    Raises
    ------
    InputError
        As `run_study`.
    """
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
    return JoinedPool(
        verdicts=verdicts,
        labels=labels,
        settings=settings,
        design=design,
        scores=scores,
        facts=with_sets(facts, settings.sets, settings.cluster),
        harms=tuple(harms),
        graders=with_teachers(graders, verdicts),
        consensus=no_labels() if labels is None else labels.consensus(),
    )
