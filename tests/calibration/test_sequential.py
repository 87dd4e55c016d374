"""Confidence sequences: golden values, definition, coverage at every look."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln

from calibration.intervals import clopper_pearson
from calibration.sequential import confidence_sequence, stratified_confidence_sequence, when_to_stop


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
