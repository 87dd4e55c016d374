"""What was fixed before anybody saw a label, and what was changed afterwards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from calibration.study.settings import StudySettings
from grader.errors import InputError
from grader.files.atomic import write_text

HISTORY = "harmrate.history.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """The decisions of a study as they stood at one time.

    Parameters
    ----------
    at : str
        ISO 8601, UTC.
    n_labels : int
        How many labels were at hand.
    decisions : mapping from the name of a decision to its value (JSON-able)
    """

    at: str
    n_labels: int
    decisions: Mapping[str, Any]

    @classmethod
    def now(cls, decisions: Mapping[str, Any], n_labels: int) -> Self:
        """The decisions as they stand, in the form in which a file gives them back."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(at=at, n_labels=n_labels, decisions=json.loads(json.dumps(decisions, sort_keys=True, default=str)))


def decisions(settings: StudySettings, *, seed: int) -> dict[str, Any]:
    """What a study decides that could be decided after the fact, by name."""
    return {name: value for name, value in settings.to_dict().items() if name != "pairing"} | {"seed": seed}


def register(folder: Path, entry: Registered) -> list[str]:
    """Add the decisions to the history beside the study file, and say what they are worth.

    Parameters
    ----------
    folder : path
        That of the study file; the history in it is only ever added to.
    entry : Registered

    Returns
    -------
    list of str
        When the decisions were fixed, and each that was changed after labels were seen.

    Raises
    ------
    InputError
        The history cannot be read.
    """
    past = read_history(folder)
    if not past or past[-1].decisions != entry.decisions or (past[-1].n_labels == 0) != (entry.n_labels == 0):
        past.append(entry)
        write_text(folder / HISTORY, "".join(json.dumps(asdict(e), ensure_ascii=False) + "\n" for e in past))
    return told(past)


def read_history(folder: Path) -> list[Registered]:
    """All decisions so far, the oldest first."""
    path = folder / HISTORY
    if not path.is_file():
        return []
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = json.loads(line)
            entries.append(Registered(**record))
        except (ValueError, TypeError, RecursionError):
            raise InputError("is no entry of a study's history", file=path, record=f"line {number}") from None
    return entries


def told(history: list[Registered]) -> list[str]:
    """What the history says to a reader of the report.

    Examples
    --------
    >>> before = Registered(at="2026-11-01T09:00:00+00:00", n_labels=0, decisions={"level": 0.95, "by": ["arm"]})
    >>> after = Registered(at="2026-11-20T09:00:00+00:00", n_labels=150, decisions={"level": 0.9, "by": ["arm"]})
    >>> for line in told([before, after]):
    ...     print(line)
    Fixed in advance, on 2026-11-01 before any label was at hand: by.
    Changed after labels were seen: level from 0.95 to 0.9 (first used on 2026-11-20).
    """
    current = history[-1]
    before = [entry for entry in history if entry.n_labels == 0]
    if not before:
        first = history[0]
        return [f"Nothing was fixed in advance: {first.n_labels} labels were at hand when the study was written down."]
    fixed = before[-1].decisions
    names = sorted(set(fixed) | set(current.decisions))
    changed = [name for name in names if fixed.get(name) != current.decisions.get(name)]
    kept = [name for name in names if name not in changed]
    lines = [f"Fixed in advance, on {before[-1].at[:10]} before any label was at hand: {', '.join(kept) or 'nothing'}."]
    for name in changed:
        since = next(e.at for e in history if e.decisions.get(name) == current.decisions.get(name) and e.n_labels)
        was, now = (json.dumps(d.get(name), ensure_ascii=False) for d in (fixed, current.decisions))
        lines.append(f"Changed after labels were seen: {name} from {was} to {now} (first used on {since[:10]}).")
    return lines
