"""Grading of shards: which are to be done, the engine that does them, and the manifest of what was done."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader.errors import InputError
from grader.files.storage import beneath, content_mark, fetched, list_below
from grader.graders import GraderSetup
from grader.judge.clients.protocol import RunStopped
from grader.judge.setup import Watch
from grader.progress import Track, untracked
from grader.shards.manifest import (
    Manifest,
    Shard,
    ShardRecord,
    add_to_manifest,
    plan_shards,
    read_manifest,
    record_in,
    sha256_of,
)
from grader.shards.stages import GradeShard, ReadOptions, ShardFailure, Work, WriteShard
from grader.store.store import Store
from grader.verdict.records import Grader

if TYPE_CHECKING:
    from grader.shards.cluster import Cluster

Stage = Callable[[Work], Work]


@dataclass(slots=True, kw_only=True)
class ShardedRun:
    """What grading of shards did.

    Parameters
    ----------
    records : dict from output to ShardRecord
        Of the shards that have verdicts.
    n_graded, n_kept : int
        Shards that were graded; those that were finished already.
    again : mapping from input to str
        Which were graded though there were verdicts, and why.
    failures : mapping from input to ShardFailure
        Which have no verdicts.
    """

    records: dict[str, ShardRecord] = field(default_factory=dict)
    n_graded: int = 0
    n_kept: int = 0
    again: dict[str, str] = field(default_factory=dict)
    failures: dict[str, ShardFailure] = field(default_factory=dict)

    def summary(self) -> str:
        """One line for people."""
        done = f"{len(self.records)} shards, {sum(r.n_verdicts for r in self.records.values()):,} verdicts"
        return f"{done} ({self.n_graded} graded now, {self.n_kept} were finished, {len(self.failures)} failed)"

    def check(self) -> None:
        """Raise the error that kept shards from being graded: `RunStopped` or `InputError`."""
        for name, failure in self.failures.items():
            if failure.kind == "stopped":
                raise RunStopped(f"{name}: {failure.reason}")
        for failure in self.failures.values():
            if failure.kind == "input":
                raise InputError(failure.reason)
        if self.failures:
            name = min(self.failures)
            others = f"; {len(self.failures) - 1} more" if len(self.failures) > 1 else ""
            raise InputError(f"a shard has no verdicts: {self.failures[name].reason}{others}")


def grade_shards(
    inputs: Sequence[str],
    folder: str,
    setup: GraderSetup,
    *,
    store: Path,
    reading: ReadOptions | None = None,
    part: tuple[int, int] = (1, 1),
    cluster: Cluster | None = None,
    watch: Watch | None = None,
    track: Track = untracked,
) -> ShardedRun:
    """Grade every file that `inputs` name into a file of verdicts of its own.

    A shard that has verdicts by the same graders, of the same content, is left as it is. The classifier neither reads
    nor keeps stored embeddings here: a shard's scores rest on the shard alone, to the last bit.

    Parameters
    ----------
    inputs : sequence of str
        Files, folders, globs, here or in object storage.
    folder : str
        Path or address; made when absent.
    setup : GraderSetup
    store : path
        Where replies are kept.
    reading : ReadOptions, optional
    part : (k, n)
        Do only every n-th shard, from the k-th on: n machines without a cluster share the work.
    cluster : Cluster, optional
        Where the work is done; by default here, one shard after another.
    watch : callable, optional
        Called with every new (request, reply).
    track : Track

    Returns
    -------
    ShardedRun
        With failures of single shards; its ``check`` raises them.

    Raises
    ------
    InputError
        Nothing to grade, graders that cannot be opened, a folder that is none.
    """
    reading = reading or ReadOptions()
    shards = plan_shards(inputs, part=part)
    with Store(store) as opened:
        graders = setup.open(store=opened, watch=watch)
        wanted = _Wanted.of(graders, setup, reading)
        run = ShardedRun()
        works = list(_to_do(shards, folder, wanted, run, track))
        _update_manifest(run, works, folder, part)
        write = partial(WriteShard, folder, wanted.graders, wanted.settings)
        done: Generator[Work]
        if cluster is None:
            done = run_here(works, [GradeShard(lambda: graders, reading), write()])
        else:
            from grader.shards.ray import run_on_ray

            done = run_on_ray(works, setup, reading, write, cluster, store=store, watch=watch)
        try:
            _collect(track(done, "grading shards", len(works)), run)
        finally:
            done.close()
            _update_manifest(run, works, folder, part)
    return run


def run_here(works: Iterable[Work], stages: Sequence[Stage]) -> Generator[Work]:
    """Put one shard after another through all stages, in this process."""
    for work in works:
        done = work
        for stage in stages:
            done = stage(done)
        yield done


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What a finished shard must have been made with."""

    graders: tuple[dict[str, str], ...]
    settings: dict[str, Any]

    @classmethod
    def of(cls, graders: Sequence[Grader], setup: GraderSetup, reading: ReadOptions) -> _Wanted:
        identities = tuple({"name": g.name, "version": g.version, "kind": g.kind} for g in graders)
        repeats = 1 if setup.judge is None else setup.judge.repeats
        return cls(graders=identities, settings={**reading.to_dict(), "repeats": repeats})

    def difference(self, record: ShardRecord) -> str | None:
        """Why a record is not what is wanted."""
        if [dict(g) for g in record.graders] != list(self.graders):
            then, now = (
                ", ".join(f"{g['name']} {g['version']}" for g in graders) for graders in (record.graders, self.graders)
            )
            return f"graded by {then}, now {now}"
        if dict(record.settings) != self.settings:
            return f"graded with {dict(record.settings)}, now {self.settings}"
        return None


def _to_do(shards: Sequence[Shard], folder: str, wanted: _Wanted, run: ShardedRun, track: Track) -> Iterator[Work]:
    """What is not finished yet; the rest is entered into `run`."""
    before, there = read_manifest(folder), set(list_below(folder))
    for shard in track(shards, "looking at shards", len(shards)):
        record = before.records.get(shard.output)
        if shard.output in there and record is None:  # the run ended before it could write its manifest
            record = record_in(beneath(folder, shard.output))
        if shard.output not in there or record is None:
            yield Work(shard=shard)
            continue
        try:
            why = wanted.difference(record) or _change(shard, record)
        except InputError as error:
            run.failures[shard.input] = ShardFailure(kind="shard", reason=str(error))
            continue
        if why is None:
            run.n_kept += 1
            run.records[shard.output] = record
        else:
            run.again[shard.input] = why
            yield Work(shard=shard)


def _change(shard: Shard, record: ShardRecord) -> str | None:
    """Whether the transcripts are others than those that were graded."""
    if record.input_mark is not None and record.input_mark == content_mark(shard.input):
        return None
    with fetched(shard.input) as path:
        try:
            same = sha256_of(path) == record.input_sha256
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror or error})", file=shard.input) from None
    return None if same else "its transcripts were changed"


def _collect(done: Iterable[Work], run: ShardedRun) -> None:
    """Enter finished work, until something stops the whole run."""
    for work in done:
        if work.failure is not None:
            run.failures[work.shard.input] = work.failure
            if work.failure.kind != "shard":
                return
        elif work.record is not None:
            run.n_graded += 1
            run.records[work.shard.output] = work.record


def _update_manifest(run: ShardedRun, works: Sequence[Work], folder: str, part: tuple[int, int]) -> None:
    """Write the run into the folder's manifest, unfinished shards included, so that no rate misses a shard unseen."""
    open_ = (work.shard for work in works if work.shard.output not in run.records)
    failures = {shard.input: "not graded yet" for shard in open_}
    failures |= {name: failure.reason for name, failure in run.failures.items()}
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    add_to_manifest(Manifest(records=run.records, failures=failures, written_at=now), folder, part=part)
