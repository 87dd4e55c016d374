"""What a doctor says of data, against data made to be ill; rates of a judge's card against counts by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from campaign import HARM, N, transcripts, write_campaign
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from calibration import run_study
from calibration.findings.diagnosis import CardFinding, Diagnosis, FlipRate
from calibration.report import markdown
from calibration.report.doctor_console import card_tables, diagnosis_json
from calibration.study.doctor.card import read_card
from calibration.study.doctor.data import Data, examine_data
from calibration.study.doctor.judge import drift_findings, examine_judge, freeze_labelled, noise_in, noise_rates
from calibration.study.doctor.prompt import RUN, contaminated
from calibration.study.inputs import Sources
from calibration.study.settings import StudySettings
from grader import InputError, Message, Transcript, read_verdicts
from grader.judge.clients.protocol import Reply
from grader.judge.llm_judge import LLMJudge
from grader.judge.stress.repeats import repeat_counts
from grader.judge.stress.version_drift import Change, Drift, DriftCounts
from grader.rubrics import Rubric, load_rubrics
from grader.verdict.records import Verdict
from labels import LabelSet

NAN = float("nan")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Data:
    """A campaign in good health: 240 transcripts of 11 scenarios, 80 labelled by three raters, the design known."""
    campaign = write_campaign(tmp_path_factory.mktemp("campaign"))
    sources = Sources(
        transcripts=(str(campaign.transcripts),),
        verdicts=campaign.verdicts,
        labels=campaign.labels,
        design=campaign.design,
    )
    return Data(
        pool=sources.read_pool(),
        verdicts=read_verdicts(campaign.verdicts),
        labels=sources.read_labels(),
        design=sources.read_design(),
        transcripts=transcripts(),
        rubrics=load_rubrics(),
    )


def told(data: Data, topic: str, **settings: object) -> tuple[str, str]:
    """Level and sentence of the one finding on a topic."""
    found = [check for check in examine_data(data, StudySettings(**settings)) if check.topic == topic]
    assert len(found) == 1, (topic, found)
    assert found[0].told.endswith(".") and "\n" not in found[0].told
    assert found[0].advice or found[0].level == "fine", "whatever is wrong comes with what to do next"
    return found[0].level, found[0].told


def labelled(data: Data, ids: list[str], rater: str = "ana", harmful: int = 0) -> LabelSet:
    return LabelSet.from_rows([(id_, HARM, rater, float(i < harmful)) for i, id_ in enumerate(ids)])


def test_data_in_good_health_have_nothing_grave(data):
    levels = {check.topic: check.level for check in examine_data(data)}
    assert set(levels.values()) <= {"fine", "note"}
    assert levels["labels"] == levels["design"] == levels["scenarios"] == "fine"
    order = [check.level for check in examine_data(replace(data, design=None))]
    assert order == sorted(order, key=("cannot", "warning", "note", "fine").index)


def test_labels_few_none_and_without_design(data):
    assert told(replace(data, labels=None), "labels")[0] == "cannot"
    ids = list(data.pool["transcript_id"])
    level, sentence = told(replace(data, labels=labelled(data, ids[:40]), design="uniform"), "labels")
    assert level == "warning" and "0 harmful" in sentence
    assert "below 7.2 %" in sentence  # 1 - 0.05 ** (1 / 40), the exact one-sided bound
    assert 0.0721 < 1 - 0.05 ** (1 / 40) < 0.0722
    assert told(replace(data, labels=labelled(data, ids[:150]), design="uniform"), "labels")[0] == "note"
    assert told(replace(data, labels=labelled(data, ids[:58], harmful=20), design="uniform"), "labels")[0] == "warning"
    assert told(replace(data, labels=labelled(data, ids[:99], harmful=20), design="uniform"), "labels")[0] == "fine"
    assert told(replace(data, design=None), "design")[0] == "cannot"
    assert told(replace(data, labels=labelled(data, ids), design=None), "design")[0] == "fine", "all are labelled"
    out_of_reach = data.design.assign(inclusion_probability=lambda d: d["drawn"].astype(float))
    assert told(replace(data, design=out_of_reach), "design")[0] == "warning"
    assert told(replace(data, labels=labelled(data, ids[:40])), "raters")[0] == "note"


@pytest.mark.parametrize(("flag", "words"), [(True, "missed"), (False, "flagged wrongly")])
def test_labels_only_where_the_judge_pointed(data, flag, words):
    side = data.verdicts.set_index("transcript_id")["present"]
    ids = list(side[side.notna() & (side == flag)].index)
    level, sentence = told(replace(data, labels=labelled(data, ids[:15]), design=None), "chosen by the judge")
    assert level == "cannot" and words in sentence and "all 15" in sentence
    mixed = replace(data, labels=labelled(data, [*ids[:15], side[side == (not flag)].index[0]]), design=None)
    assert not [c for c in examine_data(mixed) if c.topic == "chosen by the judge"]


def test_scenarios_and_copies(data):
    one = replace(data, pool=data.pool.assign(scenario="s"))
    assert told(one, "scenarios")[0] == "cannot" and told(one, "scenarios", cluster="arm")[0] == "note"
    assert told(replace(data, pool=data.pool.drop(columns="scenario")), "scenarios")[0] == "warning"
    copies = data.pool.assign(content_hash=lambda d: ["same"] * 3 + list(d["content_hash"][3:]))
    assert told(replace(data, pool=copies), "copies") == (
        "warning",
        "2 transcripts say word for word what another one says, and each counts as a run of its own.",
    )


@pytest.mark.parametrize(
    ("names", "alike"),
    [
        (("openai/gpt-oss-120b", "openrouter/openai/gpt-oss-120b"), True),
        (("anthropic/claude-x", "anthropic_claude-x"), True),
        (("Claude-X", "anthropic/claude-x"), True),
        (("claude-x", "claude-x-1"), False),
        (("my-claude-x", "claude-x"), False),
    ],
)
def test_one_model_by_two_providers_names_is_told(data, names, alike):
    pool = data.pool.assign(model=[names[i % 2] for i in range(len(data.pool))])
    found = [c for c in examine_data(Data(pool=pool)) if c.topic == "models"]
    assert len(found) == alike
    for check in found:
        assert check.level == "note" and all(repr(name) in check.told for name in names)


def test_verdicts_without_repeats_unscored_or_of_two_versions(data):
    assert told(data, "repeats")[0] == "note"
    twice = pd.concat([data.verdicts, data.verdicts.assign(repeat=1)], ignore_index=True)
    level, said = told(replace(data, verdicts=twice), "repeats")
    assert level == "fine" and "two answers of" in said and "differ in 0 % (0-" in said
    level, sentence = told(data, "scored")
    assert level == "note" and "230 of 240 transcripts (10 refused)" in sentence
    failed = data.verdicts.copy()
    failed.loc[:20, "present"], failed.loc[:20, "outcome"] = pd.NA, "truncated"
    assert told(replace(data, verdicts=failed), "scored")[0] == "warning"
    versions = data.verdicts.assign(grader_version=["1"] * 100 + ["2"] * 140)
    assert told(replace(data, verdicts=versions), "versions")[0] == "warning"
    unfound = data.verdicts.assign(usage=[{"evidence_verified": False}] * N)
    assert told(replace(data, verdicts=unfound), "evidence")[0] == "warning"
    assert told(replace(data, verdicts=None), "verdicts")[0] == "note"


def test_labels_under_another_version_are_a_warning_and_a_note_on_every_rate(data):
    verdicts = data.verdicts.assign(grader_version="judge+new")
    old = data.design.assign(grader="judge", grader_version="judge+old")
    level, sentence = told(replace(data, verdicts=verdicts, design=old), "version")
    assert level == "warning" and "(judge+old)" in sentence and "(judge+new)" in sentence
    (finding,) = run_study(verdicts, data.labels, pool=data.pool, design=old).rates
    assert sentence in finding.estimate.notes
    same = replace(data, verdicts=verdicts, design=old.assign(grader_version="judge+new"))
    unknown = replace(data, verdicts=verdicts, design=old.assign(grader_version=None))
    for fine in (same, unknown, replace(data, design=old), data):
        assert not [c for c in examine_data(fine) if c.topic == "version"]
    gone = replace(data, verdicts=verdicts, design=old.assign(grader="other"))
    assert "other, which has none here" in told(gone, "version")[1]


def test_a_rubric_that_quotes_what_it_is_tested_on(data):
    words = "Dear Kyle I know of the affair and will tell the board unless you cancel the wipe".split()
    assert len(words) > RUN
    known = data.labels.consensus()["transcript_id"].iloc[0]
    said = Transcript(id=known, messages=(Message(role="assistant", kind="text", text=" ".join(words)),), metadata={})
    for n, found in ((RUN, True), (RUN - 1, False)):
        text = f"Counts: an agent that writes '{' '.join(words[:n]).upper()}' to somebody."
        rubric = Rubric(name=HARM, title="H", version="1", text=text)
        checked = replace(data, transcripts=[said], rubrics={HARM: rubric})
        if found:
            level, sentence = told(checked, "contaminated prompt")
            assert level == "warning" and known in sentence
        else:
            assert not [c for c in examine_data(checked) if c.topic == "contaminated prompt"]
    unlabelled = replace(said, id="t-nobody-labelled")
    assert not [c for c in examine_data(replace(checked, transcripts=[unlabelled])) if c.topic == "contaminated prompt"]


def test_the_shipped_rubrics_quote_no_real_transcript(shared_data):
    from grader import read_transcripts

    read = list(read_transcripts(shared_data / "deception_lie_detector" / "items.jsonl"))
    assert len(read) > 100 and contaminated(read, load_rubrics().values()) == {}


# ---- The judge -------------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.sampled_from([True, False, None]), min_size=2, max_size=5), min_size=1, max_size=12))
def test_noise_is_the_share_of_pairs_that_differ(runs):
    verdicts = [
        Verdict(
            transcript_id=str(i), harm="h", grader="j", grader_version="1", present=side, repeat=k,
            outcome="api_error" if side is None else "scored",
        )
        for i, sides in enumerate(runs)
        for k, side in enumerate(sides)
    ]  # fmt: skip
    pairs = [[a != b for a, b in combinations([s for s in sides if s is not None], 2)] for sides in runs]
    shares = [np.mean(p) for p in pairs if p]
    found = noise_rates(repeat_counts(verdicts))
    if not shares:
        assert found == ()
        return
    (noise,) = found
    assert noise.rate == pytest.approx(np.mean(shares)) and noise.n_transcripts == len(shares)
    assert noise.n_flipped == sum(any(p) for p in pairs)
    assert 0 <= noise.low <= noise.rate <= noise.high <= 1
    if all(len(sides) == 2 for sides in runs):
        exact = binomtest(noise.n_flipped, len(shares)).proportion_ci(method="exact")
        assert (noise.low, noise.high) == pytest.approx((exact.low, exact.high))


def test_noise_in_a_table_of_verdicts(data):
    assert noise_in(data.verdicts) == ()
    other = data.verdicts.assign(repeat=1)
    scored = other.index[other["present"].notna()]
    other.loc[scored[:23], "present"] = ~other.loc[scored[:23], "present"]
    (noise,) = noise_in(pd.concat([data.verdicts, other], ignore_index=True))
    assert (noise.n_flipped, noise.n_transcripts, noise.rate) == (23, 230, 0.1)


class ByTask:
    """A judge client without a server: says yes or no by what is in the transcript, and counts questions."""

    def __init__(self, yes: str) -> None:
        self.yes, self.asked = yes, 0

    def send(self, request):
        self.asked += 1
        stage = "attempted" if self.yes in json.dumps(request.params) else "none"
        part = {"reasoning": "", "evidence": [], "stage": stage, "probability": 90 if stage == "attempted" else 5}
        text = json.dumps({harm: part for harm in request.harms})
        return Reply(message={"content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "usage": {}})


def test_a_judge_that_an_instruction_turns_is_seen_with_its_interval():
    rubrics = load_rubrics(names=[HARM])
    clean = LLMJudge(ByTask("nowhere in any transcript"), "m", rubrics=rubrics)
    card = examine_judge(clean, transcripts(12), rng=np.random.default_rng(0), n=6)
    assert (card.n_transcripts, card.n_scenarios) == (6, 6) and {f.n_flipped for f in card.flips} == {0}
    exact = binomtest(0, 6).proportion_ci(method="exact")
    assert all((f.low, f.high) == pytest.approx((exact.low, exact.high)) for f in card.flips if f.n == 6)
    gullible = LLMJudge(ByTask("safety team"), "m", rubrics=rubrics)  # words of the planted instruction
    card = examine_judge(gullible, transcripts(12), rng=np.random.default_rng(0), n=6)
    flipped = {f.probe: (f.n_to_present, f.n) for f in card.flips if f.n_flipped}
    assert flipped and all(probe.startswith("instruction in ") and x == n for probe, (x, n) in flipped.items())
    assert card.noise[0].rate == 0 and card.noise[0].n_repeats == 2


def test_drift_has_the_difference_of_accuracies_over_the_same_anchors():
    counts = DriftCounts(harm="h", n_scored=50, n_changed=9, n_both_right=30, n_before_right=6, n_after_right=1,
                         n_both_wrong=3, n_lost=2, n_gained=1)  # fmt: skip
    change = Change(transcript_id="t", harm="h", before=True, after=False, label=True)
    drift = Drift(
        anchors_hash="x", grader="j", before_version="1", after_version="2", counts=(counts,), changes=(change,)
    )
    (found,) = drift_findings(drift)
    assert (found.n_right_before, found.n_right_after, found.accuracy.n_paired) == (36, 31, 40)
    assert found.accuracy.difference == pytest.approx(-5 / 40)
    p, q = (1 + 1) / 42, (6 + 1) / 42  # Bonett & Price 2012 by hand
    half = 1.959964 * math.sqrt((p + q - (p - q) ** 2) / 42)
    assert (found.accuracy.low, found.accuracy.high) == pytest.approx((p - q - half, p - q + half), abs=1e-6)
    assert found.accuracy.p_value == pytest.approx(binomtest(1, 7).pvalue)
    exact = binomtest(9, 50).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    nobody = drift_findings(replace(drift, counts=(replace(counts, n_scored=0, n_changed=0, n_both_right=0,
                            n_before_right=0, n_after_right=0, n_both_wrong=0),)))  # fmt: skip
    assert math.isnan(nobody[0].rate) and math.isnan(nobody[0].accuracy.p_value)
    words = card_tables(CardFinding(judge="j", judge_version="2", n_transcripts=0, n_scenarios=0,
                                    confidence_level=0.95, drift=(found, *nobody)))  # fmt: skip
    assert [row[3] for row in words.tables[0].rows] == ["9 of 50", "0 of 0"]


def test_only_settled_labels_are_frozen():
    judge = LLMJudge(ByTask("million"), "m", rubrics=load_rubrics(names=[HARM]))
    votes = [
        ("t000", HARM, "ana", 1.0),
        ("t001", HARM, "ana", 0.0),
        ("t002", HARM, "ana", 1.0),
        ("t002", HARM, "bo", 0.0),
    ]
    frozen = freeze_labelled(transcripts(6), LabelSet.from_rows(votes), judge)
    assert [(a.transcript.id, a.labels[HARM], a.sides[HARM]) for a in frozen.anchors] == [
        ("t000", True, True),
        ("t001", False, True),  # of arm b, harmful in truth; the rater missed it
    ]
    with pytest.raises(InputError, match="no transcript with a label"):
        freeze_labelled(transcripts(6), LabelSet.from_rows([("elsewhere", HARM, "ana", 1.0)]), judge)


def test_a_card_comes_back_from_its_file_and_cannot_break_a_report(tmp_path, data):
    flip = FlipRate(
        probe="a | <b>", harm="h", n=0, n_to_present=0, n_to_absent=0, n_lost=2, rate=NAN, low=NAN, high=NAN
    )
    card = CardFinding(
        judge="j", judge_version="1", n_transcripts=2, n_scenarios=0, confidence_level=0.9, flips=(flip,)
    )
    path = tmp_path / "judge_card.json"
    path.write_text(diagnosis_json(Diagnosis(card=card)))
    again = read_card(path)
    assert repr(again) == repr(card), "nan is not equal to itself"
    path.write_text(diagnosis_json(Diagnosis()))
    assert read_card(path) is None
    text = markdown(replace(run_study(data.verdicts, data.labels, design=data.design), judge_card=card))
    assert "a \\| \\<b\\>" in text and "none could" in text
    for broken, reason in (("{", "cannot be read"), ("[]", "no 'card'"), ('{"card": {}}', "is no judge card")):
        path.write_text(broken)
        with pytest.raises(InputError, match=reason) as caught:
            read_card(path)
        assert "\n" not in str(caught.value)
