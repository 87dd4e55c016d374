"""Verdicts as codes: the columns that counting reads hold what the whole table holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from random_pool import random_pool

from calibration.study.campaign.sample_plan import SamplePlan, first_judge
from calibration.study.campaign.shard_sampling import ShardStrata
from grader.errors import InputError
from grader.verdict.coded import STATE_OUTCOME, STATE_SIDE, coded_verdicts, frame_rows
from grader.verdict.read import read_verdicts, write_verdicts
from grader.verdict.scores import grader_scores
from grader.verdict.shards import verdict_shards
from labels.sampling.strata import candidate_strata


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "csv"])
@pytest.mark.parametrize("seed", range(4))
def test_codes_are_the_scores_of_the_whole_table(tmp_path, seed, suffix):
    """Each grader's side and outcome, repeats reduced, against `grader_scores` row by row."""
    verdicts = random_pool(seed).sample(frac=1, random_state=seed)
    path = tmp_path / f"a.{suffix}"
    write_verdicts(verdicts, path)
    (batch,) = verdict_shards([path], ("arm", "scenario"))
    whole = read_verdicts(path)
    scores = grader_scores(whole).set_index(["transcript_id", "harm", "grader"])
    n = 0
    for (harm, grader), states in batch.states.items():
        for id_, state in zip(batch.ids, states, strict=True):
            if state:
                row, n = scores.loc[id_, harm, grader], n + 1
                assert STATE_OUTCOME[state] == row["outcome"]
                np.testing.assert_equal(STATE_SIDE[state], row["side"])
    assert n == len(scores)
    facts = whole.drop_duplicates("transcript_id").set_index("transcript_id")
    for key in ("arm", "scenario", "episode"):
        assert dict(zip(batch.ids, batch.facts[key].decoded(), strict=True)) == facts[key].to_dict(), key
    assert {harm: int(rows.sum()) for harm, rows in batch.n_verdicts.items()} == whole["harm"].value_counts().to_dict()


def test_facts_take_the_known_value_and_refuse_two(tmp_path):
    rows = random_pool(2)
    rows.loc[rows["harm"] == "alpha", "arm"] = None
    batch = coded_verdicts(frame_rows(_typed(rows, tmp_path), ("arm",)))
    known = rows.dropna(subset="arm").drop_duplicates("transcript_id").set_index("transcript_id")["arm"]
    by_id = dict(zip(batch.ids, batch.facts["arm"].decoded(), strict=True))
    assert {id_: by_id[id_] for id_ in known.index} == known.to_dict()
    rows.loc[rows.index[-1], "arm"] = "another"
    with pytest.raises(InputError, match="arm differs between its verdicts"):
        coded_verdicts(frame_rows(_typed(rows, tmp_path), ("arm",)))


def _typed(rows: pd.DataFrame, folder) -> pd.DataFrame:
    write_verdicts(rows, folder / "typed.jsonl")
    return read_verdicts(folder / "typed.jsonl")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"outcome": "lost"}, "outcome 'lost' is none of"),
        ({"score": 1.5}, "score must fulfil"),
        ({"verdict_schema": 99}, "newer harmrate"),
        ({"grader": None}, "grader is empty"),
        ({"present": None, "score": None}, "scored, but without present or score"),
    ],
)
def test_counting_refuses_what_reading_refuses(tmp_path, change, reason):
    path = tmp_path / "a.parquet"
    write_verdicts(random_pool(2), path)
    frame = pd.read_parquet(path)
    for column, value in change.items():
        frame[column] = frame[column].astype(object)
        frame.loc[frame["outcome"] == "scored", column] = value
    frame.to_parquet(path)
    for read in (read_verdicts, lambda path: list(verdict_shards([path]))):
        with pytest.raises(InputError, match=reason):
            read(path)


def test_two_verdicts_of_one_grader_on_one_transcript_are_refused(tmp_path):
    rows = random_pool(2)
    write_verdicts(pd.concat([rows, rows.head(1)]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="two verdicts by"):
        list(verdict_shards(tmp_path))


def test_a_folder_without_a_table_is_refused(tmp_path):
    with pytest.raises(InputError, match="no table of verdicts"):
        list(verdict_shards(tmp_path))


@pytest.mark.parametrize("design", ["uniform", "flagged-25", "disagree-25", "stratified"])
@pytest.mark.parametrize("seed", [0, 1, 3, 4])
def test_the_strata_of_shards_are_those_of_a_table(tmp_path, seed, design):
    """Transcripts without a verdict on a harm, failures and repeats included."""
    write_verdicts(random_pool(seed), tmp_path / "a.parquet")
    scores = grader_scores(read_verdicts(tmp_path / "a.parquet"))
    every = scores[["transcript_id"]].drop_duplicates()
    scores = scores[scores["harm"] == "beta"]
    scores = scores.assign(flagged=scores["side"].map({1.0: True, 0.0: False}).astype(object))
    seen = scores if design.startswith("disagree") else scores[scores["grader"] == first_judge(scores)]
    candidates = every.merge(seen[["transcript_id", "harm", "grader", "flagged"]], how="left")
    if design.startswith("disagree") and candidates["grader"].nunique() < 2:
        pytest.skip("one grader")
    table = candidate_strata(candidates, design, 0).set_index("transcript_id")["stratum"].to_dict()
    with ShardStrata(SamplePlan(n=5, design=design), ["beta"]) as strata:
        (part,) = strata.kept(verdict_shards(tmp_path))
    assert dict(zip(part.ids, part.stratum.decoded(), strict=True)) == table
