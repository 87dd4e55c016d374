"""Every argument of every public function, spoiled one at a time: the message begins with its name."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from calibration import (
    cohen_kappa,
    compare_paired,
    confidence_sequence,
    estimate_rate,
    grader_accuracy,
    gwet_ac1,
    krippendorff_alpha,
    plan_labels,
    positive_agreement,
    rate_from_counts,
    rate_from_external_labels,
    rate_from_positive_controls,
    reliability,
)
from calibration.agreement.panel import error_correlation
from calibration.rates.intervals import clopper_pearson, jeffreys, wilson
from calibration.rates.likelihood_ratio import likelihood_ratio
from calibration.rates.sequential import stratified_confidence_sequence

Y = [1.0, 0.0] * 20
SCORE = [0.9, 0.2, 0.7, 0.1] * 10
SIDE = [1.0, 0.0, 0.0, 1.0] * 10


class Spoiled(NamedTuple):
    """A good call, the argument that is replaced in it, what it is replaced by, and what has to be told."""

    of: Callable[..., Any]
    good: dict[str, Any]
    name: str
    value: Any
    told: str


def spoiled(of: Callable[..., Any], good: dict[str, Any], **wrong: tuple[Any, str]) -> list[Spoiled]:
    return [Spoiled(of, good, name, value, told) for name, (value, told) in wrong.items()]


TEXT, LEVEL, WORD = ["x"] * 40, (95, "must fulfil 0 < confidence_level < 1, got 95"), "sideways"
RATE = {"y": Y, "score": SCORE}
PAIR = {"a": Y, "b": SIDE}
COUNTS = {"n_transcripts": [80, 900], "n_labeled": [40, 90], "n_harmful": [30, 4]}
CASES = [
    *spoiled(
        estimate_rate,
        RATE,
        y=(TEXT, "must hold numbers .*, got 'x'"),
        score=(TEXT, "must hold numbers"),
        inclusion_probability=(TEXT, "must hold numbers .*, got 'x'"),
        known_zero=(TEXT, "must hold numbers .*, got 'x'"),
        frequency=([0.5] * 40, "must hold whole numbers from 1 on, got 0.5 at 0"),
        stratum=(["a"] * 39, r"must have one value per transcript \(40\), got 39"),
        cluster=([None] * 40, "must be known for every transcript"),
        target=(WORD, "must be one of 'pool', 'scenarios', 'new-scenarios', got 'sideways'"),
        method=(WORD, "must be one of 'post-stratified', .*, got 'sideways'"),
        upper=(WORD, "must be one of .*, got 'sideways'"),
        assumed_icc=(-0.1, "must fulfil 0 <= assumed_icc <= 1, got -0.1"),
        confidence_level=LEVEL,
    ),
    *spoiled(estimate_rate, RATE, frequency=([1] * 39, r"must have one value per transcript \(40\), got 39")),
    *spoiled(estimate_rate, RATE, known_zero=([1] * 39, r"must have one value per transcript \(40\), got 39")),
    *spoiled(
        rate_from_counts,
        COUNTS,
        n_transcripts=([-1, 900], "must be finite and at least 0, got -1"),
        n_labeled=([81, 90], "must fulfil 0 <= n_labeled <= n_transcripts, got 81.0 of 80.0"),
        n_harmful=([41, 4], "must fulfil 0 <= n_harmful <= n_labeled, got 41.0 of 40.0"),
        names=(["a", "a"], "must be 2 different names"),
        design=(WORD, "must be one of 'stratified', 'uniform', got 'sideways'"),
    ),
    *spoiled(
        likelihood_ratio,
        COUNTS,
        n_labeled=([81, 90], "must fulfil 0 <= n_labeled <= n_transcripts, got 81"),
        n_harmful=([41, 4], "must fulfil 0 <= n_harmful <= n_labeled, got 41"),
        target=(WORD, "must be one of .*, got 'sideways'"),
        confidence_level=LEVEL,
    ),
    *[
        case
        for of in (clopper_pearson, wilson, jeffreys)
        for case in spoiled(
            of,
            {"x": [3], "n": [9]},
            x=([10], "must fulfil 0 <= x <= n, got 10.0 of 9.0"),
            n=([-9], "must be finite and at least 0, got -9.0"),
            confidence_level=LEVEL,
        )
    ],
    *spoiled(
        grader_accuracy,
        {"y": Y, "side": SIDE},
        y=(TEXT, "must hold numbers .*, got 'x'"),
        side=(TEXT, "must hold numbers .*, got 'x'"),
        cluster=(["s"] * 39, r"must fulfil shape == \(40,\), got \(39,\)"),
        stratum=(["s"] * 39, r"must fulfil shape == \(40,\), got \(39,\)"),
        inclusion_probability=([0.5] * 39, r"must fulfil shape == \(40,\), got \(39,\)"),
        confidence_level=LEVEL,
    ),
    *[
        case
        for of in (cohen_kappa, positive_agreement)
        for case in spoiled(of, PAIR, confidence_level=LEVEL, interval=(WORD, "must be one of .*, got 'sideways'"))
    ],
    *[
        case
        for of in (krippendorff_alpha, gwet_ac1)
        for case in spoiled(
            of,
            {"reliability_data": [Y, SIDE]},
            reliability_data=(Y, r"must fulfil ndim == 2"),
            confidence_level=LEVEL,
            interval=(WORD, "must be one of 'default', 'linearised', got 'sideways'"),
        )
    ],
    *spoiled(
        compare_paired,
        PAIR,
        a=(TEXT, "must hold numbers .*, got 'x'"),
        b=(TEXT, "must hold numbers .*, got 'x'"),
        scenario=(["s"] * 39, r"must fulfil shape == \(40,\), got \(39,\)"),
        question=(WORD, "must be one of 'runs', 'any-harm', got 'sideways'"),
        method=(WORD, "must be one of 'bonett-price', 'newcombe', 'tango', got 'sideways'"),
        confidence_level=LEVEL,
    ),
    *spoiled(
        error_correlation,
        {"y": Y, "first": SIDE, "second": Y},
        y=(TEXT, "must hold numbers .*, got 'x'"),
        among=(WORD, "must be one of 'all', 'harmful', 'harmless', got 'sideways'"),
    ),
    *spoiled(
        rate_from_external_labels,
        {"side": SIDE, "external_y": Y, "external_side": Y},
        side=(SCORE, "must be 1, 0 or nan, got 0.9"),
        external_side=(SCORE, "must be 1, 0 or nan, got 0.9"),
        external_y=([2.0] * 40, "must fulfil 0 <= external_y <= 1"),
        confidence_level=LEVEL,
    ),
    *spoiled(
        rate_from_positive_controls,
        {"y": Y, "side": SIDE, "controls": [1, 0, 1]},
        side=(SCORE, "must be 1, 0 or nan, got 0.9"),
        controls=([0.5], "must be 1, 0 or nan, got 0.5"),
        y=([2.0] * 40, "must fulfil 0 <= y <= 1"),
        confidence_level=LEVEL,
    ),
    *spoiled(
        reliability,
        {"y": Y, "score": SCORE},
        y=(TEXT, "must hold numbers .*, got 'x'"),
        score=(TEXT, "must hold numbers .*, got 'x'"),
        confidence_level=LEVEL,
    ),
    *spoiled(
        confidence_sequence,
        {"n_harmful": 3, "n_labeled": 9},
        n_harmful=(10, "must fulfil 0 <= n_harmful <= n_labeled, got 10"),
        confidence_level=LEVEL,
    ),
    *spoiled(stratified_confidence_sequence, COUNTS, confidence_level=LEVEL),
    *spoiled(
        plan_labels,
        {"rate": 0.1, "width": 0.1},
        rate=(1.5, "must fulfil .*rate.*, got 1.5"),
        width=(0.0, "must fulfil .*, got 0.0"),
        sensitivity=(1.5, "must fulfil 0 <= sensitivity <= 1, got 1.5"),
        specificity=(1.5, "must fulfil 0 <= specificity <= 1, got 1.5"),
        confidence_level=LEVEL,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.of.__name__}-{case.name}")
def test_a_wrong_argument_is_told_by_its_name(case):
    with pytest.raises(ValueError, match=f"^{re.escape(case.name)} {case.told}"):
        case.of(**case.good | {case.name: case.value})


@pytest.mark.parametrize("of", list(dict.fromkeys(case.of for case in CASES)), ids=lambda of: of.__name__)
def test_the_same_call_with_nothing_wrong_answers(of):
    good = next(case.good for case in CASES if case.of is of)
    assert of(**good) is not None


def test_a_level_that_needs_numbers_refuses_text_with_three_of_its_values():
    with pytest.raises(
        ValueError, match=r"reliability_data must fulfil numeric values .*'interval', got \['a', 'b', 'c'\]"
    ):
        krippendorff_alpha([list("abcd"), list("abca")], level_of_measurement="interval")


def test_a_whole_number_of_labels_may_be_all_there_are():
    found = rate_from_counts([10], [10], [10])
    assert (found.n_labeled, found.n_harmful, found.rate) == (10, 10, 1)
    assert np.all(np.isfinite([found.low, found.high]))
