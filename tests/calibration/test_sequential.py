"""Confidence sequences: golden values, definition, coverage at every look."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln

from calibration.rates.intervals import clopper_pearson
from calibration.rates.sequential import (
    confidence_sequence,
    labels_for_width,
    stratified_confidence_sequence,
    when_to_stop,
)


def test_golden(reference_cases):
    """The golden ends were read off a grid of rates, from inside: ours lie less than one step of it outside."""
    for case in json.loads((reference_cases / "extras_golden.json").read_text())["betabin_cs"]:
        found = np.array(confidence_sequence(case["x"], case["n"]))
        assert found == pytest.approx(case["expected"], abs=6e-5)
        assert found[0] <= case["expected"][0]
        assert found[1] >= case["expected"][1]


@given(st.integers(1, 300), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_ends_by_definition(n, share, level):
    """At an end strictly inside (0, 1) the mixture's evidence is exactly log(1 / a); the estimate lies inside."""
    x = round(share * n)
    low, high = confidence_sequence(x, n, confidence_level=level)
    assert 0 <= low <= x / n <= high <= 1
    for p in (low, high):
        if 1e-290 < p < 1 - 1e-12:
            evidence = betaln(0.5 + x, 0.5 + n - x) - betaln(0.5, 0.5) - x * np.log(p) - (n - x) * np.log1p(-p)
            assert evidence == pytest.approx(-np.log(1 - level), abs=1e-6)
    assert (low == 0) == (x == 0)
    assert (high == 1) == (x == n)


def test_it_is_wider_than_an_interval_for_one_look():
    for x, n in ((0, 50), (3, 100), (60, 120)):
        low, high = confidence_sequence(x, n)
        once = clopper_pearson(x, n)
        assert low <= once[0]
        assert high > once[1]


def test_it_holds_at_every_look():
    """1,000 campaigns of 400 labels, looked at every 10: the sequence misses in at most 3 % at some look."""
    rng = np.random.default_rng(3)
    looks = np.arange(10, 401, 10)
    for rate in (0.02, 0.3):
        harmful = np.cumsum(rng.random((1000, 400)) < rate, axis=1)[:, looks - 1]
        limits = {(x, n): confidence_sequence(x, n) for n in looks.tolist() for x in range(harmful.max() + 1) if x <= n}
        missed = [
            any(not limits[x, n][0] <= rate <= limits[x, n][1] for x, n in zip(row, looks.tolist(), strict=True))
            for row in harmful.tolist()
        ]
        assert np.mean(missed) <= 0.03


def test_strata_share_the_error():
    low, high = stratified_confidence_sequence([300, 700], [20, 80], [10, 1])
    first = confidence_sequence(10, 20, confidence_level=0.975)
    second = confidence_sequence(1, 80, confidence_level=0.975)
    assert low == pytest.approx(0.3 * first[0] + 0.7 * second[0])
    assert high == pytest.approx(0.3 * first[1] + 0.7 * second[1])
    assert stratified_confidence_sequence([500], [100], [3]) == confidence_sequence(3, 100)
    assert stratified_confidence_sequence([500, 500], [0, 100], [0, 0])[1] > 0.5


def test_strata_hold_at_every_look():
    """300 campaigns that go on in two strata at unlike speeds and rates: at most 3 % miss at some look."""
    rng = np.random.default_rng(4)
    rates, speed, missed = (0.4, 0.01), (4, 16), 0
    truth = 0.1 * rates[0] + 0.9 * rates[1]
    for _ in range(300):
        harmful = [np.cumsum(rng.random((20, k)) < p) for k, p in zip(speed, rates, strict=True)]
        looks = [[int(h[k * look - 1]) for h, k in zip(harmful, speed, strict=True)] for look in range(1, 21)]
        limits = [
            stratified_confidence_sequence([1000, 9000], [4 * look, 16 * look], y) for look, y in enumerate(looks, 1)
        ]
        missed += any(not low <= truth <= high for low, high in limits)
    assert missed <= 9


@pytest.mark.parametrize(
    ("size", "n", "y", "width"),
    [([5000], [100], [3], 0.05), ([500, 4500], [50, 50], [30, 0], 0.1), ([300, 3000], [0, 60], [0, 2], 0.15)],
)
def test_labels_for_a_width_by_going_on(size, n, y, width):
    """The first total that is narrow enough when every stratum goes on at its share, found one step at a time."""
    size, n, y = (np.array(a, dtype=float) for a in (size, n, y))
    expected, start = (y + 0.5) / (n + 1), np.maximum(n, 1)
    factor = 1.0
    while True:
        at = np.maximum(n, np.minimum(size, np.ceil(start * factor)))
        low, high = stratified_confidence_sequence(size, at, y + (at - n) * expected)
        if high - low <= width:
            break
        factor *= 1.002
    assert labels_for_width(size, n, y, width) == pytest.approx(at.sum(), rel=0.02)


def test_labels_for_a_width_that_is_there_or_out_of_reach():
    assert labels_for_width([1000], [400], [0], 0.1) == 400
    assert labels_for_width([60], [30], [10], 0.1) is None
    with pytest.raises(ValueError, match="0 < width < 1, got 0"):
        labels_for_width([60], [30], [10], 0)


def test_stopping():
    assert when_to_stop(0.01, 0.02, below=0.03) == "below"
    assert when_to_stop(0.01, 0.02, below=0.02, width=0.02) == "narrow enough"
    assert when_to_stop(0.3, 0.4, above=0.2) == "above"
    assert when_to_stop(0.0, 1.0, width=0.1, below=0.5, above=0.5) == "go on"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, 4), "n_harmful must fulfil 0 <= n_harmful <= n_labeled"),
        ((-1, 4), "n_harmful"),
        ((0, -1), "n_labeled must be finite"),
        ((0, float("nan")), "n_labeled must be finite"),
    ],
)
def test_bad_counts(arguments, message):
    with pytest.raises(ValueError, match=message):
        confidence_sequence(*arguments)


def test_bad_strata_and_levels():
    with pytest.raises(ValueError, match="0 < confidence_level < 1, got 95"):
        confidence_sequence(1, 10, confidence_level=95)
    with pytest.raises(ValueError, match="share one shape"):
        stratified_confidence_sequence([100, 200], [10], [1])
    with pytest.raises(ValueError, match="n_labeled"):
        stratified_confidence_sequence([5], [10], [1])
    with pytest.raises(ValueError, match="0 <= low <= high <= 1"):
        when_to_stop(0.5, 0.4)
