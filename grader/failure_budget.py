"""How many verdicts of a run may fail, judged over the whole run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grader.judge.clients.protocol import FailureBudgetSpent

# A run that fails this often in a row, with no verdict at all, will not get one by going on.
_HOPELESS = 200


@dataclass(slots=True)
class FailureBudget:
    """Counts the verdicts of a run by whether they were scored.

    Parameters
    ----------
    share : float in [0, 1]
        Largest share of verdicts that may fail for technical reasons or refusal.
    not_counted : names of graders
        That may give no verdict without the run having failed: a classifier that its gate does not let grade.

    Examples
    --------
    >>> budget = FailureBudget(share=0.5)
    >>> budget.add({"scored": 1, "api_error": 1})
    >>> budget.check()
    >>> budget.add({"refused": 1})
    >>> budget.check()
    Traceback (most recent call last):
    grader...FailureBudgetSpent: 2 of 3 verdicts failed, more than the allowed share of 0.5; ...
    """

    share: float
    not_counted: frozenset[str] = frozenset()
    n: int = 0
    n_failed: int = 0
    n_scored: int = 0

    def add(self, outcomes: Mapping[str, int]) -> None:
        """Count verdicts by outcome."""
        total = sum(outcomes.values())
        self.n += total
        self.n_scored += outcomes.get("scored", 0)
        self.n_failed += total - outcomes.get("scored", 0) - outcomes.get("cannot_assess", 0)

    def watch(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Pass rows on and count them; raise what `check` raises at the end, or once nothing works at all."""
        for row in rows:
            yield row
            if row.get("grader") in self.not_counted:
                continue
            self.add({str(row.get("outcome", "scored")): 1})
            if self.n_scored == 0 and self.n_failed >= _HOPELESS:
                self.check()
        self.check()

    def check(self) -> None:
        """Raise `FailureBudgetSpent` when the share is exceeded or, of a run that has verdicts, none was scored."""
        again = "all replies are stored, a rerun continues from here"
        if self.n and not self.n_scored:
            raise FailureBudgetSpent(f"none of {self.n} verdicts was scored; {again}")
        if self.n_failed > self.share * self.n:
            raise FailureBudgetSpent(
                f"{self.n_failed} of {self.n} verdicts failed, more than the allowed share of {self.share:g}; {again}"
            )
