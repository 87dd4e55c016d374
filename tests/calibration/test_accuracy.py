"""Sensitivity, specificity, PPV, NPV: counts, weights, clusters, coverage."""

import numpy as np
import pytest

from calibration.agreement.accuracy import grader_accuracy
from calibration.rates.intervals import clopper_pearson

NAN = float("nan")
KEYS = ["sensitivity", "specificity", "ppv", "npv"]


def judged(tp, fn, fp, tn):
    return np.repeat([1, 1, 0, 0], [tp, fn, fp, tn]), np.repeat([1, 0, 1, 0], [tp, fn, fp, tn])


def test_counts_and_exact_intervals_without_weights():
    y, side = judged(18, 3, 5, 74)
    accuracy = grader_accuracy(y, side)
    for key, (x, n) in zip(KEYS, [(18, 21), (74, 79), (18, 23), (74, 77)], strict=True):
        assert accuracy[key].value == pytest.approx(x / n)
        assert (accuracy[key].low, accuracy[key].high) == pytest.approx(clopper_pearson(x, n))
        assert accuracy[key].n_items == n
        assert any(f"{x} of {n} labelled" in note for note in accuracy[key].notes)
    assert [accuracy[key].n_positive for key in KEYS] == [21, 0, 18, 3]


def test_the_published_bias_of_flagged_labels_is_undone():
    """Statistics.md section 8: 50 % of labels on flagged reads (.985, .537) for a judge of (.8, .95)."""
    flagged, rest = 1000 * 0.01 * 0.8 + 1000 * 0.99 * 0.05, 1000 * 0.01 * 0.2 + 1000 * 0.99 * 0.95
    tp, fn = 1e5 * 8 / flagged, 1e5 * 2 / rest
    y, side = judged(*np.round([tp, fn, 1e5 - tp, 1e5 - fn]).astype(int))
    raw = grader_accuracy(y, side)
    assert raw["sensitivity"].value == pytest.approx(0.985, abs=0.0006)
    assert raw["specificity"].value == pytest.approx(0.537, abs=0.0006)
    pi = np.where(side == 1, 1e5 / (1000 * flagged), 1e5 / (1000 * rest))
    weighted = grader_accuracy(y, side, inclusion_probability=pi / pi.max())
    assert weighted["sensitivity"].value == pytest.approx(0.8, abs=0.002)
    assert weighted["specificity"].value == pytest.approx(0.95, abs=0.001)
    assert weighted["ppv"].value == raw["ppv"].value


def test_no_harm_labelled_leaves_sensitivity_undefined():
    accuracy = grader_accuracy([0, 0, 0, NAN], [1, 0, 0, 1])
    assert np.isnan([accuracy["sensitivity"].value, accuracy["sensitivity"].low, accuracy["sensitivity"].high]).all()
    assert accuracy["sensitivity"].n_items == 0
    assert accuracy["ppv"].value == 0


def test_unseen_misses_lower_the_limit_of_sensitivity():
    """All 25 harms seen were flagged, but 20 unflagged labels stand for 2,000 transcripts."""
    y, side = judged(25, 0, 5, 20)
    result = grader_accuracy(y, side, inclusion_probability=np.where(side == 1, 1.0, 0.01))["sensitivity"]
    assert result.value == result.high == 1
    assert result.low < 25 / (25 + 2000 * 0.1)


def test_unscored_labels_are_left_out_and_counted():
    accuracy = grader_accuracy([1, 1, 0, 1], [1, 0, 0, NAN])
    assert accuracy["sensitivity"].value == 0.5
    assert "1 labelled items without a verdict left out" in accuracy["sensitivity"].notes


def test_ties_count_half():
    accuracy = grader_accuracy([1, 0.5, 0.5, 0], [1, 1, 0, 0])
    assert accuracy["sensitivity"].value == pytest.approx(1.5 / 2)
    assert accuracy["ppv"].value == pytest.approx(0.75)


def test_sample_without_a_design_says_so():
    y, side = judged(5, 5, 5, 5)
    assert any("valid only for this sample" in note for note in grader_accuracy(y, side)["npv"].notes)
    designed = grader_accuracy(y, side, inclusion_probability=np.full(20, 0.1))
    assert not any("this sample" in note for note in designed["npv"].notes)


def test_copies_in_clusters_are_no_new_information():
    y, side = judged(18, 6, 5, 20)
    once = grader_accuracy(y, side)["sensitivity"]
    cluster = np.repeat(np.arange(49), 10)
    copies = grader_accuracy(np.repeat(y, 10), np.repeat(side, 10), cluster=cluster)["sensitivity"]
    naive = grader_accuracy(np.repeat(y, 10), np.repeat(side, 10))["sensitivity"]
    assert copies.high - copies.low == pytest.approx(once.high - once.low, rel=0.1)
    assert naive.high - naive.low < 0.5 * (once.high - once.low)


def test_a_single_cluster_has_no_interval():
    y, side = judged(5, 5, 5, 5)
    result = grader_accuracy(y, side, cluster=["one"] * 20)["sensitivity"]
    assert result.value == 0.5
    assert np.isnan([result.low, result.high]).all()


def test_clusters_without_errors_assume_a_correlation():
    y, side = judged(20, 0, 0, 20)
    plain = grader_accuracy(y, side)["sensitivity"]
    clustered = grader_accuracy(y, side, cluster=np.arange(40) % 4)["sensitivity"]
    assert clustered.low < plain.low - 0.1


@pytest.mark.parametrize("design", ["flagged", "uniform", "stratified by model"])
def test_coverage(design):
    """Seeded: misses in 300 data sets stay within 4 standard deviations of 5 %."""
    rng = np.random.default_rng(7)
    size, n, rate, se, sp = 4000, 200, 0.05, 0.8, 0.95
    flag_rate = rate * se + (1 - rate) * (1 - sp)
    truth = {"sensitivity": se, "specificity": sp, "ppv": rate * se / flag_rate}
    missed = dict.fromkeys(truth, 0)
    for _ in range(300):
        y = rng.random(size) < rate
        side = np.where(y, rng.random(size) < se, rng.random(size) > sp).astype(int)
        model = (rng.random(size) < 0.2).astype(int)
        group = {"flagged": side, "uniform": np.zeros(size, int), "stratified by model": model}[design]
        n_group = np.array([n]) if design == "uniform" else np.array([n // 2, n // 2])
        drawn = np.concatenate(
            [rng.choice(np.flatnonzero(group == g), k, replace=False) for g, k in enumerate(n_group)]
        )
        labels = np.full(size, NAN)
        labels[drawn] = y[drawn]
        result = grader_accuracy(labels, side, inclusion_probability=(n_group / np.bincount(group))[group])
        for key, value in truth.items():
            missed[key] += not result[key].low <= value <= result[key].high
    assert max(missed.values()) <= 300 * 0.05 + 4 * np.sqrt(300 * 0.05 * 0.95)
    assert sum(missed.values()) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], [0, 1]), "y must fulfil 0 <= y <= 1"),
        (([1, 0], [0, 0.7]), r"side in \(0, 1, nan\), got 0.7"),
        (([1, 0], [0]), "side must have"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        grader_accuracy(*arguments)
    with pytest.raises(ValueError, match="0 < p <= 1 where labelled, got 1.5"):
        grader_accuracy([1, 0], [0, 1], inclusion_probability=[0.5, 1.5])
