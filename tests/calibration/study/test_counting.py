"""Random pools in shards on disk: their counts give the rates of all rows read at once, whatever is odd about them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from random_pool import HARMS, random_pool

from calibration.study.compute import study, study_of
from calibration.study.counts import weighted_pool
from calibration.study.facts import FREQUENCY
from calibration.study.inputs import Sources
from calibration.study.join import join_weighted
from calibration.study.rate_findings import rate_findings
from calibration.study.settings import StudySettings
from grader.errors import InputError
from grader.verdict.read import read_verdicts, write_verdicts
from grader.verdict.scale import ScoreScale
from grader.verdict.shards import verdict_shards
from labels.labelset import LabelSet
from labels.sampling.designs import draw_sample


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
SEEDS = [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 36))]
COUNTED = ("rates", "comparisons")


def same(counted, whole, *, but: tuple[str, ...] = ("Counted ",)):
    """Equal rates, words, comparisons and ledger; numbers but for the order in which they were added up."""
    assert rate_words(counted) == rate_words(whole)
    assert counted.graders == whole.graders
    assert [n for n in counted.notes if not n.startswith(but)] == [n for n in whole.notes if not n.startswith(but)]
    for ours, theirs in zip(rate_numbers(counted), rate_numbers(whole), strict=True):
        np.testing.assert_allclose(np.array(ours, float), np.array(theirs, float), rtol=1e-9, atol=1e-12)
    limits = [[(c.difference.low, c.difference.high) for c in report.comparisons] for report in (counted, whole)]
    np.testing.assert_allclose(*(np.array(found, float) for found in limits), rtol=1e-7)
    assert counted.ledger.to_dict() == whole.ledger.to_dict()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_table_split_into_shards_gives_the_rates_of_the_table(tmp_path, seed):
    verdicts, settings = random_pool(seed), SETTINGS[seed % len(SETTINGS)]
    frame = draw_sample(verdicts[["transcript_id", "harm"]], 30, rng=np.random.default_rng(seed), harms=HARMS)
    design = (frame, "uniform", None)[(seed + seed // 6) % 3]
    labels = some_labels(verdicts, frame.loc[frame["drawn"], "transcript_id"].unique(), seed)
    in_shards(verdicts, tmp_path / "shards", seed)
    write_verdicts(verdicts, tmp_path / "all.jsonl")
    sources = Sources(verdicts=tmp_path / "all.jsonl", labels=labels, design=design)
    try:
        whole = study_of(sources, settings, parts=COUNTED)
    except InputError as error:
        with pytest.raises(InputError, match=re.escape(str(error).split("(")[0][:60])):
            study_of(replace(sources, verdicts=tmp_path / "shards"), settings, parts=COUNTED)
        return
    same(study_of(replace(sources, verdicts=tmp_path / "shards"), settings, parts=COUNTED), whole)


@pytest.fixture
def shards(tmp_path):
    """A pool without episodes in shards, and the same as one file."""
    verdicts = random_pool(0).drop(columns="episode", errors="ignore")
    in_shards(verdicts, tmp_path / "shards", seed=4)
    write_verdicts(verdicts, tmp_path / "all.parquet")
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [
        {"scale": ScoreScale(low=0.0, high=1.0, threshold=0.95)},
        {"scale": ScoreScale(low=0.0, high=2.0)},
        {"take": {"alpha": "gamma"}},
        {"take": {"alpha": "beta", "beta": "alpha"}},
    ],
)
def test_options_of_reading_mean_the_same_in_shards(shards, change):
    settings = StudySettings(method="post-stratified")
    table, folder, plain = (
        study_of(Sources(verdicts=shards / name, **options), settings, parts=("rates",))
        for name, options in (("all.parquet", change), ("shards", change), ("shards", {}))
    )
    same(folder, table)
    said = [[(f.harm, f.grader_rates) for f in report.rates] for report in (folder, plain)]
    assert said[0] != said[1], "the option changes something"


def test_a_score_that_no_shard_has_is_refused(shards):
    for name in ("all.parquet", "shards"):
        with pytest.raises(InputError, match="holds no score 'delta'"):
            study_of(Sources(verdicts=shards / name, take={"delta": "x"}), StudySettings(), parts=("rates",))


@pytest.mark.parametrize("parts", [("rates",), ("rates", "agreement")])
def test_a_transcript_in_two_shards_is_refused_counted_or_read(shards, parts):
    first = sorted((shards / "shards").glob("*.parquet"))[0]
    write_verdicts(read_verdicts(first).head(1).assign(grader="other"), shards / "shards" / "later.parquet")
    with pytest.raises(InputError, match=r"transcript 't\d+': is in .*parquet as well.*belong in one shard"):
        study_of(Sources(verdicts=shards / "shards"), StudySettings(), parts=parts)


def test_an_episode_in_two_shards_is_refused(tmp_path):
    rows = random_pool(0).query("harm == 'alpha'").assign(episode="e1")
    for number, (_, part) in enumerate(rows.groupby(rows["transcript_id"] < "t030")):
        write_verdicts(part, tmp_path / f"{number}.parquet")
    with pytest.raises(InputError, match="episode 'e1': is in"):
        list(verdict_shards(tmp_path))


def test_two_transcripts_of_one_hash_are_two_transcripts(shards, monkeypatch):
    """Ids are compared by a hash; where two share one, the shards are read again and the names compared."""
    monkeypatch.setattr("grader.verdict.shards.id_keys", lambda ids: np.zeros(len(ids), dtype=np.uint64))
    monkeypatch.setattr("grader.verdict.coded.id_keys", lambda ids: np.zeros(len(ids), dtype=np.uint64))
    assert sum(len(batch.ids) for batch in verdict_shards(shards / "shards")) == 60


def test_a_shard_without_verdicts_on_a_harm_still_counts_its_transcripts(tmp_path):
    verdicts = random_pool(3)
    early = verdicts["transcript_id"] < "t020"
    write_verdicts(verdicts[early], tmp_path / "a.parquet")
    write_verdicts(verdicts[~early], tmp_path / "b.parquet")
    counted = study_of(Sources(verdicts=tmp_path), StudySettings(method="post-stratified"), parts=("rates",))
    assert {f.harm: f.estimate.n_transcripts for f in counted.rates} == dict.fromkeys(HARMS, len(units(verdicts)))


def units(verdicts: pd.DataFrame) -> set[str]:
    """Episodes, and transcripts that are in none."""
    return set(
        verdicts["episode"].fillna(verdicts["transcript_id"]) if "episode" in verdicts else verdicts["transcript_id"]
    )


def test_a_covariate_has_no_rate_of_its_own_in_shards(tmp_path):
    rows = random_pool(5)
    usage = [{"rubric_kind": "covariate"} if harm == "beta" else {} for harm in rows["harm"]]
    write_verdicts(rows.assign(usage=usage), tmp_path / "a.parquet")
    counted = study_of(Sources(verdicts=tmp_path), StudySettings(method="post-stratified"), parts=("rates",))
    assert counted.harms == ("alpha",)


def test_the_source_of_a_classifiers_labels_and_another_version_are_noted_in_shards_too(shards):
    rows = random_pool(0).drop(columns="episode", errors="ignore")
    net = rows["grader"] == "net"
    usage = [{"trained_on": "judge", "use": "ranks only"} if is_net else {} for is_net in net]
    rows["explanation"] = ["the classifier only ranks: few labels" if is_net else "" for is_net in net]
    frame = draw_sample(rows[["transcript_id", "harm"]], 30, rng=np.random.default_rng(0), harms=HARMS)
    frame = frame.assign(grader=rows["grader"].iloc[0], grader_version="0")
    labels = some_labels(rows, frame.loc[frame["drawn"], "transcript_id"].unique(), 0)
    in_shards(rows.assign(usage=usage), shards / "taught", seed=1)
    settings = StudySettings(method="post-stratified")
    sources = Sources(verdicts=shards / "taught", labels=labels, design=frame)
    counted = study_of(sources, settings, parts=COUNTED)
    assert net.any()
    notes = " ".join(counted.rates[0].estimate.notes)
    assert "trained on a judge's verdicts" in notes
    assert "another version" in notes
    assert "few labels" in str([grader.uses for grader in counted.graders])
    same(counted, study(rows.assign(usage=usage), labels, settings, design=frame, parts=COUNTED))


@pytest.mark.parametrize(
    ("settings", "labelled", "reason"),
    [
        (StudySettings(where={"arm": "z"}), (), "no transcript where arm is 'z'"),
        (StudySettings(by=("colour",)), (), "no transcript has 'colour'"),
        (StudySettings(by=("verdict:delta",)), (), "no verdict of .* on 'delta'"),
        (StudySettings(harms=("delta",)), (), "no verdict on harm 'delta'"),
        (StudySettings(grader="nobody"), (), "no grader 'nobody'"),
        (StudySettings(sets={"a": ("s9",)}), (), "no transcript of scenario 's9'"),
        (StudySettings(), ("stranger",), "labelled, but not among the transcripts"),
    ],
)
def test_what_a_table_refuses_is_refused_in_shards(shards, settings, labelled, reason):
    labels = LabelSet.from_rows([(id_, "alpha", "ana", 1.0) for id_ in labelled]) if labelled else None
    for name in ("all.parquet", "shards"):
        with pytest.raises(InputError, match=reason):
            study_of(Sources(verdicts=shards / name, labels=labels), settings, parts=("rates",))


def test_labels_that_contradict_a_declared_design_are_refused_in_shards(tmp_path):
    rows = random_pool(2, n=400).drop(columns="episode", errors="ignore").query("harm == 'alpha' and repeat == 0")
    judge = rows[rows["grader"] == rows["grader"].iloc[0]]
    in_shards(rows, tmp_path, seed=1)
    flagged = judge.loc[judge["present"].eq(True), "transcript_id"].head(60)
    labels = LabelSet.from_rows([(id_, "alpha", "ana", 1.0) for id_ in flagged])
    sources = Sources(verdicts=tmp_path, labels=labels, design="uniform")
    with pytest.raises(InputError, match="contradicted by the labels"):
        study_of(sources, StudySettings(), parts=("rates",))
    kept = study_of(replace(sources, force=True), StudySettings(method="post-stratified"), parts=("rates",))
    assert "declared uniform against the labels" in " ".join(kept.rates[0].estimate.notes)


def copies(verdicts: pd.DataFrame, n: int) -> pd.DataFrame:
    parts = [verdicts.assign(transcript_id=verdicts["transcript_id"] + f"-{copy}") for copy in range(n)]
    return pd.concat(parts, ignore_index=True)


def test_twenty_times_the_pool_has_no_more_kinds(tmp_path):
    rows = random_pool(1).drop(columns="episode", errors="ignore")
    in_shards(rows, tmp_path / "few", seed=1)
    in_shards(copies(rows, 20), tmp_path / "many", seed=1)
    settings = StudySettings(by=("arm",))
    few, many = (weighted_pool(verdict_shards(tmp_path / n, ("arm",)), None, settings) for n in ("few", "many"))
    assert len(many.facts) == len(few.facts) < rows["transcript_id"].nunique()
    assert many.facts[FREQUENCY].sum() == 20 * rows["transcript_id"].nunique()
    assert many.verdict_counts[FREQUENCY].sum() == 20 * len(rows)


def test_a_pool_of_a_thousand_million_needs_no_more_than_its_counts(shards):
    pool = weighted_pool(verdict_shards(shards / "shards"), None, StudySettings())
    pool = replace(pool, facts=pool.facts.assign(**{FREQUENCY: pool.facts[FREQUENCY] * 20_000_000}))
    table = join_weighted(pool, None, StudySettings()).tables[0]
    labelled = replace(table, y=table.y.mask(np.arange(len(table.y)) < 2, 1.0), inclusion_probability=None)
    (finding,) = rate_findings(labelled, table.graders[0], StudySettings(method="post-stratified"))
    assert finding.estimate.n_transcripts == table.row_counts().sum() > 1e9
    assert sum(finding.outcomes.values()) == table.row_counts().sum()


def test_the_share_of_a_uniform_sample_counts_transcripts_not_rows(tmp_path):
    rows = copies(random_pool(2).drop(columns="episode", errors="ignore"), 5)
    in_shards(rows, tmp_path, seed=1)
    ids = sorted(rows["transcript_id"].unique())
    labels = LabelSet.from_rows([(id_, "alpha", "ana", 0.0) for id_ in ids[::10]])
    pool = weighted_pool(verdict_shards(tmp_path, ("scenario",)), labels, StudySettings(), design="uniform")
    (table,) = join_weighted(pool, labels, StudySettings(), on_contradiction="note").tables
    assert len(table.facts) < len(ids)
    assert table.inclusion_probability.unique() == pytest.approx([len(ids[::10]) / len(ids)])
