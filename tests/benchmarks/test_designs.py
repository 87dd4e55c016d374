"""Designs give unbiased rates and intervals that hold; how many labels graders save."""

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks import designs, efficiency
from benchmarks.cells import JUDGES
from calibration.rates.intervals import clopper_pearson

RATED = [name for name in designs.DESIGNS if name not in designs.NOT_FOR_RATES]


def check(row):
    """Biases within 4.5 standard errors, misses no more than chance allows."""
    assert abs(row.weighted_bias) < 4.5 * row.weighted_error
    assert abs(row.bias) < 4.5 * row.error
    assert row.answered == 1
    assert row.coverage * row.data_sets >= binom.ppf(1e-5, row.data_sets, 0.95)


@pytest.mark.parametrize("name", ["flagged-25", "disagree-25", "uniform, then flagged-25", "flagged-50, then neyman"])
def test_a_design_is_unbiased_and_covers(name):
    check(designs.measure(name, 0.15, data_sets=40))


@pytest.mark.slow
@pytest.mark.parametrize("rate", designs.RATES)
@pytest.mark.parametrize("name", RATED)
def test_every_design_is_unbiased_and_covers(name, rate):
    check(designs.measure(name, rate, data_sets=200))


def test_every_design_of_the_library_is_measured():
    from labels.sampling.strata import DESIGNS

    measured = {name for rounds in designs.DESIGNS.values() for name, _ in rounds}
    assert set(DESIGNS) <= measured
    assert any(len(rounds) > 1 for rounds in designs.DESIGNS.values())


def test_finding_cases_is_no_sample():
    row = designs.measure("most-unlike-training", 0.15, data_sets=20)
    assert row.weighted_bias < -10 * row.weighted_error
    assert "no rate" in designs.report([row])


def test_labels_and_probabilities_of_one_campaign():
    rng = np.random.default_rng(1)
    pool = designs.make_pool(0.15, rng)
    y, pi = designs.draw(designs.DESIGNS["uniform, then flagged-25"], pool, rng)
    known = ~np.isnan(y)
    assert (y[known] == pool.truth[known]).all()
    flagged = pool.judge == 1
    size = flagged.sum()
    second = np.where(flagged, 19 / size, 56 / (1000 - size))
    assert pi == pytest.approx(1 - (1 - 0.075) * (1 - second), abs=2e-3)
    assert pool.judge[pool.truth == 1].mean() == pytest.approx(0.8, abs=0.15)


def test_rows_do_not_depend_on_the_others():
    (alone,) = designs.rows([0.15], ["uniform"], data_sets=5)
    _, beside = designs.rows([0.15], ["flagged-25", "uniform"], data_sets=5)
    assert alone == beside
    assert alone == designs.measure("uniform", 0.15, data_sets=5)
    assert "| uniform | 15 % | 150 |" in designs.report([alone])


def test_human_labels_by_simulation():
    n = efficiency.human_labels(0.03, 0.03)
    drawn = np.random.default_rng(2).binomial(n, 0.03, size=20_000)
    low, high = clopper_pearson(drawn, np.full(drawn.size, n))
    assert (high - low).mean() == pytest.approx(0.03, rel=0.01)


def test_graders_save_labels():
    found = efficiency.efficiency(0.15, 0.15, JUDGES[1])
    assert found.human > found.with_judge.n_labels >= found.with_both.n_labels
    assert f"| {found.human} | {found.with_judge.n_labels} (" in efficiency.report([found])
