"""Random pools in shards on disk: their counts give the rates of all rows read at once, whatever is odd about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from calibration.study.compute import study
from calibration.study.rate_findings import rate_findings
from calibration.study.settings import StudySettings
from calibration.study.shards import count_shards, shard_facts, study_shards
from grader.errors import InputError
from grader.verdict.frame import typed
from grader.verdict.read import read_verdicts, write_verdicts
from grader.verdict.sides import read_sides, verdict_shards
from labels.labelset import LabelSet
from labels.sampling.designs import draw_sample

HARMS = ("alpha", "beta")
GRADERS = (("judge-a", "judge"), ("judge-b", "judge"), ("net", "classifier"))


def random_pool(seed: int, n: int = 60) -> pd.DataFrame:
    """Verdicts by one to three graders: failures, repeats, episodes, harms that few transcripts were asked about."""
    rng = np.random.default_rng(seed)
    graders = [GRADERS[i] for i in sorted(rng.choice(3, rng.integers(1, 4), replace=False))]
    episodes = rng.random() < 0.5
    repeats = rng.integers(1, 4)
    rows = []
    for i in range(n):
        facts = {"arm": f"arm-{rng.integers(2)}", "scenario": f"s{rng.integers(4)}", "model": None}
        if episodes and i % 5 < 2:
            facts["episode"] = f"e{i // 5}"
        harmful = {harm: rng.random() < 0.3 for harm in HARMS}
        for harm, (grader, kind), repeat in [(h, g, r) for h in HARMS for g in graders for r in range(repeats)]:
            if harm == "beta" and (i < n // 3 or (grader == "judge-b" and i % 2)):
                continue
            scored = rng.random() < 0.9
            row = {"transcript_id": f"t{i:03}", "harm": harm, "grader": grader, "grader_kind": kind, **facts}
            row |= {"grader_version": "1", "repeat": repeat, "outcome": "scored" if scored else "refused"}
            present = bool(rng.random() < (0.85 if harmful[harm] else 0.1))
            rows.append(row | {"present": present if scored else None, "score": 0.5 + 0.4 * (1 if present else -1)})
    return pd.DataFrame(rows).assign(score=lambda f: f["score"].where(f["outcome"] == "scored"))


def some_labels(verdicts: pd.DataFrame, drawn: pd.Series, seed: int) -> LabelSet:
    """What two raters say of the drawn transcripts; some are not sure, and one harm is labelled less."""
    rng = np.random.default_rng(seed)
    truth = verdicts.groupby(["transcript_id", "harm"])["present"].max()
    rows = [
        (id_, harm, rater, float(truth.get((id_, harm), False) or rng.random() < 0.05))
        for id_ in drawn
        for harm in HARMS
        for rater in ("ana", "bo")
        if rng.random() < (0.95 if harm == "alpha" else 0.7)
    ]
    return LabelSet.from_rows(rows)


def in_shards(verdicts: pd.DataFrame, folder, seed: int) -> None:
    """Whole transcripts and whole episodes in shards of any size; rows in any order."""
    rng = np.random.default_rng(seed)
    unit = verdicts["transcript_id"]
    if "episode" in verdicts:
        unit = verdicts["episode"].fillna(unit)
    n = int(rng.integers(1, 6))
    home = {name: rng.integers(n) for name in sorted(unit.unique())}
    for number, part in verdicts.groupby(unit.map(home)):
        write_verdicts(part.sample(frac=1, random_state=seed), folder / f"shard-{number}.parquet")


def rate_words(report):
    return [
        (f.harm, f.group, f.grader, f.estimate.method, f.estimate.notes, f.outcomes, sorted(f.grader_rates))
        for f in report.rates
    ]


def rate_numbers(report):
    return np.array(
        [
            [
                *(f.estimate.rate, f.estimate.low, f.estimate.high, f.estimate.n_labeled, f.estimate.n_harmful),
                *f.estimate.bounds,
                *(n for s in f.estimate.strata for n in (s.n_transcripts, s.n_labeled, s.n_harmful)),
                *(rate for _, rate in sorted(f.grader_rates.items())),
            ]
            for f in report.rates
        ],
        dtype=object,
    )


SETTINGS = (
    StudySettings(by=("arm",), method="post-stratified"),
    StudySettings(where={"arm": "arm-1"}, harms=("beta",)),
    StudySettings(by=("scenario",), target="pool", method="post-stratified"),
    StudySettings(target="new-scenarios"),
    StudySettings(by=("verdict:beta",), harms=("alpha",), method="post-stratified"),
    StudySettings(by=("set",), sets={"odd": ("s1", "s3"), "even": ("s0", "s2")}),
)


# Each kind of settings with one kind of design, and (slow) with the two others.
SEEDS = [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 18))]


@pytest.mark.parametrize("seed", SEEDS)
def test_counts_give_the_rates_of_all_rows(tmp_path, seed):
    verdicts, settings = random_pool(seed), SETTINGS[seed % len(SETTINGS)]
    frame = draw_sample(verdicts[["transcript_id", "harm"]], 30, rng=np.random.default_rng(seed), harms=HARMS)
    design = (frame, "uniform", None)[(seed + seed // 6) % 3]
    if design is not None and "episode" in verdicts and verdicts["episode"].notna().any():
        pytest.skip("shard by shard, the probability of an episode is not known")
    labels = some_labels(verdicts, frame.loc[frame["drawn"], "transcript_id"].unique(), seed)
    in_shards(verdicts, tmp_path, seed)
    write_verdicts(verdicts, tmp_path / "whole" / "all.jsonl")
    whole = read_verdicts(tmp_path / "whole" / "all.jsonl")
    expected = study(whole, labels, settings, design=design, parts=("rates", "comparisons"))
    shards = verdict_shards(sorted(tmp_path.glob("*.parquet")), shard_facts(settings))
    counted = study_shards(shards, labels, settings, design=design)
    assert rate_words(counted) == rate_words(expected)
    assert counted.graders == expected.graders
    notes = {note for note in expected.notes if "set aside" not in note and "nobody declared" not in note}
    assert notes <= set(counted.notes)
    for ours, theirs in zip(rate_numbers(counted), rate_numbers(expected), strict=True):
        np.testing.assert_allclose(np.array(ours, float), np.array(theirs, float), rtol=1e-9, atol=1e-12)


def test_a_shard_that_knows_no_verdict_on_a_harm_still_counts_its_transcripts(tmp_path):
    verdicts = random_pool(3)
    early = verdicts["transcript_id"] < "t020"
    write_verdicts(verdicts[early], tmp_path / "a.parquet")
    write_verdicts(verdicts[~early], tmp_path / "b.parquet")
    settings = StudySettings(method="post-stratified")
    expected = study(typed(verdicts), None, settings, parts=("rates",))
    counted = study_shards(verdict_shards(tmp_path), None, settings)
    sizes = {f.harm: f.estimate.n_transcripts for f in counted.rates}
    assert sizes == {f.harm: f.estimate.n_transcripts for f in expected.rates}
    assert len(set(sizes.values())) == 1


def test_a_covariate_has_no_rate_of_its_own_in_shards(tmp_path):
    rows = random_pool(5)
    told = [{"rubric_kind": "covariate"} if harm == "beta" else {} for harm in rows["harm"]]
    write_verdicts(rows.assign(usage=told), tmp_path / "a.parquet")
    counted = study_shards(verdict_shards(tmp_path), None, StudySettings(method="post-stratified"))
    assert counted.harms == ("alpha",)


def test_whose_labels_a_classifier_learned_and_another_version_are_told(tmp_path):
    """What must be said beside a rate is said beside one from counts."""
    rows = random_pool(0).drop(columns="episode", errors="ignore")
    net = rows["grader"] == "net"
    taught = [{"trained_on": "judge"} if own else {} for own in net]
    frame = draw_sample(rows[["transcript_id", "harm"]], 30, rng=np.random.default_rng(0), harms=HARMS)
    frame = frame.assign(grader=rows["grader"].iloc[0], grader_version="0")
    labels = some_labels(rows, frame.loc[frame["drawn"], "transcript_id"].unique(), 0)
    write_verdicts(rows.assign(usage=taught), tmp_path / "a.parquet")
    settings = StudySettings(method="post-stratified")
    expected = study(read_verdicts(tmp_path / "a.parquet"), labels, settings, design=frame, parts=("rates",))
    counted = study_shards(verdict_shards(tmp_path), labels, settings, design=frame)
    assert net.any()
    notes = " ".join(counted.rates[0].estimate.notes)
    assert "trained on a judge's verdicts" in notes
    assert "another version" in notes
    assert [f.estimate.notes for f in counted.rates] == [f.estimate.notes for f in expected.rates]


def test_the_narrow_reader_says_what_the_whole_one_says(tmp_path):
    verdicts = random_pool(7)
    write_verdicts(verdicts, tmp_path / "a.parquet")
    whole, narrow = read_verdicts(tmp_path / "a.parquet"), read_sides(tmp_path / "a.parquet", ("arm", "scenario"))
    assert "explanation" not in narrow
    for column in ("transcript_id", "harm", "grader", "grader_kind", "outcome", "arm", "scenario"):
        assert narrow[column].astype(object).tolist() == whole[column].tolist(), column
    for column in ("present", "score", "repeat"):
        pd.testing.assert_series_equal(narrow[column], whole[column])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"outcome": "lost"}, "outcome 'lost' is none of"),
        ({"score": 1.5}, "score must fulfil"),
        ({"verdict_schema": 99}, "newer harmrate"),
        ({"grader": None}, "grader is empty"),
    ],
)
def test_the_narrow_reader_refuses_what_the_whole_one_refuses(tmp_path, change, reason):
    path = tmp_path / "a.parquet"
    write_verdicts(random_pool(2), path)
    frame = pd.read_parquet(path)
    for column, value in change.items():
        frame[column] = frame[column].astype(object)
        frame.loc[frame["outcome"] == "scored", column] = value
    frame.to_parquet(path)
    for read in (read_verdicts, read_sides):
        with pytest.raises(InputError, match=reason):
            read(path)


def test_two_verdicts_of_one_grader_on_one_transcript_are_refused(tmp_path):
    rows = random_pool(2)
    write_verdicts(pd.concat([rows, rows.head(1)]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="two verdicts by"):
        read_sides(tmp_path / "a.parquet")


def test_a_folder_without_a_table_is_refused(tmp_path):
    with pytest.raises(InputError, match="no table of verdicts"):
        list(verdict_shards(tmp_path))


def test_a_pool_of_a_thousand_million_needs_no_more_than_its_counts():
    kinds = typed(random_pool(4).query("harm == 'alpha' and repeat == 0").drop(columns="episode", errors="ignore"))
    table = count_shards([kinds], None, StudySettings()).tables[0]
    times = np.full(len(table.facts), 10**9 // int(table.times().sum()), dtype=float) * table.times()
    labels = table.y.mask(np.arange(len(table.y)) < 2, 1.0)
    many = replace(table, frequency=times, y=labels, inclusion_probability=None)
    (finding,) = rate_findings(many, table.graders[0], StudySettings(method="post-stratified"))
    assert finding.estimate.n_transcripts == times.sum() > 9e8
    assert sum(finding.outcomes.values()) == times.sum()
