"""Agreement and accuracy against their definitions: the published package, pairs counted one by one, Kish, clusters."""

from itertools import combinations

import krippendorff
import numpy as np
import pytest
from scipy.stats import norm, t

from calibration import grader_accuracy
from calibration.agreement import coefficients
from calibration.agreement.panel import error_correlation
from calibration.agreement.ratings import encode
from calibration.rates.intervals import clopper_pearson


@pytest.fixture(scope="module")
def votes():
    """Four raters, sixty items, five values of unequal frequency, a fifth of the votes missing."""
    rng = np.random.default_rng(4)
    data = rng.choice([1.0, 2.0, 3.0, 5.0, 9.0], size=(4, 60), p=[0.4, 0.3, 0.15, 0.1, 0.05])
    data[rng.random(data.shape) < 0.2] = np.nan
    return data[:, (~np.isnan(data)).sum(axis=0) >= 2]


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval", "ratio"])
def test_what_the_bootstrap_resamples_is_the_packages_alpha(votes, level):
    ratings = encode(votes)
    coefficient = coefficients.alpha(level, ratings.values)
    features = coefficient.features(ratings)
    rng = np.random.default_rng(5)
    drawn = [np.arange(votes.shape[1]), *rng.integers(0, votes.shape[1], (20, votes.shape[1]))]
    values = coefficient.value(np.stack([features[items].sum(axis=0) for items in drawn]))
    expected = [krippendorff.alpha(votes[:, items], level_of_measurement=level) for items in drawn]
    assert values == pytest.approx(expected, abs=1e-12)


def test_without_a_miss_the_runs_of_a_scenario_are_taken_as_alike():
    """No error to estimate from: Kish's design effect with a correlation of 0.2, and t of the scenarios less one."""
    sizes = np.array([3, 5, 9, 8])
    cluster = np.repeat(np.arange(4), sizes)
    deff = (t.ppf(0.95, 3) / norm.ppf(0.95)) ** 2 * (1 + 0.2 * ((sizes**2).sum() / 25 - 1))
    found = grader_accuracy([1] * 25, [1] * 25, cluster=cluster, confidence_level=0.9)
    for key in ("sensitivity", "ppv"):
        expected = clopper_pearson(25 / deff, 25 / deff, confidence_level=0.9)
        assert (found[key].low, found[key].high) == pytest.approx(expected)


def test_clusters_divide_the_counts_by_their_design_effect():
    rng = np.random.default_rng(6)
    y = np.ones(80)
    cluster = np.repeat(np.arange(10), 8)
    side = (rng.random(80) < np.repeat(rng.random(10), 8)).astype(float)
    value = side.mean()
    between = 10 / 9 * ((np.bincount(cluster, side) - 8 * value) ** 2).sum()
    deff = (t.ppf(0.975, 9) / norm.ppf(0.975)) ** 2 * max(between / ((side - value) ** 2).sum(), 1)
    found = grader_accuracy(y, side, cluster=cluster)["sensitivity"]
    assert deff > 2
    assert (found.low, found.high) == pytest.approx(clopper_pearson(side.sum() / deff, 80 / deff))


def test_a_single_scenario_has_no_interval_and_says_so():
    found = grader_accuracy([1, 1, 0, 0], [1, 0, 0, 1], cluster=["s"] * 4)["sensitivity"]
    assert np.isnan([found.low, found.high]).all()
    assert "no interval: all of them are in one cluster" in found.notes


def test_graders_err_together_as_their_errors_correlate():
    rng = np.random.default_rng(7)
    y = (rng.random(300) < 0.3).astype(float)
    hard = rng.random(300) < 0.2
    sides = np.stack([np.where(rng.random(300) < np.where(hard, q, 0.1), 1 - y, y) for q in (0.3, 0.6, 0.8)])
    for among, kept in (("all", y >= 0), ("harmful", y == 1), ("harmless", y == 0)):
        errors = (sides != y)[:, kept]
        pairs = {(i, j): np.corrcoef(errors[i], errors[j])[0, 1] for i, j in combinations(range(3), 2)}
        for (i, j), expected in pairs.items():
            assert error_correlation(y, sides[i], sides[j], among=among).value == pytest.approx(expected)
    assert np.isnan(error_correlation(y, sides[0], y).value), "a grader that never errs has no correlation"


def test_a_panel_is_weighed_by_its_design():
    """Errors that share a stratum drawn rarely count as often as the pool has them."""
    rng = np.random.default_rng(11)
    y = np.zeros(300)
    rare = np.arange(300) < 60
    sides = np.stack([rng.random(300) < np.where(rare, 0.5, 0.1) for _ in range(2)]).astype(float)
    pi = np.where(rare, 0.1, 0.8)
    errors, weight = sides.astype(bool), 1 / pi
    mean = np.average(errors, axis=1, weights=weight)
    joint = np.average(errors[0] & errors[1], weights=weight)
    expected = (joint - mean.prod()) / np.sqrt((mean * (1 - mean)).prod())
    assert error_correlation(y, *sides, inclusion_probability=pi).value == pytest.approx(expected)
    assert error_correlation(y, *sides, confidence_level=0.8).confidence_level == 0.8
