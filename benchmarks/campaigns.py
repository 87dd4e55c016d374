"""Whole campaigns as people run them, through the public function: how often intervals hold, and how wide they are.

Several harms share one sample that is drawn by "flagged for any harm", so that inside a harm's own strata labels have
unequal probabilities; some transcripts are unscored; a classifier may look, too.

    python -m benchmarks.campaigns [--data-sets 400] [--seed 20261123]
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calibration import estimate_rate
from calibration.rates.methods import Method

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

Second = Literal["none", "classifier"]

METHODS: tuple[Method, ...] = ("human-only", "post-stratified", "likelihood-ratio")
POOL = 2000
SEED = 20261123


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """One kind of campaign.

    Parameters
    ----------
    rate : float
        Of the harm.
    n : int
        Labels.
    judge : (float, float)
        Sensitivity and specificity.
    other : float
        Share of transcripts flagged for another harm.
    share : float
        Of the labels, on transcripts flagged for any harm.
    enrich : float
        How much likelier a harmful transcript is to be flagged for another harm, too.
    unscored : float
        Share of transcripts on which the judge fails.
    second : {"none", "classifier"}
    """

    rate: float
    n: int
    judge: tuple[float, float]
    other: float
    share: float
    enrich: float
    unscored: float
    second: Second


def campaigns() -> Iterator[Campaign]:
    """The grid."""
    rates, sizes = (0.002, 0.01, 0.03, 0.15, 0.5), (50, 150)
    judges = ((0.8, 0.95), (0.6, 0.9))
    drawn = ((0.1, 0.5, 1.0), (0.05, 0.4, 5.0))
    seconds: tuple[Second, ...] = ("none", "classifier")
    for rate, n, judge, (other, share, enrich), second in itertools.product(rates, sizes, judges, drawn, seconds):
        yield Campaign(
            rate=rate, n=n, judge=judge, other=other, share=share, enrich=enrich, unscored=0.03, second=second
        )


def draw(c: Campaign, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Labels, scores and inclusion probabilities of one campaign."""
    truth = rng.random(POOL) < c.rate
    says = np.where(truth, rng.random(POOL) < c.judge[0], rng.random(POOL) >= c.judge[1]).astype(float)
    says[rng.random(POOL) < c.unscored] = np.nan
    other = rng.random(POOL) < np.where(truth, min(1.0, c.other * c.enrich), c.other)
    flagged = (says == 1) | other
    pi = np.zeros(POOL)
    y = np.full(POOL, np.nan)
    n_flagged = min(round(c.n * c.share), int(flagged.sum()))
    for members, k in ((np.flatnonzero(flagged), n_flagged), (np.flatnonzero(~flagged), c.n - n_flagged)):
        pi[members] = k / max(members.size, 1)
        chosen = rng.choice(members, min(k, members.size), replace=False)
        y[chosen] = truth[chosen]
    if c.second == "none":
        return y, says[:, None], pi
    # A classifier with an area under the curve of .9, cut where it flags a tenth.
    score = rng.normal(size=POOL) + 1.81 * truth
    return y, np.c_[says, score >= np.quantile(score, 0.9)], pi


def report(data_sets: int = 400, *, seed: int = SEED) -> str:
    """Coverage, misses above and width relative to the post-stratified interval, by rate."""
    lines = [
        f"{data_sets} data sets a campaign, seed {seed}, pool {POOL}",
        "rate  method  campaigns  min. coverage (mean)  max. above  mean width  used as asked",
    ]
    for rate, block in itertools.groupby(enumerate(campaigns()), key=lambda pair: pair[1].rate):
        rows: dict[str, list[tuple[float, ...]]] = {}
        for number, c in block:
            rng = np.random.default_rng([seed, number])
            drawn = [draw(c, rng) for _ in range(data_sets)]
            for method in METHODS:
                rows.setdefault(method, []).append(measured(c, drawn, method))
        for name, cells in rows.items():
            held, above, width, used = np.array(cells).T
            ends = f"{held.min():.3f} ({held.mean():.3f})  {above.max():.3f}"
            lines.append(f"{rate:g}  {name}  {len(cells)}  {ends}  {width.mean():.4f}  {used.mean():.3f}")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-sets", type=int, default=400)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    start = time.perf_counter()
    print(report(options.data_sets, seed=options.seed))
    print(f"{time.perf_counter() - start:.0f} s")


def measured(c: Campaign, drawn: list[tuple[Floats, Floats, Floats]], method: Method) -> tuple[float, ...]:
    """Share of intervals that hold the rate, share below it, mean width, share computed by the method asked for."""
    found = [
        estimate_rate(y, score, inclusion_probability=np.where(pi > 0, pi, np.nan), method=method)
        for y, score, pi in drawn
    ]
    low, high = (np.array([getattr(e, end) for e in found]) for end in ("low", "high"))
    held = (low <= c.rate) & (c.rate <= high)
    used = np.mean([e.method == method for e in found])
    return float(held.mean()), float((high < c.rate).mean()), float((high - low).mean()), float(used)


if __name__ == "__main__":
    main()
