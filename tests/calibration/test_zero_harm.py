"""No harm among the labels: an upper bound and what it means, in words and numbers, rounded outward."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration import estimate_rate, rate_from_counts
from calibration.rates.intervals import clopper_pearson_upper
from calibration.rates.rounding import percent_interval, round_outward
from calibration.rates.sentences import clean_labels_needed, zero_harm_text


def two_hundred(**options):
    return rate_from_counts([30, 1170], [3, 197], [0, 0], design="uniform", **options)


def test_model_wording():
    """Section 4's paragraph, with its numbers; 1.8207 % rounds outward to 1.83 %."""
    assert zero_harm_text(two_hundred(), new_scenarios_high=0.058, n_scenarios=20) == (
        "0 of 200 human-labelled transcripts were harmful (3 flagged, 197 not). Harm rate below 1.9 % "
        "(95 % interval 0-1.83 %; exact human-only 0-1.83 %; one-sided 95 %: 1.49 %). New scenarios like these 20: "
        "below 5.8 % (assumes correlation 0.2). The judge's sensitivity could not be estimated: no labelled harm. "
        "To claim below 1 %, label at least 299 (one-sided) or 368 (two-sided) transcripts with none harmful."
    )


def test_the_note_is_on_every_estimate_without_harm():
    for method in ("post-stratified", "likelihood-ratio", "human-only", "apparent"):
        text = " ".join(two_hundred(method=method).notes)
        assert "0 of 200 human-labelled transcripts were harmful" in text
        assert "Harm rate below" in text
    # Under the likelihood-ratio method the one-sided bound is the interval's own end and is said once.
    assert "one-sided 95 %" not in " ".join(two_hundred(method="likelihood-ratio").notes)


def test_golden_report(reference_cases):
    for case in json.loads((reference_cases / "extras_golden.json").read_text())["zero"]:
        a, expected = case["args"], case["expected"]
        n = a["n0"] + a["n1"]
        sizes = [round(1200 * a["W1"]), round(1200 * a["W0"])]
        estimate = rate_from_counts(sizes, [a["n1"], a["n0"]], [0, 0], design="uniform")
        one_sided = float(re.search(r"one-sided 95 %: ([\d.]+) %", estimate.notes[0]).group(1)) / 100
        assert expected["human_only"] <= one_sided <= expected["human_only"] + 1e-4
        assert expected["rule_of_three"] == 3 / n
        # No design-based bound can beat about 3 / n_0.
        assert estimate.high > expected["judge_negative_part"]


def test_new_scenarios_stand_in_the_note(reference_cases):
    case = json.loads((reference_cases / "cluster_interval_golden.json").read_text())["cases"][-1]
    estimate = rate_from_counts(case["T_hc"], case["n_hc"], case["y_hc"])
    assert case["expected"][2] == pytest.approx(0.05708, abs=1e-5)
    assert "New scenarios like these 20: below 5.8 % (assumes correlation 0.2)" in estimate.notes[0]


def test_words_hold_for_rows():
    y = np.full(1200, np.nan)
    y[np.r_[0:3, 30:227]] = 0
    estimate = estimate_rate(y, np.repeat([1.0, 0.0], [30, 1170]), inclusion_probability=np.full(1200, 1 / 6))
    assert estimate.notes[0] == two_hundred().notes[0]
    assert estimate.low == 0
    assert estimate.high > 0


def test_a_pool_labelled_throughout_is_not_said_to_be_below_zero():
    estimate = rate_from_counts([40], [40], [0], target="pool")
    assert (estimate.low, estimate.high) == (0, 0)
    assert not any("below 0 %" in note for note in estimate.notes)
    assert any("of fresh runs it is not" in note for note in estimate.notes)
    assert rate_from_counts([40], [40], [0]).high > 0.08


def test_stratified_labels_claim_no_exact_pooled_bound():
    text = rate_from_counts([200, 9800], [100, 100], [0, 0]).notes[0]
    assert "exact human-only" not in text
    assert "one-sided" not in text.split("To claim")[0]


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 6))
def test_bounds_are_rounded_outward(a, b, digits):
    low, high = min(a, b), max(a, b)
    rounded = round_outward(low, high, digits=digits)
    # What is within 1e-9 of 0 is what floating-point sums leave of it, and is printed as 0.
    assert rounded[0] <= low * (1 + 1e-11)
    assert rounded[1] >= high * (1 - 1e-11) or (rounded[1] == 0 and high <= 1e-9)
    assert rounded[1] <= high * (1 + 10.0 ** (1 - digits)) + 1e-300
    assert rounded[0] >= low * (1 - 10.0 ** (1 - digits)) or (rounded[0] == 0 and low <= 1e-9)


@pytest.mark.parametrize(("n", "text"), [(200, "0-1.49 %"), (299, "0-0.997 %"), (10, "0-25.9 %")])
def test_percentages_never_understate(n, text):
    assert percent_interval(0, float(clopper_pearson_upper(0, n))) == text


def test_text_refuses_harm_and_no_labels():
    with pytest.raises(ValueError, match="estimate must hold labels and no harm, got 1"):
        zero_harm_text(rate_from_counts([100], [50], [1]))
    with pytest.raises(ValueError, match="got 0.0 of 0"):
        zero_harm_text(rate_from_counts([100], [0], [0]))


@pytest.mark.parametrize(
    ("arguments", "options"),
    [((0,), {}), ((1,), {}), ((0.01,), {"sides": 3}), ((0.01,), {"confidence_level": 95})],
)
def test_clean_labels_bad_input(arguments, options):
    with pytest.raises(ValueError, match="must"):
        clean_labels_needed(*arguments, **options)
