"""What data can and cannot support: verdicts, labels, design and rubrics looked at before anybody trusts a rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from calibration.findings.diagnosis import Check
from calibration.rates.intervals import clopper_pearson_upper
from calibration.rates.rounding import percent, percent_interval
from calibration.study.design import Design
from calibration.study.doctor.judge import noise_in
from calibration.study.doctor.prompt import contaminated
from calibration.study.harm_table import HarmTable
from calibration.study.join import joined_pool
from calibration.study.label_versions import other_versions
from calibration.study.settings import StudySettings
from grader.rubrics import Rubric
from grader.transcript import Transcript
from grader.verdict.scores import grader_scores
from labels.labelset import LabelSet

# Below so many labels nothing harmful among them shows no more than "under 5 %" (statistics of zero harm).
FEW_LABELS = 59
# Harmful labels that a sensitivity takes to be worth its name; and what the classifier is trained from.
FEW_HARMFUL = 10
# From here an interval for new scenarios is of use.
FEW_SCENARIOS = 10
# Share of transcripts without a verdict that a reader may overlook.
MUCH_UNSCORED = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What there is; every part but one of `pool` and `verdicts` may be missing.

    Parameters
    ----------
    pool : DataFrame with ``transcript_id`` and metadata, optional
    verdicts : verdict frame, optional
    labels : LabelSet, optional
    design : design frame, or "uniform", optional
    transcripts : iterable of Transcript
        For what only texts tell: labelled ones inside a rubric.
    rubrics : mapping from harm to Rubric
    """

    pool: pd.DataFrame | None = None
    verdicts: pd.DataFrame | None = None
    labels: LabelSet | None = None
    design: Design = None
    transcripts: Iterable[Transcript] = ()
    rubrics: Mapping[str, Rubric] | None = None


def examine_data(data: Data, settings: StudySettings | None = None) -> tuple[Check, ...]:
    """Say what rates these data can and cannot give, the gravest first.

    Parameters
    ----------
    data : Data
    settings : StudySettings, optional
        Which harms, whose verdicts, which key names the scenario.

    Raises
    ------
    InputError
        Labels or verdicts on transcripts outside the pool; no such grader.
    """
    settings = settings or StudySettings()
    found = [*_pool_checks(data, settings), *_verdict_checks(data), *_label_checks(data)]
    if data.verdicts is not None:
        found += [*_version_checks(data.verdicts, data.design), *_harm_checks(data, data.verdicts, settings)]
    found += list(_prompt_checks(data))
    grave = {level: rank for rank, level in enumerate(("cannot", "warning", "note", "fine"))}
    return tuple(sorted(found, key=lambda check: grave[check.level]))


def _pool_checks(data: Data, settings: StudySettings) -> Iterator[Check]:
    """Scenarios, and transcripts that are there twice."""
    facts = data.pool if data.pool is not None else data.verdicts
    if facts is None:
        return
    facts = facts.drop_duplicates("transcript_id")
    scenarios = facts[settings.cluster].dropna().nunique() if settings.cluster in facts else 0
    n, name = len(facts), settings.cluster
    advice = f"Run more scenarios, or name the key that tells them apart with --cluster (now {name!r})."
    if scenarios == 0:
        told = (
            f"No transcript says which scenario it comes from ({name!r}), so runs of one scenario count as independent."
        )
        yield Check(
            level="warning", topic="scenarios", told=told, advice=f"Name the key with --cluster (now {name!r})."
        )
    elif scenarios == 1:
        told = f"All {n} transcripts come from one scenario: nothing can be said of others like it."
        yield Check(level="cannot", topic="scenarios", told=told, advice=advice)
    elif scenarios < FEW_SCENARIOS:
        told = f"{n} transcripts come from {scenarios} scenarios: an interval for new scenarios will be very wide."
        yield Check(level="note", topic="scenarios", told=told, advice=advice)
    else:
        yield Check(level="fine", topic="scenarios", told=f"{n} transcripts come from {scenarios} scenarios.")
    if "content_hash" in facts and (twice := int(facts["content_hash"].dropna().duplicated().sum())):
        told = f"{twice} transcripts say word for word what another one says, and each counts as a run of its own."
        advice = "Take copies out; if the runs really were alike, leave them."
        yield Check(level="warning", topic="copies", told=told, advice=advice)
    if "model" in facts:
        for one, other in _one_model_twice(facts["model"].dropna().astype(str).unique()):
            told = f"{one!r} and {other!r} may be one model, named by two providers: by model they are two groups."
            yield Check(level="note", topic="models", told=told, advice="If they are one, give both the same name.")


def _one_model_twice(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Names of which one is the other behind a provider's prefix; some logs write its slash as an underscore."""
    plain = {name: name.lower().replace("/", "_") for name in sorted(names)}
    for one, other in combinations(plain, 2):
        short, long = sorted((plain[one], plain[other]), key=len)
        if short == long or long.endswith(f"_{short}"):
            yield one, other


def _verdict_checks(data: Data) -> Iterator[Check]:
    """Repeats, several versions under one name, quotes that were not found."""
    if data.verdicts is None:
        told = "There are no verdicts: only labels alone can give a rate."
        yield Check(level="note", topic="verdicts", told=told, advice="Grade with `harmrate grade`.")
        return
    judged = data.verdicts[data.verdicts["grader_kind"] == "judge"]
    if len(judged) and (judged["repeat"] == 0).all():
        told = "Each question was asked once, so how often the judge contradicts itself is not known."
        advice = "Grade a part of the transcripts with --repeats 3, or run `harmrate doctor TRANSCRIPTS --judge MODEL`."
        yield Check(level="note", topic="repeats", told=told, advice=advice)
    for noise in noise_in(judged):
        interval = percent_interval(noise.low, noise.high)
        told = (
            f"{noise.harm}: two answers of {noise.grader} to one question differ in {percent(noise.rate)} ({interval})."
        )
        yield Check(level="fine", topic="repeats", told=told)
    for name, own in data.verdicts.groupby("grader", sort=True):
        versions = own["grader_version"].dropna().unique()
        if len(versions) > 1:
            told = f"Verdicts of {name} are of {len(versions)} versions: they are not of one grader."
            advice = "Grade all transcripts with one version, or give the versions names of their own."
            yield Check(level="warning", topic="versions", told=told, advice=advice)
    scores = grader_scores(data.verdicts)
    positive, unfound = int((scores["side"] == 1).sum()), int(scores["unverified"].sum())
    if unfound:
        told = f"Of {positive} positive verdicts, {unfound} rest on quotes that are not in their transcripts."
        advice = "Label these first; they are marked `evidence_verified: false`."
        yield Check(level="warning" if unfound > 0.1 * positive else "note", topic="evidence", told=told, advice=advice)


def _label_checks(data: Data) -> Iterator[Check]:
    """Whether anybody labelled, and whether two ever labelled the same."""
    if data.labels is None or data.labels.votes().empty:
        told = "Nothing was labelled: the graders' own rates can be told, and no harm rate."
        advice = "Draw a sample with `harmrate labels sample`, and label it."
        yield Check(level="cannot", topic="labels", told=told, advice=advice)
        return
    votes = data.labels.votes()
    several = int((votes.groupby(["transcript_id", "harm"]).size() > 1).sum())
    if several == 0:
        told = "No transcript was labelled by two people, so how far humans agree is not known."
        advice = "Let a second rater label a part: `harmrate labels sample --raters A,B --overlap 2`."
        yield Check(level="note", topic="raters", told=told, advice=advice)


def _version_checks(verdicts: pd.DataFrame, design: Design) -> Iterator[Check]:
    """Labels collected under another version of a grader than the verdicts they calibrate."""
    for told in other_versions(verdicts, design):
        advice = "Draw some more labels by the new verdicts; see what changed with `harmrate doctor --anchors`."
        yield Check(level="warning", topic="version", told=told, advice=advice)


def _harm_checks(data: Data, verdicts: pd.DataFrame, settings: StudySettings) -> Iterator[Check]:
    for table in _tables(data, verdicts, settings):
        judge = table.graders[0]
        yield _unscored(table, judge)
        if table.y.notna().any():
            yield _enough(table)
            yield _design(table)
            for told in table.remarks:
                advice = "Give the design frame with --design, or leave --design out: numbers then hold for the sample."
                yield Check(level="cannot", topic="design", told=f"{table.harm}: {told}.", advice=advice)
            if chosen := _chosen_by_judge(table, judge):
                yield chosen


def _tables(data: Data, verdicts: pd.DataFrame, settings: StudySettings) -> tuple[HarmTable, ...]:
    """One table per harm, as a study joins it."""
    labels = None if data.labels is None or data.labels.votes().empty else data.labels
    joined = joined_pool(verdicts, labels, settings, pool=data.pool, design=data.design, on_contradiction="note")
    return joined.tables


def _unscored(table: HarmTable, judge: str) -> Check:
    total, failed = len(table.facts), int(np.isnan(table.sides(judge)).sum())
    reasons = table.outcome.loc[np.isnan(table.sides(judge)), judge].value_counts()
    told = f"{table.harm}: {judge} scored {total - failed} of {total} transcripts"
    if not failed:
        return Check(level="fine", topic="scored", told=f"{told}.")
    why = ", ".join(f"{n} {reason}" for reason, n in reasons.items())
    told += f" ({why}): these {failed} are never counted as harmless."
    advice = "Grade again: what failed is asked again, what was paid for is not; or label some of them."
    return Check(
        level="warning" if failed > MUCH_UNSCORED * total else "note", topic="scored", told=told, advice=advice
    )


def _enough(table: HarmTable) -> Check:
    y = table.y.dropna()
    n, harmful = len(y), int((y > 0.5).sum())
    told = f"{table.harm}: {n} labelled, {harmful} harmful"
    if harmful == 0:
        limit = percent(float(clopper_pearson_upper(0, n)), digits=2)
        told += f": this shows no more than a rate below {limit} where the labels are a random sample"
        advice = (
            "`harmrate plan` says how many labels a bound takes; `labels sample --design flagged-25` finds more harm."
        )
        return Check(level="warning" if n < FEW_LABELS else "note", topic="labels", told=f"{told}.", advice=advice)
    if n < FEW_LABELS or harmful < FEW_HARMFUL:
        told += ": the rate has an interval, but a wide one, and the judge's sensitivity can hardly be told"
        advice = "Label more: `harmrate plan` says how many, `harmrate labels sample` which."
        return Check(level="warning" if n < FEW_LABELS else "note", topic="labels", told=f"{told}.", advice=advice)
    return Check(level="fine", topic="labels", told=f"{told}.")


def _design(table: HarmTable) -> Check:
    if table.inclusion_probability is None:
        told = (
            f"{table.harm}: how the labelled transcripts were chosen is not known: numbers hold for this sample only."
        )
        advice = "Give the design frame with --design, or --design uniform if they were drawn at random."
        return Check(level="cannot", topic="design", told=told, advice=advice)
    never = int((table.inclusion_probability.to_numpy() == 0).sum())
    if never:
        told = f"{table.harm}: {never} transcripts could never be drawn for labelling, so labels say nothing of them."
        advice = "Draw a round with a design that reaches all: uniform, flagged-10, flagged-25."
        return Check(level="warning", topic="design", told=told, advice=advice)
    return Check(
        level="fine", topic="design", told=f"{table.harm}: it is known how transcripts were drawn for labelling."
    )


def _chosen_by_judge(table: HarmTable, judge: str) -> Check | None:
    """Whether only what the judge flagged was labelled, or only what it did not."""
    side, labelled = table.sides(judge), table.y.notna().to_numpy()
    for flag, which, other, unknown in (
        (1.0, "flagged", "did not flag", "what the judge missed, nobody can see"),
        (0.0, "left unflagged", "flagged", "what it flagged wrongly, nobody can see"),
    ):
        rest = side == 1.0 - flag
        if (side[labelled] == flag).all() and rest.any():
            told = f"{table.harm}: all {labelled.sum()} labelled transcripts are ones that {judge} {which}: {unknown}."
            advice = f"Label some of the {rest.sum()} that it {other}, drawn at random."
            return Check(level="cannot", topic="chosen by the judge", told=told, advice=advice)
    return None


def _prompt_checks(data: Data) -> Iterator[Check]:
    """Labelled transcripts that the rubric gives as examples."""
    if not data.rubrics or data.labels is None:
        return
    labelled = set(data.labels.votes()["transcript_id"])
    own = (transcript for transcript in data.transcripts if transcript.id in labelled)
    for harm, ids in contaminated(own, data.rubrics.values()).items():
        named = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
        told = f"The rubric of {harm} quotes {len(ids)} labelled transcripts ({named}): the judge was told the answers."
        advice = "Take these transcripts out of the labels, or the examples out of the rubric."
        yield Check(level="warning", topic="contaminated prompt", told=told, advice=advice)
