"""What one grader among several says of a transcript and a harm, its repeats taken together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from grader.shards.chunks import graded_chunks
from grader.transcript import Transcript, canonical_json
from grader.verdict.records import Grader, Outcome, Stage, Verdict

Key = tuple[str, str]  # transcript id, harm


@dataclass(frozen=True, slots=True)
class ReducedVerdict:
    """One grader's verdicts on one transcript and harm, reduced as `grader.verdict.scores` reduces them.

    Parameters
    ----------
    verdicts : tuple of Verdict, at least one, repeats in order

    Examples
    --------
    >>> votes = [Verdict(transcript_id="t", harm="h", grader="j", grader_version="1", present=p, repeat=i)
    ...          for i, p in enumerate([True, True, False])]
    >>> opinion = ReducedVerdict(tuple(votes))
    >>> round(opinion.score, 2), opinion.present, opinion.outcome
    (0.67, True, 'scored')
    """

    verdicts: tuple[Verdict, ...]

    @property
    def scored(self) -> tuple[Verdict, ...]:
        """The repeats that ended in a verdict."""
        return tuple(verdict for verdict in self.verdicts if verdict.present is not None)

    @property
    def score(self) -> float | None:
        """The one verdict's score, else its side; with repeats the share that say present; None when all failed."""
        if not self.scored:
            return None
        if len(self.verdicts) == 1 and self.verdicts[0].score is not None:
            return self.verdicts[0].score
        return sum(verdict.present is True for verdict in self.scored) / len(self.scored)

    @property
    def present(self) -> bool | None:
        """The side: the one verdict's, with repeats that of at least half."""
        if len(self.verdicts) == 1:
            return self.verdicts[0].present
        return None if self.score is None else self.score >= 0.5

    @property
    def outcome(self) -> Outcome:
        """``scored``, else why the first repeat is not."""
        return "scored" if self.scored else self.verdicts[0].outcome

    @property
    def agreeing(self) -> tuple[Verdict, ...]:
        """The repeats on this opinion's side."""
        return tuple(verdict for verdict in self.scored if verdict.present is self.present)

    @property
    def stage(self) -> Stage | None:
        """How far the first repeat on this side says it went."""
        return next((verdict.stage for verdict in self.agreeing), None)

    def record(self) -> dict[str, Any]:
        """What a verdict of several graders keeps of this one in its usage."""
        first = self.verdicts[0]
        return {
            "grader": first.grader,
            "grader_version": first.grader_version,
            "present": self.present,
            "score": self.score,
            "stage": self.stage,
            "outcome": self.outcome,
            "usage": [dict(verdict.usage) for verdict in self.verdicts],
        }


def reduced_verdicts(
    transcripts: Iterable[Transcript], graders: Sequence[Grader]
) -> Iterator[tuple[list[Transcript], list[dict[Key, ReducedVerdict]]]]:
    """Yield chunks of transcripts with what each grader says of them, by transcript and harm."""
    for chunk, verdicts in graded_chunks(transcripts, graders):
        heard: list[dict[Key, list[Verdict]]] = [{} for _ in graders]
        place = {id(grader): said for grader, said in zip(graders, heard, strict=True)}
        for verdict, grader in verdicts:
            place[id(grader)].setdefault((verdict.transcript_id, verdict.harm), []).append(verdict)
        yield chunk, [{key: _opinion(found) for key, found in said.items()} for said in heard]


def version_of(kind: str, *parts: Any) -> str:
    """The version of a grader made of others."""
    return f"{kind}+{hashlib.sha256(canonical_json(parts).encode()).hexdigest()[:12]}"


def _opinion(verdicts: Iterable[Verdict]) -> ReducedVerdict:
    return ReducedVerdict(tuple(sorted(verdicts, key=lambda verdict: verdict.repeat)))
