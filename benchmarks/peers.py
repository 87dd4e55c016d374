"""Other people's packages in the same table, where they are installed; the project depends on none of them.

Each answers from rows: labels, the judge's sides where labelled, the judge's sides elsewhere. All of them take labels
that were drawn uniformly.
"""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from benchmarks.methods import Method, truth_of
from benchmarks.outcomes import LEVEL, Outcome, outcome_of_limits
from benchmarks.simulate import Campaigns
from benchmarks.tables import by_judge
from calibration.checks import FloatArray
from calibration.rates.intervals import Limits
from calibration.records import Target

Ends = tuple[float, float]
# (package, y, y_hat, y_hat_unlabeled) -> low, high
Adapter = Callable[[Any, FloatArray, FloatArray, FloatArray], Ends]

BOOTSTRAP = 1_000


class Peer(NamedTuple):
    """Where a peer is imported from, how it is asked, and in how many data sets of a cell: rows are slow."""

    module: str
    adapter: Adapter
    data_sets: int = 100


def _ppi_python(package: Any, y: FloatArray, y_hat: FloatArray, y_hat_unlabeled: FloatArray) -> Ends:
    low, high = package.ppi_mean_ci(y, y_hat, y_hat_unlabeled, alpha=1 - LEVEL)
    return float(np.squeeze(low)), float(np.squeeze(high))


def _judgy(package: Any, y: FloatArray, y_hat: FloatArray, y_hat_unlabeled: FloatArray) -> Ends:
    answer = package.estimate_success_rate(
        y, y_hat, y_hat_unlabeled, bootstrap_iterations=BOOTSTRAP, confidence_level=LEVEL
    )
    return float(answer[1]), float(answer[2])


def _truescore(package: Any, y: FloatArray, y_hat: FloatArray, y_hat_unlabeled: FloatArray) -> Ends:
    answer = package.ppi_estimate(np.concatenate([y_hat, y_hat_unlabeled]), y, np.arange(len(y)), alpha=1 - LEVEL)
    return float(answer.low), float(answer.high)


def _fewhumans(package: Any, y: FloatArray, y_hat: FloatArray, y_hat_unlabeled: FloatArray) -> Ends:
    answer = package.ppi_plus_mean(y_hat_unlabeled, y, y_hat, confidence=LEVEL)
    return float(answer.lo), float(answer.hi)


def _cje(package: Any, y: FloatArray, y_hat: FloatArray, y_hat_unlabeled: FloatArray) -> Ends:
    labels = np.concatenate([y, np.full(len(y_hat_unlabeled), np.nan)])
    answer = package.calibrated_mean_ci(np.concatenate([y_hat, y_hat_unlabeled]), labels, alpha=1 - LEVEL)
    return float(answer.ci[0]), float(answer.ci[1])


# By name of the distribution.
ADAPTERS: dict[str, Peer] = {
    "ppi-python": Peer("ppi_py", _ppi_python),
    "judgy": Peer("judgy", _judgy),
    "truescore": Peer("truescore", _truescore),
    "fewhumans": Peer("fewhumans.estimators.pp_plus", _fewhumans),
    "cje-eval": Peer("cje", _cje, 30),
}


def _run(peer: Peer) -> Callable[[Campaigns, Target], Outcome]:
    def run(campaigns: Campaigns, target: Target) -> Outcome:
        package = importlib.import_module(peer.module)
        ends = [_ends(package, peer.adapter, *rows) for rows in zip(*_rows(campaigns), strict=True)]
        low, high = np.array(ends).T
        return outcome_of_limits(Limits(np.full(len(ends), np.nan), low, high), truth_of(campaigns, target))

    return run


def _rows(campaigns: Campaigns) -> tuple[list[FloatArray], list[FloatArray], list[FloatArray]]:
    """Labels, sides where labelled and sides elsewhere of every data set."""
    says = np.array([1.0, 0.0])
    size, n, y = (a.astype(np.int64) for a in by_judge(campaigns))
    labels = [
        np.repeat([1.0, 0.0] * 2, np.column_stack([yes, all_ - yes]).ravel()) for all_, yes in zip(n, y, strict=True)
    ]
    return labels, [np.repeat(says, k) for k in n], [np.repeat(says, k) for k in size - n]


def _ends(package: Any, adapter: Adapter, y: FloatArray, y_hat: FloatArray, y_hat_unlabeled: FloatArray) -> Ends:
    # A peer that refuses is no answer; what it warns of on the way is its business.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            return adapter(package, y, y_hat, y_hat_unlabeled)
        except (ValueError, RuntimeError, ZeroDivisionError, np.linalg.LinAlgError):
            return float("nan"), float("nan")
        finally:
            logging.disable(logging.NOTSET)


PEERS: dict[str, Method] = {
    name: Method(run=_run(peer), uniform_only=True, max_data_sets=peer.data_sets) for name, peer in ADAPTERS.items()
}


def installed_peers() -> tuple[list[str], list[str]]:
    """Names of the peers that are installed, and of those that are not."""
    there = [name for name, peer in ADAPTERS.items() if find_spec(peer.module.split(".")[0]) is not None]
    return there, [name for name in ADAPTERS if name not in there]
