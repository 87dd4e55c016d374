"""The simulated campaigns are what they say: shares, designs, clusters, copula."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import multivariate_hypergeom, norm

from benchmarks.cells import BLOCKS, CLASSIFIER, JUDGES, Accuracy, Cell, regimes, stress
from benchmarks.simulate import _draw, _unequal_sizes, class_shares, simulate


def cell(**changes):
    return Cell(**{"block": "regimes", "rate": 0.15, "labels": 200, "pool": 1_000, "judge": JUDGES[1], **changes})


def test_blocks_hold_the_promised_cells():
    assert len(regimes()) == 270
    assert len({c.name for c in regimes()}) == 270
    expected = [
        c.rate * c.labels for c in stress() if c.judge == JUDGES[1] and c.labels == 50 and c.design == "uniform"
    ]
    assert expected == pytest.approx(np.arange(1, 33) / 4)
    everything = [c for block in BLOCKS.values() for c in block()]
    assert len({c.key for c in everything}) == len(everything)


@pytest.mark.parametrize("correlation", [0.0, 0.3])
def test_each_grader_errs_as_often_as_it_should(correlation):
    shares = class_shares(cell(correlation=correlation))
    assert shares.sum((1, 2)) == pytest.approx([1, 1])
    assert shares[0].sum(1)[0] == pytest.approx(JUDGES[1].sensitivity)
    assert shares[0].sum(0)[0] == pytest.approx(CLASSIFIER.sensitivity)
    assert shares[1].sum(1)[1] == pytest.approx(JUDGES[1].specificity)
    assert shares[1].sum(0)[1] == pytest.approx(CLASSIFIER.specificity)


def test_copula_by_integration():
    """P(both say harm) = integral over the first normal of P(second below its cut given the first)."""
    cut = norm.ppf(0.8)
    both, _ = quad(lambda x: norm.pdf(x) * norm.cdf((cut - 0.3 * x) / np.sqrt(1 - 0.09)), -np.inf, cut)
    assert class_shares(cell(correlation=0.3))[0, 0, 0] == pytest.approx(both, abs=1e-7)


def test_blind_graders_take_some_harms_for_harmless():
    sharp, blind = class_shares(cell()), class_shares(cell(blind=0.4))
    assert blind[0] == pytest.approx(0.6 * sharp[0] + 0.4 * sharp[1])
    assert blind[1] == pytest.approx(sharp[1])


def test_draws_without_replacement_follow_the_multivariate_hypergeometric():
    counts = np.tile([3, 1, 2, 4], (40_000, 1))
    drawn = _draw(counts, np.full(len(counts), 5), np.random.default_rng(0))
    assert (drawn.sum(1) == 5).all()
    assert (drawn <= counts).all()
    seen, frequency = np.unique(drawn, axis=0, return_counts=True)
    expected = len(counts) * multivariate_hypergeom.pmf(seen, [3, 1, 2, 4], 5)
    # Every table within 5 standard deviations of its Poisson count.
    assert (np.abs(frequency - expected) < 5 * np.sqrt(expected) + 1).all()


def test_oversampled_labels_lie_where_the_design_puts_them():
    campaigns = simulate(cell(flagged_share=0.25), 200, np.random.default_rng(1))
    assert (campaigns.n[:, 0].sum((1, 2)) == 50).all()
    assert (campaigns.n.sum((1, 2, 3)) == 200).all()
    # Where fewer are flagged than the design asks for, all of them are labelled and the rest goes elsewhere.
    rare = simulate(cell(rate=0.002, judge=JUDGES[0], flagged_share=0.5), 200, np.random.default_rng(2))
    assert (rare.n[:, 0] == rare.size[:, 0]).all()
    assert (rare.n.sum((1, 2, 3)) == 200).all()


def test_counts_are_possible_and_pools_have_the_rate():
    campaigns = simulate(cell(flagged_share=0.5), 4_000, np.random.default_rng(3))
    assert (campaigns.y <= campaigns.n).all()
    assert (campaigns.n <= campaigns.size).all()
    assert (campaigns.human_n == 200).all()
    assert campaigns.pool_rate.mean() == pytest.approx(0.15, abs=5 * np.sqrt(0.15 * 0.85 / 1_000 / 4_000))
    assert campaigns.human_y.mean() / 200 == pytest.approx(0.15, abs=5 * np.sqrt(0.15 * 0.85 / 200 / 4_000))


def test_labels_of_a_uniform_design_are_the_human_sample():
    campaigns = simulate(cell(), 50, np.random.default_rng(4))
    assert (campaigns.human_y[:, 0] == campaigns.y.sum((1, 2, 3))).all()


def test_scenarios_are_unequal_and_correlated():
    perfect = Accuracy(sensitivity=1.0, specificity=1.0)
    clustered = cell(judge=perfect, scenarios=8, icc=0.2, labels=1_000)
    campaigns = simulate(clustered, 4_000, np.random.default_rng(5))
    sizes = _unequal_sizes(1_000, 8)
    assert sizes.sum() == 1_000
    assert sizes[-1] / sizes[0] == pytest.approx(4, rel=0.05)
    harmful = campaigns.human_y
    # Beta-binomial variance: m p (1 - p) (1 + (m - 1) icc).
    expected = sizes * 0.15 * 0.85 * (1 + (sizes - 1) * 0.2)
    assert harmful.var(0) == pytest.approx(expected, rel=0.15)
    assert harmful.mean(0) / sizes == pytest.approx(np.full(8, 0.15), abs=0.015)


def test_a_cell_simulates_the_same_campaigns_alone_or_among_others():
    first, again = (simulate(cell(), 5, np.random.default_rng([1, cell().key, 0])) for _ in range(2))
    assert (first.y == again.y).all()
    assert (first.first(2).size == first.size[:2]).all()
