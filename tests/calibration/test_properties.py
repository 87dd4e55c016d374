"""What must hold for any input: order, names, limits around the estimate, defined answers at the edges."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from calibration import (
    cohen_kappa,
    compare_paired,
    estimate_rate,
    grader_accuracy,
    gwet_ac1,
    krippendorff_alpha,
    positive_agreement,
    rate_from_counts,
)
from calibration.rates.intervals import clopper_pearson

NAN = float("nan")
METHODS = ["post-stratified", "likelihood-ratio", "human-only"]
few = settings(max_examples=40, deadline=None)


@st.composite
def tables(draw, max_strata=3, fractions=False):
    """Counts of a pool: transcripts, labelled, harmful per stratum."""
    rows = []
    for _ in range(draw(st.integers(1, max_strata))):
        size = draw(st.integers(1, 400))
        n = draw(st.integers(0, min(size, 40)))
        y = draw(st.floats(0, n)) if fractions else draw(st.integers(0, n))
        rows.append((size, n, y))
    return tuple(np.array(column, dtype=float) for column in zip(*rows, strict=True))


@st.composite
def pools(draw):
    """Rows of a pool: labels (mostly missing) and scores."""
    n = draw(st.integers(2, 60))
    y = draw(st.lists(st.sampled_from([NAN, NAN, 0.0, 0.0, 1.0, 0.5]), min_size=n, max_size=n))
    score = draw(st.lists(st.sampled_from([NAN, 0.0, 0.2, 0.9, 1.0]), min_size=n, max_size=n))
    return np.array(y), np.array(score)


@few
@given(tables(), st.sampled_from(METHODS), st.sampled_from(["scenarios", "pool"]), st.sampled_from([0.8, 0.95, 0.99]))
def test_low_rate_high(counts, method, target, level):
    estimate = rate_from_counts(*counts, method=method, target=target, confidence_level=level)
    assert 0 <= estimate.low <= estimate.high <= 1
    if not np.isnan(estimate.rate):
        # Up to 5 % of the pool may be unlabelled; the rate is of the rest and still lies between.
        assert estimate.low - 1e-9 <= estimate.rate <= estimate.high + 1e-9
    assert estimate.high > 0 or counts[1].sum() == counts[0].sum()


@few
@given(tables(fractions=True), st.sampled_from(["guarded", "jeffreys", "clopper-pearson"]))
def test_soft_labels_keep_the_order(counts, upper):
    estimate = rate_from_counts(*counts, upper=upper)
    assert 0 <= estimate.low <= estimate.high <= 1


@few
@given(st.integers(1, 3000), st.data(), st.sampled_from([0.9, 0.95]))
def test_one_stratum_gives_the_human_only_interval(size, data, level):
    n = data.draw(st.integers(1, min(size, 300)))
    y = data.draw(st.integers(0, n))
    estimate = rate_from_counts([size], [n], [y], confidence_level=level)
    low, high = clopper_pearson(y, n, confidence_level=level)
    assert estimate.low == pytest.approx(float(low) if y else 0, abs=1e-12)
    assert estimate.high == pytest.approx(float(high), abs=1e-12)
    human = rate_from_counts([size], [n], [y], confidence_level=level, method="human-only", design="uniform")
    assert (human.low, human.high) == pytest.approx((estimate.low, estimate.high), abs=1e-12)


@few
@given(tables(), st.sampled_from([*METHODS, "apparent", "aipw", "ppi"]))
def test_the_pool_target_keeps_what_labels_confirmed(counts, method):
    size, n, y = counts
    assume(size.size == 2 or method in METHODS)
    assume((n > 0).all() or method in METHODS)
    estimate = rate_from_counts(*counts, target="pool", method=method)
    assert estimate.low >= y.sum() / size.sum() - 1e-12
    assert estimate.high <= 1 - (n - y).sum() / size.sum() + 1e-12


@few
@given(pools(), st.randoms(), st.sampled_from(["post-stratified", "likelihood-ratio"]))
def test_order_of_transcripts_changes_nothing(pool, random, method):
    y, score = pool
    order = list(range(len(y)))
    random.shuffle(order)
    cluster = np.array([f"s{i % 4}" for i in range(len(y))])
    for options in ({}, {"target": "pool"}, {"target": "new-scenarios", "cluster": cluster}):
        shuffled = {k: v[order] if k == "cluster" else v for k, v in options.items()}
        first = estimate_rate(y, score, method=method, **options)
        second = estimate_rate(y[order], score[order], method=method, **shuffled)
        for name in ("rate", "low", "high"):
            assert getattr(first, name) == pytest.approx(getattr(second, name), abs=1e-12, nan_ok=True)
        assert first.strata == second.strata
        assert np.isnan(first.low) or first.low <= first.high


@few
@given(pools(), st.permutations(["a", "b", "c", "d"]))
def test_names_of_scenarios_and_strata_do_not_matter(pool, names):
    y, score = pool
    renamed = dict(zip("abcd", names, strict=True))
    cluster = np.array(["abcd"[i % 4] for i in range(len(y))])
    other = np.array([renamed[c] for c in cluster])
    first = estimate_rate(y, score, cluster=cluster, target="new-scenarios")
    second = estimate_rate(y, score, cluster=other, target="new-scenarios")
    assert (first.low, first.high) == pytest.approx((second.low, second.high), abs=1e-12, nan_ok=True)
    first, second = estimate_rate(y, stratum=cluster), estimate_rate(y, stratum=other)
    assert (first.low, first.high) == pytest.approx((second.low, second.high), abs=1e-12)


@st.composite
def ratings(draw):
    n = draw(st.integers(3, 30))
    row = st.lists(st.sampled_from([0.0, 0.0, 1.0, NAN]), min_size=n, max_size=n)
    return np.array([draw(row) for _ in range(3)])


@few
@given(ratings(), st.randoms())
def test_raters_and_items_may_come_in_any_order(data, random):
    items, raters = list(range(data.shape[1])), [0, 1, 2]
    random.shuffle(items)
    random.shuffle(raters)
    moved = data[raters][:, items]
    for statistic in (krippendorff_alpha, gwet_ac1):
        first, second = statistic(data), statistic(moved)
        assert first.value == pytest.approx(second.value, abs=1e-9, nan_ok=True)
        assert first.n_positive == second.n_positive
    for statistic in (cohen_kappa, positive_agreement):
        first, second = statistic(data[0], data[1]), statistic(data[1][items], data[0][items])
        assert first.value == pytest.approx(second.value, abs=1e-9, nan_ok=True)
        assert np.isnan(first.low) or first.low <= first.value <= first.high


@few
@given(ratings())
def test_sides_of_the_accuracy_table(data):
    y, side = data[0], data[1]
    found = grader_accuracy(y, side)
    turned = grader_accuracy(1 - y, 1 - side)
    for name, mirror in (("sensitivity", "specificity"), ("ppv", "npv")):
        assert found[name].value == pytest.approx(turned[mirror].value, nan_ok=True)
        assert np.isnan(found[name].value) or found[name].low <= found[name].value <= found[name].high


@few
@given(ratings())
def test_a_paired_difference_turns_its_sign(data):
    there, back = compare_paired(data[0], data[1]), compare_paired(data[1], data[0])
    assert there.difference == pytest.approx(-back.difference, nan_ok=True)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), nan_ok=True)
    assert there.p_value == pytest.approx(back.p_value, nan_ok=True)


POOL = np.array([1.0, 0.0, 0.0, NAN, NAN, NAN])
SIDES = np.array([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        ([1, 2, NAN], {}, "y must fulfil 0 <= y <= 1"),
        ([1, -0.1, NAN], {}, "y must fulfil 0 <= y <= 1"),
        (["yes", 0, 1], {}, "y must hold numbers .*got 'yes'"),
        ([], {}, "y must hold at least one transcript"),
        (POOL, {"score": [1, 0]}, r"score must have one value per transcript \(6\), got 2"),
        (POOL, {"score": [1, 0, 0, 0, 1, 1.5]}, "score must fulfil 0 <= score <= 1"),
        (POOL, {"inclusion_probability": [0.5] * 5}, r"one value per transcript \(6\), got 5"),
        (POOL, {"inclusion_probability": [0.5] * 5 + [1.5]}, "0 <= inclusion_probability <= 1"),
        (POOL, {"inclusion_probability": [0, 1, 1, 1, 1, 1]}, "above 0 for every labelled transcript, got 0.0 at 0"),
        (POOL, {"inclusion_probability": [NAN, 1, 1, 1, 1, 1]}, "above 0 for every labelled transcript, got nan at 0"),
        (POOL, {"stratum": list("aab")}, r"stratum must have one value per transcript \(6\), got 3"),
        (POOL, {"target": "new-scenarios"}, "cluster must be given"),
        (POOL, {"target": "new-scenarios", "cluster": ["a"] * 5 + [None]}, "cluster must be known"),
        (POOL, {"target": "new-scenarios", "cluster": ["a"] * 5}, r"cluster must have one value per transcript"),
        (POOL, {"known_zero": [1, 0, 0, 0, 0, 0]}, "known_zero must not mark a transcript that was labelled harmful"),
        (POOL, {"method": "bayes"}, "method must be one of"),
        (POOL, {"target": "world"}, "target must be one of"),
        (POOL, {"upper": "wald"}, "upper must be one of"),
        (POOL, {"confidence_level": 95}, "0 < confidence_level < 1, got 95"),
        (POOL, {"assumed_icc": 1.2}, "0 <= assumed_icc <= 1, got 1.2"),
        (POOL, {"method": "ppi"}, "score must be given"),
    ],
)
def test_bad_input_is_named(y, options, message):
    with pytest.raises(ValueError, match=message):
        estimate_rate(y, **options)


def test_one_scenario_has_no_interval_for_new_ones():
    estimate = estimate_rate(POOL, SIDES, cluster=["a"] * 6, target="new-scenarios")
    assert np.isnan([estimate.low, estimate.high]).all()
    assert "All labels come from one scenario: no interval for new scenarios can be given." in estimate.notes


@pytest.mark.parametrize("method", METHODS)
def test_no_labels_know_nothing(method):
    estimate = estimate_rate(np.full(6, NAN), SIDES, method=method)
    assert np.isnan(estimate.rate)
    assert (estimate.low, estimate.high) == (0, 1)
    assert estimate.bounds == (0, 1)
    assert any("No transcript was labelled" in note for note in estimate.notes)


@pytest.mark.parametrize("method", ["post-stratified", "likelihood-ratio"])
def test_all_labelled_is_known_for_the_pool_only(method):
    y = np.array([1.0] * 3 + [0.0] * 37)
    score = np.array([1.0] * 5 + [0.0] * 35)
    pool = estimate_rate(y, score, target="pool", method=method)
    assert (pool.low, pool.rate, pool.high) == pytest.approx((3 / 40,) * 3)
    assert any("Every transcript was labelled" in note for note in pool.notes)
    process = estimate_rate(y, score, method=method)
    assert process.low < 3 / 40 < process.high


@pytest.mark.parametrize("n", range(2, 40))
def test_all_labelled_is_one_number_whatever_the_rounding(n):
    for harmful in (0.3, 1.0, n - 1.0):
        y = np.r_[harmful % 1 or 1.0, np.ones(max(int(harmful) - 1, 0)), np.zeros(n - max(int(harmful), 1))]
        estimate = estimate_rate(y, target="pool")
        assert estimate.low <= estimate.high
        assert estimate.low == pytest.approx(y.sum() / n)
        assert estimate.high == pytest.approx(y.sum() / n)


def test_no_judge_is_humans_alone():
    y = np.r_[np.ones(4), np.zeros(46), np.full(450, NAN)]
    estimate = estimate_rate(y)
    assert estimate.n_scored == 0
    assert (estimate.low, estimate.high) == pytest.approx([float(v) for v in clopper_pearson(4, 50)])


def test_post_stratified_guarded_is_frozen():
    """Section 2 written out again, plainly: any change to the frozen method shows here."""
    from scipy.stats import beta

    rng = np.random.default_rng(12)
    for _ in range(200):
        size = rng.integers(20, 3000, 2)
        n = np.minimum(rng.integers(1, 200, 2), size)
        y = rng.binomial(n, rng.random(2) ** 3)
        w, p, z = size / size.sum(), y / n, 1.959963984540054
        lower = np.where(y > 0, beta.ppf(0.025, np.maximum(y, 1), n - y + 1), 0)
        exact = np.where(y < n, beta.ppf(0.975, y + 1, np.maximum(n - y, 1)), 1)
        c = w * beta.ppf(0.975, 1, n)
        dominates = c[::-1] ** 2 < 0.4 * c**2
        higher = np.where(dominates, exact, beta.ppf(0.975, y + 0.5, n - y + 0.5))
        rate = (w * p).sum()
        mix = z**2 * ((w * p**2).sum() - rate**2) / size.sum()
        low = rate - np.sqrt((w**2 * (p - lower) ** 2).sum() + mix) if y.sum() else 0
        high = rate + np.sqrt((w**2 * (higher - p) ** 2).sum() + mix)
        estimate = rate_from_counts(size, n, y)
        expected = (rate, np.clip(low, 0, 1), np.clip(high, 0, 1))
        assert (estimate.rate, estimate.low, estimate.high) == pytest.approx(expected, abs=1e-10)


@few
@given(
    pools(),
    st.sampled_from(METHODS),
    st.sampled_from(["scenarios", "new-scenarios"]),
    st.sampled_from(["none", "uniform", "unequal"]),
    st.integers(0, 2**32 - 1),
)
def test_rows_with_a_frequency_answer_like_the_rows_repeated(pool, method, target, design, seed):
    y, score = pool
    rng = np.random.default_rng(seed)
    assume(method == "post-stratified" or target == "scenarios")
    both = np.column_stack([score, rng.choice([NAN, 0.0, 1.0], len(y))])
    times = rng.integers(1, 30, len(y))
    pi = {"none": None, "uniform": np.full(len(y), 0.5), "unequal": rng.choice([0.2, 0.7], len(y))}[design]
    cluster = rng.choice(list("abc"), len(y))
    counted = estimate_rate(
        y, both, inclusion_probability=pi, cluster=cluster, target=target, method=method, frequency=times
    )
    rows = np.repeat(np.arange(len(y)), times)
    repeated = estimate_rate(
        y[rows],
        both[rows],
        inclusion_probability=None if pi is None else pi[rows],
        cluster=cluster[rows],
        target=target,
        method=method,
    )
    numbers = [(e.rate, e.low, e.high, *e.bounds, e.n_harmful) for e in (counted, repeated)]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-9, abs=1e-12, nan_ok=True)
    assert [(s.name, s.n_transcripts) for s in counted.strata] == [(s.name, s.n_transcripts) for s in repeated.strata]
    assert (counted.n_transcripts, counted.n_scored, counted.n_labeled) == (
        repeated.n_transcripts,
        repeated.n_scored,
        repeated.n_labeled,
    )


@pytest.mark.parametrize("frequency", [[0, 1], [1.5, 1], [-1, 1], [NAN, 1]])
def test_a_frequency_is_a_whole_number_from_1_on(frequency):
    with pytest.raises(ValueError, match="frequency must hold whole numbers"):
        estimate_rate([1.0, NAN], frequency=frequency)
