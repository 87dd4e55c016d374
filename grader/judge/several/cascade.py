"""A cheap grader first, a dear one where the first is not to be relied on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from grader.grading import with_store
from grader.judge.several.members import Key, ReducedVerdict, reduced_verdicts, version_of
from grader.store.store import Store
from grader.transcript import Transcript
from grader.verdict.records import Grader, GraderKind, Verdict

Escalated = Literal["uncertain", "positive", "unscored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationRule:
    """When the second grader is asked; whatever the first could not score always is.

    Parameters
    ----------
    band : (low, high), each in [0, 1], or None
        Scores of the first in it, ends included, are uncertain.
    positive : {"escalate", "keep"}
        What becomes of the other positive verdicts of the first.

    Examples
    --------
    >>> EscalationRule(band=(0.2, 0.8)).why(0.5, True), EscalationRule(band=(0.2, 0.8)).why(0.9, True)
    ('uncertain', None)
    >>> EscalationRule(band=None, positive="escalate").why(0.9, True)
    'positive'
    """

    band: tuple[float, float] | None = (0.1, 0.9)
    positive: Literal["escalate", "keep"] = "keep"

    def __post_init__(self) -> None:
        if self.band is not None and not 0.0 <= self.band[0] <= self.band[1] <= 1.0:
            raise ValueError(f"band must fulfil 0 <= low <= high <= 1, got {self.band}.")

    def why(self, score: float | None, present: bool | None) -> Escalated | None:  # noqa: FBT001 - a verdict's side
        """Why a verdict goes on to the second grader; None when it stays."""
        if score is None or present is None:
            return "unscored"
        if self.band is not None and self.band[0] <= score <= self.band[1]:
            return "uncertain"
        return "positive" if present and self.positive == "escalate" else None


class Cascade:
    """A grader that asks `first` of every transcript and `second` where the rule says so.

    A harm that was escalated has the second grader's verdict, a failure of the second included: the first was not to
    be relied on there. All others have the first's.

    Parameters
    ----------
    first, second : Grader of different names
    rule : EscalationRule
    name : str, optional
        Default: both names, joined by ``>``.

    Raises
    ------
    ValueError
        Both have one name.

    Notes
    -----
    ``usage["cascade"]`` of every verdict says whether it was escalated and why; of an escalated one it holds the first
    grader's opinion.
    Rates over a cascade are those of one grader whose errors differ from stratum to stratum: labels must be drawn over
    all its verdicts, not over the escalated ones.
    """

    kind: GraderKind = "judge"

    def __init__(
        self, first: Grader, second: Grader, *, rule: EscalationRule | None = None, name: str | None = None
    ) -> None:
        if first.name == second.name:
            raise ValueError(f"first and second must have different names, got {first.name!r} twice.")
        self.first, self.second = first, second
        self.rule = rule or EscalationRule()
        self.name = name or f"{first.name}>{second.name}"

    @property
    def version(self) -> str:
        """A hash of both versions and the rule."""
        parts = [(grader.name, grader.version) for grader in (self.first, self.second)]
        return version_of("cascade", parts, self.rule.band, self.rule.positive)

    def with_store(self, store: Store) -> Cascade:
        """The same cascade, its graders keeping their replies in `store`."""
        first, second = with_store(self.first, store), with_store(self.second, store)
        return Cascade(first, second, rule=self.rule, name=self.name)

    def grade(self, transcripts: Iterable[Transcript]) -> Iterator[Verdict]:
        """Yield the verdicts, chunk by chunk."""
        for chunk, (said,) in reduced_verdicts(transcripts, [self.first]):
            why = {key: self.rule.why(opinion.score, opinion.present) for key, opinion in said.items()}
            unsure = {transcript_id for (transcript_id, _), reason in why.items() if reason is not None}
            again = self._second_opinions([t for t in chunk if t.id in unsure])
            for key, opinion in said.items():
                yield from self._verdicts(opinion, why[key], again.get(key))

    def _second_opinions(self, transcripts: Iterable[Transcript]) -> dict[Key, ReducedVerdict]:
        return {
            key: said for _, (found,) in reduced_verdicts(transcripts, [self.second]) for key, said in found.items()
        }

    def _verdicts(
        self, first: ReducedVerdict, why: Escalated | None, second: ReducedVerdict | None
    ) -> Iterator[Verdict]:
        """The opinion that counts, under the cascade's name; the second grader may not know the harm."""
        told: dict[str, Any] = {"escalated": why is not None and second is not None, "why": why}
        counts = first
        if why is not None and second is not None:
            counts, told["first"] = second, first.record()
        for verdict in counts.verdicts:
            usage = {**verdict.usage, "cascade": told}
            yield replace(verdict, grader=self.name, grader_version=self.version, usage=usage)
