"""Rounds combined, raters assigned, queue and consensus: definitions by brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labels.campaign import adjudication_queue, assign_raters, consensus, pilot_rates
from labels.labelset import LabelSet
from labels.sampling.designs import draw_sample
from labels.sampling.rounds import combine_rounds

HARMS = ["fraud"]


def pool(n: int = 12, flagged: int = 3) -> pd.DataFrame:
    return pd.DataFrame({"transcript_id": [f"t{i:02}" for i in range(n)], "flagged": [i < flagged for i in range(n)]})


def test_rounds_inside_the_same_strata_are_one_sample_of_each() -> None:
    rng = np.random.default_rng(3)
    one = draw_sample(pool(), 4, design="flagged-25", rng=rng, harms=HARMS)
    two = draw_sample(pool(), 4, design="stratified", round=2, rng=rng, harms=HARMS, earlier=one)
    both = combine_rounds(one, two)
    drawn = one["drawn"].to_numpy() | two["drawn"].to_numpy()
    assert drawn.sum() == 8
    for stratum in ("flagged", "not flagged"):
        own = (both["stratum"] == stratum).to_numpy()
        assert both.loc[own, "inclusion_probability"].unique() == pytest.approx([drawn[own].mean()])
    assert set(both.loc[both["drawn"], "round"]) == {1, 2}
    again = combine_rounds(both, one.assign(round=3))
    pd.testing.assert_series_equal(again["inclusion_probability"], both["inclusion_probability"])


def test_rounds_of_different_strata_have_the_frequency_of_being_drawn_in_either() -> None:
    """1 - prod(1 - pi), against the frequency over 300 pairs of rounds."""
    rng, times, hits = np.random.default_rng(5), 300, np.zeros(12)
    for _ in range(times):
        one = draw_sample(pool(), 3, rng=rng, harms=HARMS)
        two = draw_sample(pool(), 4, design="flagged-50", round=2, rng=rng, harms=HARMS)
        both = combine_rounds(one, two)
        hits += both["drawn"].to_numpy(dtype=float)
    pi = both["inclusion_probability"].to_numpy()
    assert pi == pytest.approx([1 - 0.75 * (1 - 2 / 3)] * 3 + [1 - 0.75 * (1 - 2 / 9)] * 9)
    assert np.abs(hits / times - pi).max() < 4 * np.sqrt(0.25 / times)
    assert set(both["stratum"]) == {"all / flagged", "all / not flagged"}


def test_combining_refuses_what_is_no_set_of_rounds() -> None:
    one = draw_sample(pool(), 3, rng=np.random.default_rng(1), harms=HARMS)
    with pytest.raises(ValueError, match="one frame per round, got rounds \\[1, 1\\]"):
        combine_rounds(one, one)
    strangers = one.assign(round=2, transcript_id="x" + one["transcript_id"])
    with pytest.raises(ValueError, match="rounds with no transcript and harm in common"):
        combine_rounds(one, strangers)
    with pytest.raises(ValueError, match="at least one"):
        combine_rounds()
    with pytest.raises(ValueError, match="no 'stratum'"):
        combine_rounds(one.drop(columns="stratum"))


def test_a_pool_that_has_grown_had_no_chance_in_the_first_round() -> None:
    rng = np.random.default_rng(4)
    one = draw_sample(pool(12), 6, rng=rng, harms=HARMS)
    two = draw_sample(pool(20), 5, round=2, rng=rng, harms=HARMS, earlier=one)
    both = combine_rounds(one, two).set_index("transcript_id")
    old, new = one["transcript_id"], [f"t{i:02}" for i in range(12, 20)]
    assert both.loc[old, "inclusion_probability"].to_numpy() == pytest.approx(1 - (1 - 6 / 12) * (1 - 5 / 20))
    assert both.loc[new, "inclusion_probability"].to_numpy() == pytest.approx(5 / 20)
    drawn = set(one.loc[one["drawn"], "transcript_id"]) | set(two.loc[two["drawn"], "transcript_id"])
    assert set(both.index[both["drawn"]]) == drawn
    assert set(both.loc[new, "stratum"]) == {"not in the pool yet / all"}


def test_a_grown_pool_is_drawn_as_often_as_its_design_says() -> None:
    """Brute force: how often each transcript is drawn in 4,000 campaigns of two rounds."""
    rng = np.random.default_rng(5)
    times = pd.Series(0.0, index=[f"t{i:02}" for i in range(10)])
    for _ in range(4000):
        one = draw_sample(pool(6, 2), 3, design="flagged-50", rng=rng, harms=HARMS)
        two = draw_sample(pool(10, 4), 4, design="flagged-50", round=2, rng=rng, harms=HARMS, earlier=one)
        both = combine_rounds(one, two).set_index("transcript_id")
        times += both["drawn"].astype(float).reindex(times.index)
    expected = both["inclusion_probability"].reindex(times.index)
    assert (times / 4000).to_numpy() == pytest.approx(expected.to_numpy(), abs=0.03)


def test_pilot_rates_serve_a_neyman_design() -> None:
    rng = np.random.default_rng(2)
    first = draw_sample(pool(40, 10), 12, design="flagged-50", rng=rng, harms=HARMS)
    drawn = first[first["drawn"]]
    labels = LabelSet.from_rows(
        [
            (t, "fraud", "ana", float(s == "flagged"))
            for t, s in zip(drawn["transcript_id"], drawn["stratum"], strict=True)
        ]
    )
    rates = pilot_rates(first, labels, "fraud")
    assert rates == {"flagged": pytest.approx(6.5 / 7), "not flagged": pytest.approx(0.5 / 7)}
    second = draw_sample(pool(40, 10), 8, design="neyman", round=2, rng=rng, harms=HARMS, pilot=rates, earlier=first)
    assert combine_rounds(first, second)["drawn"].sum() == 20


@given(
    n=st.integers(0, 40),
    raters=st.integers(1, 6),
    overlap=st.integers(1, 6),
    seed=st.integers(0, 100),
)
def test_every_transcript_has_its_raters_and_loads_are_level(n: int, raters: int, overlap: int, seed: int) -> None:
    names, rng = [f"r{i}" for i in range(raters)], np.random.default_rng(seed)
    drawn = [f"t{i}" for i in range(n)]
    if overlap > raters:
        with pytest.raises(ValueError, match="overlap must fulfil"):
            assign_raters(drawn, names, overlap, rng)
        return
    who = assign_raters(drawn, names, overlap, rng)
    assert set(who) == set(drawn)
    assert all(len(set(team)) == overlap and set(team) <= set(names) for team in who.values())
    load = [sum(name in team for team in who.values()) for name in names]
    assert max(load) - min(load) <= 1


def test_pairs_of_raters_meet_about_equally_often() -> None:
    names = ["ana", "bo", "cy", "di"]
    who = assign_raters([f"t{i}" for i in range(120)], names, 2, np.random.default_rng(1))
    met = [sum(team == pair for team in who.values()) for pair in itertools.combinations(names, 2)]
    assert sum(met) == 120 and min(met) >= 15


def rows(*votes: tuple[str, str, float | None]) -> LabelSet:
    return LabelSet.from_rows([(t, "fraud", r, np.nan if v is None else v) for t, r, v in votes])


def test_the_queue_holds_ties_doubts_and_disagreements_and_nothing_decided() -> None:
    labels = rows(
        *[("agreed", r, 1.0) for r in "abc"],
        *[("tie", r, v) for r, v in (("a", 1.0), ("b", 0.0))],
        *[("minority", r, v) for r, v in (("a", 1.0), ("b", 0.0), ("c", 0.0))],
        *[("unsure", r, None) for r in "ab"],
        *[("half unsure", r, v) for r, v in (("a", None), ("b", 0.0))],
    )
    queue = adjudication_queue(labels)
    assert queue[["transcript_id", "why", "n_yes", "n_no", "n_unsure"]].values.tolist() == [
        ["tie", "tie", 1, 1, 0],
        ["unsure", "unsure", 0, 0, 2],
        ["minority", "disagreement", 1, 2, 0],
    ]
    decided = LabelSet(
        frame=pd.DataFrame(
            {"transcript_id": ["tie"], "harm": "fraud", "rater": "z", "label": 1.0, "source": "ground_truth"}
        )
    )
    both = labels.combine(decided)
    assert "tie" not in set(adjudication_queue(both)["transcript_id"])
    y = consensus(both).set_index("transcript_id")["y"]
    votes_only = consensus(both, "majority").set_index("transcript_id")["y"]
    assert (y["tie"], votes_only["tie"]) == (1.0, 0.5)
    assert np.isnan(y["unsure"]) and np.isnan(votes_only["unsure"])


def test_dawid_skene_is_a_consensus_only_with_votes_and_prevalence() -> None:
    few = rows(*[(f"t{i}", r, float(i < 3)) for i in range(9) for r in "abc"])
    with pytest.raises(ValueError, match="3.0 votes per item"):
        consensus(few, "dawid-skene")
    rare = rows(*[(f"t{i}", r, float(i < 1)) for i in range(50) for r in "abcde"])
    with pytest.raises(ValueError, match="prevalence"):
        consensus(rare, "dawid-skene")
    never = rows(*[(f"t{i}", r, 0.0) for i in range(9) for r in "abcde"])
    with pytest.raises(ValueError, match="nobody said yes"):
        consensus(never, "dawid-skene")
    fine = rows(*[(f"t{i}", r, float(i < 3)) for i in range(9) for r in "abcde"])
    assert consensus(fine, "dawid-skene")["y"].round(3).tolist() == [1.0] * 3 + [0.0] * 6
