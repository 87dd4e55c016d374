"""Strata and their counts against a loop over transcripts; limits against the symmetries that they must have."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chi2

from calibration import estimate_rate, grader_accuracy
from calibration.rates.intervals import wilson
from calibration.rates.paired import newcombe_paired
from calibration.rates.strata import count_strata
from calibration.rates.strata_rules import strata_of_scores

NAN = float("nan")
BOTH = ("flagged by both", "flagged by the first only", "flagged by the second only", "flagged by neither")


@pytest.fixture(scope="module")
def pool():
    """600 transcripts, two graders that fail now and then, half of them labelled."""
    rng = np.random.default_rng(2)
    harm = rng.random(600) < 0.35
    scores = np.stack([np.where(rng.random(600) < 0.8, harm, ~harm) for _ in range(2)], axis=1) * 0.8 + 0.1
    scores[rng.random(600) < 0.04, 0] = NAN
    scores[rng.random(600) < 0.04, 1] = NAN
    y = np.where(rng.random(600) < 0.6, harm, NAN)
    return y, scores


def cell(first, second):
    """What the frozen rule calls two scores; a silent second grader says what the first says."""
    if np.isnan(first):
        return "unscored"
    judge = first >= 0.5
    second = judge if np.isnan(second) else second >= 0.5
    return BOTH[2 * (not judge) + (not second)]


def test_two_graders_make_the_four_strata_that_a_loop_makes(pool):
    y, scores = pool
    expected = Counter(cell(*pair) for pair in scores)
    labels = Counter(cell(*pair) for pair, label in zip(scores, y, strict=True) if not np.isnan(label))
    harmful = Counter(cell(*pair) for pair, label in zip(scores, y, strict=True) if label == 1)
    assert min(labels[name] for name in BOTH) >= 20 and np.mean(scores[:, 0] >= 0.5) > 0.2
    counts = count_strata(y, scores)
    rows = zip(counts.names, counts.n_transcripts, counts.n_labeled, counts.n_harmful, strict=True)
    assert {name: (size, n, k) for name, size, n, k in rows} == {
        name: (expected[name], labels[name], harmful[name]) for name in (*BOTH, "unscored")
    }
    assert dict(zip(counts.names, counts.flagged, strict=True)) == pytest.approx(
        dict(zip((*BOTH, "unscored"), (1, 1, 0, 0, NAN), strict=True)), nan_ok=True
    )
    assert counts.n_scored == 600 - expected["unscored"]


def test_what_one_row_stands_for_counts_like_so_many_rows(pool):
    y, scores = pool
    times = np.random.default_rng(3).integers(1, 5, y.size)
    for graders in (scores, scores[:, 0]):
        short = count_strata(y, graders, frequency=times)
        long = count_strata(np.repeat(y, times), np.repeat(graders, times, axis=0))
        assert short.names == long.names and short.n_scored == long.n_scored
        for name in ("n_transcripts", "n_labeled", "n_harmful"):
            assert getattr(short, name) == pytest.approx(getattr(long, name))
        assert (short.labels, short.harmful, short.harmless) == (long.labels, long.harmful, long.harmless)


@pytest.mark.parametrize(("share", "n_strata"), [(0.19, 2), (0.21, 4)])
def test_the_second_grader_speaks_where_the_first_flags_a_fifth(share, n_strata):
    n = 1000
    first = np.arange(n) < share * n
    second = np.arange(n) % 2 == 0
    scores = np.stack([first, second], axis=1).astype(float)
    codes, names, _ = strata_of_scores(scores, np.ones(n, bool), np.zeros(n, bool), "frozen", np.ones(n))
    assert len(set(codes.tolist())) == n_strata and names[-1] == "unscored"
    # Harmless by definition or unscored, a transcript has no say in it.
    scores[first & (np.arange(n) % 3 == 0), 0] = NAN
    codes, _, _ = strata_of_scores(scores, np.ones(n, bool), np.zeros(n, bool), "frozen", np.ones(n))
    assert len(set(codes.tolist()) - {2, 4}) == 2
    few = np.where(first, 1.0, 0.0)
    few[1:20] = 0  # fewer than 20 labels in a cell
    codes, _, _ = strata_of_scores(scores, few > 0, np.zeros(n, bool), "frozen", np.ones(n))
    assert set(codes.tolist()) <= {0, 1, 2}


def test_given_strata_are_the_probabilities_of_methods_that_look_at_sides_only(pool):
    """The share labelled of each stratum is what its labels were drawn with."""
    y, scores = pool
    stratum = np.where(np.arange(600) < 150, "first", "rest")
    y = np.where((stratum == "rest") & (np.arange(600) % 3 > 0), NAN, y)
    share = {name: np.mean(~np.isnan(y[stratum == name])) for name in ("first", "rest")}
    pi = np.array([share[name] for name in stratum])
    for method in ("aipw", "ppi", "rogan-gladen"):
        by_stratum = estimate_rate(y, scores[:, 0], stratum=stratum, method=method)
        by_share = estimate_rate(y, scores[:, 0], inclusion_probability=pi, method=method)
        found, expected = ((e.rate, e.low, e.high) for e in (by_stratum, by_share))
        assert found == pytest.approx(expected)


def test_given_strata_with_a_silent_one_count_what_was_scored(pool):
    y, _ = pool
    stratum = [None if i % 10 == 0 else "odd" if i % 2 else "even" for i in range(600)]
    found = estimate_rate(y, stratum=stratum)
    assert found.n_scored == 540 and [s.name for s in found.strata] == ["even", "odd", "unscored"]


def test_a_grader_turned_round_turns_every_share_round():
    """With sides exchanged, sensitivity is the share missed, and PPV what NPV left: limits change places."""
    rng = np.random.default_rng(4)
    y = (rng.random(400) < 0.3).astype(float)
    side = np.where(rng.random(400) < 0.8, y, 1 - y)
    pi = np.where(side == 1, 0.9, np.where(np.arange(400) % 2, 0.2, 0.4))
    for design in ({}, {"inclusion_probability": pi}, {"inclusion_probability": pi, "cluster": np.arange(400) % 12}):
        there, back = grader_accuracy(y, side, **design), grader_accuracy(y, 1 - side, **design)
        for key, turned in (("sensitivity", "sensitivity"), ("specificity", "specificity"), ("ppv", "npv")):
            found, other = there[key], back[turned]
            assert (found.value, found.low, found.high) == pytest.approx(
                (1 - other.value, 1 - other.high, 1 - other.low)
            )
            assert 0 <= found.low < found.value < found.high <= 1


def test_misses_nobody_saw_are_garwoods_limit_of_their_stratum():
    """Twenty caught of a mixed stratum, none missed: the miss may be as large as a Poisson count of nothing allows."""
    y, side = [1.0] * 20 + [0.0] * 20, [1.0] * 20 + [0.0] * 20
    pi = [0.5] * 20 + [0.05] * 20
    found = grader_accuracy(y, side, inclusion_probability=pi, stratum=["s"] * 40)["sensitivity"]
    most = chi2.ppf(0.975, 2) / 2  # Garwood, no event
    least = chi2.ppf(0.025, 40) / 2
    assert found.value == found.high == 1
    assert found.low < 1 - (most / 0.05) / (most / 0.05 + least / 0.5) * 0.5


def test_newcombe_ignores_a_correlation_below_its_continuity():
    """Method 10: phi is 0 where 0 < ad - bc <= n / 2; the limits are then MOVER's of two Wilson intervals."""
    a, b, c, d = 5, 5, 5, 6
    assert 0 < a * d - b * c <= (a + b + c + d) / 2
    p, q = 10 / 21, 10 / 21
    (p_low, p_high), (q_low, q_high) = wilson(10, 21), wilson(10, 21)
    low, high = newcombe_paired(a, b, c, d)
    assert low == pytest.approx(p - q - np.hypot(p - p_low, q_high - q))
    assert high == pytest.approx(p - q + np.hypot(p_high - p, q - q_low))


def test_labels_of_unequal_probability_inside_a_stratum_are_weighted_by_what_they_stand_for(pool):
    """Hajek's mean at Kish's size: a label drawn with .1 stands for ten transcripts, one drawn with .5 for two."""
    rng = np.random.default_rng(6)
    y, _ = pool
    truth = np.nan_to_num(y)
    pi = rng.uniform(0.1, 0.9, y.size)
    drawn = rng.random(y.size) < pi
    labels = np.where(drawn, truth, NAN)
    weight = 1 / pi[drawn]
    counts = count_strata(labels, inclusion_probability=pi)
    assert counts.names == ("all",) and counts.unequal and counts.design == "stratified"
    kish = weight.sum() ** 2 / (weight**2).sum()
    assert counts.n_labeled[0] == pytest.approx(kish)
    assert counts.n_harmful[0] == pytest.approx(kish * np.average(truth[drawn], weights=weight))
    assert (counts.labels, counts.harmful) == (drawn.sum(), truth[drawn].sum())
    assert counts.harmless == drawn.sum() - truth[drawn].sum()
    assert estimate_rate(labels, inclusion_probability=pi).rate == pytest.approx(
        np.average(truth[drawn], weights=weight)
    )
