"""Time and memory of the rates of a large study: `python -m benchmarks.rates`.

A million transcripts, three harms, twenty groups: sixty rates from rows, through `calibration.estimate_rate`. Measured
in a process of its own, whose peak memory is the benchmark's. Beside: the least that anybody could do, pandas' means of
what the judge says, without labels and intervals.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.children import module, peak_megabytes
from benchmarks.results import Found, Measured
from calibration import estimate_rate
from calibration.checks import FloatArray
from calibration.rates.methods import Method
from calibration.rates.strata_rules import IntArray

TRANSCRIPTS, HARMS, GROUPS, LABELED = 1_000_000, 3, 20, 20_000
SECONDS, MEGABYTES = 5.0, 1_500.0
OUR_METHODS: tuple[Method, ...] = ("post-stratified", "likelihood-ratio")


def simulated_pool(transcripts: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray, FloatArray, float]:
    """Group of each transcript, and per harm the judge's side and the labels (nan where there is none).

    Returns
    -------
    group : array of shape (transcripts,)
    score, y : arrays of shape (HARMS, transcripts)
    inclusion_probability : float
    """
    group = rng.integers(GROUPS, size=transcripts)
    harmful = rng.random((HARMS, transcripts)) < 0.02
    score = np.where(rng.random((HARMS, transcripts)) < np.where(harmful, 0.8, 0.05), 1.0, 0.0)
    share = LABELED / TRANSCRIPTS
    y = np.where(rng.random(transcripts) < share, harmful.astype(np.float64), np.nan)
    return group, score, y, share


def all_rates(group: IntArray, score: FloatArray, y: FloatArray, share: float, method: Method) -> FloatArray:
    """Rate, low and high of every harm in every group: shape (HARMS, GROUPS, 3).

    Examples
    --------
    >>> pool = simulated_pool(200_000, np.random.default_rng(0))
    >>> all_rates(*pool, "post-stratified").shape
    (3, 20, 3)
    """
    # One sort, then every group is a slice.
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange(GROUPS + 1))
    answers = np.empty((len(y), GROUPS, 3))
    for h, (score_h, y_h) in enumerate(zip(score[:, order], y[:, order], strict=True)):
        for g, (start, stop) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
            part = slice(start, stop)
            known = np.full(stop - start, share)
            estimate = estimate_rate(y_h[part], score_h[part], inclusion_probability=known, method=method)
            answers[h, g] = estimate.rate, estimate.low, estimate.high
    return answers


def measure(transcripts: int) -> dict[str, float]:
    """Seconds per method and of pandas' means of what the judge says; peak memory in MB before the latter."""
    pool = simulated_pool(transcripts, np.random.default_rng(0))
    seconds: dict[str, float] = {}
    for method in OUR_METHODS:
        start = time.perf_counter()
        answers = all_rates(*pool, method)
        seconds[method] = time.perf_counter() - start
        if not (answers[..., 1] <= answers[..., 2]).all():
            raise RuntimeError("low must not exceed high.")
    megabytes = peak_megabytes()
    group, score, *_ = pool
    start = time.perf_counter()
    pd.DataFrame(score.T).groupby(group).mean()
    return {**seconds, "megabytes": megabytes, "pandas": time.perf_counter() - start}


def measured(*, transcripts: int = TRANSCRIPTS) -> Found:
    """Measure in a process of its own."""
    _, found = module("rates", "--child", transcripts)
    made = f"{transcripts:,} transcripts x {HARMS} harms x {GROUPS} groups"
    versus = "pandas, means without labels"
    rows = [Measured(what=f"{made}, {m}", value=found[m], unit="s", limit=SECONDS) for m in OUR_METHODS]
    for method in OUR_METHODS:
        told = f"the same, {made}, {method}"
        rows.append(Measured(what=told, value=found[method], unit="s", against=versus, peer=found["pandas"]))
    memory = found["megabytes"]
    return Found(rows=[*rows, Measured(what=f"peak memory, {made}", value=memory, unit="MB", limit=MEGABYTES)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rates", description=__doc__)
    parser.add_argument("--transcripts", type=int, default=TRANSCRIPTS)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        print(json.dumps(measure(options.child)))
        return
    for row in measured(transcripts=options.transcripts).rows:
        print(row)


if __name__ == "__main__":
    main()
