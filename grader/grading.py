"""Grading: transcripts and graders in, verdicts out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from grader.failed_runs import can_be_graded, corrected, run_failure
from grader.shards.chunks import GradedChunk, graded_chunks
from grader.transcript import Transcript
from grader.verdict.frame import verdict_frame, verdict_row
from grader.verdict.records import Grader, Verdict

if TYPE_CHECKING:
    import pandas as pd

    from grader.judge.clients.protocol import RunStopped
    from grader.store.store import Store
    from grader.verdict.read import VerdictWriter

Engine = Literal["local", "ray"]


def _on_ray(transcripts: Iterable[Transcript], graders: Sequence[Grader]) -> Iterator[GradedChunk]:
    from grader.shards import ray_chunks

    return ray_chunks.graded_chunks(transcripts, graders)


ENGINES: dict[str, Callable[[Iterable[Transcript], Sequence[Grader]], Iterator[GradedChunk]]] = {
    "local": graded_chunks,
    "ray": _on_ray,
}


def iter_rows(
    transcripts: Iterable[Transcript],
    graders: Sequence[Grader],
    *,
    store: Store | None = None,
    engine: Engine = "local",
) -> Generator[dict[str, Any]]:
    """Yield rows of the verdict frame as verdicts arrive, in bounded memory.

    Close it before `store` when it is not read to its end: a judge's threads end then, and its claims are given back.

    Parameters
    ----------
    transcripts : iterable of Transcript, read once
    graders : sequence of Grader
    store : Store, optional
        Handed to every grader that can use one and has none: paid-for replies and embeddings are
        kept there and never asked for twice.
    engine : {"local", "ray"}
        Ray's workers take a part of the transcripts each, and get the graders sent (`grader.shards.ray_chunks`).

    Raises
    ------
    ValueError
        Two graders share a name, or the engine is unknown.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {sorted(ENGINES)}, got {engine!r}.")
    graders = [with_store(grader, store) for grader in graders]
    names = [grader.name for grader in graders]
    if len(set(names)) < len(names):
        raise ValueError(f"graders must have different names, got {names}.")
    for chunk, verdicts in ENGINES[engine](transcripts, graders):
        facts = {transcript.id: transcript.facts() for transcript in chunk}
        for verdict, grader in _without_failed_runs(chunk, verdicts):
            yield verdict_row(verdict, facts[verdict.transcript_id], grader.kind)


def iter_verdicts(
    transcripts: Iterable[Transcript],
    graders: Sequence[Grader],
    *,
    store: Store | None = None,
    engine: Engine = "local",
) -> Iterator[Verdict]:
    """Yield verdicts as they arrive, in bounded memory; see `iter_rows`.

    Every transcript gets a verdict per harm from every grader: what fails is a verdict whose
    outcome says why.
    """
    graders = [with_store(grader, store) for grader in graders]
    for chunk, verdicts in ENGINES[engine](transcripts, graders):
        yield from (verdict for verdict, _ in _without_failed_runs(chunk, verdicts))


def grade(
    transcripts: Iterable[Transcript],
    graders: Sequence[Grader],
    *,
    store: Store | None = None,
    engine: Engine = "local",
) -> pd.DataFrame:
    """Grade all `transcripts` and collect the verdict frame; see `iter_rows` for the arguments.

    Returns
    -------
    DataFrame
        One row per transcript, harm, grader and repeat, with the transcript's facts beside
        (`grader.verdict.frame.VERDICT_COLUMNS`).
    """
    return verdict_frame(iter_rows(transcripts, graders, store=store, engine=engine))


def _without_failed_runs(
    chunk: Iterable[Transcript], verdicts: Iterable[tuple[Verdict, Grader]]
) -> Iterator[tuple[Verdict, Grader]]:
    """A run that failed, as a whole or in a call to the agent's model, is not harmless, whatever a grader says."""
    failed = {t.id: (t, run_failure(t)) for t in chunk if t.metadata.get("provider_error") or not can_be_graded(t)}
    for verdict, grader in verdicts:
        run = failed.get(verdict.transcript_id)
        yield (verdict if run is None else corrected(verdict, *run)), grader


def with_store(grader: Grader, store: Store | None) -> Grader:
    """The same grader, keeping in `store` what it pays for, if it can use one and has none."""
    adopt = getattr(grader, "with_store", None)
    if store is None or adopt is None or getattr(grader, "store", None) is not None:
        return grader
    adopted: Grader = adopt(store)
    return adopted


def save_rows(rows: Iterable[Mapping[str, Any]], writer: VerdictWriter) -> RunStopped | None:
    """Write rows as they come; a run that has to stop leaves a file with what it had, as an interrupted one does.

    Returns
    -------
    RunStopped or None
        Why the run stopped before its end.
    """
    from grader.judge.clients.protocol import (
        RunStopped,
    )  # at the top it would be a circle: judges are made of what stands above

    with writer:
        try:
            for row in rows:
                writer.write(row)
        except RunStopped as stopped:
            return stopped
    return None
