"""Plans: expected intervals against independent simulation, published sample sizes, the documented rule."""

import json

import numpy as np
import pytest

from calibration import plan_labels
from calibration.expected import allocate, assumed_pool
from calibration.intervals import post_stratified
from calibration.plan import clean_labels_needed, scenarios_to_compare


def test_miller_sample_sizes(reference_cases):
    cases = json.loads((reference_cases / "power_miller.json").read_text())["cases"]
    for case in cases:
        n = scenarios_to_compare(
            case["delta"],
            between_variance=case["omega2"],
            within_variance=(case["sA2"], case["sB2"]),
            runs=(case["KA"], case["KB"]),
            power=case["power"],
            confidence_level=1 - case["alpha"],
        )
        assert n == case["n"]
    assert len(cases) == 3


def test_expected_width_against_plain_simulation():
    """Labels drawn transcript by transcript from a pool that follows the assumptions."""
    rate, n, share = 0.05, 200, 0.25
    plan = plan_labels(rate, n_labels=n, n_transcripts=2000, designs=["flagged-25"], method="post-stratified")
    harm, flagged = 2000 * rate, round(2000 * (rate * 0.8 + 0.95 * 0.05))
    sizes, p = np.array([flagged, 2000 - flagged]), np.array([harm * 0.8 / flagged, harm * 0.2 / (2000 - flagged)])
    rng = np.random.default_rng(11)
    labels = np.array([n * share, n * (1 - share)])
    widths = []
    for _ in range(4000):
        y = [(rng.random(int(k)) < q).sum() for k, q in zip(labels, p, strict=True)]
        limits = post_stratified(sizes, labels, y)
        widths.append(limits.high - limits.low)
    assert plan.designs[0].width == pytest.approx(np.mean(widths), rel=0.02)


@pytest.mark.parametrize("method", ["post-stratified", "likelihood-ratio"])
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.15])
def test_the_fewest_labels_reach_the_width(method, rate):
    plan = plan_labels(rate, width=0.04, method=method)
    for design in plan.designs:
        assert design.width <= 0.04
        # One tenth fewer does not reach it: widths fall like 1 / n to 1 / sqrt(n).
        fewer = plan_labels(rate, n_labels=int(design.n_labels * 0.9), method=method, designs=[design.design])
        assert fewer.designs[0].width > 0.04
    assert plan.best.n_labels == min(design.n_labels for design in plan.designs)


def test_half_of_the_labels_on_flagged_does_not_pay():
    """Section 10: a 50/50 split is wider than uniform when harm is rare."""
    for method in ("post-stratified", "likelihood-ratio"):
        plan = plan_labels(0.002, n_labels=200, designs=["uniform", "flagged-50"], method=method)
        assert plan.designs[1].width > 1.2 * plan.designs[0].width


def test_the_likelihood_ratio_needs_fewer_labels():
    for rate in (0.002, 0.01, 0.03):
        newer, older = (plan_labels(rate, width=0.03, method=m) for m in ("likelihood-ratio", "post-stratified"))
        assert newer.best.n_labels < older.best.n_labels


def test_a_useless_judge_narrows_nothing():
    useless = plan_labels(0.1, n_labels=200, sensitivity=0.5, specificity=0.5, designs=["uniform"])
    good = plan_labels(0.1, n_labels=200, sensitivity=0.95, specificity=0.99, designs=["uniform"])
    assert good.designs[0].width < 0.75 * useless.designs[0].width


def test_unreachable_width_is_said():
    plan = plan_labels(0.1, width=0.01, n_transcripts=100)
    assert all(design.n_labels is None and np.isnan(design.width) for design in plan.designs)
    # Of the pool itself everything is known once all is labelled.
    assert plan_labels(0.1, width=0.01, n_transcripts=100, target="pool").best.n_labels <= 100


def test_allocation():
    pool = assumed_pool(0.01, 1000, 0.8, 0.95, "scenarios", "post-stratified", 0.95)
    flagged = round(1000 * (0.008 + 0.99 * 0.05))
    assert allocate(200, None, pool).tolist() == [round(200 * flagged / 1000), 200 - round(200 * flagged / 1000)]
    assert allocate(200, 0.1, pool).tolist() == [20, 180]
    assert allocate(400, 0.5, pool).tolist() == [flagged, 400 - flagged]
    assert allocate(1000, 0.1, pool).tolist() == [flagged, 1000 - flagged]


def test_a_judge_that_flags_nothing_or_everything():
    for sensitivity, specificity in ((0.0, 1.0), (1.0, 0.0)):
        plan = plan_labels(0.05, n_labels=100, sensitivity=sensitivity, specificity=specificity)
        assert len({round(design.width, 12) for design in plan.designs}) == 1
        assert 0 < plan.best.width < 0.2


def test_plans_are_reproducible_and_name_the_clean_labels():
    assert plan_labels(0.02, n_labels=150) == plan_labels(0.02, n_labels=150)
    seeded = plan_labels(0.02, n_labels=150, rng=np.random.default_rng(5))
    assert seeded.best.width == pytest.approx(plan_labels(0.02, n_labels=150).best.width, rel=0.03)
    assert plan_labels(0.01, n_labels=10).clean_labels == (299, 368)
    assert plan_labels(0.0, n_labels=10).clean_labels is None
    assert clean_labels_needed(0.05) == 59


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 1.5, "width": 0.1}, "0 <= rate <= 1, got 1.5"),
        ({"rate": 0.1}, "width or n_labels must be given"),
        ({"rate": 0.1, "width": 0.1, "n_labels": 10}, "one of them"),
        ({"rate": 0.1, "width": 0}, "0 < width < 1, got 0"),
        ({"rate": 0.1, "n_labels": 6000}, r"1 <= n_labels <= n_transcripts \(5000\), got 6000"),
        ({"rate": 0.1, "width": 0.1, "designs": ["flagged-0"]}, "P from 1 to 99, got 'flagged-0'"),
        ({"rate": 0.1, "width": 0.1, "designs": ["half"]}, "got 'half'"),
        ({"rate": 0.1, "width": 0.1, "sensitivity": -1}, "0 <= sensitivity <= 1, got -1"),
        ({"rate": 0.1, "width": 0.1, "target": "new-scenarios"}, "target must be one of"),
        ({"rate": 0.1, "width": 0.1, "n_transcripts": 0}, "n_transcripts must be at least 1, got 0"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        plan_labels(**options)


@pytest.mark.parametrize(
    ("difference", "options"), [(0, {}), (0.1, {"runs": (0, 1)}), (0.1, {"between_variance": -1}), (0.1, {"power": 1})]
)
def test_bad_comparisons(difference, options):
    with pytest.raises(ValueError, match="difference must not be 0|power must fulfil"):
        scenarios_to_compare(difference, **({"between_variance": 0.1} | options))
