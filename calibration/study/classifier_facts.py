"""What is to be known of a classifier beside its scores: how far the pool is like its labels, and whose they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import repeat

import pandas as pd

from calibration.findings.study import GraderFacts, RateFinding
from calibration.study.harm_table import HarmTable, group_values

GUESSES = (
    "scores of transcripts that are unlike anything labelled are guesses; label some of them first "
    "(design most-unlike-training)"
)
TEACHERS = ("human", "judge")
# The `use` of a classifier that its gate lets grade (`grader.classifier.gate`).
GRADES = "grades"


def unlikeness(verdicts: pd.DataFrame) -> pd.Series[float]:
    """How unlike the labelled ones each transcript is, by transcript id; the largest where several graders say.

    Parameters
    ----------
    verdicts : verdict frame
        A trained classifier's ``usage`` holds ``unlikeness``, above 1 for what is unlike anything labelled.

    Returns
    -------
    Series
        Empty where no classifier took part; transcripts without text are not in it.

    Examples
    --------
    >>> from grader.verdict.frame import verdict_frame
    >>> rows = [{"transcript_id": i, "harm": "leaking", "grader": "c", "usage": {"unlikeness": u}}
    ...         for i, u in [("a", 0.4), ("b", 1.7)]]
    >>> unlikeness(verdict_frame(rows)).to_dict()
    {'a': 0.4, 'b': 1.7}
    """
    said = pd.Series([usage.get("unlikeness") for usage in verdicts["usage"]], dtype=float)
    return said.groupby(verdicts["transcript_id"].to_numpy()).max().dropna()


def unit_unlikeness(verdicts: pd.DataFrame, facts: pd.DataFrame) -> pd.Series[float]:
    """`unlikeness` of what rates count: of an episode's branches the largest."""
    known = unlikeness(verdicts)
    if "episode" not in facts or known.empty:
        return known
    episode = facts["episode"].reindex(known.index)
    return known.groupby(episode.where(episode.notna(), known.index.to_series()).to_numpy()).max()


def with_likeness(
    findings: Iterable[RateFinding], table: HarmTable, unlike: pd.Series[float], by: Sequence[str]
) -> Iterator[RateFinding]:
    """The rates of one harm's groups, each with how many of its transcripts are unlike anything labelled.

    Parameters
    ----------
    findings : iterable of RateFinding
    table : HarmTable
        What the rates count, one row per unit.
    unlike : Series
        `unit_unlikeness`; where it is empty the findings stay as they are.
    by : sequence of str
        What forms the groups.
    """
    if unlike.empty:
        yield from findings
        return
    findings = list(findings)  # first, since it says what is wrong with the groups
    known = unlike.reindex(table.facts.index)
    values = group_values(table.facts, by)
    groups = zip(*(values[key] for key in by), strict=True) if by else repeat(())
    pairs = [(group, value) for group, value in zip(groups, known, strict=False) if value == value]
    compared = Counter(group for group, _ in pairs)
    strange = Counter(group for group, value in pairs if value > 1)
    for finding in findings:
        group, estimate = tuple(finding.group.values()), finding.estimate
        if strange[group]:
            estimate = replace(estimate, notes=(*estimate.notes, GUESSES))
        yield replace(finding, estimate=estimate, n_compared=compared[group], n_unlike=strange[group])


def with_training(graders: Iterable[GraderFacts], verdicts: pd.DataFrame) -> tuple[GraderFacts, ...]:
    """The graders, each with whose labels it learned and what it may be used for, where its verdicts say so.

    Examples
    --------
    >>> from grader.verdict.frame import verdict_frame
    >>> rows = [{"transcript_id": "a", "harm": "leaking", "grader": "c", "outcome": "cannot_assess",
    ...          "explanation": "the classifier only ranks: few labels",
    ...          "usage": {"trained_on": "judge", "use": "ranks only"}}]
    >>> facts = with_training([GraderFacts(name="c", version="1", kind="classifier")], verdict_frame(rows))[0]
    >>> facts.trained_on, facts.uses
    ('judge', {'leaking': 'the classifier only ranks: few labels'})
    """
    recorded = [bool(usage.get("use") or usage.get("trained_on")) for usage in verdicts["usage"]]
    trained = verdicts[recorded].drop_duplicates(["grader", "harm"])
    explanations = trained["explanation"] if "explanation" in trained else trained["usage"].map(lambda _: "")
    teachers: dict[str, str] = {}
    uses: dict[str, dict[str, str]] = {}
    for name, harm, usage, explanation in zip(
        trained["grader"], trained["harm"], trained["usage"], explanations, strict=True
    ):
        if usage.get("trained_on") in TEACHERS:
            teachers[name] = usage["trained_on"]
        if use := usage.get("use"):  # classifiers of before the gate recorded only whose labels they learned
            uses.setdefault(name, {})[str(harm)] = str(use) if use == GRADES else str(explanation) or str(use)
    return tuple(
        replace(
            grader,
            trained_on=teachers.get(grader.name, grader.trained_on),
            uses=dict(grader.uses) | uses.get(grader.name, {}),
        )
        for grader in graders
    )


def training_notes(graders: Iterable[GraderFacts], harm: str) -> tuple[str, ...]:
    """What stands beside the rates of one harm about trained graders: who taught them, and that they may not grade."""
    notes = []
    for grader in graders:
        if grader.trained_on == "judge":
            notes.append(
                f"{grader.name} was trained on a judge's verdicts, not on human labels: it repeats the judge's errors"
            )
        if grader.uses.get(harm, GRADES) != GRADES:
            notes.append(f"{grader.name} gives no verdicts here: {grader.uses[harm]}")
    return tuple(notes)
