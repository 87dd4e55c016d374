"""The state of a campaign, against counts by hand and the functions that it rests on."""

from __future__ import annotations

import json
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from campaign import HARM, RATERS, N, write_campaign
from rich.console import Console

from calibration import confidence_sequence, estimate_rate, plan_labels, run_study
from calibration.findings.status import Goal
from calibration.report.campaign_console import decision_sentence, print_status, status_json
from calibration.study.campaign.status import campaign_status
from calibration.study.settings import StudySettings
from grader import InputError, read_verdicts
from labels import LabelSet, draw_sample, read_labels
from labels.sampling.designs import read_design

NAN = float("nan")
COLUMNS = ["transcript_id", "harm", "rater", "label", "status"]


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Labels, design and verdicts of a campaign in which bo errs on every ninth of his transcripts."""
    made = write_campaign(tmp_path_factory.mktemp("campaign"))
    frame = read_labels(made.labels).frame
    bo = frame.index[frame["rater"] == "bo"][::9]
    frame.loc[bo, "label"] = 1 - frame.loc[bo, "label"]
    return LabelSet(frame=frame), read_design(made.design), read_verdicts(made.verdicts)


@pytest.fixture(scope="module")
def status(parts):
    labels, design, verdicts = parts
    return campaign_status(labels, [design], verdicts, width=0.15)


def small(n: int = 40, n_drawn: int = 12, flagged: int = 10, **options) -> pd.DataFrame:
    pool = pd.DataFrame({"transcript_id": [f"t{i:02}" for i in range(n)], "flagged": [i < flagged for i in range(n)]})
    return draw_sample(pool, n_drawn, rng=np.random.default_rng(5), harms=[HARM], **options)


def votes(design: pd.DataFrame, *raters: str, harmful: int = 2) -> LabelSet:
    ids = design.loc[design["drawn"], "transcript_id"]
    return LabelSet.from_rows([(id_, HARM, rater, float(i < harmful)) for i, id_ in enumerate(ids) for rater in raters])


def test_progress_by_hand():
    design = small(design="flagged-50")
    flagged = design.loc[design["drawn"] & (design["stratum"] == "flagged"), "transcript_id"].tolist()
    others = design.loc[design["drawn"] & (design["stratum"] != "flagged"), "transcript_id"].tolist()
    assert (len(flagged), len(others)) == (6, 6)
    rows = [
        (flagged[0], HARM, "ana", 1.0, "definite"),
        (flagged[0], HARM, "bo", NAN, "unsure"),
        (flagged[1], HARM, "ana", NAN, "unsure"),
        (flagged[2], HARM, "bo", NAN, "skipped"),
        (flagged[3], HARM, "bo", 1.0, "draft"),
        (others[0], HARM, "ana", 0.0, "definite"),
    ]
    (harm,) = campaign_status(LabelSet(frame=pd.DataFrame(rows, columns=COLUMNS)), [design]).harms
    first, second = harm.strata
    assert (first.stratum, first.n_transcripts, first.drawn) == ("flagged", 10, 6)
    assert (first.labelled, first.unsure, first.skipped, first.unlabelled) == (1, 1, 1, 3)
    assert (second.n_transcripts, second.drawn, second.labelled, second.unlabelled) == (30, 6, 1, 5)
    told = {(p.rater, p.stratum): (p.labelled, p.unsure, p.skipped, p.drafts) for p in harm.progress}
    assert told == {
        ("ana", "flagged"): (1, 1, 0, 0),
        ("ana", "not flagged"): (1, 0, 0, 0),
        ("bo", "flagged"): (0, 1, 1, 1),
    }
    assert harm.n_labelled == 2
    assert [(item.transcript_id, item.why) for item in harm.queue] == [(flagged[1], "unsure")]


def test_the_rate_is_that_of_the_study(parts, status):
    labels, design, verdicts = parts
    report = run_study(verdicts, labels, design=design)
    (harm,) = status.harms
    assert harm.rate == report.rates[0]
    humans = [f for f in report.agreement if "rater" in f.between[0] or f.between == ("human", "human")]
    assert humans and [f.agreement.statistic for f in harm.agreement] == [f.agreement.statistic for f in humans]
    assert [f.estimate for f in harm.alone] == [f.estimate for f in report.raters]
    assert [f.rater for f in harm.alone] == list(RATERS)


def test_the_sequence_by_definition(parts, status):
    """Per stratum of the design at a/K, ends added up with the strata's shares of the pool."""
    labels, design, _ = parts
    y = design["transcript_id"].map(labels.consensus().set_index("transcript_id")["y"])
    low = high = 0.0
    strata = design["stratum"].unique()
    for stratum in strata:
        own = y[(design["stratum"] == stratum) & design["drawn"]]
        ends = confidence_sequence(own.sum(), own.size, confidence_level=1 - 0.05 / len(strata))
        share = (design["stratum"] == stratum).mean()
        low, high = low + share * ends[0], high + share * ends[1]
    (harm,) = status.harms
    assert (harm.sequence.low, harm.sequence.high) == pytest.approx((low, high))
    assert harm.sequence.n_strata == 3
    e = harm.rate.estimate
    assert harm.sequence.low < e.low < e.high < harm.sequence.high


def test_without_verdicts_the_labels_stand_alone():
    design = small(n_drawn=30)
    (harm,) = campaign_status(votes(design, "ana"), [design], width=0.2).harms
    y = np.r_[np.ones(2), np.zeros(28), np.full(10, NAN)]
    alone = estimate_rate(y, inclusion_probability=np.full(40, 0.75), method="likelihood-ratio")
    found = harm.rate.estimate
    assert (found.rate, found.low, found.high) == pytest.approx((alone.rate, alone.low, alone.high))
    assert (harm.sequence.low, harm.sequence.high) == confidence_sequence(2, 30)
    assert [w.design for w in harm.to_width if w.interval == "fixed-n"] == ["uniform"]
    stratified = small(n_drawn=20, design="flagged-50")
    (harm,) = campaign_status(votes(stratified, "ana", harmful=5), [stratified]).harms
    assert harm.rate.estimate.rate == pytest.approx(0.25 * 5 / 10)


def test_labels_to_a_width(parts, status):
    _, _, verdicts = parts
    (harm,) = status.harms
    accuracy = {
        f.agreement.statistic: f.agreement.value
        for f in run_study(verdicts, parts[0], design=parts[1]).agreement
        if f.between == ("human", "judge")
    }
    plan = plan_labels(
        harm.rate.estimate.rate,
        width=0.15,
        n_transcripts=N,
        sensitivity=accuracy["sensitivity"],
        specificity=accuracy["specificity"],
    )
    fixed = {w.design: w for w in harm.to_width if w.interval == "fixed-n"}
    assert {name: w.n_labels for name, w in fixed.items()} == {d.design: d.n_labels for d in plan.designs}
    assert all(w.n_more == max(0, w.n_labels - 80) for w in fixed.values() if w.n_labels is not None)
    assert [w.design for w in harm.to_width if w.interval == "sequence"] == ["as so far"]
    # Three strata of 240 transcripts: not even all labels make the sequence this narrow.
    assert harm.to_width[0].n_labels is None


def test_every_consensus_beside_the_others(parts):
    labels, design, _ = parts
    (harm,) = campaign_status(labels, [design]).harms
    by_kind = {c.kind: c for c in harm.consensus}
    assert by_kind["adjudicated"].estimate.rate == by_kind["majority"].estimate.rate == harm.rate.estimate.rate
    assert by_kind["dawid-skene"].estimate is None
    assert "5 votes per item" in by_kind["dawid-skene"].reason
    harmless = labels.consensus().query("y == 0")["transcript_id"].iloc[:3]
    truth = pd.DataFrame({"transcript_id": harmless, "harm": HARM, "rater": "z", "label": 1.0})
    decided = labels.combine(LabelSet(frame=truth.assign(source="ground_truth")))
    (after,) = campaign_status(decided, [design]).harms
    kinds = {c.kind: c.estimate for c in after.consensus}
    assert kinds["majority"].n_harmful == harm.rate.estimate.n_harmful
    assert kinds["adjudicated"].n_harmful == harm.rate.estimate.n_harmful + 3


def test_dawid_skene_with_five_raters():
    design = small(n_drawn=40)
    (harm,) = campaign_status(votes(design, *"abcde", harmful=8), [design]).harms
    assert [c.estimate.rate for c in harm.consensus] == pytest.approx([0.2, 0.2, 0.2], abs=1e-6)


def test_pace_counts_a_transcript_once_whatever_the_harms():
    design = small()
    ids = design.loc[design["drawn"], "transcript_id"].tolist()
    rows = [
        (id_, harm, rater, 0.0, seconds * (1 + i % 2))
        for i, id_ in enumerate(ids)
        for harm in (HARM, "fraud")
        for rater, seconds in (("ana", 60.0), ("bo", 50.0), ("cy", 10.0))
    ]
    labels = LabelSet(frame=pd.DataFrame(rows, columns=[*COLUMNS[:4], "seconds"]))
    pace = {p.rater: p for p in campaign_status(labels, [pd.concat([design, design.assign(harm="fraud")])]).pace}
    assert (pace["ana"].n_transcripts, pace["ana"].median_seconds) == (12, 90)
    assert (pace["ana"].low_seconds, pace["ana"].high_seconds) == (60, 120)
    # A third of the median rater's median, 75 seconds, is 25.
    assert {name: (p.n_fast, p.fast) for name, p in pace.items()} == {
        "ana": (0, False),
        "bo": (0, False),
        "cy": (12, True),
    }


def test_a_careless_rater_is_flagged():
    design = small(n=80, n_drawn=60)
    careful = votes(design, "ana", "bo", "di", harmful=30)
    ids = design.loc[design["drawn"], "transcript_id"]
    careless = LabelSet.from_rows([(id_, HARM, "cy", 0.0) for id_ in ids])
    (harm,) = campaign_status(careful.combine(careless), [design]).harms
    assert set(harm.flags) == {"cy"}
    assert "chance" in harm.flags["cy"]


def test_rounds_of_other_strata_combine():
    first = small(n=200, n_drawn=50, flagged=40)
    second = small(n=200, n_drawn=60, flagged=40, design="flagged-50", round=2)
    both = first.assign(drawn=first["drawn"] | second["drawn"])
    status = campaign_status(votes(both, "ana", harmful=20), [first, second])
    (harm,) = status.harms
    assert status.rounds == (1, 2)
    assert status.n_drawn == int(both["drawn"].sum())
    assert [s.stratum for s in harm.strata] == ["all / flagged", "all / not flagged"]
    assert harm.sequence.n_strata == 2


def test_what_is_said_beside_the_numbers():
    design = small(n=60, n_drawn=30)
    stray = design.loc[~design["drawn"], "transcript_id"].iloc[0]
    labels = votes(design, "ana").combine(LabelSet.from_rows([(stray, HARM, "ana", 1.0)]))
    machine = pd.DataFrame([(stray, HARM, "model", 1.0, "prediction")], columns=[*COLUMNS[:4], "source"])
    status = campaign_status(labels.combine(LabelSet(frame=machine)), [design])
    assert f"{HARM}: 1 labels on transcripts that no round drew are set aside." in status.notes
    assert any(note.startswith("Pre-annotated") for note in status.notes)
    assert status.harms[0].rate.estimate.n_labeled == 30
    nothing = LabelSet.from_rows([])
    (harm,) = (early := campaign_status(nothing, [design])).harms
    assert (harm.rate, harm.sequence, harm.strata[0].unlabelled) == (None, None, 30)
    assert early.notes == (f"{HARM}: nothing is labelled yet.",)


def test_transcripts_joined_to_episodes_have_no_sequence(parts):
    labels, design, verdicts = parts
    branches = verdicts.assign(episode=["e" if i in ("t000", "t001") else None for i in verdicts["transcript_id"]])
    status = campaign_status(labels, [design], branches)
    assert status.harms[0].sequence is None
    assert any("no confidence sequence: transcripts are joined to episodes" in note for note in status.notes)
    assert "nothing says when to stop" in decision_sentence(status.harms[0], status.goal)


def test_probabilities_that_differ_inside_a_stratum_have_no_sequence():
    design = small(n_drawn=30)
    uneven = design.assign(inclusion_probability=np.where(design.index < 5, 0.5, 0.75))
    halves = [uneven.assign(stratum="x"), uneven.assign(stratum="y", round=2)]
    status = campaign_status(votes(design, "ana"), halves)
    assert status.harms[0].sequence is None
    assert any("differ inside stratum" in note for note in status.notes)


@pytest.mark.parametrize(
    ("goal", "decision", "said"),
    [
        ({"below": 0.5}, "below", "shown to be below 50 %"),
        ({"above": 0.01}, "above", "shown to be above 1 %"),
        ({"width": 0.9}, "narrow enough", "narrower than 90 points"),
        ({"width": 0.01}, "go on", "neither width nor bound"),
        ({}, "go on", "name a width or a bound"),
    ],
)
def test_when_to_stop(goal, decision, said):
    design = small(n=400, n_drawn=300)
    (harm,) = campaign_status(votes(design, "ana", harmful=60), [design], **goal).harms
    assert harm.sequence.decision == decision
    assert said in decision_sentence(harm, Goal(**goal))


def test_bad_input_is_told_in_one_line():
    design = small()
    labels = votes(design, "ana")
    with pytest.raises(InputError, match="no harm 'fraud' in the design; there is leaking"):
        campaign_status(labels, [design], settings=StudySettings(harms=("fraud",)))
    strangers = design.assign(round=2, transcript_id="x" + design["transcript_id"])
    with pytest.raises(InputError, match="no transcript and harm in common"):
        campaign_status(labels, [design, strangers])
    with pytest.raises(InputError, match="width must fulfil 0 < width < 1, got 3"):
        campaign_status(labels, [design], width=3)
    with pytest.raises(InputError, match="not among the transcripts"):
        campaign_status(LabelSet.from_rows([("x", HARM, "ana", 1.0)]), [design])


def test_json_and_tables_hold_the_numbers(status):
    found = json.loads(status_json(status))
    (harm,) = found["harms"]
    assert harm["sequence"]["high"] == status.harms[0].sequence.high
    assert harm["consensus"][2] == {
        "kind": "dawid-skene",
        "estimate": None,
        "reason": status.harms[0].consensus[2].reason,
    }
    assert [w["n_labels"] for w in harm["to_width"]] == [w.n_labels for w in status.harms[0].to_width]
    out = StringIO()
    print_status(Console(file=out, width=200), status, show="all")
    text = " ".join(out.getvalue().split())
    for told in (
        "80 of 240",
        "Each rater alone",
        "The rate so far",
        "may be looked at after every label",
        "flagged-25",
    ):
        assert told in text
    assert f"{100 * status.harms[0].rate.estimate.rate:.1f} %" in text


def test_names_cannot_steer_the_terminal():
    design = small()
    labels = votes(design, "ana\x1b[2J", "[red]bo")
    out = StringIO()
    print_status(Console(file=out, width=200), campaign_status(labels, [design]), show="all")
    assert "\x1b" not in out.getvalue()
    assert "[red]bo" in out.getvalue()


def test_a_second_grader_opens_the_design_by_disagreement(parts):
    labels, design, verdicts = parts
    second = verdicts.assign(grader="classifier", grader_kind="classifier")
    both = pd.concat([verdicts, second], ignore_index=True)
    (harm,) = campaign_status(labels, [design], both, width=0.15).harms
    assert [w.design for w in harm.to_width if w.interval == "fixed-n"] == ["uniform", "disagree-25"]


def test_ties_and_new_scenarios_are_planned_for_all_the_same(parts):
    labels, design, verdicts = parts
    tied = LabelSet(frame=labels.frame[labels.frame["rater"] != "cy"])
    settings = StudySettings(target="new-scenarios")
    verdicts = verdicts.assign(scenario=[f"s{int(i[1:]) % 12}" for i in verdicts["transcript_id"]])
    status = campaign_status(tied, [design], verdicts, settings=settings, width=0.15)
    assert status.harms[0].rate.estimate.target == "new-scenarios"
    assert status.harms[0].rate.estimate.n_harmful % 1 == 0.5
    assert len(status.harms[0].to_width) == 4
    assert any("these same scenarios" in note for note in status.notes)
