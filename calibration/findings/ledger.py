"""What a study read, and what became of it: used, or not used for a named reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

USED = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One kind of input.

    Parameters
    ----------
    read, used : int
    not_used : mapping from a reason to a count
    groups : mapping from a name to a count
        What was read, by format, grader, rater or status; for reading, it need not add up.

    Raises
    ------
    ValueError
        `read` is not `used` plus all of `not_used`.

    Examples
    --------
    >>> Tally(read=3, used=2, not_used={"on transcripts that were not drawn": 1}).to_dict()["used"]
    2
    """

    read: int = 0
    used: int = 0
    not_used: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        counted = self.used + sum(self.not_used.values())
        if self.read != counted:
            raise ValueError(f"read must equal used + not used, got {self.read} and {counted}.")

    @classmethod
    def of(
        cls, reasons: Iterable[str], groups: Mapping[str, int] | None = None, *, weights: Iterable[float] | None = None
    ) -> Tally:
        """Count one reason per row (`weights`: each row stands for so many); a used row has the reason `USED`.

        Examples
        --------
        >>> Tally.of([USED, USED, "outside --where"]).not_used
        {'outside --where': 1}
        """
        counts: Counter[str] = Counter() if weights is not None else Counter(reasons)
        for reason, weight in zip(reasons, () if weights is None else weights, strict=False):
            counts[reason] += round(weight)
        used = counts.pop(USED, 0)
        return cls(read=used + counts.total(), used=used, not_used=dict(counts.most_common()), groups=groups or {})

    def without(self, dropped: Mapping[str, int]) -> Tally:
        """The tally with rows that were read and dropped before the join."""
        reasons = Counter(self.not_used)
        reasons.update(dropped)
        return Tally(read=self.read + sum(dropped.values()), used=self.used, not_used=dict(reasons), groups=self.groups)

    def to_dict(self) -> dict[str, Any]:
        """The tally as JSON-able data."""
        return {"read": self.read, "used": self.used, "not_used": dict(self.not_used), "groups": dict(self.groups)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Everything that a study read.

    Parameters
    ----------
    transcripts, verdicts, labels, design : Tally
        Transcripts of the pool; rows of the verdict frame; answers (transcript x harm x rater); rows of the design.
    """

    transcripts: Tally = field(default_factory=Tally)
    verdicts: Tally = field(default_factory=Tally)
    labels: Tally = field(default_factory=Tally)
    design: Tally = field(default_factory=Tally)

    def to_dict(self) -> dict[str, Any]:
        """The ledger as JSON-able data."""
        return {part.name: getattr(self, part.name).to_dict() for part in fields(self)}

    def sentence(self) -> str:
        """One line for people; inputs that were not given are left out.

        Examples
        --------
        >>> labels = Tally(read=450, used=448, not_used={"on transcripts that were not drawn": 2})
        >>> Ledger(transcripts=Tally(read=600, used=600), labels=labels).sentence()
        '600 transcripts, 450 labels: 448 used, 2 on transcripts that were not drawn'
        """
        names = {"transcripts": "transcripts", "verdicts": "verdicts", "labels": "labels", "design": "design rows"}
        parts = {name: getattr(self, field_) for field_, name in names.items()}
        return _join([_words(name, tally) for name, tally in parts.items() if tally.read])


def _words(name: str, tally: Tally) -> str:
    total = f"{tally.read:,} {name if tally.read != 1 else name.removesuffix('s')}"
    if not tally.not_used:
        return total
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in tally.not_used.items())
    return f"{total}: {tally.used:,} used, {reasons}"


def _join(parts: list[str]) -> str:
    """Parts separated by commas, or by semicolons after one that itself holds commas."""
    text = ""
    for i, part in enumerate(parts):
        separator = "" if i == 0 else "; " if ":" in parts[i - 1] else ", "
        text += separator + part
    return text
