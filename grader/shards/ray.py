"""Grading on a Ray cluster: Ray Data carries shards through pools of workers, which call the local engine's stages.

A worker is an actor that holds its graders. Ray restarts a lost one and gives its shard, and only that, to another
try; what judges had answered by then is in the machine's store.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.graders import GraderSetup
from grader.judge.clients.protocol import Reply, Request
from grader.judge.money.prices import load_prices
from grader.judge.setup import JudgeSetup, Watch
from grader.shards.cluster import Cluster, connected
from grader.shards.shared_limits import LimitedClient, Limits
from grader.shards.stages import GradeShard, ReadOptions, ShardFailure, Work, WriteShard
from grader.shards.worker_stores import WorkerStore, join_stores, snapshot, store_of
from grader.store.store import Store
from grader.verdict.records import Grader

# How often a shard is begun; one that kills every worker is given up.
_TRIES = 4

Call = Callable[..., Any]


def run_on_ray(
    works: Sequence[Work],
    setup: GraderSetup,
    reading: ReadOptions,
    write: Callable[[], WriteShard],
    cluster: Cluster,
    *,
    store: Path,
    watch: Watch | None = None,
) -> Generator[Work]:
    """Yield finished work as it comes, in any order; work that was lost with its worker has a failure.

    Parameters
    ----------
    works : sequence of Work
    setup : GraderSetup
        The classifier has a pool of its own, so that judges wait for no GPU.
    reading : ReadOptions
    write : callable
        Makes the last stage.
    cluster : Cluster
    store : path
        Where replies are kept on this machine; other machines have a file beside it with their name.
    watch : callable, optional
        Called with model and usage of every new reply.

    Raises
    ------
    InputError
        Ray is not installed, the cluster cannot be reached, or the judge cannot be asked from there.
    """
    if not works:
        return
    if setup.judge is not None and setup.judge.transport == "batch":
        raise InputError("--batch and --engine ray do not go together: a batch is sent from one place")
    join_stores(store)
    lost = {work.shard.output: work for work in works}
    with connected(cluster) as ray, snapshot(store, "made" if _is_wide(ray) else "not needed") as seen:
        limits = None if setup.judge is None else _limits(ray, setup.judge)
        open_graders = partial(_open, store=store.resolve(), seen=seen, driver=socket.gethostname(), limits=limits)
        pools: list[tuple[GraderSetup, list[Callable[[], Any]]]] = [
            (part, [partial(GradeShard, partial(open_graders, part), reading)]) for part in _parts(setup)
        ]
        pools[-1][1].append(write)
        try:
            for row in _dataset(ray, works, pools, cluster).iter_rows():
                _tell_paid(ray, limits, watch)
                lost.pop(row["work"].shard.output)
                yield row["work"]
        finally:
            _tell_paid(ray, limits, watch)
            join_stores(store)
    for work in lost.values():
        failure = ShardFailure(kind="shard", reason=f"{work.shard.input}: failed at its worker; see Ray's logs")
        yield replace(work, failure=failure)


def _dataset(ray: Any, works: Sequence[Work], pools: Sequence[tuple[GraderSetup, Any]], cluster: Cluster) -> Any:
    """The work, one shard a block, on its way through pools of workers; nothing is done before it is read."""
    tries = ray.remote(_Tries).options(num_cpus=0).remote()
    data = ray.data.from_items([{"work": work} for work in works], override_num_blocks=len(works))
    for index, (part, makers) in enumerate(pools):
        needs = _pool(ray, part, cluster, len(works))
        data = data.map(_Stages, fn_constructor_args=(makers, index, tries), **needs)
    return data


class _Stages:
    """A worker: stages that are made once and called with one row of a dataset after another."""

    def __init__(self, makers: Sequence[Callable[[], Any]], pool: int, tries: Any) -> None:
        self.stages = [make() for make in makers]
        self.pool = pool
        self.tries = tries

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        work = row["work"]
        if self._tried(work) > _TRIES:
            reason = f"{work.shard.input}: its worker was lost {_TRIES} times"
            work = replace(work, rows=(), failure=ShardFailure(kind="shard", reason=reason))
        for stage in self.stages:
            work = stage(work)
        return {"work": work}

    def _tried(self, work: Work) -> int:
        ray = importlib.import_module("ray")
        n: int = ray.get(self.tries.begin.remote((self.pool, work.shard.output)))
        return n


class _Tries:
    """Counts how often each shard was begun: Ray would give one that kills its worker to others without end."""

    def __init__(self) -> None:
        self._n: Counter[tuple[int, str]] = Counter()

    def begin(self, what: tuple[int, str]) -> int:
        self._n[what] += 1
        return self._n[what]


def _is_wide(ray: Any) -> bool:
    """Whether the cluster has other machines than this one."""
    return any(node["Alive"] and node["NodeManagerHostname"] != socket.gethostname() for node in ray.nodes())


def _parts(setup: GraderSetup) -> list[GraderSetup]:
    """What each pool of workers does: the classifier first, then all else."""
    without = replace(setup, classifier=None)
    alone = GraderSetup(rubrics=setup.rubrics, classifier=setup.classifier)
    if setup.classifier is None:
        return [without]
    return [alone] if setup.judge is None and setup.gate == "none" else [alone, without]


def _pool(ray: Any, part: GraderSetup, cluster: Cluster, n_works: int) -> dict[str, Any]:
    """How many workers a part has, and what each of them needs."""
    resources = ray.cluster_resources()
    most = cluster.workers or max(1, int(resources.get("CPU", 1)))
    needs: dict[str, Any] = {"num_cpus": 0}  # a judge waits for the network
    if part.classifier is not None:
        gpus = cluster.gpus if cluster.gpus is not None else min(1.0, resources.get("GPU", 0.0))
        needs = {"num_gpus": gpus} if gpus else {"num_cpus": 1}
    # One shard at a time: another would wait at a worker that is lost.
    pool = ray.data.ActorPoolStrategy(
        min_size=1, initial_size=min(most, n_works), max_size=most, max_tasks_in_flight_per_actor=1
    )
    return {"compute": pool, **needs}


def _limits(ray: Any, judge: JudgeSetup) -> Any:
    """The actor that holds the limits; it lives as long as the run."""
    actor = ray.remote(Limits).options(num_cpus=0, max_concurrency=100_000)
    return actor.remote(judge.concurrency, load_prices(judge.prices), judge.max_cost)


def _open(part: GraderSetup, *, store: Path, seen: Path | None, driver: str, limits: Any) -> list[Grader]:
    """A worker's graders; its judges keep to the common limits."""
    if part.judge is None or limits is None:
        return part.open()
    ray = importlib.import_module("ray")
    holder = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    ray.get(limits.arrive.remote(ray.get_runtime_context().get_actor_id(), holder))

    async def call(name: str, *given: Any) -> Any:
        return await asyncio.wrap_future(getattr(limits, name).remote(*given).future())

    host = socket.gethostname()
    kept = Store(store) if host == driver else WorkerStore(store_of(store, host), seen)
    # The money is counted where the limits are.
    unlimited = replace(part, judge=replace(part.judge, max_cost=None))
    return unlimited.open(store=kept, through=lambda client: LimitedClient(client, call, holder))


def _tell_paid(ray: Any, limits: Any, watch: Watch | None) -> None:
    if limits is None or watch is None:
        return
    for model, usage in ray.get(limits.paid.remote()):
        request = Request(key="", transcript_id="", content_hash="", harms=(), repeat=0, params={"model": model})
        watch(request, Reply(message={"model": model, "usage": usage}))
