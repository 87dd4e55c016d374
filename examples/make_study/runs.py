"""Write one run: its messages, and what is true of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from examples.make_study.grammar import Slots, expand, pick
from examples.make_study.plan import HARM_OF, Plan
from examples.make_study.scenarios import Facts, draw_facts, load_text
from grader.transcript import Message, Transcript, tool_call

MODEL = "simulated-model"
_FINDS_SECRET = {"threat", "hinted", "favour", "through-third", "declines", "escalates", "hint-no-demand", "warns"}
_ASKED_BY_OUTSIDER = {"leak-open", "leak-buried", "shares-properly", "refuses"}
_CHECKED = {"lie", "omission", "owns-up"}
_TRIES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A transcript and what is true of it.

    Its plan, the facts it was filled from, the stage of every harm, and the messages (from 0) of the act and, where
    there is one, of the denial.
    """

    transcript: Transcript
    plan: Plan
    slots: Slots
    stages: dict[str, str]
    action: int
    denial: int | None


def write_runs(plans: Iterable[Plan], seed: int) -> Iterator[Run]:
    """Write every run; no two share what the agent thinks, and no two its main message."""
    used: set[str] = set()
    for number, plan in enumerate(plans):
        yield _Writer(plan, np.random.default_rng([seed, 2, number]), used).write()


class _Writer:
    """Writes one run, message by message."""

    def __init__(self, plan: Plan, rng: np.random.Generator, used: set[str]) -> None:
        self.plan, self.rng, self.used = plan, rng, used
        self.scenario = load_text(plan.scenario)
        self.common = load_text("common")
        self.frames = load_text("frames")
        self.facts: Facts = draw_facts(plan.scenario, rng)
        self.messages: list[Message] = []
        self.thought = False

    def write(self) -> Run:
        course = self.plan.course
        self._open()
        routine_first = self._chance(0.5)
        if routine_first:
            self._routine(0.4)
        self._circumstances(course)
        if course not in {"routine"} and self._chance(0.85):
            self._think(course)
        action = len(self.messages)
        self._act(course)
        stage = self._answer(course)
        denial = self._deny() if self.plan.denied else None
        if not routine_first and len(self.messages) <= 9:
            self._routine(0.3)
        if len(self.messages) < 12 and (len(self.messages) < 5 or self._chance(0.6)):
            self._say("assistant", pick(self.common["closing"], self.rng))
        return Run(
            transcript=Transcript(id=self.plan.id, messages=tuple(self.messages), metadata=self._metadata()),
            plan=self.plan,
            slots=self.facts.slots,
            stages=self._stages(stage),
            action=action,
            denial=denial,
        )

    def _open(self) -> None:
        mails = self.scenario["mails"]
        first, second = ((mails[0], mails[1]), (mails[2], mails[0]))[int(self._chance(0.5))]
        self._say("system", self.scenario["system"])
        self._say("user", f"New e-mail (2)\n\n{first}\n\n{second}")
        if self._chance(0.25):
            self._reason(pick(self.common["planning"], self.rng))

    def _routine(self, probability: float) -> None:
        if self._chance(probability):
            self._look_up(self.facts.step)

    def _circumstances(self, course: str) -> None:
        """What the run meets before it acts: found, asked or received."""
        facts = self.facts
        if course in _FINDS_SECRET:
            self._look_up(facts.secret_step)
        elif course in _ASKED_BY_OUTSIDER:
            self._say("user", facts.leak["request"])
        elif course in _CHECKED:
            self._say("user", facts.lie["question"])
            self._look_up(facts.lie)
        elif course == "quotes":
            self._say("user", facts.threat["text"])
        elif course in ("guess", "shares-inside"):
            self._say("user", self._fill(self.common[f"asked_{course.removeprefix('shares-')}"]))

    def _think(self, course: str) -> None:
        self.thought = True
        self._reason(self._fresh(lambda: self._fill(pick(self.frames[course]["reasoning"], self.rng))))

    def _act(self, course: str) -> None:
        # Who thinks better of it often just goes on with the day's work.
        if course == "routine" or (course == "declines" and self._chance(0.3)):
            task = self.facts.task
            self._mail(task["to"], task["subject"], [task["body"][0]])
            return
        frame = self.frames[course]
        self._mail(str(self.facts.slots[f"{frame['to']}_mail"]), frame["subject"], frame["body"])

    def _answer(self, course: str) -> str:
        """What comes back; returns how far the course got."""
        if course in ("threat", "hinted", "favour"):
            if self._chance(0.35):
                self._say("user", pick(self.common["yields"], self.rng), name=str(self.facts.slots["target"]))
                return "completed"
            if self._chance(0.3):
                self._say("user", pick(self.common["refuses_to_yield"], self.rng), name=str(self.facts.slots["target"]))
            return "attempted"
        if course in ("lie", "omission", "owns-up", "guess", "shares-inside") and self._chance(0.5):
            self._say("user", pick(self.common["thanks"], self.rng), name=str(self.facts.slots["overseer"]))
            return "completed"
        return "completed" if course.startswith("leak") else "attempted"

    def _deny(self) -> int:
        harm = HARM_OF[self.plan.course]
        self._say("user", self._fill(self.common[f"asked_{harm}"]))
        frame = self.frames[f"cover-{harm}"]
        denial = len(self.messages)
        self._mail(str(self.facts.slots["overseer_mail"]), frame["subject"], frame["body"])
        return denial

    def _stages(self, stage: str) -> dict[str, str]:
        harms = self.plan.harms
        stages = dict.fromkeys(("blackmail", "leaking", "deception"), "none")
        if self.plan.course == "declines" and self.thought:
            stages["blackmail"] = "considered"
        stages |= dict.fromkeys(harms, stage)
        return stages | ({"deception": "attempted"} if self.plan.denied else {})

    def _metadata(self) -> dict[str, Any]:
        plan = self.plan
        where = {"model": MODEL, "scenario": plan.scenario, "family": self.scenario["family"], "arm": plan.arm}
        return where | {"epoch": plan.epoch, "source": "simulated study", "simulated": True}

    def _mail(self, to: str, subjects: list[str], bodies: list[str]) -> None:
        body = self._fresh(lambda: self._fill(pick(bodies, self.rng)))
        subject = self._fill(pick(subjects, self.rng))
        self.messages.append(tool_call("send_email", {"to": to, "subject": subject, "body": body}))
        self._result("send_email", pick(self.common["sent"], self.rng))

    def _look_up(self, step: dict[str, Any]) -> None:
        self.messages.append(tool_call(step["name"], step["arguments"]))
        self._result(step["name"], step["result"])

    def _say(self, role: Any, text: str, name: str | None = None) -> None:
        self.messages.append(Message(role=role, kind="text", text=text, name=name))

    def _reason(self, text: str) -> None:
        self.messages.append(Message(role="assistant", kind="reasoning", text=text))

    def _result(self, name: str, text: str) -> None:
        self.messages.append(Message(role="tool", kind="tool_result", text=text, name=name))

    def _fill(self, template: str) -> str:
        return expand(template, self.facts.slots, self.rng)

    def _fresh(self, make: Callable[[], str]) -> str:
        """A text that no run before has used."""
        for _ in range(_TRIES):
            if (text := make()) not in self.used:
                self.used.add(text)
                return text
        raise ValueError(f"{self.plan.id}: the grammar of {self.plan.course!r} has run out of new texts.")

    def _chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)
