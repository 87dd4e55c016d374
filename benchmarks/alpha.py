"""Alpha with a bootstrap interval, and a loop over `krippendorff.alpha` beside it: `python -m benchmarks.alpha`.

The loop does what a user of that package would write: resample items, call it, a thousand times. A few resamples are
timed and scaled to all of them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from importlib.metadata import version

import krippendorff
import numpy as np

from benchmarks.results import Found, Measured
from calibration import krippendorff_alpha
from calibration.checks import FloatArray

ITEMS, RATERS, RESAMPLES = 10_000, 5, 1_000
TIMED_RESAMPLES = 20
TIMES_FASTER = 50


def simulated_ratings(items: int, rng: np.random.Generator) -> FloatArray:
    """Ratings of shape (RATERS, items): 5 % harmful, raters who err, a tenth missing.

    Examples
    --------
    >>> simulated_ratings(100, np.random.default_rng(0)).shape
    (5, 100)
    """
    harmful = rng.random(items) < 0.05
    says = rng.random((RATERS, items)) < np.where(harmful, 0.85, 0.03)
    return np.where(rng.random((RATERS, items)) < 0.1, np.nan, says.astype(np.float64))


def seconds_of_ours(ratings: FloatArray, resamples: int) -> float:
    """Seconds for value and interval."""
    start = time.perf_counter()
    alpha = krippendorff_alpha(ratings, n_resamples=resamples, rng=np.random.default_rng(0))
    seconds = time.perf_counter() - start
    if not alpha.low < alpha.value < alpha.high:
        raise RuntimeError("the interval must hold the value.")
    return seconds


def seconds_per_resample_of_loop(ratings: FloatArray, timed: int) -> float:
    """Seconds that the loop takes for one resample."""
    rng = np.random.default_rng(0)
    start = time.perf_counter()
    for _ in range(timed):
        drawn = rng.integers(ratings.shape[1], size=ratings.shape[1])
        krippendorff.alpha(reliability_data=ratings[:, drawn], level_of_measurement="nominal")
    return (time.perf_counter() - start) / timed


def measured(*, items: int = ITEMS, resamples: int = RESAMPLES, timed: int = TIMED_RESAMPLES) -> Found:
    """Time both."""
    ratings = simulated_ratings(items, np.random.default_rng(0))
    row = Measured(
        what=f"alpha, {items:,} items x {RATERS} raters, {resamples:,} bootstrap resamples",
        value=min(seconds_of_ours(ratings, resamples) for _ in range(3)),
        unit="s",
        against=f"a loop over krippendorff.alpha {version('krippendorff')} (scaled from {timed} resamples)",
        peer=seconds_per_resample_of_loop(ratings, timed) * resamples,
        limit=TIMES_FASTER,
    )
    return Found(rows=[row])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alpha", description=__doc__)
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--resamples", type=int, default=RESAMPLES)
    options = parser.parse_args(arguments)
    print(*measured(items=options.items, resamples=options.resamples).rows)


if __name__ == "__main__":
    main()
