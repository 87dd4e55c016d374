"""Published and independently computed intervals, reproduced."""

import json

import numpy as np
import pytest

from calibration.rates.clusters import new_scenarios, one_draw_per_scenario
from calibration.rates.estimate import estimate_rate, rate_from_counts
from calibration.rates.intervals import clopper_pearson, clopper_pearson_upper, jeffreys, post_stratified, wilson
from calibration.rates.sentences import clean_labels_needed


def load(folder, name):
    return json.loads((folder / name).read_text())


def rows_from_counts(size, n, y):
    """A pool in which the first n of each side are labelled and the first y of these harmful."""
    labels, score = [], []
    for side, (t_h, n_h, y_h) in enumerate(zip(size, n, y, strict=True)):
        labels += [1.0] * y_h + [0.0] * (n_h - y_h) + [np.nan] * (t_h - n_h)
        score += [1.0 - side] * t_h
    return np.array(labels), np.array(score)


@pytest.mark.parametrize(
    ("key", "function"), [("wilson", wilson), ("clopper_pearson", clopper_pearson), ("jeffreys", jeffreys)]
)
def test_binomial_intervals(reference_cases, key, function):
    for case in load(reference_cases, "binomial_intervals.json")["cases"]:
        np.testing.assert_allclose(function(case["x"], case["n"]), case[key], rtol=1e-8, atol=1e-12)
        if f"{key}_published" in case:
            np.testing.assert_allclose(function(case["x"], case["n"]), case[f"{key}_published"], atol=5.1e-5)
        if case.get("one_sided95_upper") is not None:
            np.testing.assert_allclose(clopper_pearson_upper(case["x"], case["n"]), case["one_sided95_upper"])


@pytest.mark.parametrize("target", ["scenarios", "pool"])
def test_default_rate_intervals(reference_cases, target):
    for case in load(reference_cases, "rate_intervals.json")["cases"]:
        c = case["counts"]
        size, n, y = [c["T1"], c["T0"]], [c["n1"], c["n0"]], [c["y1"], c["y0"]]
        expected = case["expected"]["default" if target == "scenarios" else "default_pool_target"]
        counted = rate_from_counts(size, n, y, target=target)
        counted_rows = estimate_rate(*rows_from_counts(size, n, y), target=target)
        for estimate in (counted, counted_rows):
            np.testing.assert_allclose([estimate.rate, estimate.low, estimate.high], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("upper", "target", "key"),
    [
        ("jeffreys", "scenarios", "plain_jeffreys_upper"),
        ("clopper-pearson", "scenarios", "mover_cp"),
    ],
)
def test_other_upper_limits(reference_cases, upper, target, key):
    for case in load(reference_cases, "rate_intervals.json")["cases"]:
        c = case["counts"]
        counts = [c["T1"], c["T0"]], [c["n1"], c["n0"]], [c["y1"], c["y0"]]
        limits = post_stratified(*counts, upper=upper, target=target)
        assert limits.high == pytest.approx(case["expected"][key][1], rel=1e-9)


def test_cluster_intervals(reference_cases):
    for case in load(reference_cases, "cluster_interval_golden.json")["cases"]:
        tables = case["T_hc"], case["n_hc"], case["y_hc"]
        limits = new_scenarios(*tables, assumed_icc=case["icc"])
        np.testing.assert_allclose(limits, case["expected"], rtol=1e-9, atol=1e-12)
        estimate = rate_from_counts(*tables, target="new-scenarios", assumed_icc=case["icc"])
        found = [estimate.rate, estimate.low, estimate.high]
        np.testing.assert_allclose(found, case["expected"], rtol=1e-9, atol=1e-12)


def test_zero_harm_numbers(reference_cases):
    for case in load(reference_cases, "extras_golden.json")["zero"]:
        a, expected = case["args"], case["expected"]
        n = a["n0"] + a["n1"]
        assert float(clopper_pearson_upper(0, n)) == pytest.approx(expected["human_only"])
        assert a["W0"] * float(clopper_pearson_upper(0, a["n0"])) == pytest.approx(expected["judge_negative_part"])
        effective = n / (1 + (n / a["G"] - 1) * 0.2)
        assert float(clopper_pearson_upper(0, effective)) == pytest.approx(expected["new_scenarios_icc"])
        assert one_draw_per_scenario(a["G"], 0) == pytest.approx(expected["worst_case_one_draw_per_scenario"])


@pytest.mark.parametrize(
    ("rate", "one", "two"),
    [
        (0.05, 59, 72),
        (0.03, 99, 122),
        (0.02, 149, 183),
        (0.01, 299, 368),
        (0.005, 598, 736),
        (0.002, 1497, 1843),
        (0.001, 2995, 3688),
    ],
)
def test_clean_labels_needed(rate, one, two):
    assert clean_labels_needed(rate) == one
    assert clean_labels_needed(rate, sides=2) == two
    # The definition: that many clean labels put the exact bound at or below the rate, one fewer does not.
    assert float(clopper_pearson_upper(0, one)) <= rate < float(clopper_pearson_upper(0, one - 1))
    assert float(clopper_pearson(0, two)[1]) <= rate < float(clopper_pearson(0, two - 1)[1])
