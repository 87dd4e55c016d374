"""A small simulation of the promise in every run of the tests: intervals hold the truth as often as they say.

`make coverage-sim` runs all cells at full size.
"""

import pytest
from scipy.stats import binom

from benchmarks.cells import BLOCKS
from benchmarks.coverage import Plan, run_cell
from benchmarks.outcomes import LEVEL

DATA_SETS = 250
# A sound cell fails about once in a thousand runs with new seeds; with this one it never does.
CHANCE = 1e-3


def most_misses(level: float, n: int) -> int:
    """Misses that an interval of that level exceeds with `CHANCE` only."""
    return int(binom.isf(CHANCE, n, 1 - level))


def misses(cell, methods: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """Intervals without the truth, and intervals, by method."""
    plan = Plan(methods=methods, data_sets=DATA_SETS, again=0)
    found = {row.method: (row.data_sets * row.answered, row.coverage) for row in run_cell(cell, plan)}
    return {name: (round(n * (1 - coverage)), round(n)) for name, (n, coverage) in found.items()}


@pytest.mark.parametrize("block", list(BLOCKS))
def test_intervals_hold_the_truth_within_a_binomial_band(block):
    cells = BLOCKS[block]()
    for cell in cells[:: max(len(cells) // 4, 1)]:
        for name, (missed, n) in misses(cell, ("post-stratified", "likelihood-ratio")).items():
            assert n > DATA_SETS // 2, (name, cell)
            assert missed <= most_misses(LEVEL, n), (name, cell)


def test_the_band_catches_intervals_that_do_not():
    cells = [cell for cell in BLOCKS["regimes"]() if cell.rate <= 0.01][:2]
    for cell in cells:
        missed, n = misses(cell, ("ppi",))["ppi"]
        assert missed > most_misses(LEVEL, n)
