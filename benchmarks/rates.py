"""Time and memory of the rates of a large study: `python -m benchmarks.rates`.

A million transcripts, three harms, twenty groups: sixty rates from rows, through `calibration.estimate_rate`. Measured
in a process of its own, whose peak memory is the benchmark's.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np

from calibration import estimate_rate
from calibration.checks import FloatArray
from calibration.choosing import IntArray
from calibration.methods import Method

TRANSCRIPTS, HARMS, GROUPS, LABELED = 1_000_000, 3, 20, 20_000
SECONDS, GIGABYTES = 5.0, 1.5
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
    """Seconds per method, and peak memory in GB of this process."""
    pool = simulated_pool(transcripts, np.random.default_rng(0))
    seconds: dict[str, float] = {}
    for method in OUR_METHODS:
        start = time.perf_counter()
        answers = all_rates(*pool, method)
        seconds[method] = time.perf_counter() - start
        if not (answers[..., 1] <= answers[..., 2]).all():
            raise RuntimeError("low must not exceed high.")
    # Linux counts in kB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return {**seconds, "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9}


def report(*, transcripts: int = TRANSCRIPTS) -> str:
    """Measure in a child process and say it in Markdown."""
    command = [sys.executable, "-m", "benchmarks.rates", "--child", str(transcripts)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    lines = [
        f"- {transcripts:,} transcripts x {HARMS} harms x {GROUPS} groups, {method}: {found[method]:.2f} s, "
        f"at most {SECONDS:g} s: {'held' if found[method] <= SECONDS else 'NOT HELD'}"
        for method in OUR_METHODS
    ]
    word = "held" if found["gigabytes"] <= GIGABYTES else "NOT HELD"
    return "\n".join([*lines, f"- peak memory {found['gigabytes']:.2f} GB, at most {GIGABYTES:g} GB: {word}"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rates", description=__doc__)
    parser.add_argument("--transcripts", type=int, default=TRANSCRIPTS)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    print(json.dumps(measure(options.child)) if options.child else report(transcripts=options.transcripts))


if __name__ == "__main__":
    main()
