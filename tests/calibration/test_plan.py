"""Plans: expected intervals against independent simulation, published sample sizes, the documented rule."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.designs import draw, make_pool
from calibration import estimate_rate, plan_labels
from calibration.plan import planned_designs as plan_designs
from calibration.plan.expected import assumed_pool, planned_sample
from calibration.plan.plan_labels import clean_labels_needed
from calibration.plan.planned_designs import labels_by_cell, planned_design
from calibration.rates.intervals import post_stratified
from labels.sampling import allocation


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
    size = assumed_pool(0.01, 1000, (0.8, 0.95), "scenarios", "post-stratified", 0.95).size
    flagged = round(1000 * (0.008 + 0.99 * 0.05))
    assert size.tolist() == [flagged, 1000 - flagged]

    def labels(n, name):
        return labels_by_cell(n, planned_design(name, size, whole_counts=False), size).tolist()

    assert labels(200, "uniform") == pytest.approx([0.2 * flagged, 200 - 0.2 * flagged])
    assert labels(200, "flagged-10") == [20, 180]
    assert labels(400, "flagged-50") == [flagged, 400 - flagged]
    assert labels(1000, "flagged-10") == [flagged, 1000 - flagged]


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


def test_cells_of_two_graders_by_enumeration():
    """Every combination of truth, judge and classifier, weighted by its probability."""
    pool = assumed_pool(0.1, 10_000, (0.8, 0.95), "scenarios", "likelihood-ratio", 0.95, (0.7, 0.9))
    for cell, (judge, classifier) in enumerate(((1, 1), (1, 0), (0, 1), (0, 0))):
        harmful = 0.1 * (0.8 if judge else 0.2) * (0.7 if classifier else 0.3)
        harmless = 0.9 * (0.05 if judge else 0.95) * (0.1 if classifier else 0.9)
        assert pool.size[cell] == pytest.approx(10_000 * (harmful + harmless), abs=2)
        assert pool.p[cell] == pytest.approx(harmful / (harmful + harmless))
    assert pool.size.sum() == 10_000


@given(
    n=st.integers(1, 1000),
    design=st.sampled_from(["uniform", "flagged-10", "flagged-60", "disagree-25", "disagree-80"]),
    judge=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    classifier=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
@example(n=1, design="uniform", judge=(0.96875, 0.0), classifier=(0.96875, 0.0))  # three cells that round up
def test_labels_are_all_spent_and_none_twice(n, design, judge, classifier):
    pool = assumed_pool(0.05, 1000, judge, "scenarios", "likelihood-ratio", 0.95, classifier)
    planned = planned_design(design, pool.size, whole_counts=True)
    cells = labels_by_cell(n, planned, pool.size)
    assert (pool.size >= 0).all() and pool.size.sum() == 1000
    assert cells.sum() == pytest.approx(n)
    assert (cells <= pool.size + 1e-9).all() and (cells >= 0).all()
    sample = planned_sample(n, planned, pool)
    if sample is not None:
        assert sample.n.sum() == n and (sample.n <= sample.size).all() and (sample.n > 0).all()
        assert sample.size.sum() == 1000
        assert sample.size @ sample.p == pytest.approx(pool.size @ pool.p)


def test_shares_are_those_of_the_draw():
    assert plan_designs.AGREED_SHARE == allocation.AGREED_SHARE


@pytest.mark.parametrize(
    ("design", "rate"), [("uniform", 0.15), ("flagged-25", 0.03), ("disagree-25", 0.03), ("disagree-25", 0.15)]
)
def test_two_graders_are_planned_as_campaigns_are_computed(design, rate):
    """Mean width of 25 whole campaigns: drawn by `draw_sample`, estimated by `estimate_rate`."""
    rng, widths = np.random.default_rng(8), []
    for _ in range(25):
        pool = make_pool(rate, rng, size=2000)
        y, pi = draw(((design, 200),), pool, rng)
        scores = np.c_[pool.judge, pool.classifier]
        e = estimate_rate(y, scores, inclusion_probability=pi, method="likelihood-ratio")
        widths.append(e.high - e.low)
    plan = plan_labels(rate, n_labels=200, n_transcripts=2000, classifier=(0.8, 0.95), designs=[design])
    error = np.std(widths) / np.sqrt(len(widths))
    assert plan.best.width == pytest.approx(np.mean(widths), abs=4 * error + 0.03 * plan.best.width)


def test_many_labels_in_three_strata_are_not_planned():
    """The interval is not computed for them."""
    options = {"n_transcripts": 20_000, "classifier": (0.8, 0.95), "designs": ["disagree-25"]}
    assert plan_labels(0.03, n_labels=1000, **options).best.n_labels == 1000
    assert plan_labels(0.03, n_labels=1001, **options).best.n_labels is None


@pytest.mark.parametrize("options", [{}, {"classifier": (0.8, 0.9), "method": "post-stratified"}])
def test_disagreement_takes_two_graders_and_whole_counts(options):
    with pytest.raises(ValueError, match="must have a classifier, method 'likelihood-ratio'"):
        plan_labels(0.1, n_labels=50, designs=["disagree-25"], **options)
