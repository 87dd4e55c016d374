"""A study joins verdicts and labels as its definitions say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from campaign import HARM, N, write_campaign

from calibration import estimate_rate, run_study
from calibration.report import report_dict
from calibration.study.folder import complete
from grader import InputError, read_verdicts
from grader.verdict.frame import typed
from labels import LabelSet, draw_sample, read_labels
from labels.sampling.designs import read_design

NAN = float("nan")


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    return write_campaign(tmp_path_factory.mktemp("campaign"))


@pytest.fixture(scope="module")
def frames(campaign):
    verdicts = read_verdicts(campaign.verdicts)
    arm = {id_: "a" if int(id_[1:]) % 2 == 0 else "b" for id_ in verdicts["transcript_id"]}
    verdicts["arm"] = verdicts["transcript_id"].map(arm)
    verdicts["scenario"] = [f"s{int(id_[1:]) % 12}" for id_ in verdicts["transcript_id"]]
    return verdicts, read_labels(campaign.labels), read_design(campaign.design)


def test_a_rate_is_that_of_the_joined_columns(frames, campaign):
    verdicts, labels, design = frames
    (finding,) = run_study(verdicts, labels, design=design).rates
    rows = verdicts.set_index("transcript_id")
    y = pd.Series(NAN, index=rows.index)
    drawn = design.set_index("transcript_id")["drawn"]
    y[drawn[drawn].index] = [campaign.truth[i] for i in drawn[drawn].index]
    side = rows["present"].astype("Float64").astype(float)
    pi = design.set_index("transcript_id")["inclusion_probability"].reindex(rows.index)
    by_hand = estimate_rate(y, side, inclusion_probability=pi, method="likelihood-ratio")
    assert (finding.estimate.rate, finding.estimate.low, finding.estimate.high) == (
        by_hand.rate,
        by_hand.low,
        by_hand.high,
    )
    assert finding.outcomes == {"scored": N - 10, "refused": 10}
    assert finding.estimate.low <= np.mean(list(campaign.truth.values())) <= finding.estimate.high
    assert finding.grader_rates["judge"] == side.mean()


def test_groups_and_denominators_count_their_transcripts(frames):
    verdicts, labels, design = frames
    report = run_study(verdicts, labels, design=design, by=["arm"])
    assert [(dict(f.group), f.estimate.n_transcripts) for f in report.rates] == [
        ({"arm": "a"}, 120),
        ({"arm": "b"}, 120),
    ]
    assert len(report.comparisons) == 1
    only = run_study(verdicts, labels, design=design, where={"arm": "a"}).rates[0].estimate
    assert only == report.rates[0].estimate


def test_without_labels_there_is_no_harm_rate(frames):
    verdicts, _, _ = frames
    (finding,) = run_study(verdicts).rates
    assert np.isnan(finding.estimate.rate)
    flagged = int(verdicts["present"].fillna(value=False).sum())
    assert finding.estimate.bounds == (flagged / N, (flagged + 10) / N)
    assert any("not a harm rate" in note for note in finding.estimate.notes)
    assert report_dict(run_study(verdicts))["rates"][0]["rate"] is None


def test_labels_of_unknown_origin_hold_for_the_sample_only(frames):
    verdicts, labels, design = frames
    sample_only = "valid only for this sample"
    told = run_study(verdicts, labels)
    assert any(sample_only in note for note in told.rates[0].estimate.notes)
    with_humans = [f for f in told.agreement if f.between == ("human", "judge")]
    assert {f.agreement.statistic for f in with_humans} >= {"sensitivity", "kappa", "alt_test"}
    assert all(any(sample_only in n for n in f.agreement.notes) for f in with_humans)
    known = run_study(verdicts, labels, design=design)
    assert not any(sample_only in note for note in known.rates[0].estimate.notes)
    of_pool = [f for f in known.agreement if f.between == ("human", "judge") and f.agreement.statistic != "alt_test"]
    assert len(of_pool) >= 8
    assert all(f.weighted and not any(sample_only in n for n in f.agreement.notes) for f in of_pool)


def test_weighting_undoes_the_design():
    """Half of the labels on flagged items: the sample's sensitivity is not the pool's."""
    n, rng = 20_000, np.random.default_rng(1)
    truth = rng.random(n) < 0.02
    says = np.where(truth, rng.random(n) < 0.8, rng.random(n) < 0.05)
    flagged, rest = np.flatnonzero(says), np.flatnonzero(~says)
    drawn = np.r_[rng.choice(flagged, 600, replace=False), rng.choice(rest, 600, replace=False)]
    ids = np.array([f"t{i}" for i in range(n)])
    pi = np.where(says, 600 / flagged.size, 600 / rest.size)
    verdicts = pd.DataFrame({"transcript_id": ids, "harm": HARM, "grader": "j", "present": says})
    labels = LabelSet.from_rows([(ids[i], HARM, "ana", float(truth[i])) for i in drawn])
    design = pd.DataFrame(
        {"transcript_id": ids, "harm": HARM, "inclusion_probability": pi, "drawn": np.isin(np.arange(n), drawn)}
    )
    verdicts = verdicts.assign(present=verdicts["present"].astype("boolean"), repeat=0, score=NAN, outcome="scored",
                               grader_kind="judge", grader_version="1", usage=[{}] * n)  # fmt: skip
    report = run_study(verdicts, labels, design=design, parts=("agreement",))
    sensitivity = next(f.agreement for f in report.agreement if f.agreement.statistic == "sensitivity")
    specificity = next(f.agreement for f in report.agreement if f.agreement.statistic == "specificity")
    assert sensitivity.low <= says[truth].mean() <= sensitivity.high
    assert specificity.value == pytest.approx((~says[~truth]).mean(), abs=0.01)
    in_sample = says[drawn][truth[drawn]].mean()
    assert in_sample > sensitivity.value + 0.05


def test_what_cannot_be_joined_is_refused(frames):
    verdicts, labels, design = frames
    stray = LabelSet.from_rows([("nobody", HARM, "ana", 1.0)])
    with pytest.raises(InputError, match="transcript 'nobody': labelled, but not among the transcripts"):
        run_study(verdicts, labels.combine(stray))
    with pytest.raises(InputError, match="no harm in common: verdicts on .*leaking.*, labels on .*deception"):
        run_study(verdicts, LabelSet.from_rows([("t001", "deception", "ana", 1.0)]))
    with pytest.raises(InputError, match="no transcript has 'colour'; there is "):
        run_study(verdicts, labels, by=["colour"])
    with pytest.raises(InputError, match="no grader 'nobody'; there are"):
        run_study(verdicts, labels, grader="nobody")
    with pytest.raises(InputError, match="no verdict on harm 'fraud'"):
        run_study(verdicts, labels, harms=["fraud"])
    with pytest.raises(InputError, match="no transcript where"):
        run_study(verdicts, labels, where={"arm": "z"})


def test_silence_about_a_transcript_is_an_outcome(frames):
    verdicts, labels, _ = frames
    pool = pd.DataFrame({"transcript_id": verdicts["transcript_id"], "arm": "a"})
    fewer = complete(verdicts[verdicts.index >= 30], pool)
    assert (fewer["outcome"] == "not_graded").sum() == 30
    assert fewer.groupby("outcome").size().sum() == N
    assert fewer.loc[fewer["outcome"] == "not_graded", "present"].isna().all()
    (finding,) = run_study(fewer, labels).rates
    assert finding.outcomes["not_graded"] == 30
    with pytest.raises(InputError, match="has a verdict, but is not among the transcripts"):
        complete(verdicts, pool.head(5))


def test_branches_of_an_episode_count_once():
    ids = ["e1a", "e1b", "e2a", "e2b", "e3"]
    verdicts = pd.DataFrame(
        {
            "transcript_id": ids,
            "harm": HARM,
            "grader": "j",
            "present": [False, True, False, False, False],
            "episode": ["e1", "e1", "e2", "e2", None],
        }
    ).assign(repeat=0, score=NAN, outcome="scored", grader_kind="judge", grader_version="1", usage=[{}] * 5)
    verdicts["present"] = verdicts["present"].astype("boolean")
    labels = LabelSet.from_rows([(i, HARM, "ana", float(i == "e1b")) for i in ids])
    (finding,) = run_study(verdicts, labels).rates
    assert finding.estimate.n_transcripts == 3
    assert finding.estimate.n_harmful == 1


def test_reports_are_written_whole(frames, tmp_path: Path):
    from calibration import render_report

    verdicts, labels, design = frames
    render_report(run_study(verdicts, labels, design=design, by=["arm"]), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json", "report.md"]
    html = (tmp_path / "report.html").read_text()
    assert 'role="img"' in html and "http" not in html.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_the_order_in_which_verdicts_arrived_changes_nothing(frames):
    verdicts, labels, design = frames
    shuffled = verdicts.sample(frac=1, random_state=3)
    first = run_study(verdicts, labels, design=design, by=["arm"])
    again = run_study(shuffled, labels, design=design.sample(frac=1, random_state=4), by=["arm"])
    assert report_dict(first) == report_dict(again)
    picks = [
        draw_sample(v, 60, design="flagged-25", rng=np.random.default_rng(5)).set_index("transcript_id")["drawn"]
        for v in (verdicts, shuffled)
    ]
    assert picks[0].sort_index().equals(picks[1].sort_index())


def test_a_covariate_has_no_rate_of_its_own(frames):
    verdicts, _, _ = frames
    aware = verdicts.assign(harm="aware", usage=[{"rubric_kind": "covariate"}] * len(verdicts))
    both = pd.concat([verdicts, aware], ignore_index=True)
    assert {f.harm for f in run_study(both).rates} == {HARM}
    assert {f.harm for f in run_study(both, harms=["aware"]).rates} == {"aware"}


def test_a_rater_who_grew_stricter_is_named():
    """Ana said what the others said in round 1, and yes to a third more in round 2."""
    rows = [
        (f"r{r}t{i}", HARM, who, float(i < 10 + 20 * (who == "ana" and r == 2)), "definite", r)
        for r in (1, 2)
        for i in range(60)
        for who in ("ana", "bo", "cy")
    ]
    labels = LabelSet(frame=pd.DataFrame(rows, columns=["transcript_id", "harm", "rater", "label", "status", "round"]))
    ids = labels.frame["transcript_id"].unique()
    verdicts = pd.DataFrame(
        {"transcript_id": ids, "harm": HARM, "grader": "j", "present": [int(i[3:]) < 10 for i in ids]}
    )
    report = run_study(typed(verdicts.assign(outcome="scored")), labels)
    told = " ".join(report.notes)
    assert "Rater ana grew stricter on leaking from round 1 to 2: +33 points" in told
    alone = {f.rater: f.estimate.rate for f in report.raters}
    assert alone["bo"] == alone["cy"] == pytest.approx(20 / 120)
    assert alone["ana"] > alone["bo"]


def test_a_panel_speaks_before_its_members(frames):
    verdicts, labels, design = frames
    members = [verdicts.assign(grader=name) for name in ("alpha", "zeta")]
    panel = verdicts.assign(grader="alpha+zeta")
    report = run_study(pd.concat([*members, panel], ignore_index=True), labels, design=design)
    assert report.rates[0].grader == "alpha+zeta"
    alone = run_study(pd.concat([members[0], verdicts.assign(grader="b+c")], ignore_index=True), labels, design=design)
    assert alone.rates[0].grader == "alpha", "a plus in a name makes no panel of graders that are not there"
