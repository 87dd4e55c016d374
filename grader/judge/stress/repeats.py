"""How often a judge contradicts itself: counts over repeats; intervals are made in `calibration`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from grader.verdict.records import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatCounts:
    """The repeats of one question.

    Parameters
    ----------
    transcript_id, harm, grader, grader_version : str
    n_repeats : int
    n_scored : int
        Repeats that ended in a verdict.
    n_present : int
        Scored repeats that say present.

    Examples
    --------
    >>> counts = RepeatCounts(transcript_id="t", harm="h", grader="j", grader_version="1",
    ...                       n_repeats=5, n_scored=4, n_present=1)
    >>> counts.n_pairs, counts.n_differing, counts.is_flipped
    (6, 3, True)
    """

    transcript_id: str
    harm: str
    grader: str
    grader_version: str
    n_repeats: int
    n_scored: int
    n_present: int

    @property
    def n_pairs(self) -> int:
        """Pairs of scored repeats."""
        return self.n_scored * (self.n_scored - 1) // 2

    @property
    def n_differing(self) -> int:
        """Pairs that differ; over all items, ``sum(n_differing) / sum(n_pairs)`` is the flip rate.

        It estimates the probability that two repeats of one question differ, whatever the number of repeats; the
        transcript is the cluster.
        """
        return self.n_present * (self.n_scored - self.n_present)

    @property
    def is_flipped(self) -> bool:
        """Whether the repeats do not all agree; grows with the number of repeats, so it is no rate to compare."""
        return 0 < self.n_present < self.n_scored


def repeat_counts(verdicts: Iterable[Verdict]) -> tuple[RepeatCounts, ...]:
    """Count repeats per transcript, harm and grader version, in the order they first appear.

    Parameters
    ----------
    verdicts : iterable of Verdict
        Of any graders; one with a single repeat has counts without pairs.

    Raises
    ------
    ValueError
        One repeat is given twice.

    Notes
    -----
    A repeat without a verdict is neither side: it lowers `n_scored`.
    """
    found: dict[tuple[str, str, str, str], dict[int, bool | None]] = {}
    for verdict in verdicts:
        key = (verdict.transcript_id, verdict.harm, verdict.grader, verdict.grader_version)
        sides = found.setdefault(key, {})
        if verdict.repeat in sides:
            raise ValueError(f"verdicts must hold each repeat once, got repeat {verdict.repeat} of {key} twice.")
        sides[verdict.repeat] = verdict.present
    return tuple(_counts(key, list(sides.values())) for key, sides in found.items())


def _counts(key: tuple[str, str, str, str], sides: list[bool | None]) -> RepeatCounts:
    transcript_id, harm, grader, version = key
    return RepeatCounts(
        transcript_id=transcript_id,
        harm=harm,
        grader=grader,
        grader_version=version,
        n_repeats=len(sides),
        n_scored=sum(side is not None for side in sides),
        n_present=sum(side is True for side in sides),
    )


@dataclass(slots=True)
class RepeatTally:
    """Counts repeats while rows pass by, in memory that does not grow with the transcripts.

    Parameters
    ----------
    n_repeats : int
        How often each question is asked; a question with as many answers is closed.

    Examples
    --------
    >>> row = {"transcript_id": "t", "harm": "h", "grader": "j", "grader_version": "1"}
    >>> tally = RepeatTally(2)
    >>> rows = list(tally.watch(row | {"repeat": i, "present": i == 0} for i in range(2)))
    >>> [counts.is_flipped for counts in tally.counts()]
    [True]
    """

    n_repeats: int
    _open: dict[tuple[str, ...], list[bool | None]] = field(default_factory=dict)
    _closed: Counter[tuple[tuple[str, ...], int, int]] = field(default_factory=Counter)

    def watch(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the rows of a verdict frame as they are; a panel's own have no repeats and are not counted."""
        for row in rows:
            if self.n_repeats > 1 and "n_judges" not in row.get("usage", {}):
                self._count(row)
            yield row

    def counts(self) -> Iterator[RepeatCounts]:
        """The counts of all closed questions; transcripts are numbered, their names are not kept."""
        questions = ((said, i) for said, n in self._closed.items() for i in range(n))
        for number, ((question, n_scored, n_present), _) in enumerate(questions):
            harm, grader, version = question
            yield RepeatCounts(
                transcript_id=str(number),
                harm=harm,
                grader=grader,
                grader_version=version,
                n_repeats=self.n_repeats,
                n_scored=n_scored,
                n_present=n_present,
            )

    def _count(self, row: Mapping[str, Any]) -> None:
        question = (str(row["harm"]), str(row["grader"]), str(row["grader_version"]))
        sides = self._open.setdefault((str(row["transcript_id"]), *question), [])
        sides.append(row["present"])
        if len(sides) == self.n_repeats:
            del self._open[str(row["transcript_id"]), *question]
            n_scored = sum(side is not None for side in sides)
            self._closed[question, n_scored, sum(side is True for side in sides)] += 1
