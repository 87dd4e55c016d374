"""Ties of an even number of raters: the likelihood-ratio interval in half units."""

import itertools

import numpy as np
import pytest

from calibration.rates.estimate import estimate_rate, rate_from_counts
from calibration.rates.likelihood_kernels import statistic
from calibration.rates.likelihood_ratio import likelihood_ratio
from calibration.rates.soft_kernels import soft_p_value
from calibration.rates.soft_labels import soft_likelihood_ratio, vote_correlation

GOLDEN = [
    ([50, 950], [10, 190], [4.5, 0.5], [1, 1], (0.831933, 0.499341), (0.025, 0.008824, 0.044944), 0.451643),
    ([200, 1800], [38, 112], [20.5, 2], [7, 4], (0.647915, 0.188406), (0.070019, 0.048532, 0.098911), 0.130644),
    ([300, 700], [18, 42], [10, 3.5], [6, 5], (0.393258, 0.325843), (0.225, 0.149970, 0.308532), 0.110965),
    ([100, 900], [15, 45], [6, 0], [2, 0], (0.756098, 1), (0.04, 0.019693, 0.090226), 0.447807),
    ([500, 500], [50, 50], [40, 9], [8, 6], (0.529412, 0.619289), (0.49, 0.416398, 0.564169), 5.6e-5),
]


@pytest.mark.parametrize(("size", "n", "y", "tied", "rho", "limits", "p"), GOLDEN)
def test_golden_values(size, n, y, tied, rho, limits, p):
    assert soft_likelihood_ratio(size, n, y, tied) == pytest.approx(limits, abs=2e-6)
    arrays = [np.array(v, dtype=float) for v in (size, n, y, tied)]
    correlation = vote_correlation(*arrays[1:])
    assert correlation == pytest.approx(rho, abs=1e-6)
    weight = arrays[0] / arrays[0].sum()
    assert soft_p_value(1.3 * limits[0], weight, *arrays[1:3], correlation) == pytest.approx(p, abs=1e-6)


def sums(n, p, rho):
    """Distribution of the sum of n labels by adding them one at a time."""
    pmf = {0.0: 1.0}
    for _ in range(n):
        after = {}
        for total, chance in pmf.items():
            for label, share in ((0, (1 - p) ** 2 + rho * p * (1 - p)), (0.5, 2 * p * (1 - p) * (1 - rho)), (1, None)):
                share = p**2 + rho * p * (1 - p) if share is None else share
                after[total + label] = after.get(total + label, 0.0) + chance * share
        pmf = after
    return pmf


@pytest.mark.parametrize(
    ("w", "n", "y", "rho", "t"),
    [
        ((0.3, 0.7), (5, 8), (2.5, 1.0), (0.4, 0.7), 0.4),
        ((0.3, 0.7), (5, 8), (5.0, 0.0), (1.0, 0.0), 0.2),
        ((0.2, 0.3, 0.5), (3, 4, 5), (1.5, 1.0, 0.5), (0.5, 0.2, 0.9), 0.5),
    ],
)
def test_the_p_value_is_the_sum_over_all_tables(w, n, y, rho, t):
    w, n, y, rho = (np.array(v, dtype=float) for v in (w, n, y, rho))
    eta = np.empty(len(n))
    cut = statistic(t, w, n, y, eta) - 0.15
    laws = [sums(int(k), p, r) for k, p, r in zip(n, eta.copy(), rho, strict=True)]
    work, expected = np.empty(len(n)), 0.0
    for table in itertools.product(*laws):
        if statistic(t, w, n, np.array(table), work) >= cut:
            expected += np.prod([law[s] for law, s in zip(laws, table, strict=True)])
    assert soft_p_value(t, w, n, y, rho) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("y", [(4, 0), (0, 0), (10, 20)])
def test_without_ties_it_is_the_interval_of_whole_counts(y):
    assert soft_likelihood_ratio([50, 950], [10, 190], y, [0, 0]) == likelihood_ratio([50, 950], [10, 190], y)


@pytest.mark.parametrize(
    ("y", "tied", "words"),
    [([1.5], [0], "whole numbers plus half"), ([1], [4], "n_tied must fulfil"), ([19.5], [3], "n_tied must fulfil")],
)
def test_counts_that_such_labels_cannot_have_are_refused(y, tied, words):
    with pytest.raises(ValueError, match=words):
        soft_likelihood_ratio([100], [20], y, tied)


def test_two_raters_no_longer_fall_back():
    rng = np.random.default_rng(4)
    score = np.repeat([1.0, 0.0], [60, 540])
    y = np.full(600, np.nan)
    y[:30] = rng.choice([0, 0.5, 1], 30)
    y[60:180] = rng.choice([0, 0.5, 1], 120, p=[0.9, 0.08, 0.02])
    soft = estimate_rate(y, score, method="likelihood-ratio")
    frozen = estimate_rate(y, score)
    assert soft.method == "likelihood-ratio"
    assert soft.high - soft.low < 0.95 * (frozen.high - frozen.low)
    assert soft.low <= soft.rate <= soft.high


def test_thirds_and_weights_still_fall_back_and_say_why():
    thirds = rate_from_counts([60, 540], [15, 135], [2, 1 / 3], method="likelihood-ratio")
    assert thirds.method == "post-stratified"
    assert "soft labels other than ties" in thirds.notes[0]
    ties = rate_from_counts([60, 540], [15, 135], [2, 0.5], n_tied=[2, 1], method="likelihood-ratio")
    assert ties.method == "likelihood-ratio"
