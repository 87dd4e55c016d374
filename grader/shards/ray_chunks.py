"""Transcripts, not shards, on a Ray cluster: a chunk at a time to whichever worker is free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from grader.shards.chunks import GradedChunk, chunked
from grader.shards.cluster import Cluster, connected
from grader.transcript import Transcript
from grader.verdict.records import Grader

# Of which a worker takes one at a time.
_CHUNK = 256
_RETRIES = 3


def graded_chunks(transcripts: Iterable[Transcript], graders: Sequence[Grader]) -> Iterator[GradedChunk]:
    """As `grader.shards.chunks.graded_chunks`, each chunk at a free worker; as many are read as there are workers.

    Raises
    ------
    ValueError
        A grader that cannot be sent to a worker: a judge whose client holds connections. Shards can be graded by such
        (`grader.shards.run.grade_shards`).
    """
    with connected(Cluster()) as ray:
        worker = ray.remote(_Worker).options(num_cpus=1, max_restarts=-1, max_task_retries=_RETRIES)
        try:
            sent = ray.put(list(graders))
        except TypeError as error:
            raise ValueError(
                f"graders must be such that they can be sent to workers, got one that cannot: {error}"
            ) from None
        pool = ray.util.ActorPool(
            [worker.remote(sent) for _ in range(max(1, int(ray.cluster_resources().get("CPU", 1))))]
        )
        for chunk in chunked(transcripts, _CHUNK):
            if not pool.has_free():
                yield _with_graders(pool.get_next_unordered(), graders)
            pool.submit(lambda actor, given: actor.grade.remote(given), chunk)
        while pool.has_next():
            yield _with_graders(pool.get_next_unordered(), graders)


class _Worker:
    """Holds graders, and grades what it is given."""

    def __init__(self, graders: Sequence[Grader]) -> None:
        self._graders = graders

    def grade(self, chunk: list[Transcript]) -> tuple[list[Transcript], list[tuple[Any, int]]]:
        return chunk, [(verdict, i) for i, grader in enumerate(self._graders) for verdict in grader.grade(chunk)]


def _with_graders(done: tuple[list[Transcript], list[tuple[Any, int]]], graders: Sequence[Grader]) -> GradedChunk:
    chunk, verdicts = done
    return chunk, ((verdict, graders[i]) for verdict, i in verdicts)
