"""Arguments that make no sense are refused as name, rule, value; answers keep the level that they were asked for."""

import numpy as np
import pytest

from calibration import (
    cohen_kappa,
    compare_paired,
    compare_rates,
    estimate_rate,
    grader_accuracy,
    gwet_ac1,
    krippendorff_alpha,
    positive_agreement,
    rate_from_counts,
)

NAN = float("nan")
Y = [1.0, 0.0, NAN, 0.0]
SCORE = [0.9, 0.1, 0.2, 0.8]
A, B = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: estimate_rate(Y, ["a", "b", "c", "d"]), r"score must hold numbers in \[0, 1\]"),
        (lambda: estimate_rate(Y, np.zeros((4, 0))), r"score must have shape .*, got \(4, 0\)"),
        (lambda: estimate_rate(Y, SCORE[:3]), r"score must have one value per transcript \(4\), got 3"),
        (lambda: estimate_rate(Y, [2.0, 0, 0, 0]), r"score must fulfil 0 <= score <= 1 .*, got 2.0 at 0"),
        (lambda: estimate_rate([1.0, "x", 0, 0], SCORE), r"y must hold numbers .*, got 'x'"),
        (lambda: estimate_rate(np.zeros((2, 2)), SCORE), r"y must have one dimension, got shape \(2, 2\)"),
        (lambda: estimate_rate([1.5, 0, 0, 0], SCORE), r"y must fulfil 0 <= y <= 1 .*, got 1.5 at 0"),
        (lambda: estimate_rate(Y, SCORE, known_zero=[2, 0, 0, 0]), "known_zero must be True or False, got 2"),
        (lambda: estimate_rate(Y, SCORE, known_zero=[1, 0, 0, 0]), "known_zero must not mark .* got one at 0"),
        (lambda: estimate_rate([0.0] * 4, SCORE, known_zero=[1] * 4), "known_zero must leave at least one"),
        (lambda: estimate_rate(Y, method="rogan-gladen"), "score must be given"),
        (lambda: estimate_rate(Y, SCORE, confidence_level=1), r"0 < confidence_level < 1, got 1"),
        (lambda: estimate_rate(Y, SCORE, target="all"), "target must be one of .*, got 'all'"),
        (lambda: estimate_rate(Y, SCORE, assumed_icc=1.1), "0 <= assumed_icc <= 1, got 1.1"),
        (lambda: rate_from_counts([9, 9], [1], [0]), r"must share one shape, got \(2,\), \(1,\), \(1,\)"),
        (lambda: rate_from_counts([9], [10], [0]), "n_labeled must fulfil 0 <= n_labeled <= n_transcripts, got 10"),
        (lambda: rate_from_counts([9], [2], [3]), "n_harmful must fulfil 0 <= n_harmful <= n_labeled, got 3"),
        (lambda: rate_from_counts([np.inf], [2], [1]), "n_transcripts must be finite and at least 0, got inf"),
        (lambda: rate_from_counts([0], [0], [0]), "must sum to more than 0"),
        (lambda: rate_from_counts([9], [1], [0], known_zero=-1), "known_zero be at least 0, got 9.0 and -1"),
        (lambda: rate_from_counts([9, 9], [1, 1], [0, 0], names=["a", "a"]), r"names must be 2 different names"),
        (lambda: grader_accuracy([1, 0], [1, 0.5]), r"side must fulfil side in \(0, 1, nan\), got 0.5"),
        (lambda: grader_accuracy([1, 0], [1, 0], inclusion_probability=[0.5]), r"shape == \(2,\), got \(1,\)"),
        (lambda: grader_accuracy([1, 0], [1, 0], inclusion_probability=[0, 1]), "0 < p <= 1 where labelled, got 0"),
        (lambda: compare_paired([0.5, 1], [0, 1]), r"values in \(0, 1, nan\) for pairs"),
        (lambda: compare_paired(A, B, scenario=["s"]), r"scenario must fulfil shape == \(6,\), got \(1,\)"),
    ],
)
def test_the_message_names_argument_rule_and_value(call, told):
    with pytest.raises(ValueError, match=told):
        call()


def test_rates_of_different_levels_or_targets_are_not_compared():
    first = rate_from_counts([100], [20], [3])
    with pytest.raises(ValueError, match=r"equal confidence_level, got \(0.95, 0.9\)"):
        compare_rates(first, rate_from_counts([100], [20], [3], confidence_level=0.9))
    with pytest.raises(ValueError, match=r"equal target, got \('scenarios', 'pool'\)"):
        compare_rates(first, rate_from_counts([100], [20], [3], target="pool"))


@pytest.mark.parametrize(
    "ask",
    [
        lambda level: rate_from_counts([100], [50], [9], confidence_level=level),
        lambda level: estimate_rate([1.0] * 5 + [0.0] * 20, [0.9] * 6 + [0.1] * 19, confidence_level=level),
        lambda level: compare_paired(A * 9, B * 9, confidence_level=level),
        lambda level: compare_paired(A * 9, B * 9, method="tango", confidence_level=level),
        lambda level: compare_paired(A * 9, B * 9, scenario=[f"s{i // 3}" for i in range(54)], confidence_level=level),
        lambda level: compare_rates(*[rate_from_counts([99], [50], [k], confidence_level=level) for k in (9, 3)]),
        lambda level: grader_accuracy(A * 9, B * 9, confidence_level=level)["sensitivity"],
        lambda level: cohen_kappa(A * 9, B * 9, confidence_level=level),
        lambda level: gwet_ac1([A * 9, B * 9], confidence_level=level),
        lambda level: positive_agreement(A * 9, B * 9, confidence_level=level),
        lambda level: krippendorff_alpha([A * 9, B * 9], confidence_level=level, rng=np.random.default_rng(0)),
    ],
)
def test_an_answer_keeps_its_level_and_a_higher_one_is_wider(ask):
    narrow, wide = ask(0.8), ask(0.99)
    assert (narrow.confidence_level, wide.confidence_level) == (0.8, 0.99)
    assert wide.low < narrow.low < narrow.high < wide.high or (wide.low <= narrow.low and wide.high > narrow.high)
