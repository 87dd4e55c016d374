"""What a study reads fits together, is counted, or is refused in one line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration import run_study
from calibration.findings.ledger import Tally
from calibration.study.episodes import episode_probability
from calibration.study.inputs import Sources, load
from calibration.study.settings import StudySettings
from grader.errors import InputError
from grader.verdict.frame import typed
from labels.labelset import LabelSet
from labels.sampling.designs import checked_design, draw_sample

HARM = "leaking"
ROOT = Path(__file__).resolve().parents[3]


def verdicts_of(n: int, flagged: int, **columns) -> pd.DataFrame:
    ids = [f"t{i:04}" for i in range(n)]
    frame = pd.DataFrame({"transcript_id": ids, "harm": HARM, "grader": "j", "grader_version": "1"})
    return typed(frame.assign(present=[i < flagged for i in range(n)], outcome="scored", **columns))


def labels_of(ids, harmful=lambda id_: False) -> LabelSet:
    return LabelSet.from_rows([(id_, HARM, "ana", float(harmful(id_))) for id_ in ids])


@pytest.fixture
def pools() -> Path:
    folder = Path(os.environ.get("HARMRATE_SAMPLES", ROOT.parent / "shared" / "samples")) / "cases" / "pools"
    if not folder.is_dir():
        pytest.skip("no samples of pools (set HARMRATE_SAMPLES)")
    return folder


def rate_of(pools: Path, case: str, *, design: str | None = "design"):
    frame = None if design is None else pools / f"{case}_design.csv"
    return run_study(pools / f"{case}_verdicts.csv", pools / f"{case}_labels.csv", design=frame, parts=["rates"])


def test_labels_of_flagged_transcripts_alone_give_no_rate(pools):
    report = rate_of(pools, "flagged_only", design=None)
    estimate = report.rates[0].estimate
    assert np.isnan(estimate.rate)
    assert estimate.low == pytest.approx(0.04, abs=0.01)
    assert estimate.high == pytest.approx(0.98, abs=0.01)
    assert report.notes[0].startswith("blackmail: all 50 labels are on transcripts that j flagged")
    assert "PPV 60 %" in report.notes[0]


def test_a_uniform_sample_that_the_labels_contradict_is_refused_with_counts(pools):
    files = {"verdicts": pools / "flagged_only_verdicts.csv", "labels": pools / "flagged_only_labels.csv"}
    with pytest.raises(InputError, match=r"flagged 50 of 100, not flagged 0 of 900 .*--force"):
        load(Sources(**files, design="uniform"), StudySettings())
    kept = load(Sources(**files, design="uniform", force=True), StudySettings())
    assert kept.joined.tables[0].remarks[0].startswith("declared uniform against the labels")


def test_transcripts_outside_the_design_have_probability_zero(pools):
    report = rate_of(pools, "outside_frame")
    estimate = report.rates[0].estimate
    assert np.isnan(estimate.rate)
    assert estimate.low <= 0.24 <= estimate.high
    assert any("1000 of 2000 transcripts are not in the design" in note for note in report.notes)


def test_episodes_weigh_by_their_own_probability(pools):
    report = rate_of(pools, "episodes")
    estimate = report.rates[0].estimate
    assert estimate.low <= 0.141 <= estimate.high
    assert report.ledger.labels.not_used == {"on episodes whose other branches are not labelled": 365}


def test_the_probability_of_an_episode_is_that_of_drawing_all_its_branches():
    rng = np.random.default_rng(0)
    unit = np.array(["a", "a", "b", "b", "b", "c", "d", "e"])
    stratum = np.array(["x", "x", "x", "y", "y", "y", "x", "y"])
    counts = {"x": 2, "y": 3}
    hits, n = dict.fromkeys("abcde", 0), 20_000
    for _ in range(n):
        drawn = np.zeros(len(unit), dtype=bool)
        for name, k in counts.items():
            drawn[rng.choice(np.flatnonzero(stratum == name), k, replace=False)] = True
        for episode in hits:
            hits[episode] += drawn[unit == episode].all()
    plan = pd.DataFrame({"stratum": stratum, "drawn": [True, False] * 4})
    plan["stratum_size"] = plan.groupby("stratum")["drawn"].transform("size")
    plan["stratum_drawn"] = plan["stratum"].map(counts)
    plan["inclusion_probability"] = plan["stratum_drawn"] / plan["stratum_size"]
    exact = episode_probability(plan, unit)
    for episode, hit in hits.items():
        assert hit / n == pytest.approx(exact[episode], abs=0.015)


@given(st.integers(0, 10_000))
@settings(max_examples=40)
def test_whatever_was_read_is_used_or_counted_under_a_reason(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 60))
    arm = rng.choice(["a", "b"], n)
    verdicts = verdicts_of(n, n // 3, arm=arm)
    design = draw_sample(verdicts, n // 2, design="flagged-25", rng=rng, harms=[HARM])
    labelled = rng.choice(verdicts["transcript_id"], n // 2, replace=False)
    drawn = design.loc[design["drawn"], "transcript_id"]
    rows = [(id_, HARM, rater, float(rng.choice([0, 1, np.nan]))) for id_ in labelled for rater in ("ana", "bo")]
    rows += [(drawn.iloc[0], HARM, "cy", 1.0), (drawn.iloc[0], "deception", "cy", 0.0)]
    where = {"arm": str(arm[0])} if seed % 2 else {}
    sources = Sources(verdicts=verdicts, labels=LabelSet.from_rows(rows), design=design if seed % 3 else None)
    ledger = load(sources, StudySettings(where=where)).ledger
    for name, read in {"transcripts": n, "verdicts": n, "labels": len(rows)}.items():
        part = getattr(ledger, name).to_dict()
        assert part["read"] == read == part["used"] + sum(part["not_used"].values())
    assert ledger.labels.not_used["on harms without a rate"] == 1


def test_a_tally_that_does_not_add_up_cannot_be_made():
    with pytest.raises(ValueError, match="read must equal used"):
        Tally(read=3, used=1, not_used={"lost": 1})


def test_labels_that_were_not_drawn_are_set_aside_and_named():
    verdicts = verdicts_of(100, 20)
    design = draw_sample(verdicts, 40, rng=np.random.default_rng(1), harms=[HARM])
    drawn = list(design.loc[design["drawn"], "transcript_id"])
    other = list(design.loc[~design["drawn"], "transcript_id"][:2])
    report = run_study(verdicts, labels_of([*drawn, *other], lambda id_: id_ in other), design=design)
    assert report.rates[0].estimate.n_harmful == 0
    assert report.ledger.labels.not_used == {"on transcripts that were not drawn": 2}
    assert any(
        note.startswith("2 labels on transcripts that were not drawn") and other[0] in note for note in report.notes
    )


@pytest.mark.parametrize(
    ("change", "cause"),
    [(str.upper, "upper and lower case"), (lambda i: f" {i}", "spaces"), (lambda i: f"00{i}", "leading zeros")],
)
def test_a_join_that_fails_shows_ids_of_both_sides_and_the_likely_cause(change, cause):
    verdicts = verdicts_of(30, 5)
    if cause == "leading zeros":
        verdicts["transcript_id"] = verdicts["transcript_id"].str[1:].str.lstrip("0").replace("", "0")
    ids = [change(id_) for id_ in verdicts["transcript_id"][:10]]
    with pytest.raises(InputError, match=cause) as refused:
        run_study(verdicts, labels_of(ids))
    assert "\n" not in str(refused.value)
    assert repr(sorted(ids)[0]) in str(refused.value)


def test_a_design_that_names_nothing_of_the_pool_is_refused():
    verdicts = verdicts_of(30, 5)
    design = draw_sample(verdicts, 10, rng=np.random.default_rng(1), harms=[HARM])
    ids = design.loc[design["drawn"], "transcript_id"]
    other = design.assign(transcript_id=design["transcript_id"].str.upper())
    with pytest.raises(InputError, match="names no transcript of the pool.*upper and lower case"):
        run_study(verdicts, labels_of(ids), design=other)
    with pytest.raises(InputError, match="the design names the harms deception"):
        run_study(verdicts, labels_of(ids), design=design.assign(harm="deception"))
    only_drawn = design[design["drawn"]]
    with pytest.raises(InputError, match="add up to 3.333 .* and 10 were drawn"):
        run_study(verdicts, labels_of(ids), design=only_drawn)


@pytest.mark.parametrize("words", [("Y", "N"), ("T", "F"), ("yes", "no"), ("ja", "nein"), (1, 0), ("1.0", "0.0")])
def test_drawn_is_read_in_the_words_that_people_write(words):
    frame = pd.DataFrame({"transcript_id": ["a", "b"], "inclusion_probability": 0.5, "drawn": list(words)})
    assert checked_design(frame)["drawn"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("probability", "drawn", "reason"),
    [(0.0, True, "above 0"), (np.nan, True, "0 <= p <= 1"), (1.2, True, "0 <= p"), (-0.1, False, "0 <= p"),
     (0.5, "maybe", "drawn must be true or false")],
)  # fmt: skip
def test_a_design_row_without_meaning_is_refused_by_name(probability, drawn, reason):
    frame = pd.DataFrame({"transcript_id": ["a"], "inclusion_probability": [probability], "drawn": [drawn]})
    with pytest.raises(InputError, match=reason) as refused:
        checked_design(frame)
    assert "transcript 'a'" in str(refused.value)


@pytest.mark.parametrize("columns", [["transcript_id"], ["transcript_id", "harm"], ["transcript_id", "harm", "round"]])
def test_a_design_that_holds_a_transcript_twice_is_refused(columns):
    rows = {"transcript_id": ["a", "b", "a"], "harm": HARM, "round": 1}
    frame = pd.DataFrame(rows)[columns].assign(inclusion_probability=[0.5, 0.5, 0.25], drawn=[True, False, False])
    with pytest.raises(InputError, match="transcript 'a': two rows"):
        checked_design(frame)


def test_a_transcript_may_stand_in_a_design_once_per_harm_and_round():
    rows = [("a", HARM, 1), ("a", HARM, 2), ("a", "other", 1)]
    frame = pd.DataFrame(rows, columns=["transcript_id", "harm", "round"])
    assert len(checked_design(frame.assign(inclusion_probability=0.5, drawn=True))) == 3


def test_verdicts_on_unknown_transcripts_are_refused_with_both_sides_and_the_likely_cause():
    pool = pd.DataFrame({"transcript_id": [f"{i:02d}" for i in range(20)]})
    verdicts = verdicts_of(20, 5)
    verdicts["transcript_id"] = [str(i) for i in range(20)]
    with pytest.raises(InputError, match="verdicts on 10 of 20 ids .* they differ in leading zeros"):
        run_study(verdicts, pool=pool)


def test_metadata_is_the_first_known_value_and_contradictions_are_refused():
    verdicts = pd.concat([verdicts_of(20, 5, arm=None), verdicts_of(20, 5, arm="a").assign(grader="k")])
    verdicts = typed(verdicts)
    assert {f.group["arm"] for f in run_study(verdicts, by=["arm"]).rates} == {"a"}
    assert {f.group["arm"] for f in run_study(verdicts.iloc[::-1], by=["arm"]).rates} == {"a"}
    torn = typed(pd.concat([verdicts_of(20, 5, arm="b"), verdicts_of(20, 5, arm="a").assign(grader="k")]))
    with pytest.raises(InputError, match="contradict each other on 'arm'"):
        run_study(torn, by=["arm"])


@pytest.mark.parametrize("value", ["1", "1.0"])
def test_a_number_matches_however_it_is_written(value):
    verdicts = verdicts_of(20, 5, epoch=[1, 2] * 10)
    assert run_study(verdicts, where={"epoch": value}).rates[0].estimate.n_transcripts == 10


def test_two_versions_of_one_grader_are_refused():
    verdicts = verdicts_of(20, 5)
    verdicts.loc[3:, "grader_version"] = "2"
    with pytest.raises(InputError, match=r"verdicts of 'j' on 'leaking' are of 2 versions \(1, 2\)"):
        run_study(verdicts)


def test_where_also_restricts_what_raters_are_compared_on():
    verdicts = verdicts_of(40, 10, arm=["a", "b"] * 20)
    ids = list(verdicts["transcript_id"])
    rows = [(id_, HARM, rater, float(i % 4 == 0)) for i, id_ in enumerate(ids) for rater in ("ana", "bo", "cy")]
    report = run_study(verdicts, LabelSet.from_rows(rows), where={"arm": "a"})
    human = [f.agreement.n_items for f in report.agreement if f.between == ("human", "human")]
    assert human
    assert set(human) == {20}
    assert {f.n_votes for f in report.raters} == {20}


def test_undecided_items_are_bounded_and_widen_the_interval():
    verdicts = verdicts_of(400, 100)
    design = draw_sample(verdicts, 200, design="uniform", rng=np.random.default_rng(2), harms=[HARM])
    drawn = list(design.loc[design["drawn"], "transcript_id"])
    decided = run_study(verdicts, labels_of(drawn[:160]), design=design.assign()).rates[0].estimate
    assert decided.bounds[1] >= 0.19
    assert decided.high >= 0.19
    whole = run_study(verdicts, labels_of(drawn), design=design).rates[0].estimate
    assert whole.bounds == (0.0, 0.0)
    assert whole.high < 0.05
