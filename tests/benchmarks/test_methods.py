"""The vectorised methods answer what the public functions answer for the rows of one data set."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import methods, peers
from benchmarks.cells import JUDGES, WEAK, Cell
from benchmarks.methods import METHODS, human_limits, truth_of
from benchmarks.outcomes import accepts, likelihood_ratio_outcome
from benchmarks.simulate import simulate
from benchmarks.tables import Tables, either_flags, frozen_rule, judge_strata, three_strata
from calibration import estimate_rate
from calibration.rates.intervals import post_stratified
from calibration.rates.likelihood_ratio import likelihood_ratio


def campaigns(data_sets=12, seed=0, **changes):
    cell = {"block": "regimes", "rate": 0.03, "labels": 50, "pool": 1_000, "judge": JUDGES[1], **changes}
    return simulate(Cell(**cell), data_sets, np.random.default_rng(seed))


def rows_of(data, i):
    """Data set i as the rows that the public function takes."""
    size, n, y = (a[i].sum(-1) for a in (data.size, data.n, data.y))
    judge, classifier, label = [], [], []
    for j in (0, 1):
        for c in (0, 1):
            judge += [1.0 - j] * size[j, c]
            classifier += [1.0 - c] * size[j, c]
            label += [1.0] * y[j, c] + [0.0] * (n[j, c] - y[j, c]) + [np.nan] * (size[j, c] - n[j, c])
    judge = np.array(judge)
    if data.cell.flagged_share is None:
        pi = np.full(len(judge), data.cell.labels / data.cell.pool)
    else:
        share = n.sum(1) / np.maximum(size.sum(1), 1)
        pi = np.where(judge == 1, share[0], share[1])
    return np.array(label), judge, np.array(classifier), pi


@pytest.mark.parametrize("share", [None, 0.25])
@pytest.mark.parametrize("target", ["scenarios", "pool"])
@pytest.mark.parametrize("name", [m for m in METHODS if "," not in m])
def test_same_answer_as_the_public_function(name, target, share):
    data = campaigns(data_sets=24, flagged_share=share, rate=0.03)
    outcome = METHODS[name].run(data, target)
    truth = truth_of(data, target)
    for i in range(len(data)):
        y, judge, _, pi = rows_of(data, i)
        estimate = estimate_rate(y, judge, inclusion_probability=pi, method=name, target=target)
        if np.isnan(estimate.low):
            assert not outcome.answered[i]
            continue
        assert outcome.above[i] == (truth[i] > estimate.high)
        assert outcome.below[i] == (truth[i] < estimate.low)
        assert outcome.width[i] == pytest.approx(estimate.high - estimate.low, abs=1e-9)


@pytest.mark.parametrize(("rate", "labels"), [(0.5, 500), (0.5, 50), (0.01, 200)])
def test_both_graders_by_the_rule_of_the_public_function(rate, labels):
    data = campaigns(rate=rate, labels=labels, judge=WEAK)
    limits = post_stratified(*frozen_rule(data))
    for i in range(len(data)):
        y, judge, classifier, pi = rows_of(data, i)
        estimate = estimate_rate(y, np.column_stack([judge, classifier]), inclusion_probability=pi)
        assert (limits.low[i], limits.high[i]) == pytest.approx((estimate.low, estimate.high), abs=1e-9)


def test_uniform_designs_leave_no_stratum_without_labels():
    """Rare harm and few labels: most data sets have a side or a cell without labels."""
    data = campaigns(data_sets=300, rate=0.002, labels=50, judge=JUDGES[0])
    for cut in (judge_strata, frozen_rule, three_strata, either_flags):
        tables = cut(data)
        assert ((tables.n > 0) | (tables.size == 0)).all()
        assert (tables.size.sum(1) == 1_000).all()
        assert (tables.n.sum(1) == 50).all()
    assert (judge_strata(data).n == 0).any()


def test_three_strata_never_cross_the_sampling_design():
    data = campaigns(data_sets=300, rate=0.002, labels=50, flagged_share=0.25)
    tables = three_strata(data)
    assert (tables.size[:, 1] == data.size[:, 0].sum((1, 2))).all()
    assert (tables.n[:, 1] == data.n[:, 0].sum((1, 2))).all()


def test_one_test_at_the_truth_agrees_with_the_interval():
    """Away from the ends, where the interval's scan in steps cannot matter."""
    rng = np.random.default_rng(0)
    checked = 0
    for _ in range(150):
        size = np.array([rng.integers(20, 200), 1_000.0])
        n = np.array([rng.integers(5, 20), rng.integers(20, 100)], dtype=float)
        y = rng.binomial(n.astype(int), [0.6, 0.03]).astype(float)
        estimate, low, high = likelihood_ratio(size, n, y)
        truth = float(rng.uniform(0.0005, 0.4))
        if min(abs(truth - low), abs(truth - high)) < 0.02 * (high - low):
            continue
        checked += 1
        assert accepts(size, n, y, truth) == (low <= truth <= high)
    assert checked > 100


def test_the_mix_alone_can_hold_the_truth():
    """All labelled, so that the strata's rates are known: what is left is the mix of strata."""
    size, n, y = np.array([500.0, 500.0]), np.array([400.0, 400.0]), np.array([400.0, 0.0])
    assert accepts(size, n, y, 0.53)
    low, high = likelihood_ratio(size, n, y)[1:]
    assert low < 0.53 < high


def test_misses_are_those_of_whole_intervals():
    data = campaigns(data_sets=300, seed=3, labels=50, rate=0.15)
    tables, truth = judge_strata(data), truth_of(data, "scenarios")
    short = likelihood_ratio_outcome(tables, truth, target="scenarios", intervals=0)
    whole = likelihood_ratio_outcome(tables, truth, target="scenarios", intervals=300)
    assert 0 < (whole.above | whole.below).sum() < 30
    assert ((short.above | short.below) != (whole.above | whole.below)).sum() == whole.contradictions <= 1
    assert np.isnan(short.width).all()
    assert not np.isnan(whole.width).any()


def test_clustered_strata_without_labels_are_joined_as_the_public_function_joins_them():
    changes = {"rate": 0.01, "scenarios": 4, "icc": 0.2, "judge": JUDGES[0]}
    data = campaigns(data_sets=30, **changes)
    limits = methods._new_scenarios(*methods._clustered_sides(data))
    joined = 0
    for i in range(len(data)):
        counts = (a[i].sum(1) for a in (data.size, data.n, data.y))
        size, n, y = counts
        sides = np.repeat([1.0, 0.0], size.sum(1))
        scenario = np.concatenate([np.repeat(np.arange(4), row) for row in size])
        label = np.full(1_000, np.nan)
        for j in (0, 1):
            for g in range(4):
                at = np.flatnonzero((sides == 1 - j) & (scenario == g))
                label[at[: n[j, g]]] = 0
                label[at[: y[j, g]]] = 1
        estimate = estimate_rate(
            label, sides, inclusion_probability=np.full(1_000, 0.05), cluster=scenario, target="new-scenarios"
        )
        joined += n.sum(1).min() == 0
        assert (limits.low[i], limits.high[i]) == pytest.approx((estimate.low, estimate.high), abs=1e-9)
    assert joined > 0


def test_peers_get_every_row(monkeypatch):
    """A peer that answers the labelled mean and the judge's share must find the counts again."""
    data = campaigns(data_sets=5, rate=0.3)
    seen = []

    def ppi_mean_ci(y, y_hat, y_hat_unlabeled, alpha):
        assert alpha == pytest.approx(0.05)
        seen.append((y.sum(), len(y), y_hat.sum(), (y * y_hat).sum(), y_hat_unlabeled.sum(), len(y_hat_unlabeled)))
        return np.array([0.0]), np.array([1.0])

    monkeypatch.setitem(sys.modules, "ppi_py", SimpleNamespace(ppi_mean_ci=ppi_mean_ci))
    outcome = peers.PEERS["ppi-python"].run(data, "scenarios")
    assert outcome.answered.all()
    assert not (outcome.above | outcome.below).any()
    size, n, y = (a.sum((2, 3)) for a in (data.size, data.n, data.y))
    rest = size - n
    expected = np.column_stack([y.sum(1), n.sum(1), n[:, 0], y[:, 0], rest[:, 0], rest.sum(1)])
    assert seen == [tuple(row) for row in expected]


def test_a_peer_that_refuses_gives_no_answer(monkeypatch):
    def estimate_success_rate(*_, **__):
        raise ValueError("Judge accuracy too low for correction")

    monkeypatch.setitem(sys.modules, "judgy", SimpleNamespace(estimate_success_rate=estimate_success_rate))
    outcome = peers.PEERS["judgy"].run(campaigns(data_sets=3), "scenarios")
    assert not outcome.answered.any()


def test_human_baseline_is_the_public_human_only_interval():
    data = campaigns(data_sets=5)
    limits = human_limits(data, "scenarios")
    for i in range(5):
        y, judge, _, pi = rows_of(data, i)
        estimate = estimate_rate(y, judge, inclusion_probability=pi, method="human-only")
        assert (limits.low[i], limits.high[i]) == pytest.approx((estimate.low, estimate.high))


def test_tables_keep_their_order():
    data = campaigns(data_sets=3, labels=500, rate=0.5)
    tables = either_flags(data)
    assert isinstance(tables, Tables)
    assert (tables.size[:, 1] == data.size[:, 1, 1, 0]).all()
