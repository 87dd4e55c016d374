"""Simulated labelling campaigns, many at a time: counts by what both graders say, never rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import multivariate_normal

from benchmarks.cells import Cell
from calibration.checks import FloatArray
from calibration.rates.strata_rules import IntArray

# The largest scenario holds this many times the transcripts of the smallest.
SIZE_SPREAD = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaigns:
    """Data sets of one cell.

    Parameters
    ----------
    cell : Cell
    size, n, y : arrays of shape (data_sets, 2, 2, scenarios)
        Transcripts, labels and harmful labels by judge (flagged first), classifier (flagged first) and scenario (one
        where transcripts are independent).
    human_n, human_y : arrays of shape (data_sets, scenarios)
        Labels and harmful labels of a uniform sample of the same size from the same pool, which is what labelling
        without any grader would be. The very labels of `n` where those are uniform.
    pool_rate : array of shape (data_sets,)
        Share of harmful transcripts in each pool.
    """

    cell: Cell
    size: IntArray
    n: IntArray
    y: IntArray
    human_n: IntArray
    human_y: IntArray
    pool_rate: FloatArray

    def __len__(self) -> int:
        return len(self.size)

    def first(self, data_sets: int) -> Campaigns:
        """The first data sets alone."""
        names = ("size", "n", "y", "human_n", "human_y", "pool_rate")
        return Campaigns(cell=self.cell, **{name: getattr(self, name)[:data_sets] for name in names})


def class_shares(cell: Cell) -> FloatArray:
    """Probability of what (judge, classifier) say given the truth: shape (2, 2, 2), harmful first, flagged first.

    Examples
    --------
    >>> from benchmarks.cells import regimes
    >>> class_shares(regimes()[0])[0].sum(1).round(4)
    array([0.95, 0.05])
    """
    judge, classifier = cell.judge, cell.classifier
    harmful = _joint(judge.sensitivity, classifier.sensitivity, cell.correlation)
    harmless = _joint(1 - judge.specificity, 1 - classifier.specificity, cell.correlation)
    return np.stack([(1 - cell.blind) * harmful + cell.blind * harmless, harmless])


def simulate(cell: Cell, data_sets: int, rng: np.random.Generator) -> Campaigns:
    """Draw pools, verdicts and labels.

    Every data set has a fresh pool, so that its truth is the rate of the process.

    Parameters
    ----------
    cell : Cell
    data_sets : int
    rng : numpy Generator

    Returns
    -------
    Campaigns

    Examples
    --------
    >>> from benchmarks.cells import regimes
    >>> campaigns = simulate(regimes()[0], 3, np.random.default_rng(0))
    >>> campaigns.size.sum((1, 2, 3)), campaigns.n.sum((1, 2, 3))
    (array([1000, 1000, 1000]), array([50, 50, 50]))
    """
    counts = _pools(cell, data_sets, rng)
    n_labels = np.full(data_sets, cell.labels)
    if cell.flagged_share is None:
        drawn = _draw(counts, n_labels, rng)
        human = drawn
    else:
        flagged = np.minimum(round(cell.flagged_share * cell.labels), counts[:, :, 0].sum((1, 2, 3)))
        drawn = np.empty_like(counts)
        drawn[:, :, 0] = _draw(counts[:, :, 0], flagged, rng)
        drawn[:, :, 1] = _draw(counts[:, :, 1], n_labels - flagged, rng)
        human = _draw(counts, n_labels, rng)
    by_scenario = human.sum((2, 3))
    return Campaigns(
        cell=cell,
        size=counts.sum(1),
        n=drawn.sum(1),
        y=drawn[:, 0],
        human_n=by_scenario.sum(1),
        human_y=by_scenario[:, 0],
        pool_rate=counts[:, 0].sum((1, 2, 3)) / cell.pool,
    )


def _pools(cell: Cell, data_sets: int, rng: np.random.Generator) -> IntArray:
    """Transcripts of shape (data_sets, harmful, judge, classifier, scenario)."""
    shares = class_shares(cell)
    if cell.scenarios:
        # Beta rates have exactly this correlation inside a scenario: var / (p (1 - p)) = 1 / (a + b + 1).
        strength = 1 / cell.icc - 1
        a, b = cell.rate * strength, (1 - cell.rate) * strength
        rates = rng.beta(a, b, size=(data_sets, cell.scenarios))
        sizes = _unequal_sizes(cell.pool, cell.scenarios)
    else:
        rates = np.full((data_sets, 1), cell.rate)
        sizes = np.array([cell.pool])
    truth = np.stack([rates, 1 - rates], axis=-1)
    counts = rng.multinomial(sizes, (truth[..., None, None] * shares).reshape(*rates.shape, 8))
    return np.moveaxis(counts.reshape(*rates.shape, 2, 2, 2), 1, -1)


def _unequal_sizes(pool: int, scenarios: int) -> IntArray:
    """Sizes that rise evenly from the smallest scenario to the largest and sum to the pool."""
    edges = np.cumsum(np.linspace(1, SIZE_SPREAD, scenarios))
    return np.diff(np.round(pool * edges / edges[-1]).astype(np.int64), prepend=0)


def _draw(counts: IntArray, n: IntArray, rng: np.random.Generator) -> IntArray:
    """Sample n transcripts of each data set without replacement: counts of the same shape as `counts`.

    A multivariate hypergeometric draw class by class, vectorised over data sets.
    """
    classes = counts.reshape(len(counts), -1)
    drawn = np.zeros_like(classes)
    rest, left = classes.sum(1), n.copy()
    for c in range(classes.shape[1]):
        rest = rest - classes[:, c]
        drawn[:, c] = rng.hypergeometric(classes[:, c], rest, left)
        left = left - drawn[:, c]
    return drawn.reshape(counts.shape)


def _joint(first: float, second: float, correlation: float) -> FloatArray:
    """Joint probabilities of two yes/no answers (yes first) under a Gaussian copula."""
    if correlation == 0:
        both = first * second
    else:
        normal = multivariate_normal(mean=[0, 0], cov=[[1, correlation], [correlation, 1]])
        both = float(normal.cdf([ndtri(first), ndtri(second)]))
    return np.array([[both, first - both], [second - both, 1 - first - second + both]])
