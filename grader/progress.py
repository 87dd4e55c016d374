"""How long work is followed: the library says what it goes through, the caller shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")
# The name of the work whose items are rows of the verdict frame, and whose total counts transcripts.
GRADING = "grading"


class Track(Protocol):
    """Yields the items it is given and shows how far it is."""

    def __call__(self, items: Iterable[Item], what: str, total: int | None = None, /) -> Iterator[Item]:
        """Yield `items`; `what` names the work, `total` how many there will be, if known."""
        ...


def untracked(items: Iterable[Item], what: str, total: int | None = None, /) -> Iterator[Item]:
    """Show nothing.

    Examples
    --------
    >>> list(untracked("ab", "letters", 2))
    ['a', 'b']
    """
    return iter(items)


def track_task(track: Track, what: str, work: Callable[[], Item]) -> Item:
    """Do `work`, which cannot tell how far it is, followed as one piece.

    Examples
    --------
    >>> track_task(untracked, "adding up", lambda: 1 + 1)
    2
    """
    (done,) = (step() for step in track((work,), what, 1))
    return done


@dataclass(slots=True)
class Meter:
    """How a grading fares: transcripts done, failures by outcome, money spent; ``str`` of it is for people.

    Parameters
    ----------
    spent : callable
        US dollars so far; None when a price is not known.
    limit : float, optional
        US dollars at which the run stops.

    Examples
    --------
    >>> meter = Meter(lambda: 1.5, limit=20.0)
    >>> for harm, outcome in (("leaking", "scored"), ("blackmail", "refused")):
    ...     meter.enter({"harm": harm, "grader": "judge", "repeat": 0, "outcome": outcome})
    >>> meter.done, str(meter)
    (1, '$1.50 of $20.00, 1 refused')
    """

    spent: Callable[[], float | None]
    limit: float | None = None
    _failures: Counter[str] = field(default_factory=Counter)
    _done: dict[str, int] = field(default_factory=dict)
    _first: dict[str, Any] = field(default_factory=dict)

    def enter(self, row: Mapping[str, Any]) -> None:
        """Take note of one row of the verdict frame."""
        grader = row["grader"]
        # Each grader gives one verdict per transcript, harm and repeat.
        if (row["harm"], row["repeat"]) == self._first.setdefault(grader, (row["harm"], row["repeat"])):
            self._done[grader] = self._done.get(grader, 0) + 1
        if row["outcome"] != "scored":
            self._failures[row["outcome"]] += 1

    @property
    def done(self) -> int:
        """Transcripts that the slowest of the graders heard so far has graded."""
        return min(self._done.values(), default=0)

    def __str__(self) -> str:
        dollars = self.spent()
        money = "cost not known" if dollars is None else f"${dollars:,.2f}"
        if self.limit is not None:
            money += f" of ${self.limit:,.2f}"
        # Copied at once: who draws it may be another thread than who enters rows.
        failures = sorted(dict(self._failures).items(), key=lambda item: -item[1])
        return ", ".join([money, *(f"{n:,} {outcome.replace('_', ' ')}" for outcome, n in failures)])
