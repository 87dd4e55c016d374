"""A pool counted shard by shard has the rates of the pool read at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from campaign import write_campaign

from calibration.study.compute import study
from calibration.study.settings import StudySettings
from calibration.study.shards import count_shards, study_shards
from grader.errors import InputError
from grader.metadata import metadata_frame
from grader.readers import read_transcripts
from grader.verdict.read import read_verdicts
from labels import read_labels
from labels.sampling.designs import read_design


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Verdicts of a judge and of a second grader with the facts of their transcripts, labels, design."""
    campaign = write_campaign(tmp_path_factory.mktemp("shards"))
    facts = metadata_frame(read_transcripts(campaign.transcripts)).set_index("transcript_id")
    judge = read_verdicts(campaign.verdicts)
    rng = np.random.default_rng(3)
    second = judge.assign(grader="second", grader_kind="classifier", outcome="scored")
    second["present"] = pd.array(rng.random(len(second)) < 0.2, dtype="boolean")
    verdicts = pd.concat([judge, second], ignore_index=True)
    for column in ("model", "scenario", "arm"):
        verdicts[column] = verdicts["transcript_id"].map(facts[column])
    return verdicts, read_labels(campaign.labels), read_design(campaign.design)


def shards_of(verdicts: pd.DataFrame, n: int, seed: int) -> list[pd.DataFrame]:
    """All rows of a transcript in one of `n` shards, rows and shards in any order."""
    rng = np.random.default_rng(seed)
    home = {id_: rng.integers(n) for id_ in verdicts["transcript_id"].unique()}
    mixed = verdicts.sample(frac=1, random_state=seed)
    return [part.reset_index(drop=True) for _, part in mixed.groupby(mixed["transcript_id"].map(home), sort=False)]


def words(report):
    """What must be the same to the letter."""
    return [(f.harm, f.group, f.estimate.method, f.estimate.strata, f.estimate.notes, f.outcomes) for f in report.rates]


def numbers(report):
    """What must be the same but for the order in which it was added up."""
    rows = []
    for f in report.rates:
        alone = (np.nan, np.nan) if f.human_only is None else (f.human_only.low, f.human_only.high)
        e = f.estimate
        rows.append((e.rate, e.low, e.high, *e.bounds, e.n_labeled, e.n_harmful, *alone, *f.grader_rates.values()))
    return np.array(rows)


def same(counted, whole):
    assert words(counted) == words(whole)
    np.testing.assert_allclose(numbers(counted), numbers(whole), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n", [1, 25])
@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (StudySettings(by=("arm",)), "frame"),
        (StudySettings(by=("arm",), where={"arm": "a"}), "frame"),
        (StudySettings(target="new-scenarios"), "frame"),
        (StudySettings(by=("scenario",), method="post-stratified"), "frame"),
        (StudySettings(by=("verdict:leaking",), harms=("leaking",)), "frame"),
        (StudySettings(), "uniform"),
        (StudySettings(by=("arm",), target="pool"), None),
    ],
)
def test_counts_give_the_rates_of_the_rows(parts, settings, kind, n):
    verdicts, labels, frame = parts
    design = frame if kind == "frame" else kind
    whole = study(verdicts, labels, settings, design=design, parts=("rates", "comparisons"))
    counted = study_shards(shards_of(verdicts, n, seed=n), labels, settings, design=design)
    same(counted, whole)
    limits = [[(c.difference.low, c.difference.high) for c in report.comparisons] for report in (counted, whole)]
    assert np.array(limits[0]) == pytest.approx(np.array(limits[1]))


def test_memory_holds_counts_not_rows(parts):
    verdicts, labels, frame = parts
    settings = StudySettings(by=("arm",))
    few = count_shards(shards_of(verdicts, 5, seed=1), labels, settings, design=frame)
    many = [verdicts.assign(transcript_id=verdicts["transcript_id"] + f"-{copy}") for copy in range(20)]
    more = count_shards([*many, *shards_of(verdicts, 5, seed=1)], labels, settings, design=frame)
    rows, more_rows = len(few.tables[0].facts), len(more.tables[0].facts)
    assert more.n_rows == 21 * few.n_rows
    assert more_rows <= 2 * rows, (
        "twenty times the pool is no more kinds of transcripts, but for those without a design"
    )


def test_without_labels_the_graders_rates_are_counted(parts):
    verdicts, _, _ = parts
    settings = StudySettings(by=("arm",))
    whole = study(verdicts, None, settings, parts=("rates",))
    counted = study_shards(shards_of(verdicts, 6, seed=2), None, settings)
    same(counted, whole)


def test_what_cannot_be_counted_is_refused(parts):
    verdicts, labels, frame = parts
    with pytest.raises(InputError, match="no verdicts"):
        study_shards([], labels, StudySettings(), design=frame)
    some = verdicts[verdicts["transcript_id"] > "t020"]
    with pytest.raises(InputError, match="labelled transcripts have no verdict"):
        study_shards([some], labels, StudySettings(), design=frame)
    with pytest.raises(InputError, match="no transcript where"):
        study_shards([verdicts], labels, StudySettings(where={"arm": "z"}), design=frame)
    with pytest.raises(InputError, match="no transcript has 'colour'"):
        study_shards([verdicts], labels, replace(StudySettings(), by=("colour",)), design=frame)
