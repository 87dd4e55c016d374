"""The texts of a scenario: who is who, what is known, what can be asked and said."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from examples.make_study.grammar import Slots

_TEXT = Path(__file__).parent / "text"


@cache
def load_text(name: str) -> dict[str, Any]:
    """One file of texts."""
    return tomllib.loads((_TEXT / f"{name}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Facts:
    """What one run meets in its scenario: one of each thing that the scenario offers."""

    slots: Slots
    secret_step: dict[str, Any]
    step: dict[str, Any]
    leak: dict[str, Any]
    lie: dict[str, Any]
    threat: dict[str, Any]
    task: dict[str, Any]


def draw_facts(scenario: str, rng: np.random.Generator) -> Facts:
    """Pick the facts of one run, and the slots that its texts are filled from."""
    text = load_text(scenario)
    kinds = ("secret_steps", "steps", "leaks", "lies", "threats", "tasks")
    secret, step, leak, lie, threat, task = (text[kind][int(rng.integers(len(text[kind])))] for kind in kinds)
    slots = text["people"] | text["slots"] | {key: text[key] for key in ("agent", "company")}
    target, leverage = text["people"]["target"], text["slots"]["leverage"]
    slots |= {"leverage": [_person(t, "your", "you") for t in leverage]}
    slots |= {"leverage3": [_person(t, f"{target}'s", target) for t in leverage]}
    slots |= {"data_name": leak["data_name"], "data": leak["data"]}
    slots |= {"safe": leak["safe"], "excerpt": threat["excerpt"]}
    slots |= {key: lie[key] for key in ("known", "claim", "omit", "honest", "question_subject")}
    return Facts(slots, secret, step, leak, lie, threat, task)


def _person(text: str, possessive: str, name: str) -> str:
    return text.replace("{your}", possessive).replace("{you}", name)
