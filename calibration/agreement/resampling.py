"""Intervals for agreement coefficients: a posterior for two binary raters, a bootstrap for the rest.

Both work on sums of features over items (`calibration.agreement.coefficients`), so that a thousand resamples are one
matrix
product over the distinct items instead of a thousand recomputations.
"""

from __future__ import annotations

import numpy as np

from calibration.agreement.coefficients import Coefficient
from calibration.agreement.ratings import Floats, Ints, Ratings
from calibration.rates.weighting import Weighting

N_DRAWS = 20_000
PRIOR = 0.5
BLOCK = 4_000_000  # numbers held at once by a block of resamples


def resampled_values(
    coefficient: Coefficient, features: Floats, design: Weighting, *, n_resamples: int, rng: np.random.Generator
) -> Floats:
    """Coefficient in `n_resamples` bootstrap samples of scenarios, or of items within their strata.

    Parameters
    ----------
    features : array of shape (n_items, n_features)

    Notes
    -----
    Of n units n - 1 are drawn and scaled up by n / (n - 1), which makes the variance right in small strata, too
    (Rao & Wu 1988, JASA 83:231). Scenarios are drawn whole, whatever their strata.
    """
    units = design.weight[:, None] * features
    if design.cluster is None:
        strata = [units[design.stratum == h] for h in np.unique(design.stratum)]
    else:
        strata = [_sum_by(design.cluster, units)]
    sums = np.zeros((n_resamples, features.shape[1]))
    for stratum in strata:
        sums += _resampled_sums(stratum, n_resamples, rng)
    return coefficient.value(sums)


def _sum_by(codes: Ints, rows: Floats) -> Floats:
    groups, inverse = np.unique(codes, return_inverse=True)
    sums = np.zeros((len(groups), rows.shape[1]))
    np.add.at(sums, inverse, rows)
    return sums


def _resampled_sums(units: Floats, n_resamples: int, rng: np.random.Generator) -> Floats:
    """Sums over resamples of units; equal units are drawn together, which is the same thing and much faster."""
    n = len(units)
    if n < 2:
        return np.broadcast_to(units.sum(axis=0), (n_resamples, units.shape[1]))
    distinct, frequency = np.unique(units, axis=0, return_counts=True)
    block = max(1, BLOCK // len(distinct))
    sums = [
        rng.multinomial(n - 1, frequency / n, size=min(block, n_resamples - start)) @ distinct
        for start in range(0, n_resamples, block)
    ]
    return np.concatenate(sums) * (n / (n - 1))


def linearised_stderr(coefficient: Coefficient, features: Floats, design: Weighting) -> float:
    """Standard error from the influence of every item (infinitesimal jackknife); nan with one unit.

    Notes
    -----
    The derivative of the coefficient in the direction of each item's features, by central differences; squares are
    summed within strata, or over scenarios. For complete ratings this is the linearised variance that Gwet (2014)
    writes out coefficient by coefficient, and the delta method of Cohen's kappa.
    """
    units = design.weight[:, None] * features
    if design.cluster is not None:
        units = _sum_by(design.cluster, units)
    step, total = 1e-3, units.sum(axis=0)
    influence = (coefficient.value(total + step * units) - coefficient.value(total - step * units)) / (2 * step)
    if design.cluster is not None:
        return float(np.sqrt(_scatter(influence)))
    return float(np.sqrt(sum(_scatter(influence[design.stratum == h]) for h in np.unique(design.stratum))))


def _scatter(influence: Floats) -> float:
    """Variance of a sum of independent contributions; nan when there is one."""
    n = influence.size
    return n * float(influence.var(ddof=1)) if n > 1 else float("nan")


def posterior_values(
    coefficient: Coefficient, ratings: Ratings, design: Weighting, *, rng: np.random.Generator
) -> Floats:
    """Coefficient of two binary raters under the Dirichlet(1/2) posterior of their 2x2 table.

    Notes
    -----
    Under a design every stratum has a posterior of its own, and the tables are added up with the strata's weights,
    which as shares of the process behind the pool have a posterior, too. The second rater is the grader: where labels
    were drawn by its side, a stratum knows only one side, and the cells of the other are impossible, not unseen.
    """
    cell = 2 * ratings.codes[0] + ratings.codes[1]
    every_cell = Ratings(codes=np.array([[0, 0, 1, 1], [0, 1, 0, 1]]), values=ratings.values)
    strata = np.unique(design.stratum)
    sides = coefficient.second_is_grader and len(strata) > 1
    pool = np.array([design.weight[design.stratum == h].sum() for h in strata])
    mix = rng.dirichlet(pool, size=N_DRAWS)
    share = np.zeros((N_DRAWS, 4))
    for k, h in enumerate(strata):
        inside = design.stratum == h
        weight = design.weight[inside]
        table = np.bincount(cell[inside], weights=weight, minlength=4) * weight.sum() / (weight**2).sum()
        possible = np.isin([0, 1, 0, 1], ratings.codes[1, inside]) if sides else np.ones(4, dtype=bool)
        draws = rng.dirichlet(table[possible] + PRIOR, size=N_DRAWS)
        share[:, possible] += draws * mix[:, k, None]
    return coefficient.value(cell.size * share @ coefficient.features(every_cell))
