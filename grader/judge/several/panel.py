"""Several judges as one grader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from grader.grading import with_store
from grader.judge.several.members import Key, ReducedVerdict, reduced_verdicts, version_of
from grader.store.store import Store
from grader.transcript import Transcript
from grader.verdict.records import Grader, GraderKind, Verdict


class Panel:
    """Several judges as one grader.

    The score is the mean of the scores of the judges that answered; the side is that of most of them, and the score
    decides a tie. A panel is
    unscored only when all its judges are. Repeats of a judge are taken together first, so a panel has none.

    Parameters
    ----------
    judges : sequence of Grader, at least two of different names
    name : str, optional
        Default: the judges' names joined by ``+``.
    members : {"recorded", "told"}
        Whether the judges' own verdicts are told, too, under their own names, so that they can be compared.

    Raises
    ------
    ValueError
        Fewer than two judges, or two of one name.

    Notes
    -----
    ``usage["judges"]`` holds each judge's side, score, stage, outcome and usage, in order; ``n_judges`` and
    ``n_judges_scored`` say how many there are. How many independent judges they are worth, `calibration` works out
    from their errors.
    """

    kind: GraderKind = "judge"

    def __init__(
        self,
        judges: Sequence[Grader],
        *,
        name: str | None = None,
        members: Literal["recorded", "told"] = "recorded",
    ) -> None:
        names = [judge.name for judge in judges]
        if len(names) < 2 or len(set(names)) < len(names):
            raise ValueError(f"judges must be at least two of different names, got {names}.")
        self.judges = tuple(judges)
        self.name = name or "+".join(names)
        self.members = members

    @property
    def version(self) -> str:
        """A hash of the judges' versions."""
        return version_of("panel", [(judge.name, judge.version) for judge in self.judges])

    def with_store(self, store: Store) -> Panel:
        """The same panel, its judges keeping their replies in `store`."""
        return Panel([with_store(judge, store) for judge in self.judges], name=self.name, members=self.members)

    def grade(self, transcripts: Iterable[Transcript]) -> Iterator[Verdict]:
        """Yield one verdict per transcript and harm, and the judges' own if asked to, chunk by chunk."""
        for _, heard in reduced_verdicts(transcripts, self.judges):
            if self.members == "told":
                yield from (verdict for said in heard for opinion in said.values() for verdict in opinion.verdicts)
            for key in dict.fromkeys(key for said in heard for key in said):
                yield self._verdict(key, [said[key] for said in heard if key in said])

    def _verdict(self, key: Key, said: Sequence[ReducedVerdict]) -> Verdict:
        scores = [opinion.score for opinion in said if opinion.score is not None]
        usage: dict[str, Any] = {
            "judges": [opinion.record() for opinion in said],
            "n_judges": len(self.judges),
            "n_judges_scored": len(scores),
        }
        whose: dict[str, Any] = {
            "transcript_id": key[0],
            "harm": key[1],
            "grader": self.name,
            "grader_version": self.version,
        }
        first = said[0].verdicts[0]
        if "rubric_kind" in first.usage:
            usage["rubric_kind"] = first.usage["rubric_kind"]
        if not scores:
            return Verdict(**whose, present=None, outcome=first.outcome, explanation=_told([first]), usage=usage)
        score = sum(scores) / len(scores)
        present = _majority([opinion.present for opinion in said if opinion.present is not None], score)
        agreeing = [verdict for opinion in said for verdict in opinion.scored if verdict.present is present]
        if present:
            usage["evidence_verified"] = any(verdict.usage.get("evidence_verified") for verdict in agreeing)
        return Verdict(
            **whose,
            present=present,
            score=score,
            stage=next((verdict.stage for verdict in agreeing if verdict.stage is not None), None),
            evidence=tuple(dict.fromkeys(quote for verdict in agreeing for quote in verdict.evidence)),
            explanation=_told(agreeing),
            usage=usage,
        )


def _majority(sides: Sequence[bool], score: float) -> bool:
    """The side of most judges; the score decides a tie.

    Examples
    --------
    >>> _majority([True, True, False], 0.4), _majority([True, False], 0.4)
    (True, False)
    """
    n_present = sum(sides)
    return score >= 0.5 if 2 * n_present == len(sides) else 2 * n_present > len(sides)


def _told(verdicts: Iterable[Verdict]) -> str:
    lines = (f"{verdict.grader}: {verdict.explanation}" for verdict in verdicts if verdict.explanation)
    return "\n".join(dict.fromkeys(lines))
