"""A waiting line before each grader: what waits together is graded together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import count
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from grader.grading import iter_rows
from grader.transcript import Transcript
from grader.verdict.records import Grader

Rows = list[dict[str, Any]]

# Transcripts that a grader takes at once: enough to fill a batch of embeddings, few enough that nobody waits long.
BATCH = 32
# A judge waits for the network: several batches at a time. A classifier computes, and its tokenizer is for one thread.
WORKERS: Mapping[str, int] = {"judge": 8}


@dataclass(frozen=True, slots=True)
class _Job:
    transcripts: Sequence[Transcript]
    rows: Future[Rows] = field(default_factory=Future)


class GraderQueue:
    """One grader and the threads that work for it.

    Parameters
    ----------
    grader : Grader
    workers : int, optional
        Threads; default 8 for a judge, else 1.
    batch : int
        Transcripts that a thread takes at once; a job with more is taken whole.

    Examples
    --------
    >>> class Calm:
    ...     name, version, kind = "calm", "1", "rule"
    ...     def grade(self, transcripts):
    ...         from grader import Verdict
    ...         for t in transcripts:
    ...             yield Verdict(transcript_id=t.id, harm="h", grader="calm", grader_version="1", present=False)
    >>> lane = GraderQueue(Calm())
    >>> [row["transcript_id"] for row in lane.submit([Transcript(id="a", messages=())]).result()]
    ['a']
    >>> lane.close()
    """

    def __init__(self, grader: Grader, *, workers: int | None = None, batch: int = BATCH) -> None:
        self.grader = grader
        self._batch = batch
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        n_workers = workers or WORKERS.get(grader.kind, 1)
        self._threads = [Thread(target=self._work, name=f"{grader.name}-{i}", daemon=True) for i in range(n_workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, transcripts: Sequence[Transcript]) -> Future[Rows]:
        """The rows that `transcripts` will have, in their order; the future raises what the grader raises."""
        job = _Job(transcripts)
        self._jobs.put(job)
        return job.rows

    def close(self) -> None:
        """Grade what waits, then end."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            jobs = [job, *self._waiting(self._batch - len(job.transcripts))]
            jobs = [one for one in jobs if one.rows.set_running_or_notify_cancel()]
            try:
                self._grade(jobs)
            except BaseException as error:  # the request is answered with it; the queue goes on
                self._fail(jobs, error)

    def _fail(self, jobs: Sequence[_Job], error: BaseException) -> None:
        """Jobs that were graded together are graded one by one, so that each has only its own failure."""
        for job in jobs:
            try:
                if len(jobs) == 1:
                    raise error
                self._grade([job])
            except BaseException as own:
                job.rows.set_exception(own)

    def _waiting(self, room: int) -> Iterable[_Job]:
        while room > 0:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return
            if job is None:  # not for this batch: the next turn ends on it
                self._jobs.put(None)
                return
            room -= len(job.transcripts)
            yield job

    def _grade(self, jobs: Sequence[_Job]) -> None:
        """Requests may name different transcripts alike: while they are graded, each has a number."""
        numbers = count()
        numbered = {str(next(numbers)): (job, t) for job in jobs for t in job.transcripts}
        rows: dict[str, Rows] = {number: [] for number in numbered}
        for row in iter_rows((replace(t, id=number) for number, (_, t) in numbered.items()), [self.grader]):
            number = row["transcript_id"]
            rows[number].append(row | {"transcript_id": numbered[number][1].id})
        for job in jobs:
            job.rows.set_result([row for n, (of, _) in numbered.items() if of is job for row in rows[n]])
