"""Rates with a borrowed sensitivity: published intervals, simulation, what they refuse and what they say."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration import rate_from_external_labels, rate_from_positive_controls
from calibration.rates.controls import SAME_SENSITIVITY, rate_from_control_counts
from calibration.rates.external import SAME_ERRORS, lang_reiczigel, rate_from_external_counts

NAN = float("nan")


def test_lang_reiczigel_published_examples(reference_cases):
    cases = json.loads((reference_cases / "lang_reiczigel.json").read_text())["cases"]
    assert len(cases) == 5
    for case in cases:
        found = lang_reiczigel(case["AP"], case["nP"], case["Se"], case["nSe"], case["Sp"], case["nSp"])
        assert found == pytest.approx(case["computed"], abs=1e-12)
        # Published to two or three digits.
        digits = 2 if case["pub"] == [0.58, 0.87] else 3
        assert found == pytest.approx(case["pub"], abs=0.51 * 10**-digits)
        estimate = rate_from_external_counts(
            case["AP"] * case["nP"],
            case["nP"],
            n_harmful=case["nSe"],
            n_harmful_flagged=case["Se"] * case["nSe"],
            n_harmless=case["nSp"],
            n_harmless_flagged=(1 - case["Sp"]) * case["nSp"],
        )
        assert (estimate.low, estimate.high) == pytest.approx(case["computed"], abs=1e-9)
        assert estimate.rate == pytest.approx(case["rogan_gladen"])


def test_arrays_and_counts_agree_and_the_assumption_is_named():
    side = [1] * 50 + [0] * 440 + [NAN] * 10
    y, said = [1] * 20 + [0] * 100 + [NAN, 1], [1] * 15 + [0] * 5 + [1] * 4 + [0] * 96 + [1, NAN]
    estimate = rate_from_external_labels(side, y, said)
    counted = rate_from_external_counts(
        50, 490, n_harmful=20, n_harmful_flagged=15, n_harmless=100, n_harmless_flagged=4, n_transcripts=500
    )
    assert estimate == counted
    assert estimate.notes[0] == SAME_ERRORS
    assert (estimate.n_transcripts, estimate.n_scored, estimate.n_labeled) == (500, 490, 0)
    scored = rate_from_external_counts(
        50, 490, n_harmful=20, n_harmful_flagged=15, n_harmless=100, n_harmless_flagged=4
    )
    # Unscored transcripts are harmless in the lower end and harmful in the upper.
    assert estimate.low == pytest.approx(scored.low * 0.98)
    assert estimate.high == pytest.approx(scored.high * 0.98 + 0.02)


def test_lang_reiczigel_holds_the_truth():
    """2,000 campaigns at 3 %, judge (.8, .95), 50 and 100 external labels: coverage at least .93 (nominal .95)."""
    rng = np.random.default_rng(7)
    rate, n = 0.03, 1000
    flagged = rng.binomial(n, rate * 0.8 + (1 - rate) * 0.05, 2000)
    se, sp = rng.binomial(50, 0.8, 2000) / 50, rng.binomial(100, 0.95, 2000) / 100
    limits = np.array([lang_reiczigel(f / n, n, a, 50, b, 100) for f, a, b in zip(flagged, se, sp, strict=True)])
    assert np.mean((limits[:, 0] <= rate) & (rate <= limits[:, 1])) > 0.93


@pytest.mark.parametrize(
    ("y", "said", "message"),
    [
        ([1, 1, 0, 0], [0, 0, 1, 1], "better than chance"),
        ([1, 0] * 10, [1, 1, 0, 0] * 5, "better than chance"),
        ([0, 0], [0, 1], "n_harmful above 0"),
        ([1, 1], [1, 1], "n_harmless above 0"),
        ([1, 2], [1, 1], "0 <= external_y <= 1"),
        ([1, 0], [1, 0.5], "external_side must be 1, 0 or nan, got 0.5"),
        ([1, 0, 0], [1, 0], r"external_y must have one value per transcript \(2\), got 3"),
    ],
)
def test_external_labels_that_are_refused(y, said, message):
    with pytest.raises(ValueError, match=message):
        rate_from_external_labels([1, 0, 0, 0], y, said)


def test_a_pool_without_verdicts_is_refused():
    with pytest.raises(ValueError, match="n_scored above 0"):
        rate_from_external_labels([NAN, NAN], [1, 0], [1, 0])
    with pytest.raises(ValueError, match="sensitivity must rest on at least one item, got 0"):
        lang_reiczigel(0.1, 100, 0.9, 0, 0.9, 10)


def test_positive_controls_golden(reference_cases):
    golden = json.loads((reference_cases / "extras_golden.json").read_text())["tp_over_se"]
    flagged, scored, labeled, harmful, caught, controls = golden["args"]
    estimate = rate_from_control_counts(
        flagged, scored, n_labeled=labeled, n_harmful=harmful, n_controls=controls, n_caught=caught
    )
    assert (estimate.rate, estimate.low, estimate.high) == pytest.approx(golden["expected"], abs=golden["mc_tol"])


@pytest.mark.parametrize("counts", [(300, 20_000, 300, 296, 300, 294), (5, 100, 5, 5, 10, 10), (90, 400, 50, 1, 9, 2)])
def test_quadrature_against_simulation(counts):
    """The definition: quantiles of q * Beta / Beta, a million draws."""
    t1, t, n, y, m, k = counts
    rng, draws = np.random.default_rng(1), 1_000_000
    q = rng.beta(t1 + 0.5, t - t1 + 0.5, draws)
    upper = q * (rng.beta(y + 1, n - y, draws) if n > y else 1) / rng.beta(k, m - k + 1, draws)
    lower = q * rng.beta(y, n - y + 1, draws) / (rng.beta(k + 1, m - k, draws) if m > k else 1)
    estimate = rate_from_control_counts(t1, t, n_labeled=n, n_harmful=y, n_controls=m, n_caught=k)
    expected = np.quantile(lower, 0.025), min(np.quantile(upper, 0.975), 1)
    assert (estimate.low, estimate.high) == pytest.approx(expected, rel=2e-2)


def test_positive_controls_from_rows():
    side = [1] * 30 + [0] * 1160 + [NAN] * 10
    y = [1] * 6 + [0] * 14 + [NAN] * 10 + [1] * 3 + [NAN] * 1167
    estimate = rate_from_positive_controls(y, side, [1] * 24 + [0] * 5 + [NAN])
    assert estimate == rate_from_control_counts(
        30, 1190, n_labeled=20, n_harmful=6, n_controls=30, n_caught=24, n_transcripts=1200
    )
    assert estimate.notes[0] == SAME_SENSITIVITY
    assert (estimate.n_labeled, estimate.n_harmful) == (20, 6)


def test_positive_controls_that_say_little():
    nothing_caught = rate_from_control_counts(10, 100, n_labeled=10, n_harmful=2, n_controls=5, n_caught=0)
    assert np.isnan(nothing_caught.rate)
    assert nothing_caught.high == 1
    unlabeled = rate_from_control_counts(10, 100, n_labeled=0, n_harmful=0, n_controls=20, n_caught=18)
    assert np.isnan(unlabeled.rate)
    assert unlabeled.low == 0
    assert 0.1 < unlabeled.high < 0.3  # every flagged one may be harmful
    none_harmful = rate_from_control_counts(10, 1000, n_labeled=10, n_harmful=0, n_controls=20, n_caught=18)
    assert (none_harmful.rate, none_harmful.low) == (0, 0)
    assert none_harmful.high > 0
    with pytest.raises(ValueError, match="n_controls above 0"):
        rate_from_positive_controls([1, 0], [1, 0], [])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_order_of_the_limits(data):
    scored = data.draw(st.integers(1, 3000))
    flagged = data.draw(st.integers(0, scored))
    n = data.draw(st.integers(0, min(flagged, 60)))
    m = data.draw(st.integers(1, 60))
    estimate = rate_from_control_counts(
        flagged,
        scored,
        n_labeled=n,
        n_harmful=data.draw(st.integers(0, n)),
        n_controls=m,
        n_caught=data.draw(st.integers(0, m)),
    )
    assert 0 <= estimate.low <= estimate.high <= 1
    if not np.isnan(estimate.rate):
        assert estimate.low <= estimate.rate <= estimate.high
