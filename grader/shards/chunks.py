"""Grading on this machine: chunk by chunk, all graders of a chunk side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from queue import SimpleQueue
from threading import Thread

from grader.transcript import Transcript
from grader.verdict.records import Grader, Verdict

# Large enough that a judge's pipeline is full nearly all the time, small enough to hold in memory.
CHUNK = 2048
# Transcripts of an agent can have millions of characters; so much text closes a chunk early.
CHUNK_CHARACTERS = 128_000_000

GradedChunk = tuple[list[Transcript], Iterator[tuple[Verdict, Grader]]]


def graded_chunks(transcripts: Iterable[Transcript], graders: Sequence[Grader]) -> Iterator[GradedChunk]:
    """Yield each chunk of transcripts with an iterator over its verdicts, as they arrive."""
    for chunk in chunked(transcripts, CHUNK):
        yield chunk, _verdicts(chunk, graders)


def chunked(transcripts: Iterable[Transcript], n: int) -> Iterator[list[Transcript]]:
    """`n` transcripts at a time, fewer where they are long."""
    chunk: list[Transcript] = []
    n_characters = 0
    for transcript in transcripts:
        chunk.append(transcript)
        n_characters += sum(len(message.text) for message in transcript.messages)
        if len(chunk) >= n or n_characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, n_characters = [], 0
    if chunk:
        yield chunk


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
