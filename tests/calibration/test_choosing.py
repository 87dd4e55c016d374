"""Strata follow from graders and design alone; labels of unequal probability are kept apart, not weighted."""

import numpy as np
import pytest

from calibration import estimate_rate, rate_from_counts
from calibration.rates.strata_rules import MAX_PROBABILITIES, SECOND_SPEAKS_FROM

NAN = np.nan


@pytest.fixture
def campaign():
    """Half of the labels on transcripts flagged for any harm; this harm's judge flags only some of those."""
    rng = np.random.default_rng(11)
    judge = rng.random(2000) < 0.05
    any_flag = judge | (rng.random(2000) < 0.15)
    pi = np.where(any_flag, 0.25, 0.05)
    y = np.full(2000, NAN)
    for flag in (True, False):
        members = np.flatnonzero(any_flag == flag)
        drawn = rng.choice(members, round(members.size * (0.25 if flag else 0.05)), replace=False)
        y[drawn] = (rng.random(drawn.size) < np.where(judge[drawn], 0.6, 0.02)).astype(float)
    return y, judge.astype(float), any_flag, pi


def counts(y, *cells):
    return zip(*((c.sum(), (~np.isnan(y[c])).sum(), np.nansum(y[c])) for c in cells), strict=True)


def test_labels_of_unequal_probability_are_counted_apart(campaign):
    y, judge, any_flag, pi = campaign
    flagged = judge == 1
    estimate = estimate_rate(y, judge, inclusion_probability=pi, method="likelihood-ratio")
    by_hand = rate_from_counts(
        *counts(y, flagged, ~flagged & ~any_flag, ~flagged & any_flag),
        names=["flagged", "a", "b"],
        method="likelihood-ratio",
    )
    assert estimate.method == "likelihood-ratio"
    assert (estimate.rate, estimate.low, estimate.high) == pytest.approx((by_hand.rate, by_hand.low, by_hand.high))
    assert [s.name for s in estimate.strata] == [
        "flagged",
        "not flagged, drawn with 0.05",
        "not flagged, drawn with 0.25",
    ]
    assert not any("effective counts" in note for note in estimate.notes)


def test_the_frozen_method_still_weights(campaign):
    y, judge, _, pi = campaign
    frozen = estimate_rate(y, judge, inclusion_probability=pi)
    assert [s.name for s in frozen.strata] == ["flagged", "not flagged"]
    assert any("effective counts" in note for note in frozen.notes)


def test_a_small_part_without_labels_joins_the_nearest(campaign):
    y, judge, _, pi = campaign
    few = np.flatnonzero((judge == 0) & np.isnan(y))[:30]
    third = pi.copy()
    third[few] = 0.2
    joined = estimate_rate(y, judge, inclusion_probability=third, method="likelihood-ratio")
    assert [s.name for s in joined.strata] == [
        "flagged",
        "not flagged, drawn with 0.05",
        "not flagged, drawn with 0.25",
    ]
    moved = (pi[few] == 0.05).sum()
    before = estimate_rate(y, judge, inclusion_probability=pi, method="likelihood-ratio")
    assert joined.strata[2].n_transcripts == before.strata[2].n_transcripts + moved
    assert sum(s.n_transcripts for s in joined.strata) == 2000


def test_nothing_is_split_where_a_large_part_holds_no_label_or_a_probability_is_unknown(campaign):
    y, judge, any_flag, pi = campaign
    silent = y.copy()
    silent[(judge == 0) & any_flag] = NAN
    whole = estimate_rate(silent, judge, inclusion_probability=pi, method="likelihood-ratio")
    assert [s.name for s in whole.strata] == ["flagged", "not flagged"]
    unknown = np.where(np.isnan(y), NAN, pi)
    weighted = estimate_rate(y, judge, inclusion_probability=unknown, method="likelihood-ratio")
    assert weighted.method == "post-stratified" and "unequal inclusion probabilities" in weighted.notes[0]
    many = np.where(np.isnan(y), 0.1, np.linspace(0.05, 0.5, y.size))
    assert len(np.unique(many)) > MAX_PROBABILITIES
    assert estimate_rate(y, judge, inclusion_probability=many, method="likelihood-ratio").method == "post-stratified"


@pytest.mark.parametrize(("overlap", "speaks"), [(0.9, True), (0.4, True), (0.1, False)])
def test_a_second_grader_speaks_where_it_agrees_beyond_chance(overlap, speaks):
    rng = np.random.default_rng(5)
    n = 1000
    judge = (np.arange(n) < 100).astype(float)
    second = np.zeros(n)
    second[: round(100 * overlap)] = 1
    second[100 : 100 + round(100 * (1 - overlap))] = 1
    kappa = (overlap - 0.1) / 0.9  # both flag a tenth
    assert (kappa >= SECOND_SPEAKS_FROM) == speaks
    y = np.full(n, NAN)
    drawn = rng.choice(n, 150, replace=False)
    y[drawn] = rng.random(150) < np.where(judge[drawn] + second[drawn] > 0, 0.8, 0.05)
    estimate = estimate_rate(y, np.c_[judge, second], method="likelihood-ratio")
    votes = judge + second
    cells = (votes == 2, votes == 1, votes == 0) if speaks else (judge == 1, judge == 0)
    by_hand = rate_from_counts(*counts(y, *cells), names=["a", "b", "c"][: len(cells)], method="likelihood-ratio")
    assert len(estimate.strata) == len(cells)
    assert (estimate.low, estimate.high) == pytest.approx((by_hand.low, by_hand.high))


def test_the_choice_looks_at_no_label(campaign):
    y, judge, _, pi = campaign
    flipped = np.where(np.isnan(y), NAN, 1 - y)
    names = [
        [s.name for s in estimate_rate(v, judge, inclusion_probability=pi, method="likelihood-ratio").strata]
        for v in (y, flipped)
    ]
    assert names[0] == names[1]
