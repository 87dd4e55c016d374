"""Every sampling design, checked by simulation: is the weighted estimate unbiased, does the interval hold.

Two graders look at every pool; labels are drawn in one or two rounds (`labels.draw_sample`), rounds are combined, and
the rate is estimated as `harmrate rate` does. `bias of 1/pi` is that of the plain weighted mean, which is unbiased when
the inclusion probabilities are true; `bias of rate` is that of the printed rate. Both are against each pool's own rate,
in points and (in brackets) in standard errors.

    python -m benchmarks.designs [--designs uniform ...] [--data-sets 1000] [--rates 0.03 0.15] [--workers 1]
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.cells import CLASSIFIER, JUDGES, Accuracy
from calibration import estimate_rate
from calibration.checks import FloatArray
from labels.campaign import pilot_rates
from labels.labelset import LabelSet
from labels.sampling.designs import draw_sample
from labels.sampling.rounds import combine_rounds

SEED = 20261125
RATES = (0.03, 0.15)
POOL = 1_000
HARM = "harm"
# (design, labels) of each round.
Rounds = tuple[tuple[str, int], ...]

DESIGNS: dict[str, Rounds] = {
    "uniform": (("uniform", 150),),
    "flagged-10": (("flagged-10", 150),),
    "flagged-25": (("flagged-25", 150),),
    "flagged-50": (("flagged-50", 150),),
    "disagree-25": (("disagree-25", 150),),
    "stratified": (("stratified", 150),),
    "stratified, then neyman": (("stratified", 60), ("neyman", 90)),
    "flagged-50, then neyman": (("flagged-50", 60), ("neyman", 90)),
    "uniform, then flagged-25": (("uniform", 75), ("flagged-25", 75)),
    "flagged-10, then disagree-25": (("flagged-10", 75), ("disagree-25", 75)),
    "flagged-25, then flagged-50": (("flagged-25", 75), ("flagged-50", 75)),
    "uniform, then most-unlike-training": (("uniform", 110), ("most-unlike-training", 40)),
    # For finding cases: what nobody could draw has no weight, and no rate follows. Shown to be no rate.
    "most-unlike-training": (("most-unlike-training", 150),),
}
NOT_FOR_RATES = frozenset({"most-unlike-training"})


class Pool(NamedTuple):
    """One pool: who is harmful, what either grader says, how unlike the labelled ones each transcript looks."""

    truth: FloatArray
    judge: FloatArray
    classifier: FloatArray
    candidates: pd.DataFrame


class Drawn(NamedTuple):
    """Labels (nan = not drawn) and inclusion probabilities of one campaign."""

    y: FloatArray
    pi: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignRow:
    """One design at one rate.

    Parameters
    ----------
    design : str
    rate : float
    data_sets : int
    labels : float
        Mean number of labelled transcripts.
    answered : float
        Share of campaigns with a point estimate.
    bias, weighted_bias : float
        Mean of the printed rate, and of the weighted mean, minus the pool's rate.
    error, weighted_error : float
        Their standard errors.
    coverage, above, width : float
        Of the interval, for the rate of the process.
    """

    design: str
    rate: float
    data_sets: int
    labels: float
    answered: float
    bias: float
    error: float
    weighted_bias: float
    weighted_error: float
    coverage: float
    above: float
    width: float


def make_pool(rate: float, rng: np.random.Generator, *, size: int = POOL, judge: Accuracy = JUDGES[1]) -> Pool:
    """A fresh pool whose truth is drawn at `rate`, with two graders that err independently."""
    truth = (rng.random(size) < rate).astype(float)
    said = [
        np.where(truth == 1, rng.random(size) < g.sensitivity, rng.random(size) >= g.specificity).astype(float)
        for g in (judge, CLASSIFIER)
    ]
    ids = np.array([f"t{i:05}" for i in range(size)], dtype=object)
    unlike = rng.normal(size=size) + truth
    frames = [
        pd.DataFrame({"transcript_id": ids, "harm": HARM, "grader": name, "flagged": side == 1, "unlikeness": unlike})
        for name, side in zip(("judge", "classifier"), said, strict=True)
    ]
    return Pool(truth, said[0], said[1], pd.concat(frames, ignore_index=True))


def draw(rounds: Rounds, pool: Pool, rng: np.random.Generator) -> Drawn:
    """Label a pool round by round; a Neyman round takes the labels so far for its pilot."""
    judge = pool.candidates[pool.candidates["grader"] == "judge"]
    design: pd.DataFrame | None = None
    for number, (name, n) in enumerate(rounds, 1):
        pilot = None if name != "neyman" or design is None else pilot_rates(design, _labels(design, pool), HARM)
        frame = draw_sample(
            pool.candidates if name.startswith("disagree") else judge,
            n,
            design=name,
            round=number,
            rng=rng,
            pilot=pilot,
            earlier=design,
        )
        design = frame if design is None else combine_rounds(design, frame)
    assert design is not None
    rows = design.set_index("transcript_id").reindex(judge["transcript_id"])
    drawn = rows["drawn"].to_numpy(dtype=bool)
    return Drawn(np.where(drawn, pool.truth, np.nan), rows["inclusion_probability"].to_numpy(dtype=float))


def measure(design: str, rate: float, *, data_sets: int, seed: int = SEED) -> DesignRow:
    """Run the campaigns of one design at one rate."""
    rng = np.random.default_rng([seed, zlib.crc32(f"{design} {rate}".encode())])
    found = np.array([_campaign(DESIGNS[design], rate, rng) for _ in range(data_sets)]).T
    labels, printed, weighted, low, high, truth = found
    answered = ~np.isnan(printed)
    bias, error = _mean_and_error((printed - truth)[answered])
    weighted_bias, weighted_error = _mean_and_error(weighted - truth)
    return DesignRow(
        design=design,
        rate=rate,
        data_sets=data_sets,
        labels=float(labels.mean()),
        answered=float(answered.mean()),
        bias=bias,
        error=error,
        weighted_bias=weighted_bias,
        weighted_error=weighted_error,
        coverage=float(((low <= rate) & (rate <= high)).mean()),
        above=float((high < rate).mean()),
        width=float((high - low).mean()),
    )


def _campaign(rounds: Rounds, rate: float, rng: np.random.Generator) -> tuple[float, ...]:
    """Labels, printed rate, weighted mean, interval, and the pool's own rate."""
    pool = make_pool(rate, rng)
    y, pi = draw(rounds, pool, rng)
    known = ~np.isnan(y)
    scores = np.c_[pool.judge, pool.classifier]
    e = estimate_rate(y, scores, inclusion_probability=pi, method="likelihood-ratio")
    weighted = float((y[known] / pi[known]).sum()) / len(y)
    return float(known.sum()), e.rate, weighted, e.low, e.high, float(pool.truth.mean())


def _labels(design: pd.DataFrame, pool: Pool) -> LabelSet:
    """What one rater who makes no mistake says of the transcripts drawn so far."""
    truth = dict(zip(pool.candidates["transcript_id"], pool.truth, strict=False))
    drawn = design.loc[design["drawn"], "transcript_id"]
    return LabelSet.from_rows([(id_, HARM, "rater", truth[id_]) for id_ in drawn])


def _mean_and_error(values: NDArray[np.float64]) -> tuple[float, float]:
    if values.size < 2:
        return float("nan"), float("nan")
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))


def rows(
    rates: Sequence[float] = RATES,
    designs: Sequence[str] = tuple(DESIGNS),
    *,
    data_sets: int = 1_000,
    workers: int = 1,
    seed: int = SEED,
) -> Iterator[DesignRow]:
    """The designs at all rates; each row has a seed of its own, whichever others are run."""
    cells = [(design, rate) for rate in rates for design in designs]
    run = partial(_measure_cell, data_sets=data_sets, seed=seed)
    if workers == 1:
        yield from map(run, cells)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(run, cells)


def _measure_cell(cell: tuple[str, float], *, data_sets: int, seed: int) -> DesignRow:
    return measure(*cell, data_sets=data_sets, seed=seed)


def report(found: Sequence[DesignRow]) -> str:
    """The rows as a Markdown table."""
    lines = [
        f"{found[0].data_sets} campaigns a row, pool {POOL}, judge and classifier (.8, .95).",
        "",
        "| design | rate | labels | answered | bias of 1/pi | bias of rate | coverage | above | width |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in found:
        mark = " (for finding cases, no rate)" if r.design in NOT_FOR_RATES else ""
        biases = f"{_bias(r.weighted_bias, r.weighted_error)} | {_bias(r.bias, r.error)}"
        ends = f"{r.coverage:.3f} | {r.above:.3f} | {r.width:.4f}"
        lines.append(
            f"| {r.design}{mark} | {100 * r.rate:g} % | {r.labels:.0f} | {r.answered:.3f} | {biases} | {ends} |"
        )
    return "\n".join(lines)


def _bias(bias: float, error: float) -> str:
    """In percentage points, and in standard errors."""
    if np.isnan(bias):
        return "-"
    return f"{100 * bias:+.3f} ({bias / error if error else 0.0:+.1f})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.designs", description=__doc__)
    parser.add_argument("--data-sets", type=int, default=1_000)
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    parser.add_argument("--designs", nargs="+", choices=list(DESIGNS), metavar="DESIGN", default=list(DESIGNS))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    start = time.perf_counter()
    size = {"data_sets": options.data_sets, "workers": options.workers}
    found = list(rows(options.rates, options.designs, **size, seed=options.seed))
    print(report(found))
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
