"""The command as users meet it: data on stdout, one line for bad input, exit codes that gates can use."""

from __future__ import annotations

import json
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest
from campaign import HARM, Campaign, write_campaign
from messages_server import MessagesServer
from typer.testing import CliRunner

from cli import app
from grader.classifier.artifact import digest
from grader.store.store import Store


@pytest.fixture(scope="module")
def campaign(tmp_path_factory) -> Campaign:
    return write_campaign(tmp_path_factory.mktemp("campaign"))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "HARMRATE_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def harmrate(*args: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(a) for a in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def refused(*args: object) -> str:
    """The one line that refused input ends in."""
    code, out, err = harmrate(*args)
    assert code == 2, (out, err)
    assert out == ""
    lines = err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("harmrate: "), err
    return lines[0]


def test_rate_prints_json_that_holds_the_truth(campaign):
    code, out, _ = harmrate(
        "rate", "--verdicts", campaign.verdicts, "--labels", campaign.labels, "--design", campaign.design, "--json"
    )
    assert code == 0
    (rate,) = json.loads(out)["rates"]
    truth = np.mean(list(campaign.truth.values()))
    assert rate["low"] <= truth <= rate["high"]
    assert rate["n_transcripts"] == 240 and rate["n_scored"] == 230 and rate["outcomes"]["refused"] == 10
    assert {s["name"] for s in rate["strata"]} == {"flagged", "not flagged", "unscored"}
    assert set(rate) >= {"harm", "group", "confidence_level", "target", "method", "n_labeled", "n_harmful", "bounds",
                         "grader", "grader_rates", "notes"}  # fmt: skip


def test_rate_groups_by_metadata_of_the_transcripts(campaign):
    code, out, _ = harmrate(
        "rate", "--verdicts", campaign.verdicts, "--labels", campaign.labels, "--design", campaign.design,
        "--transcripts", campaign.transcripts, "--by", "arm", "--where", "model=m", "--level", "0.9", "--json",
    )  # fmt: skip
    assert code == 0
    rates = json.loads(out)["rates"]
    assert [(r["group"], r["n_transcripts"], r["confidence_level"]) for r in rates] == [
        ({"arm": "a"}, 120, 0.9),
        ({"arm": "b"}, 120, 0.9),
    ]


def test_rate_without_labels_is_the_graders(campaign):
    code, out, _ = harmrate("rate", "--verdicts", campaign.verdicts, "--json")
    (rate,) = json.loads(out)["rates"]
    assert code == 0 and rate["rate"] is None and rate["n_labeled"] == 0
    assert rate["bounds"][0] < rate["grader_rates"]["judge"] < rate["bounds"][1]
    code, out, err = harmrate("rate", "--verdicts", campaign.verdicts)
    assert code == 0 and "not known" in out and "grader's rate, not a harm rate" in err


def test_rates_under_an_assumption_stand_beside(campaign):
    common = ("rate", "--verdicts", campaign.verdicts, "--labels", campaign.labels, "--design", campaign.design)
    _, out, _ = harmrate(*common, "--json")
    alone = json.loads(out)["rates"]
    external = ("--external-verdicts", campaign.verdicts, "--external-labels", campaign.labels)
    caught = [{"transcript_id": f"c{i}", "harm": HARM, "grader": "judge", "present": i < 18} for i in range(20)]
    pd.DataFrame(caught).to_csv("controls.csv", index=False)
    code, out, err = harmrate(*common, *external, "--controls", "controls.csv", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["rates"] == alone
    by_method = {f["estimate"]["method"]: f["estimate"] for f in found["assumed"]}
    assert set(by_method) == {"lang-reiczigel", "positive-controls"}
    assert all("assum" in e["notes"][0].lower() for e in by_method.values())
    assert "takes both" in refused(*common, "--external-verdicts", campaign.verdicts)
    pd.DataFrame(caught).assign(grader="other").to_csv("controls.csv", index=False)
    assert "no verdict of 'judge'" in refused(*common, "--controls", "controls.csv")


def test_gates_err_on_the_stated_side(campaign):
    common = ("rate", "--verdicts", campaign.verdicts, "--labels", campaign.labels, "--design", campaign.design)
    _, out, _ = harmrate(*common, "--json")
    (rate,) = json.loads(out)["rates"]
    inside = (rate["low"] + rate["high"]) / 2
    assert harmrate(*common, "--fail-above", inside)[0] == 0
    assert harmrate(*common, "--require-below", inside)[0] == 1
    assert harmrate(*common, "--fail-above", rate["low"] / 2)[0] == 1
    assert harmrate(*common, "--require-below", rate["high"] + 0.01)[0] == 0


def test_agreement_and_compare_answer_in_tables_and_json(campaign):
    parts = ("--verdicts", campaign.verdicts, "--labels", campaign.labels, "--design", campaign.design)
    code, out, err = harmrate("agreement", *parts, "--json")
    rows = json.loads(out)["agreement"]
    assert code == 0
    kinds = {(tuple(r["between"]), r["statistic"]) for r in rows}
    assert {(("human", "judge"), s) for s in ("sensitivity", "specificity", "ppv", "npv", "kappa", "ac1")} <= kinds
    assert {(("human", "human"), "alpha"), (("human", "judge"), "alt_test")} <= kinds
    raters = json.loads(out)["raters"]
    assert [r["rater"] for r in raters] == ["ana", "bo", "cy"] and all(r["estimate"]["n_labeled"] == 80 for r in raters)
    of_judge = [r for r in rows if r["between"] == ["human", "judge"] and r["statistic"] != "alt_test"]
    assert all(r["weighted"] for r in of_judge)
    code, out, err = harmrate("compare", *parts, "--between", "arm", "--transcripts", campaign.transcripts)
    assert code == 0 and "told apart" in out


def test_compare_by_sets_of_scenarios_and_by_pairs(campaign):
    parts = ("--verdicts", campaign.verdicts, "--labels", campaign.labels, "--design", campaign.design,
             "--transcripts", campaign.transcripts, "--json")  # fmt: skip
    sets = ("--set", "in=s0|s1|s2|s3", "--set", "out=s4|s5")
    code, out, err = harmrate("compare", *parts, *sets, "--between", "set")
    assert code == 0, err
    groups = {r["group"]["set"]: r["n_transcripts"] for r in json.loads(out)["rates"]}
    assert groups == {"(none)": 108, "in": 88, "out": 44}  # eleven scenarios, 22 or 21 runs each
    assert "two sets" in refused("compare", *parts, "--set", "a=s0", "--set", "b=s0", "--between", "set")
    assert "no transcript of scenario 'x'" in refused("compare", *parts, "--set", "a=x", "--between", "set")
    code, out, _ = harmrate("compare", *parts, "--between", "arm", "--pairing", "scenario")
    (difference,) = json.loads(out)["comparisons"]
    assert code == 0 and difference["n_paired"] == 11  # every scenario ran in both arms
    code, out, _ = harmrate("compare", *parts, "--between", "model", "--pairing", "scenario")
    assert json.loads(out)["comparisons"] == []


def test_run_writes_a_folder_that_report_reproduces(campaign, tmp_path):
    code, out, err = harmrate(
        "run", campaign.transcripts, "--labels", campaign.labels, "--design", campaign.design, "--verdicts",
        campaign.verdicts, "--train", "never", "--by", "arm", "--out", "out", "--json",
    )  # fmt: skip
    assert code == 0, err
    names = {"verdicts.parquet", "labels.parquet", "report.json", "report.md", "report.html"}
    assert names <= {p.name for p in Path("out").iterdir()}
    first = json.loads(Path("out/report.json").read_text())
    assert json.loads(out)["rates"] == first["rates"]
    assert harmrate("report", "out", "--json")[0] == 0
    again = json.loads(Path("out/report.json").read_text())
    assert again["rates"] == first["rates"] and again["agreement"] == first["agreement"]
    assert first["provenance"]["inputs"].keys() == {"transcripts", "verdicts", "labels", "design"}
    frame = pd.read_parquet("out/verdicts.parquet")
    assert frame["arm"].value_counts().to_dict() == {"a": 120, "b": 120}
    assert frame.groupby("outcome").size().to_dict() == {"refused": 10, "scored": 230}


def test_labels_config_and_sample(campaign, tmp_path):
    code, out, _ = harmrate("labels", "config", "--harm", "leaking")
    assert code == 0 and '<Choices name="leaking"' in out
    code, _, err = harmrate("labels", "sample", campaign.transcripts, "-n", 40, "--verdicts", campaign.verdicts,
                            "--design", "flagged-25", "--out", "round1", "--seed", 3)  # fmt: skip
    assert code == 0, err
    tasks = json.loads(Path("round1/tasks.json").read_text())
    design = pd.read_csv("round1/design.csv")
    drawn = design[design["drawn"]]["transcript_id"].unique()
    assert {t["data"]["transcript_id"] for t in tasks} == set(drawn) and len(tasks) == 40
    blind = json.dumps(tasks)
    assert "present" not in blind and "arm" not in {key for t in tasks for key in t["data"]}
    per_stratum = design.drop_duplicates("transcript_id").groupby("stratum")
    expected = per_stratum["drawn"].mean()
    assert np.allclose(per_stratum["inclusion_probability"].first(), expected)


def test_train_then_grade_with_the_artifact(campaign):
    rows = [(id_, HARM, "ana", y) for id_, y in campaign.truth.items()]
    pd.DataFrame(rows, columns=["transcript_id", "harm", "rater", "label"]).to_csv("all.csv", index=False)
    train = ("train", campaign.transcripts, "--labels", "all.csv", "--out", "model")
    assert "aim must be sensitivity=SHARE or precision=SHARE" in refused(*train, "--aim", "recall=0.9")
    code, out, err = harmrate(*train, "--aim", "sensitivity=0.95")
    assert code == 0, err
    assert "# " in out and HARM in out and "(chosen for sensitivity 0.95)" in out
    code, _, err = harmrate("grade", campaign.transcripts, "--classifier", "model", "--out", "v.parquet")
    assert code == 0 and "240 verdicts, scored 240 of 240" in err
    frame = pd.read_parquet("v.parquet")
    assert set(frame["grader"]) == {"classifier"} and frame["score"].between(0, 1).all()
    assert all(json.loads(u)["out_of_fold"] for u in frame["usage"])
    truth = frame["transcript_id"].map(campaign.truth) == 1
    assert frame.loc[truth, "present"].mean() >= 0.95
    pd.read_csv("all.csv").head(30).to_csv("few.csv", index=False)
    code, out, _ = harmrate("train", campaign.transcripts, "--labels", "few.csv", "--out", "model2")
    positives = int(pd.read_csv("few.csv")["label"].sum())
    assert code == 0 and f"training needs 8 harmful transcripts of a harm; harmful ones are: {HARM} {positives}" in out
    assert not Path("model2/metadata.json").exists()
    ranking = pd.read_csv("model2/ranking.csv")
    assert sorted(ranking["transcript_id"]) == sorted(campaign.truth) and set(ranking["harm"]) == {HARM}
    assert ranking["score"].is_monotonic_decreasing and ranking["score"].between(-2, 2).all()


@pytest.mark.slow
def test_shards_in_object_storage_train_what_one_file_trains(campaign):
    rows = [(id_, HARM, "ana", y) for id_, y in campaign.truth.items()]
    pd.DataFrame(rows, columns=["transcript_id", "harm", "rater", "label"]).to_csv("all.csv", index=False)
    bucket = fsspec.filesystem("memory")
    lines_ = campaign.transcripts.read_text(encoding="utf-8").splitlines(keepends=True)
    for number in range(3):
        bucket.pipe(f"/pool/part-{number}.jsonl", "".join(lines_[number * 80 : (number + 1) * 80]).encode())
    for source, out in ((campaign.transcripts, "one"), ("memory://pool", "shards")):
        code, _, err = harmrate("train", source, "--labels", "all.csv", "--out", out)
        assert code == 0, err
    told = [json.loads(Path(out, "metadata.json").read_text(encoding="utf-8")) for out in ("one", "shards")]
    changing = {key for key in told[0] if told[0][key] != told[1][key]}
    assert changing <= {"files", "sha256"}  # an archive keeps the time at which it was made
    assert told[0]["harms"] and told[0]["data_sha256"] and told[0]["folds"]
    bucket.store.clear()


def test_train_on_a_judge_is_said_wherever_the_classifier_is_used(campaign):
    code, out, err = harmrate("train", campaign.transcripts, "--verdicts", campaign.verdicts, "--out", "model")
    assert code == 0, err
    assert "labels by an LLM judge, not by humans" in out
    assert json.loads(Path("model/metadata.json").read_text())["trained_on"] == "judge"
    assert harmrate("grade", campaign.transcripts, "--classifier", "model", "--out", "v.parquet")[0] == 0
    parts = (campaign.transcripts, "--verdicts", "v.parquet", "--labels", campaign.labels, "--design", campaign.design)
    code, _, err = harmrate("run", *parts, "--train", "never", "--out", "study")
    assert code == 0, err
    assert "classifier was trained on a judge's verdicts, not on human labels" in Path("study/report.md").read_text()
    record = json.loads(Path("model/metadata.json").read_text())
    del record["sha256"]
    record["versions"]["scikit-learn"] = "0.1"
    Path("model/metadata.json").write_text(json.dumps(record | {"sha256": digest(record)}))
    code, _, err = harmrate("grade", campaign.transcripts, "--classifier", "model", "--out", "w.parquet")
    assert code == 0 and "classifier: trained with scikit-learn 0.1, running " in err
    parts = (campaign.transcripts, "--verdicts", campaign.verdicts, "--labels", campaign.labels)
    code, _, err = harmrate("run", *parts, "--classifier", "model", "--out", "other")
    assert code == 0, err
    assert "classifier: trained with scikit-learn 0.1, running " in Path("other/report.md").read_text()
    assert "unlike anything labelled" in Path("other/report.md").read_text()
    sample = ("labels", "sample", campaign.transcripts, "-n", 5, "--design", "most-unlike-training")
    code, _, err = harmrate(*sample, "--verdicts", "v.parquet", "--out", "r1")
    assert code == 0, err
    said = pd.read_parquet("v.parquet").set_index("transcript_id")["usage"].map(lambda u: json.loads(u)["unlikeness"])
    drawn = [task["data"]["transcript_id"] for task in json.loads(Path("r1/tasks.json").read_text())]
    assert sorted(said[drawn]) == sorted(said)[-5:]
    assert "no verdict of a trained classifier" in refused(*sample, "--verdicts", campaign.verdicts, "--out", "r2")
    assert "takes the verdicts of one judge" in refused(
        "train", campaign.transcripts, "--verdicts", "v.parquet", "--out", "model2"
    )


def test_no_key_says_how_to_go_on_and_writes_nothing(campaign):
    line = refused("run", campaign.transcripts, "--labels", campaign.labels, "--out", "out")
    assert "ANTHROPIC_API_KEY" in line and "--base-url" in line and "--verdicts" in line
    assert not Path("out").exists()
    line = refused("grade", campaign.transcripts, "--out", "verdicts.parquet")
    assert "ANTHROPIC_API_KEY" in line
    assert not list(Path().glob("*verdicts*"))


def test_dry_run_needs_no_key_and_sends_nothing(campaign):
    code, out, _ = harmrate("grade", campaign.transcripts, "--out", "v.parquet", "--dry-run")
    assert code == 0 and "240 requests" in out and "$" in out
    assert not Path("v.parquet").exists()


def test_the_judge_is_asked_as_the_options_say(campaign):
    def answer(params):
        part = {"reasoning": "r", "evidence": [], "stage": "none", "probability": 3}
        return {harm: part for harm in params["output_config"]["format"]["schema"]["properties"]}

    with MessagesServer(answer, models=("m",)) as server:
        common = ("grade", campaign.transcripts, "--judge", "m", "--base-url", server.base_url, "--harm", HARM)
        code, _, err = harmrate(*common, "--thinking", "disabled", "--effort", "low", "--redact", "--out", "v.jsonl")
        assert code == 0 and "scored 240 of 240" in err
        first = server.messages[0]
        assert first["thinking"] == {"type": "disabled"} and first["output_config"]["effort"] == "low"
        texts = json.dumps(server.messages)
        assert "@example.org" not in texts and "[EMAIL 1]" in texts
        sent = len(server.messages)
        assert harmrate(*common, "--thinking", "disabled", "--effort", "low", "--redact", "--out", "v.jsonl")[0] == 0
        assert len(server.messages) == sent == 240
        assert harmrate(*common, "--out", "other.jsonl")[0] == 0
        assert len(server.messages) == 2 * sent


def test_the_store_is_listed_exported_and_pruned():
    with Store("s.sqlite") as store:
        for i in range(5):
            store.put_reply(f"k{i}", {"n": i}, model="m", outcome="refused" if i < 2 else "scored")
    code, out, _ = harmrate("store", "list", "--store", "s.sqlite", "--json")
    listed = json.loads(out)
    assert code == 0 and listed["counts"] == {"reply": 5, "embedding": 0} and len(listed["replies"]) == 5
    code, out, _ = harmrate("store", "list", "--store", "s.sqlite", "--outcome", "refused")
    assert code == 0 and "2 of 5 replies" in out
    assert harmrate("store", "export", "all.jsonl", "--store", "s.sqlite")[0] == 0
    assert [json.loads(line)["reply"]["n"] for line in Path("all.jsonl").read_text().splitlines()] == list(range(5))
    assert "--everything" in refused("store", "prune", "--store", "s.sqlite")
    code, _, err = harmrate("store", "prune", "--store", "s.sqlite", "--outcome", "refused")
    assert code == 0 and "2 deleted" in err
    code, _, err = harmrate("store", "prune", "--store", "s.sqlite", "--older-than-days", "1")
    assert "0 deleted" in err
    assert "no such store" in refused("store", "list", "--store", "nowhere.sqlite")


def lines(*rows: object) -> str:
    return "\n".join(json.dumps(row) for row in rows) + "\n"


CHAT = {"id": "a", "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}
BAD_TRANSCRIPTS = {
    "unknown format": ("x.jsonl", lines({"price": 3}), ["x.jsonl", "line 1", "cannot tell the format"]),
    "empty": ("x.jsonl", "", ["x.jsonl", "empty"]),
    "cut": ("x.jsonl", lines(CHAT) + '{"id": "b", "messages": [{"ro', ["x.jsonl", "line 2"]),
    "twice": ("x.jsonl", lines(CHAT, CHAT), ["x.jsonl", "'a'", "already"]),
}


@pytest.mark.parametrize("case", BAD_TRANSCRIPTS)
def test_bad_transcripts(case, campaign):
    name, text, told = BAD_TRANSCRIPTS[case]
    Path(name).write_text(text)
    line = refused(
        "run", name, "--strict", "--labels", campaign.labels, "--verdicts", campaign.verdicts, "--out", "out"
    )
    assert all(word in line for word in told), line
    assert not Path("out").exists()


TASK = {"id": 1, "data": {"transcript_id": "t000"}}


def said(rater: int, control: str, value: str) -> dict:
    result = [{"from_name": control, "type": "choices", "value": {"choices": [value]}}]
    return {"completed_by": rater, "result": result}


BAD_LABELS = {
    "unknown transcript": ("l.csv", "transcript_id,harm,rater,label\nnobody,leaking,ana,1\n", ["l.csv", "'nobody'"]),
    "two values by one rater": (
        "l.csv",
        "transcript_id,harm,rater,label\nt000,leaking,ana,1\nt000,leaking,ana,0\n",
        ["l.csv", "'t000'", "'ana'", "twice"],
    ),
    "not a label": ("l.csv", "transcript_id,harm,rater,label\nt000,leaking,ana,7\n", ["l.csv", "row 1", "7"]),
    "no such harm": (
        "l.json",
        json.dumps([TASK | {"annotations": [said(1, "colour", "red")]}]),
        ["l.json", "no control speaks of a harm", "--map", "colour", "red"],
    ),
    "another harm": ("l.csv", "transcript_id,harm,rater,label\nt000,fraud,ana,1\n", ["no harm in common", "fraud"]),
    "cut export": ("l.json", '[{"id": 1, "data": {"transcript_id": "t0', ["l.json"]),
    "empty export": ("l.json", "[]", ["l.json"]),
    "no file": ("l.json", None, ["l.json", "no such file"]),
}


@pytest.mark.parametrize("case", BAD_LABELS)
def test_bad_labels(case, campaign):
    name, text, told = BAD_LABELS[case]
    if text is not None:
        Path(name).write_text(text)
    line = refused("rate", "--verdicts", campaign.verdicts, "--labels", name)
    assert all(word in line for word in told), line


def test_plan_says_how_many_labels(campaign):
    code, out, _ = harmrate("plan", "--rate", 0.01, "--width", 0.03, "--method", "post-stratified", "--json")
    plan = json.loads(out)
    assert code == 0 and plan["clean_labels"] == [299, 368]
    assert [d["design"] for d in plan["designs"]] == ["uniform", "flagged-10", "flagged-25"]
    assert all(d["width"] <= 0.03 for d in plan["designs"])
    code, out, _ = harmrate("plan", "--rate", 0.02, "-n", 150, "--method", "post-stratified")
    assert code == 0 and "149 (one-sided)" in out
    assert "one of them" in refused("plan", "--rate", 0.01)


def test_plan_takes_a_second_grader(campaign):
    assumed = ("plan", "--rate", 0.05, "-n", 60, "--transcripts", 400)
    second = ("--classifier-sensitivity", 0.8, "--classifier-specificity", 0.9)
    alone, both = (json.loads(harmrate(*assumed, *more, "--json")[1]) for more in ((), second))
    assert alone["classifier"] is None and both["classifier"] == [0.8, 0.9]
    assert [d["design"] for d in both["designs"]] == ["uniform", "flagged-10", "flagged-25", "disagree-25"]
    assert both["designs"][0]["width"] < alone["designs"][0]["width"]
    one = ("--design", "uniform")
    assert "classifier: sensitivity 0.8, specificity 0.9" in " ".join(harmrate(*assumed, *second, *one)[1].split())
    assert "give both" in refused(*assumed, *second[:2])


def test_rates_split_by_another_verdict(campaign, tmp_path):
    verdicts = pd.read_json(campaign.verdicts, lines=True)
    aware = verdicts.assign(harm="eval_awareness", present=verdicts.index % 3 == 0, outcome="scored")
    pd.concat([verdicts, aware]).to_json("both.jsonl", orient="records", lines=True)
    code, out, err = harmrate("rate", "--verdicts", "both.jsonl", "--labels", campaign.labels, "--design",
                              campaign.design, "--by", "verdict:eval_awareness", "--json")  # fmt: skip
    assert code == 0, err
    rates = json.loads(out)["rates"]
    groups = {r["group"]["verdict:eval_awareness"]: r["n_transcripts"] for r in rates}
    assert groups == {"no": 160, "yes": 80} and {r["harm"] for r in rates} == {HARM}
    assert "on 'fraud'" in refused("rate", "--verdicts", campaign.verdicts, "--by", "verdict:fraud")


def test_bad_options(campaign):
    common = ("rate", "--verdicts", campaign.verdicts, "--labels", campaign.labels)
    assert "NAME=VALUE" in refused(*common, "--where", "arm")
    assert "CONTROL:HARM=VALUE" in refused(*common, "--map", "verdict")
    assert "no transcript has 'arm'" in refused(*common, "--by", "arm")
    assert "design.txt" in refused(*common, "--design", "design.txt")
    assert "no verdicts" in refused("rate", "--labels", campaign.labels)
    assert "1 <= n <= 240" in refused("labels", "sample", campaign.transcripts, "-n", 900, "--out", "r")
    assert "written to" in refused("grade", campaign.transcripts, "--out", "v.xlsx", "--replies", campaign.labels)


def test_real_chats_with_imported_verdicts(shared_data, tmp_path):
    """The lie-detector chats: a judge that left 41 of 334 out, 12 unparsed, and a uniform hundred of labels."""
    folder = shared_data / "deception_lie_detector"
    items, rows = (
        [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]
        for name in ("items.jsonl", "judge_verdicts.jsonl")
    )
    rows = [r for r in rows if (r["judge"], r["condition"]) == ("gpt-oss-120b:base_transcript", "transcript_only")]
    sides = {"lie": True, "not_lie": False}
    verdicts = [
        {"transcript_id": r["id"], "harm": "deception", "grader": "oss", "present": sides.get(r["verdict"])}
        | ({} if r["verdict"] in sides else {"outcome": "unparseable"})
        for r in rows
    ]
    Path("verdicts.jsonl").write_text(lines(*verdicts))
    pick = np.random.default_rng(20261125).choice(len(items), 100, replace=False)
    labels = [(items[i]["id"], "deception", "truth", int(items[i]["did_lie"])) for i in pick]
    pd.DataFrame(labels, columns=["transcript_id", "harm", "rater", "label"]).to_csv("labels.csv", index=False)
    code, _, err = harmrate(
        "run", folder / "items.jsonl", "--labels", "labels.csv", "--design", "uniform", "--verdicts", "verdicts.jsonl",
        "--by", "task", "--cluster", "task", "--out", "out",
    )  # fmt: skip
    assert code == 0, err
    report = json.loads(Path("out/report.json").read_text())
    outcomes = pd.DataFrame([r["outcomes"] for r in report["rates"]]).sum().to_dict()
    assert outcomes == {"scored": 281, "unparseable": 12, "not_graded": 41}
    lied = pd.DataFrame(items).groupby("task")["did_lie"].mean()
    for rate in report["rates"]:
        assert rate["low"] <= lied[rate["group"]["task"]] <= rate["high"]
    pairs = {tuple(a["between"]) for a in report["agreement"]}
    assert pairs == {("human", "oss")}, "a classifier that its gate does not let grade has no agreement"
    assert any("classifier gives no verdicts here" in note for note in report["rates"][0]["notes"])
    classifier = pd.read_parquet("out/verdicts.parquet").query("grader == 'classifier'")
    held_out = [json.loads(u)["out_of_fold"] for u in classifier["usage"]]
    assert sum(held_out) == 100


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--by", "modle"), "no transcript has 'modle'"),
        (("--where", "arm=z"), "no transcript where arm is 'z'"),
        (("--set", "near=s99", "--by", "set"), "s99"),
    ],
)
def test_run_refuses_keys_that_no_transcript_has_before_it_asks_a_judge(campaign, options, words):
    replies = Path("replies.jsonl")  # a judge without a single reply: asking it would be an outcome, not this line
    replies.write_text("")
    line = refused(
        "run", campaign.transcripts, "--labels", campaign.labels, "--replies", replies, "--out", "out", *options
    )
    assert words in line and not Path("out").exists()


def test_quiet_leaves_out_notes_but_not_what_qualifies_a_number(campaign):
    table = ("--verdicts", campaign.verdicts, "--labels", campaign.labels, "--json")
    quiet, loud = (json.loads(harmrate(*flag, "rate", *table)[1]) for flag in (("-q",), ()))
    assert quiet["provenance"].pop("created_at") and loud["provenance"].pop("created_at")  # a second may pass between
    assert quiet == loud
    sample = ("labels", "sample", campaign.transcripts, "-n", 5)
    assert "tasks" in harmrate(*sample, "--out", "loud")[2]
    assert harmrate("--quiet", *sample, "--out", "silent")[2] == ""
    _, _, err = harmrate("-q", "rate", *table[:-1])
    assert "valid only for this sample" in err


@pytest.mark.parametrize(
    "command",
    [
        "run",
        "grade",
        "export",
        "train",
        "agreement",
        "rate",
        "compare",
        "plan",
        "report",
        "demo",
        "init",
        "serve",
        "doctor",
    ],
)
def test_help_ends_in_an_example(command):
    code, out, _ = harmrate(command, "--help")
    assert code == 0 and f"Example: harmrate {command}" in out


def test_version_is_that_of_the_package():
    from importlib.metadata import version

    code, out, err = harmrate("--version")
    assert (code, out, err) == (0, f"harmrate {version('harmrate')}\n", "")
