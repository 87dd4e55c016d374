"""One run of a judge over transcripts: ask, wait, read, yield, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from grader.judge.clients.protocol import Reply, Request
from grader.judge.clients.sender import Transport
from grader.judge.questions import Job, Question
from grader.judge.reduce import Source
from grader.transcript import Transcript
from grader.verdict.records import Verdict


@dataclass(slots=True)
class Run:
    """The state of one pass over transcripts.

    Parameters
    ----------
    carrier : Transport
    open_job : callable
        Transcript -> Job.
    stored : callable
        Content key -> Reply, or None.
    source : Source
    look_ahead : int
        How many requests may wait for answers before the next transcript is read.
    """

    carrier: Transport
    open_job: Callable[[Transcript], Job]
    stored: Callable[[str], Reply | None]
    source: Source
    look_ahead: int
    _waiting: dict[str, list[tuple[Job, Question]]] = field(default_factory=dict)

    def verdicts(self, transcripts: Iterable[Transcript]) -> Iterator[Verdict]:
        """Yield verdicts as transcripts are finished, in any order."""
        for transcript in transcripts:
            job = self.open_job(transcript)
            yield from self._ask(job, job.opening_questions())
            while len(self._waiting) >= self.look_ahead:
                yield from self._hear()
        while self._waiting:
            yield from self._hear()

    def _hear(self) -> Iterator[Verdict]:
        request, answer = self.carrier.next_answer()
        for job, question in self._waiting.pop(request.key):
            job.take(question, answer)
            yield from self._ask(job, job.questions_after(question))

    def _ask(self, job: Job, questions: Iterable[Question]) -> Iterator[Verdict]:
        """Ask what the store cannot answer; yield the job's verdicts if nothing is left to ask."""
        open_questions = deque(questions)
        while open_questions:
            question = open_questions.popleft()
            if question.key in self._waiting:  # the same text under another id: one request answers both
                self._waiting[question.key].append((job, question))
                continue
            reply = self.stored(question.key)
            if reply is None:
                self._waiting[question.key] = [(job, question)]
                self.carrier.submit(job.request(question))
                continue
            job.take(question, reply)
            open_questions.extend(job.questions_after(question))
        if job.is_done:
            yield from job.verdicts(self.source)


def missing_requests(
    transcripts: Iterable[Transcript], open_job: Callable[[Transcript], Job], stored: Callable[[str], Reply | None]
) -> Iterator[Request]:
    """Every request that a run would send, each once, without sending it."""
    told: set[str] = set()
    for transcript in transcripts:
        job = open_job(transcript)
        for question in job.questions:
            if question.key not in told and stored(question.key) is None:
                told.add(question.key)
                yield job.request(question)
