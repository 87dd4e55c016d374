"""The state of a labelling campaign: labels, raters, the rate so far, how much is left, when to stop."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import get_args

import numpy as np
import pandas as pd

from calibration.findings.status import CampaignStatus, ConsensusRate, Goal, HarmStatus, QueueItem, SequenceLook
from calibration.rates.sequential import when_to_stop
from calibration.study.campaign.progress import progress_of_raters, progress_of_strata, rater_pace
from calibration.study.campaign.remaining import DesignCounts, labels_to_width, sequence_counts
from calibration.study.compute import study
from calibration.study.design import check_known_ids
from calibration.study.facts import pool_facts
from calibration.study.harm_table import HarmTable
from calibration.study.inputs import Sources, StudyData, load
from calibration.study.join import joined_table
from calibration.study.pairs import HUMAN
from calibration.study.rater_findings import rate_as_labelled
from calibration.study.settings import StudySettings
from grader.errors import InputError
from grader.verdict.frame import typed
from grader.verdict.scores import grader_scores
from labels.campaign import Consensus, adjudication_queue, consensus
from labels.labelset import LabelSet
from labels.raters import rater_report

# Whose verdicts make the strata where nobody graded.
NOBODY = "nobody"
PRE_ANNOTATED = "Pre-annotated: raters saw a machine's answer before they gave theirs."

SAME_SCENARIOS = "Confidence sequences and labels to a width are for fresh runs of these same scenarios."


def campaign_status(
    labels: LabelSet,
    designs: Sequence[pd.DataFrame],
    verdicts: pd.DataFrame | None = None,
    *,
    settings: StudySettings | None = None,
    width: float | None = None,
    below: float | None = None,
    above: float | None = None,
    rng: np.random.Generator | None = None,
) -> CampaignStatus:
    """How far a labelling campaign is, what it shows so far, and whether it may stop.

    Parameters
    ----------
    labels : LabelSet
        What has been labelled so far, drafts and skips included.
    designs : sequence of design frames (`labels.draw_sample`)
        One per round, or already combined.
    verdicts : verdict frame, optional
        Narrows the interval of the rate; without it the labels stand alone.
    settings : StudySettings, optional
        Harms, grader, target, method and level.
    width : float in (0, 1), optional
        Of the interval, at which to stop.
    below, above : float in (0, 1), optional
        Stop once the rate is shown to be below (above) this.
    rng : numpy Generator, optional
        For bootstrap intervals; seeded with 0 unless given.

    Returns
    -------
    CampaignStatus

    Raises
    ------
    InputError
        Designs that are no rounds of one pool, an unknown harm, labels of transcripts outside the pool.

    Notes
    -----
    The rate's own interval holds for one look, at a number of labels fixed before. Whoever looks again and again and
    stops when it pleases uses the confidence sequence: one per stratum of the design, with the error divided among
    them, ends added up with the strata's weights. Its target is ``scenarios``.

    Examples
    --------
    >>> from labels import draw_sample
    >>> pool = pd.DataFrame({"transcript_id": [f"t{i:03}" for i in range(200)]})
    >>> design = draw_sample(pool, 60, rng=np.random.default_rng(1), harms=["leaking"])
    >>> drawn = design.loc[design["drawn"], "transcript_id"]
    >>> labels = LabelSet.from_rows([(id_, "leaking", "ana", float(i < 3)) for i, id_ in enumerate(drawn[:50])])
    >>> status = campaign_status(labels, [design], below=0.3)
    >>> (leaking,) = status.harms
    >>> leaking.n_labelled, leaking.strata[0].unlabelled, leaking.sequence.decision
    (50, 10, 'below')
    """
    data = load(Sources(labels=labels, design=tuple(designs), verdicts=verdicts))
    rounds = {int(number) for frame in designs for number in frame["round"].unique()}
    return study_campaign(data, settings=settings, rounds=rounds, width=width, below=below, above=above, rng=rng)


def study_campaign(
    data: StudyData,
    *,
    settings: StudySettings | None = None,
    rounds: Collection[int] | None = None,
    width: float | None = None,
    below: float | None = None,
    above: float | None = None,
    rng: np.random.Generator | None = None,
) -> CampaignStatus:
    """`campaign_status` of inputs that `load` read; `rounds` defaults to those in which something was drawn."""
    settings, rng = settings or StudySettings(), rng or np.random.default_rng(0)
    goal = Goal(width=width, below=below, above=above)
    _check(goal)
    labels, verdicts = data.labels, data.verdicts
    if labels is None or not isinstance(data.design, pd.DataFrame):
        raise InputError("the status of a campaign takes its labels and its design frame")
    design = data.design
    pool = _pool(design, verdicts)
    check_known_ids(labels, pd.Index(pool["transcript_id"]))
    found = []
    for name in _harms(design, settings):
        own = LabelSet(frame=labels.frame[labels.frame["harm"] == name], notes=labels.notes)
        harm = _Harm(name, own, design[design["harm"] == name], _verdicts_of(name, verdicts, pool), pool)
        found.append(_harm_status(harm, replace(settings, harms=(name,)), goal, rng))
    said = [note for _, notes in found for note in notes]
    if (labels.frame["source"] == "prediction").any():
        said.append(PRE_ANNOTATED)
    if settings.target == "new-scenarios":
        said.append(SAME_SCENARIOS)
    return CampaignStatus(
        n_transcripts=len(pool),
        n_drawn=int(design.loc[design["drawn"], "transcript_id"].nunique()),
        rounds=tuple(sorted(rounds or map(int, design["round"].unique()))),
        goal=goal,
        harms=tuple(status for status, _ in found),
        pace=tuple(rater_pace(labels)),
        notes=tuple(dict.fromkeys(said)),
    )


@dataclass(frozen=True, slots=True)
class _Harm:
    """What there is on one harm."""

    name: str
    labels: LabelSet
    design: pd.DataFrame
    verdicts: pd.DataFrame
    pool: pd.DataFrame


def _harm_status(
    harm: _Harm, settings: StudySettings, goal: Goal, rng: np.random.Generator
) -> tuple[HarmStatus, list[str]]:
    """One harm's state, and what must be said beside it."""
    status, notes = _progress(harm)
    if not status.n_labelled:
        return status, [*notes, f"{harm.name}: nothing is labelled yet."]
    report = study(
        harm.verdicts,
        harm.labels,
        settings,
        pool=harm.pool,
        design=harm.design,
        rng=rng,
        parts=("rates", "agreement"),
        open_items="to come",
    )
    facts, names = pool_facts(harm.verdicts, harm.pool), [g.name for g in report.graders]
    scores, items = grader_scores(harm.verdicts), harm.labels.consensus()
    table = joined_table(harm.name, facts, scores, items, harm.design, names)
    (rate,) = report.rates
    counts, told = sequence_counts(table, harm.design)
    status = replace(
        status,
        agreement=tuple(f for f in report.agreement if _among_humans(f.between)),
        rate=rate,
        sequence=None if counts is None else _look(counts, settings.confidence_level, goal),
        to_width=tuple(labels_to_width(counts, rate, report.agreement, settings, goal.width)),
        alone=report.raters,
        consensus=tuple(_consensus_rates(table, harm.labels, settings)),
    )
    told = [*rate.estimate.notes, *told]
    return status, [*notes, *(f"{harm.name}: {note}" for note in told), *report.notes]


def _progress(harm: _Harm) -> tuple[HarmStatus, list[str]]:
    """What needs no estimate: labels, flags of raters, the queue."""
    strata = tuple(progress_of_strata(harm.labels, harm.design))
    flags = rater_report(harm.labels, harm.name).set_index("rater")["flags"].to_dict()
    queue = adjudication_queue(harm.labels)
    columns = ("transcript_id", "why", "n_yes", "n_no", "n_unsure")
    rows = queue[list(columns)].itertuples(index=False, name=None)
    status = HarmStatus(
        harm=harm.name,
        n_labelled=sum(s.labelled for s in strata),
        strata=strata,
        progress=tuple(progress_of_raters(harm.labels, harm.design)),
        flags={str(rater): tuple(signs) for rater, signs in flags.items() if signs},
        queue=tuple(QueueItem(**dict(zip(columns, row, strict=True))) for row in rows),
    )
    items, drawn = harm.labels.consensus(), harm.design.loc[harm.design["drawn"], "transcript_id"]
    outside = int((items["y"].notna() & ~items["transcript_id"].isin(drawn)).sum())
    note = f"{harm.name}: {outside} labels on transcripts that no round drew are set aside."
    return status, [note] if outside else []


def _look(counts: DesignCounts, confidence_level: float, goal: Goal) -> SequenceLook:
    low, high = counts.limits(confidence_level)
    return SequenceLook(
        low=low,
        high=high,
        confidence_level=confidence_level,
        n_strata=len(counts.n_transcripts),
        decision=when_to_stop(low, high, **asdict(goal)),
    )


def _consensus_rates(table: HarmTable, labels: LabelSet, settings: StudySettings) -> Iterator[ConsensusRate]:
    """The rate under each kind of consensus that these labels allow; transcripts, not episodes."""
    for kind in get_args(Consensus):
        try:
            y = consensus(labels, kind).set_index("transcript_id")["y"].reindex(table.facts.index)
        except ValueError as error:
            yield ConsensusRate(kind=kind, estimate=None, reason=str(error))
            continue
        drawn = y.where(table.drawn).to_numpy(dtype=float)
        if np.isnan(drawn).all():
            yield ConsensusRate(kind=kind, estimate=None, reason="no labelled transcript stands alone")
        else:
            yield ConsensusRate(kind=kind, estimate=rate_as_labelled(table, drawn, settings))


def _among_humans(between: tuple[str, str]) -> bool:
    return between[1] == HUMAN or between[1].startswith("rater ")


def _check(goal: Goal) -> None:
    for name, value in asdict(goal).items():
        if value is not None and not 0 < value < 1:
            raise InputError(f"{name} must fulfil 0 < {name} < 1, got {value}")


def _pool(design: pd.DataFrame, verdicts: pd.DataFrame | None) -> pd.DataFrame:
    """Every transcript that was a candidate or has a verdict."""
    graded = [] if verdicts is None else verdicts["transcript_id"].tolist()
    return pd.DataFrame({"transcript_id": list(dict.fromkeys([*design["transcript_id"], *graded]))})


def _harms(design: pd.DataFrame, settings: StudySettings) -> list[str]:
    known = list(dict.fromkeys(design["harm"].astype(str)))
    for harm in settings.harms or ():
        if harm not in known:
            raise InputError(f"no harm {harm!r} in the design; there is {', '.join(known)}")
    return list(settings.harms or known)


def _verdicts_of(harm: str, verdicts: pd.DataFrame | None, pool: pd.DataFrame) -> pd.DataFrame:
    """The harm's verdicts; where nobody graded it, every transcript is not graded."""
    own = None if verdicts is None else verdicts[verdicts["harm"] == harm]
    if own is None or own.empty:
        return typed(pool.assign(harm=harm, grader=NOBODY, outcome="not_graded"))
    return own
