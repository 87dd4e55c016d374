"""What a judge asks about one transcript: settings, content keys, and the state of its answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from typing import Any, Literal

from grader.judge.clients.protocol import Reply, Request, SendError
from grader.judge.prompt import PROMPT_VERSION, Record, build_params, build_record
from grader.judge.read_reply import Reading, read_reply, reply_usage
from grader.judge.reduce import Source, WindowReading, build_verdict
from grader.judge.render import View
from grader.judge.windows import Window, whole
from grader.redaction import Redacted
from grader.rubrics import Rubric
from grader.transcript import Transcript, canonical_json
from grader.verdict.records import Verdict

Effort = Literal["low", "medium", "high", "xhigh", "max"]
Calls = Literal["together", "per-harm"]
Order = Literal["first-alone", "all-at-once"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskSettings:
    """What decides a judge's answer beside transcript and rubrics; all of it is in the content key.

    `endpoint` is the address of the server, without credentials; None for the makers' own.
    """

    model: str
    max_tokens: int
    effort: Effort | None
    thinking: Mapping[str, Any] | None
    view: View
    redaction: str | None = None
    endpoint: str | None = None

    def params(self) -> dict[str, Any]:
        """Those of ``messages.create``."""
        return {name: value for name, value in self._named().items() if name not in ("view", "redaction", "endpoint")}

    def told(self, *, for_key: bool = False) -> dict[str, Any]:
        """What keys and versions are made of; settings that came later are left out while they have their default.

        Keys also hold the endpoint, so that two servers with a model of one name do not share answers; the judge's
        version does not, since a server may move.
        """
        named = self._named()
        if self.redaction is None:
            del named["redaction"]
        if self.endpoint is None or not for_key:
            del named["endpoint"]
        return named

    def _named(self) -> dict[str, Any]:
        return {part.name: getattr(self, part.name) for part in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request to be: which harms of which window, which repeat, under which content key."""

    key: str
    window: int
    rubrics: tuple[Rubric, ...]
    repeat: int

    @property
    def harms(self) -> tuple[str, ...]:
        """Names of the harms asked."""
        return tuple(rubric.name for rubric in self.rubrics)


@cache
def rubrics_told(rubrics: tuple[Rubric, ...]) -> list[tuple[str, str]]:
    """What keys and versions are made of: names and hashes. A run asks the same rubrics of every transcript."""
    return [(rubric.name, rubric.hash) for rubric in rubrics]


def content_key(
    content_hash: str,
    window: Window | None,
    rubrics: Sequence[Rubric],
    settings: AskSettings,
    repeat: int,
    *,
    shown: Sequence[Rubric] = (),
) -> str:
    """SHA-256 of everything the answer depends on, and of nothing else.

    Parameters
    ----------
    content_hash : str
    window : Window or None
        None for the whole transcript.
    rubrics : sequence of Rubric
        In the order asked.
    settings : AskSettings
    repeat : int
    shown : sequence of Rubric
        All rubrics in the prompt, where those are more than are asked.
    """
    pieces = None if window is None else [(p.message, p.start, p.end) for p in window]
    told = [content_hash, pieces, rubrics_told(tuple(rubrics)), PROMPT_VERSION, settings.told(for_key=True), repeat]
    if shown and tuple(shown) != tuple(rubrics):
        told.append(rubrics_told(tuple(shown)))
    return hashlib.sha256(canonical_json(told).encode()).hexdigest()


class Job:
    """All questions about one transcript and their answers so far.

    Parameters
    ----------
    transcript : Transcript
        As it leaves the machine.
    windows : sequence of Window
    groups : sequence of tuple of Rubric
        Which harms are asked together.
    repeats : int
    settings : AskSettings
    nonce : callable
        Draws the code of the markers.
    order : {"first-alone", "all-at-once"}
        Whether the other questions about a window wait for the first, to read the prompt cache it fills.
    redacted : Redacted, optional
        How `transcript` was made, where it is not the original; evidence is told as it stands in the original.
    shown : sequence of Rubric
        The rubrics that every request shows; without it each shows those that it asks.
    """

    def __init__(
        self,
        transcript: Transcript,
        windows: Sequence[Window],
        groups: Sequence[tuple[Rubric, ...]],
        repeats: int,
        settings: AskSettings,
        nonce: Callable[[], str],
        *,
        order: Order = "first-alone",
        redacted: Redacted | None = None,
        shown: Sequence[Rubric] = (),
    ) -> None:
        self.transcript = transcript
        self._redacted = redacted
        self._order = order
        self._shown = tuple(shown)
        self.content_hash = (transcript if redacted is None else redacted.original).content_hash
        self.windows = windows
        self.settings = settings
        self._draw_nonce = nonce
        self._records: dict[int, Record] = {}
        self._answers: dict[tuple[int, str, int], tuple[Reading, Mapping[str, Any]]] = {}
        complete = len(windows) == 1 and tuple(windows[0]) == whole(transcript.messages)
        self.questions = [
            Question(
                key=content_key(
                    self.content_hash, None if complete else window, group, settings, repeat, shown=self._shown
                ),
                window=number,
                rubrics=group,
                repeat=repeat,
            )
            for number, window in enumerate(windows)
            for repeat in range(repeats)
            for group in groups
        ]
        self._open = len(self.questions)

    @cached_property
    def nonce(self) -> str:
        """The code of this grading; drawn again should the transcript hold it."""
        nonce = self._draw_nonce()
        for _ in range(10):
            if not any(nonce in message.text for message in self.transcript.messages):
                break
            nonce = self._draw_nonce()
        return nonce

    @property
    def is_done(self) -> bool:
        """Whether every question has its answer."""
        return self._open == 0

    def opening_questions(self) -> list[Question]:
        """What may be asked at once."""
        if self._order == "all-at-once":
            return self.questions
        return list({q.window: q for q in reversed(self.questions)}.values())[::-1]

    def questions_after(self, question: Question) -> list[Question]:
        """What may be asked once `question` is answered."""
        if self._order == "all-at-once":
            return []
        same = [q for q in self.questions if q.window == question.window]
        return same[1:] if question is same[0] else []

    def request(self, question: Question) -> Request:
        """The request that asks `question`."""
        record = self._records.get(question.window)
        if record is None:
            pieces = self.windows[question.window]
            record = build_record(self.transcript.messages, pieces, nonce=self.nonce, view=self.settings.view)
            self._records[question.window] = record
        return Request(
            key=question.key,
            transcript_id=self.transcript.id,
            content_hash=self.content_hash,
            harms=question.harms,
            repeat=question.repeat,
            window=question.window,
            params=build_params(
                record,
                question.rubrics,
                shown=self._shown or question.rubrics,
                asked="again" if len(self.questions) > len(self.windows) else "once",
                **self.settings.params(),
            ),
        )

    def take(self, question: Question, answer: Reply | SendError) -> None:
        """Note the answer to `question`."""
        usage = reply_usage(answer, asked=self.settings.model)
        if len(question.harms) > 1:
            usage["asked_together"] = len(question.harms)
        for harm, reading in read_reply(answer, question.harms).items():
            self._answers[question.window, harm, question.repeat] = (reading, usage)
        self._open -= 1

    def verdicts(self, source: Source) -> Iterator[Verdict]:
        """One verdict per harm and repeat, when all is answered."""
        pairs = dict.fromkeys((rubric, q.repeat) for q in self.questions for rubric in q.rubrics)
        for rubric, repeat in pairs:
            readings = [
                WindowReading(window, *self._answers[number, rubric.name, repeat])
                for number, window in enumerate(self.windows)
            ]
            verdict = build_verdict(self.transcript, rubric, repeat, readings, source)
            yield verdict if self._redacted is None else _restored(verdict, self._redacted)


def _restored(verdict: Verdict, redacted: Redacted) -> Verdict:
    evidence = tuple(map(redacted.restore, verdict.evidence))
    return replace(verdict, evidence=evidence, usage={**verdict.usage, "redacted": dict(redacted.counts)})
