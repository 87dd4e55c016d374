"""What happened to everything that was read: used, or not used for a named reason, and notes for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

UNREADABLE = "unreadable record"
COPY = "copy of a run in another log"
OLDER = "earlier attempt of a run in another log"
# More notes of one kind than this are counted, not listed.
_MOST = 20


@dataclass(slots=True, kw_only=True)
class ReadingLedger:
    """Counts and notes of one reading; hand one to `grader.read_transcripts` and look at it at the end.

    Attributes
    ----------
    read : int
        Runs that the files record.
    used : int
        Runs that were given to the caller with their messages.
    not_used : Counter
        Reason -> how many runs. An unreadable record is given to the caller, without messages: it counts in rates.
    formats : Counter
        Format -> how many files.
    notes : list of str
        One line each, in order of appearance.

    Examples
    --------
    >>> ledger = ReadingLedger()
    >>> ledger.count()
    >>> ledger.count(UNREADABLE, "a.jsonl: line 2: broken or cut JSON")
    >>> ledger.to_dict()
    {'read': 2, 'used': 1, 'not_used': {'unreadable record': 1}}
    """

    read: int = 0
    used: int = 0
    not_used: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    _listed: Counter[str] = field(default_factory=Counter)

    def count(self, reason: str | None = None, line: str = "") -> None:
        """Count one run: as used, or as not used for a reason."""
        self.read += 1
        if reason is None:
            self.used += 1
            return
        self.not_used[reason] += 1
        self.note(reason, line)

    def note(self, kind: str, line: str) -> None:
        """Keep a line for people; of many of one kind only the first ones."""
        self._listed[kind] += 1
        if self._listed[kind] <= _MOST and line:
            self.notes.append(line)

    def summary(self) -> list[str]:
        """The notes, and how many more there were of each kind."""
        more = [f"{n - _MOST} more: {kind}" for kind, n in self._listed.items() if n > _MOST]
        return [*self.notes, *more]

    def to_dict(self) -> dict[str, Any]:
        """The counts as `report.json` holds them."""
        return {"read": self.read, "used": self.used, "not_used": dict(self.not_used)}
