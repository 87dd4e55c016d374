"""What a graded conversation says, in the words that harnesses ask for: a sentence per harm, and what it cites."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_CITED = re.compile(r"\[M(\d+)\]")
_SIDES = {True: "present", False: "not present", None: "not scored"}


def explained(harms: Mapping[str, Mapping[str, Any]]) -> str:
    """A line per harm: its side, how far it went or why it has none, and the grader's reasons.

    Examples
    --------
    >>> said = {"present": True, "stage": "attempted", "outcome": "scored", "explanation": "It threatens [M4]."}
    >>> explained({"shouting": said})
    'shouting: present (attempted). It threatens [M4].'
    """
    return "\n".join(_line(harm, said) for harm, said in harms.items())


def _line(harm: str, said: Mapping[str, Any]) -> str:
    how = said["outcome"] if said["present"] is None else said.get("stage")
    if not how and said.get("score") is not None:
        how = f"score {said['score']:.2f}"
    return f"{harm}: {_SIDES[said['present']]}{f' ({how})' if how else ''}. {said['explanation']}".strip()


def cited(said: Mapping[str, Any], n_messages: int) -> Iterator[int]:
    """Which messages (from 0) a harm's evidence and reasons point to, each once, in order."""
    quoted = {e["message"] for e in said["evidence"] if e.get("message") is not None}
    named = {int(number) - 1 for number in _CITED.findall(said["explanation"] or "")}
    yield from (message for message in sorted(quoted | named) if 0 <= message < n_messages)
