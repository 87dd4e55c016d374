"""Differences of rates: published tables, brute force, what has no interval."""

import numpy as np
import pytest

from calibration.compare import compare_groups, compare_paired, compare_rates
from calibration.rates.estimate import rate_from_counts
from calibration.rates.multiplicity import benjamini_yekutieli, holm
from calibration.rates.paired import bonett_price, mcnemar_exact
from calibration.records import RateEstimate

NAN = float("nan")


def rate(value, low, high, **changes):
    facts = {
        "confidence_level": 0.95,
        "target": "scenarios",
        "method": "",
        "n_transcripts": 100,
        "n_scored": 100,
        "n_labeled": 100,
        "n_harmful": 1,
    }
    return RateEstimate(rate=value, low=low, high=high, **(facts | changes))


def pairs(both, first, second, neither):
    counts = [both, first, second, neither]
    return np.repeat([1, 1, 0, 0], counts), np.repeat([1, 0, 1, 0], counts)


def test_mover_by_hand():
    result = compare_rates(rate(0.3, 0.2, 0.45), rate(0.1, 0.06, 0.2))
    assert result.difference == pytest.approx(0.2)
    assert result.low == pytest.approx(0.2 - np.sqrt(0.1**2 + 0.1**2))
    assert result.high == pytest.approx(0.2 + np.sqrt(0.15**2 + 0.04**2))


def test_order_only_changes_signs():
    a, b = rate(0.3, 0.2, 0.45), rate(0.1, 0.06, 0.2)
    forth, back = compare_rates(a, b), compare_rates(b, a)
    assert (back.difference, back.low, back.high) == pytest.approx((-forth.difference, -forth.high, -forth.low))
    assert back.p_value == pytest.approx(forth.p_value)


@pytest.mark.parametrize("shift", [-0.002, 0.002])
def test_p_value_and_interval_agree_at_the_edge(shift):
    first, second = rate(0.3, 0.2, 0.4), rate(0.1, 0.06, 0.1 + np.sqrt(0.03) + shift)
    result = compare_rates(first, second)
    assert (result.p_value < 0.05) == (result.low > 0)
    assert result.p_value == pytest.approx(0.05, abs=0.005)


def test_equal_rates_are_no_evidence():
    assert compare_rates(rate(0.2, 0.1, 0.3), rate(0.2, 0.1, 0.3)).p_value == 1


def test_unknown_rate_gives_the_worst_case():
    result = compare_rates(rate(NAN, 0.1, 0.5), rate(0.2, 0.1, 0.3))
    assert np.isnan(result.difference)
    assert (result.low, result.high) == pytest.approx((-0.2, 0.4))
    assert np.isnan(result.p_value)


def test_rates_of_different_kinds_are_refused():
    with pytest.raises(ValueError, match="equal confidence_level"):
        compare_rates(rate(0.1, 0, 0.2), rate(0.1, 0, 0.2, confidence_level=0.9))
    with pytest.raises(ValueError, match=r"equal target, got \('scenarios', 'pool'\)"):
        compare_rates(rate(0.1, 0, 0.2), rate(0.1, 0, 0.2, target="pool"))


def test_groups_are_compared_in_pairs_with_holm():
    rates = {"a": rate(0.3, 0.25, 0.35), "b": rate(0.2, 0.15, 0.25), "c": rate(0.19, 0.14, 0.24)}
    result = compare_groups(rates)
    assert list(result) == [("a", "b"), ("a", "c"), ("b", "c")]
    raw = [compare_rates(rates[a], rates[b]).p_value for a, b in result]
    assert [pair.p_value for pair in result.values()] == pytest.approx(holm(raw).tolist())


def test_holm_by_hand():
    assert holm([0.01, 0.04, NAN, 0.03, 0.9]).tolist() == pytest.approx([0.04, 0.09, NAN, 0.09, 0.9], nan_ok=True)
    with pytest.raises(ValueError, match="0 <= p <= 1"):
        holm([1.2])


def test_benjamini_yekutieli_never_above_one():
    assert benjamini_yekutieli([0.5, 0.9, 1.0]).max() == 1


def test_pairs_with_a_missing_side_are_left_out():
    a, b = pairs(5, 6, 1, 30)
    with_gaps = compare_paired([*a, 1, NAN, NAN], [*b, NAN, 0, NAN])
    assert with_gaps == compare_paired(a, b)
    assert with_gaps.n_paired == 42


def test_mcnemar_is_the_doubled_binomial_tail():
    assert mcnemar_exact(1, 7) == pytest.approx(2 * (1 + 8) / 2**8)
    assert mcnemar_exact(4, 4) == 1


def test_no_pairs_no_number():
    result = compare_paired([NAN, 1], [0, NAN])
    assert np.isnan([result.difference, result.low, result.high, result.p_value]).all()


def test_bonett_price_coverage_exact():
    """Exact coverage by enumeration at a rare, unequal point; the measured minimum is .947."""
    n, first, second = 40, 0.06, 0.02
    covered = 0.0
    from scipy.stats import multinomial

    law = multinomial(n, [first, second, 1 - first - second])
    for b in range(n + 1):
        for c in range(n + 1 - b):
            low, high = bonett_price(0, b, c, n - b - c)
            covered += (low <= first - second <= high) * law.pmf([b, c, n - b - c])
    assert covered >= 0.947


def test_runs_of_scenarios():
    """Six scenarios, two runs each; scenario means differ by 0, .5, .5, .5, .5, 1."""
    a = [0, 0, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1]
    b = [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    scenario = np.repeat(list("uvwxyz"), 2)
    result = compare_paired(a, b, scenario=scenario)
    d = np.array([0, 0.5, 0.5, 0.5, 0.5, 1])
    half = 2.570582 * d.std(ddof=1) / np.sqrt(6)
    assert (result.low, result.difference, result.high) == pytest.approx((0.5 - half, 0.5, 0.5 + half), abs=1e-6)
    assert result.n_paired == 6
    assert 0.001 < result.p_value < 0.05
    any_harm = compare_paired(a, b, scenario=scenario, question="any-harm")
    assert (any_harm.low, any_harm.high) == pytest.approx(bonett_price(1, 4, 0, 1))


def test_few_differing_scenarios_have_no_t_interval():
    a, b = pairs(5, 4, 0, 40)
    result = compare_paired(a, b, scenario=np.arange(49))
    assert result.difference == pytest.approx(4 / 49)
    assert np.isnan([result.low, result.high, result.p_value]).all()
    assert any("at least 5 scenarios" in note for note in result.notes)


def test_identical_shift_everywhere_is_no_certainty():
    result = compare_paired(np.ones(8), np.zeros(8), scenario=np.arange(8))
    assert np.isnan([result.low, result.high]).all()


def test_unequal_numbers_of_runs():
    result = compare_paired([1, NAN, 0, 1], [1, 0, 0, NAN], scenario=["s", "s", "t", "u"])
    assert result.difference == pytest.approx((1 - 0.5 + 0) / 2)
    assert result.n_paired == 2


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([1, 0], [1]), {}, "b must have"),
        (([1, 0.5], [1, 0]), {}, "got fractions"),
        (([1, 0], [1, 0]), {"scenario": ["a"]}, r"scenario must fulfil shape == \(2,\)"),
        (([1, 0], [1, 0]), {"method": "wald"}, "got 'wald'"),
        (([1, 2], [1, 0]), {}, "a must fulfil 0 <= a <= 1"),
    ],
)
def test_bad_input(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        compare_paired(*arguments, **options)


def test_runs_drawn_with_unequal_probability_are_weighted_within_their_scenario():
    # Two scenarios' means by hand: (1 / .5) / (1 / .5 + 1 / .1) = 1 / 6 against 1 / 2 unweighted.
    scenario = np.repeat(np.arange(6), 2)
    a, b = np.tile([1.0, 0.0], 6), np.tile([0.0, 0.0], 6)
    a[:2] = 0
    pi = np.tile([0.5, 0.1], 6)
    found = compare_paired(a, b, scenario=scenario, inclusion_probability=(pi, pi))
    assert found.difference == pytest.approx(5 / 6 / 6)
    assert any("weighted by 1 / inclusion probability" in note for note in found.notes)
    plain = compare_paired(a, b, scenario=scenario)
    same = compare_paired(a, b, scenario=scenario, inclusion_probability=(np.full(12, 0.3), np.full(12, 0.7)))
    assert same == plain
    assert plain.difference == pytest.approx(5 / 12)


def test_unequal_probabilities_are_refused_where_the_runs_seen_decide():
    pi = [0.5, 0.1]
    with pytest.raises(ValueError, match="inclusion_probability must fulfil equal"):
        compare_paired([1, 0], [0, 0], inclusion_probability=(pi, pi))
    with pytest.raises(ValueError, match="inclusion_probability must fulfil equal"):
        compare_paired([1, 0], [0, 0], scenario=["a", "a"], question="any-harm", inclusion_probability=(pi, pi))
    with pytest.raises(ValueError, match="0 < p <= 1 where labelled, got 0"):
        compare_paired([1, 0], [0, 0], scenario=["a", "a"], inclusion_probability=([0, 1], pi))


def test_flagged_samples_are_not_taken_for_their_scenarios():
    """A fifth of the labels on flagged runs: unweighted the difference of 10 points reads as 16."""
    rng, differences, covered = np.random.default_rng(20), [], 0
    for _ in range(200):
        sides = [_flagged_sample(rng, rate) for rate in (0.15, 0.05)]
        (a, pi_a), (b, pi_b) = sides
        found = compare_paired(a, b, scenario=np.repeat(np.arange(20), 30), inclusion_probability=(pi_a, pi_b))
        differences.append(found.difference)
        covered += found.low <= 0.1 <= found.high
    assert np.mean(differences) == pytest.approx(0.1, abs=3 * np.std(differences) / np.sqrt(200) + 0.01)
    assert covered >= 180


def _flagged_sample(rng, rate):
    truth = rng.random((20, 30)) < rng.beta(4 * rate, 4 * (1 - rate), 20)[:, None]
    flagged = np.where(truth, rng.random(truth.shape) < 0.8, rng.random(truth.shape) < 0.05).ravel()
    pi = np.where(flagged, min(1, 50 / flagged.sum()), 150 / (~flagged).sum())
    drawn = rng.random(pi.size) < pi
    return np.where(drawn, truth.ravel(), np.nan), pi


def test_likelihood_ratio_rates_are_compared_by_the_same_test():
    first = rate_from_counts([30, 70], [5, 15], [4, 0], method="likelihood-ratio")
    second = rate_from_counts([45, 55], [5, 15], [5, 2], method="likelihood-ratio")
    found = compare_rates(first, second)
    assert found.method == "likelihood-ratio"
    # statistics of the pair a, c: p = .0188336
    assert found.p_value == pytest.approx(0.0188336, rel=1e-4)
    assert found.high < 0
    frozen = compare_rates(rate_from_counts([30, 70], [5, 15], [4, 0]), second)
    assert frozen.method == "mover"


def test_sixteen_groups_are_compared_and_sixty_five_refused():
    rates = {
        f"m{i}": rate_from_counts([20, 80], [3, 9], [min(3, i // 3), i // 8], method="likelihood-ratio")
        for i in range(16)
    }
    pairs = compare_groups(rates)
    assert len(pairs) == 120
    for pair in pairs.values():
        raw = float(pair.notes[-1].split()[-1])
        assert (pair.low <= 0 <= pair.high) == (raw > 0.05)
        assert pair.p_value >= raw - 1e-3
    with pytest.raises(ValueError, match="at most 64 groups, got 65"):
        compare_groups({str(i): rates["m0"] for i in range(65)})
