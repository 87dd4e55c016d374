"""A Ray cluster: one that runs already, or one of this machine that is started for the run."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from grader.errors import InputError

# Ray's memory for what is on its way between workers. Of shards only verdicts travel, never transcripts.
_OBJECT_STORE = 500_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where workers run.

    Parameters
    ----------
    address : str, optional
        Of a running cluster, as ``ray.init`` takes it; by default one is started on this machine.
    workers : int, optional
        Most workers of each pool; by default one for each CPU.
    gpus : float, optional
        GPUs of one classifier; by default 1 where the cluster has any.
    """

    address: str | None = None
    workers: int | None = None
    gpus: float | None = None


@contextmanager
def connected(cluster: Cluster) -> Iterator[Any]:
    """The module ``ray``, connected to the cluster; one that is connected already is used as it is, and stays so."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no usage statistics leave the machine
    try:
        ray = importlib.import_module("ray")
        importlib.import_module("ray.data")
    except ImportError:
        raise InputError("--engine ray needs Ray: pip install 'harmrate[ray]'") from None
    if ray.is_initialized():
        yield ray
        return
    settings: dict[str, Any] = {"address": cluster.address}
    if cluster.address is None:
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # errors are reported per shard
        settings |= {"num_cpus": cluster.workers, "include_dashboard": False, "object_store_memory": _OBJECT_STORE}
    try:
        ray.init(**settings, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"no Ray cluster at {cluster.address or 'this machine'}: {error}") from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.max_errored_blocks = -1  # one shard that fails takes no other with it
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    try:
        yield ray
    finally:
        ray.shutdown()
