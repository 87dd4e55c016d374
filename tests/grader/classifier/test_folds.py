import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.classifier.folds import assign_folds

from .conftest import corpus, transcript


def assign(transcripts, y, groups, **settings):
    return assign_folds(transcripts, {"h": np.asarray(y, float)}, groups, rng=np.random.default_rng(0), **settings)


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=12, max_size=60))
def test_what_belongs_together_shares_a_fold(rows):
    groups = [g for g, _ in rows]
    transcripts = [transcript(i % 7, "same", episode=i % 5) for i in range(len(rows))]
    found = assign(transcripts, [harm for _, harm in rows], groups)
    for key in (lambda i: transcripts[i].content_hash, lambda i: transcripts[i].metadata["episode"]):
        fold = {}
        assert all(fold.setdefault(key(i), k) == k for i, k in enumerate(found.fold.tolist()))


def test_scenarios_are_held_out_whole_and_positives_spread():
    transcripts, y = corpus()
    groups = [t.metadata["scenario"] for t in transcripts]
    found = assign(transcripts, y, groups)
    assert found.grouping == "scenario" and found.n_folds == 5
    assert len({(g, k) for g, k in zip(groups, found.fold.tolist(), strict=True)}) == len(set(groups))
    assert all(y[found.fold == k].sum() >= 1 for k in range(5))


def test_a_harm_of_one_scenario_falls_back_to_transcripts():
    transcripts, y = corpus(n_scenarios=3)  # every third is harmful: all in scenario 0
    found = assign(transcripts, y, [t.metadata["scenario"] for t in transcripts])
    assert found.grouping == "transcript"
    assert all(0 < y[found.fold == k].mean() < 1 for k in range(5))


def test_missing_groups_stand_alone():
    transcripts, y = corpus(n=40)
    found = assign(transcripts, y, [None, float("nan")] * 20)
    assert found.grouping == "scenario"
    assert np.bincount(found.fold).tolist() == pytest.approx([8] * 5, abs=1)
