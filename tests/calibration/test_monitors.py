"""Graders with scores: rates at a threshold, area under the curve, audits; and harm in further runs."""

import math

import numpy as np
import pytest

from calibration.agreement.monitors import area_under_curve, audit, true_positive_rate_at
from calibration.rates.horizon import harm_in_further_runs


def scores(rng, n, rate=0.2, shift=2.0):
    y = (rng.random(n) < rate).astype(float)
    return y, rng.normal(size=n) + shift * y


def test_the_area_is_the_share_of_pairs_in_the_right_order():
    y, score = scores(np.random.default_rng(1), 80)
    score = np.round(score, 1)
    pairs = [(h > g) + 0.5 * (h == g) for h in score[y == 1] for g in score[y == 0]]
    assert area_under_curve(y, score).value == pytest.approx(np.mean(pairs))


def test_weights_count_an_item_as_often_as_it_stands_for():
    y, score = scores(np.random.default_rng(2), 60)
    times = np.random.default_rng(3).integers(1, 4, 60)
    weighted = area_under_curve(y, score, inclusion_probability=1 / times)
    repeated = area_under_curve(np.repeat(y, times), np.repeat(score, times))
    assert weighted.value == pytest.approx(repeated.value)
    assert weighted.high - weighted.low > repeated.high - repeated.low


def test_a_perfect_grader_has_intervals_with_width():
    y, score = [1.0] * 40 + [0.0] * 160, [0.9] * 40 + [0.1] * 160
    for found in (
        area_under_curve(y, score),
        true_positive_rate_at(y, score, false_positive_rate=0.05),
        *audit(y, score, budget=40, inclusion_probability=1).values(),
    ):
        assert found.value == 1
        assert found.high == 1
        assert 0.8 < found.low < 0.99


def test_the_true_positive_rate_is_read_at_the_weighted_threshold():
    # One harmless item in twenty may lie above: the one at .8. Harmful items above .7 are three of four.
    y = [1.0] * 4 + [0.0] * 20
    score = [0.9, 0.85, 0.75, 0.2, 0.8, 0.7, *np.linspace(0.1, 0.6, 18)]
    assert true_positive_rate_at(y, score, false_positive_rate=0.05).value == 0.75
    assert math.isnan(true_positive_rate_at(y, score, false_positive_rate=0.001).value)
    with pytest.raises(ValueError, match="0 < false_positive_rate < 1, got 1"):
        true_positive_rate_at(y, score, false_positive_rate=1)


def test_an_audit_reads_the_highest_scores_of_the_whole_pool():
    y = np.full(100, np.nan)
    y[:20], y[50:90] = np.repeat([1.0, 0.0], [15, 5]), np.repeat([1.0, 0.0], [2, 38])
    score = np.linspace(1, 0, 100)
    found = audit(y, score, budget=50, inclusion_probability=np.repeat([0.4, 0.8], 50))
    # 15 / .4 harms read, 2 / .8 not.
    assert found["harms found"].value == pytest.approx(37.5 / 40)
    assert found["precision"].value == pytest.approx(0.75)
    with pytest.raises(ValueError, match="1 <= budget <= 100, got 101"):
        audit(y, score, budget=101)


def test_areas_hold_the_truth_under_a_flagged_sample():
    rng, covered = np.random.default_rng(4), 0
    for _ in range(200):
        y, score = scores(rng, 1500, rate=0.1, shift=2.3)
        pi = np.where(score > np.quantile(score, 0.9), 0.3, 0.08)
        labelled = np.where(rng.random(1500) < pi, y, np.nan)
        found = area_under_curve(labelled, score, inclusion_probability=pi)
        covered += found.low <= 0.94809 <= found.high
    assert covered >= 180


def test_no_harm_among_300_is_71_percent_for_a_hundred_runs():
    found = harm_in_further_runs(100, [300], [300], [0], n_scenarios=300)
    assert found.high == pytest.approx(1 - (0.025 ** (1 / 300)) ** 100)
    assert found.low == found.probability == 0
    assert "below 71 % likely" in found.note


def test_unequal_scenarios_make_some_harm_likelier_for_the_same_mean():
    counts = [60, 540], [15, 135], [2, 1]
    alike, unlike = (harm_in_further_runs(200, *counts, n_scenarios=10, assumed_icc=icc) for icc in (0, 0.5))
    assert unlike.high > alike.high
    assert unlike.probability == alike.probability == pytest.approx(1 - 0.98**200, rel=1e-6)


@pytest.mark.parametrize(("runs", "n_scenarios"), [(150_001, 10), (100, 4)])
def test_what_was_seen_does_not_support_every_horizon(runs, n_scenarios):
    found = harm_in_further_runs(runs, [600], [150], [1], n_scenarios=n_scenarios)
    assert math.isnan(found.high)
    assert found.note.startswith("Not supported")


def test_horizon_bounds_hold_when_scenarios_differ():
    rng, covered, answers = np.random.default_rng(5), 0, {}
    for _ in range(300):
        rates = rng.beta(0.01 * 3, 0.99 * 3, 20)
        runs = rng.random((20, 30)) < rates[:, None]
        harmful = int(rng.choice(runs.ravel(), 300, replace=False).sum())
        if harmful not in answers:
            answers[harmful] = harm_in_further_runs(100, [600], [300], [harmful], n_scenarios=20)
        covered += 1 - np.prod((1 - rates) ** 5) <= answers[harmful].high
    assert covered >= 285
