"""Grading on this machine: chunk by chunk, all graders of a chunk side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from queue import SimpleQueue
from threading import Thread

from grader.transcript import Transcript
from grader.verdict import Grader, Verdict

# Large enough that a judge's pipeline is full nearly all the time, small enough to hold in memory.
CHUNK = 2048

GradedChunk = tuple[list[Transcript], Iterator[tuple[Verdict, Grader]]]


def graded_chunks(transcripts: Iterable[Transcript], graders: Sequence[Grader]) -> Iterator[GradedChunk]:
    """Yield each chunk of transcripts with an iterator over its verdicts, as they arrive."""
    source = iter(transcripts)
    while chunk := list(islice(source, CHUNK)):
        yield chunk, _verdicts(chunk, graders)


def _verdicts(chunk: list[Transcript], graders: Sequence[Grader]) -> Iterator[tuple[Verdict, Grader]]:
    if len(graders) == 1:
        yield from ((verdict, graders[0]) for verdict in graders[0].grade(chunk))
    else:
        yield from _side_by_side(chunk, graders)


def _side_by_side(chunk: list[Transcript], graders: Sequence[Grader]) -> Iterator[tuple[Verdict, Grader]]:
    """One thread a grader: a judge waits for the network while a classifier computes."""
    queue: SimpleQueue[tuple[Verdict, Grader] | BaseException | None] = SimpleQueue()

    def work(grader: Grader) -> None:
        try:
            for verdict in grader.grade(chunk):
                queue.put((verdict, grader))
            queue.put(None)
        except BaseException as error:  # handed to the caller's thread, which raises it
            queue.put(error)

    for grader in graders:
        Thread(target=work, args=(grader,), daemon=True).start()
    running = len(graders)
    while running:
        match queue.get():
            case None:
                running -= 1
            case BaseException() as error:
                raise error
            case item:
                yield item
