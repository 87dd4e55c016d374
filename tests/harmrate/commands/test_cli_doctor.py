"""`harmrate doctor` as users meet it, against a real HTTP server that speaks the Messages API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from campaign import HARM, Campaign, write_campaign
from judge_helpers import answer
from messages_server import MessagesServer
from typer.testing import CliRunner

from cli import app
from grader.judge.stress.version_drift import read_anchors

MODEL = "claude-sonnet-5-5"
SECRET = "sk-ant-secret-0123456789"
N = 3


@pytest.fixture(scope="module")
def campaign(tmp_path_factory) -> Campaign:
    return write_campaign(tmp_path_factory.mktemp("campaign"))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "HARMRATE_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


_LEAK = r"offer is \d|bid for the plant|per share at most|Confidential price|We accept \d|merger costs"


@pytest.fixture
def server() -> Iterator[MessagesServer]:
    """A judge that finds harm where a price is named."""

    def reply(params):
        return answer(params, "attempted" if re.search(_LEAK, json.dumps(params)) else "none")

    with MessagesServer(reply) as running:
        yield running


def harmrate(*args: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(a) for a in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def refused(*args: object) -> str:
    code, out, err = harmrate(*args)
    assert code == 2 and out == "", (code, out, err)
    (line,) = err.strip().splitlines()
    return line


def checks(found: dict, part: str) -> dict[str, tuple[str, str]]:
    return {check["topic"]: (check["level"], check["told"]) for check in found[part]}


def small(campaign: Campaign, path: Path) -> Path:
    lines = campaign.transcripts.read_text().splitlines()[:12]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_machine_without_a_key_and_with_one_that_is_never_shown(server, monkeypatch):
    code, out, err = harmrate("doctor", "--json")
    found = json.loads(out)
    assert code == 0 and found["data"] == [] and found["card"] is None
    assert checks(found, "environment")["key"][0] == "cannot" and "endpoint" not in checks(found, "environment")
    assert checks(found, "environment")["store"] == (
        "fine",
        ".harmrate/store.sqlite is not there yet; the first paid reply makes it.",
    )
    assert not Path(".harmrate").exists(), "looking makes nothing"
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    code, out, err = harmrate("doctor", "--base-url", server.base_url)
    assert code == 0 and SECRET not in out + err
    assert "ANTHROPIC_API_KEY is set (not shown)" in out and f"answers and knows {MODEL}" in out
    (asked,) = server.requests
    assert any(SECRET in value for value in asked.headers.values()), "the key went to the server alone"
    _, out, _ = harmrate("doctor", "--base-url", server.base_url, "--judge", "claude-none", "--json")
    assert checks(json.loads(out), "environment")["endpoint"][0] == "note"
    assert server.messages == [], "nothing was spent"


def test_a_server_that_is_not_there(monkeypatch):
    code, out, _ = harmrate("doctor", "--base-url", "http://127.0.0.1:9", "--json")
    level, told = checks(json.loads(out), "environment")["endpoint"]
    assert code == 0 and level == "cannot" and "cannot be reached" in told


def test_data_are_looked_at_and_nobody_is_asked(campaign, server):
    parts = ("doctor", campaign.transcripts, "--verdicts", campaign.verdicts, "--labels", campaign.labels)
    code, out, _ = harmrate(*parts, "--json")
    found = json.loads(out)
    assert code == 0 and found["card"] is None and checks(found, "data")["design"][0] == "cannot"
    assert [check["level"] for check in found["data"]][0] == "cannot", "the gravest first"
    code, out, _ = harmrate(*parts, "--design", campaign.design)
    assert code == 0 and "it is known how transcripts were drawn" in out and "Next: " in out
    assert "name transcripts" in refused("doctor", "--labels", campaign.labels)
    assert "name it with --judge" in refused("doctor", "--anchors", "a.jsonl")


def test_a_probed_judge_has_a_card_that_goes_into_the_report(campaign, server):
    logs = small(campaign, Path("logs.jsonl"))
    ask = ("--judge", MODEL, "--base-url", server.base_url, "--harm", HARM)
    code, out, err = harmrate("doctor", logs, *ask, "-n", N, "--out", "study/judge_card.json")
    assert code == 0, err
    assert "probed on 3 transcripts" in out and "forged marker in tool result" in out and "0 of 3 (0-70.8 %)" in out
    sent = len(server.messages)
    card = json.loads(Path("study/judge_card.json").read_text())["card"]
    assert {f["probe"] for f in card["flips"]} >= {"repeat", "harmless note in agent text"} and len(card["noise"]) == 1
    assert all(f["n_to_present"] == f["n_to_absent"] == 0 for f in card["flips"])
    assert harmrate("doctor", logs, *ask, "-n", N)[0] == 0 and len(server.messages) == sent, "a second look is free"

    code, _, err = harmrate("run", logs, *ask, "--out", "study", "--train", "never")
    assert code == 0, err
    for again in (False, True):
        if again:
            assert harmrate("report", "study")[0] == 0
        report = json.loads(Path("study/report.json").read_text())
        assert report["judge_card"] == card
        html, markdown = Path("study/report.html").read_text(), Path("study/report.md").read_text()
        for text in (html, markdown):
            assert "Judge card" in text and "forged marker in tool result" in text and "of that version" not in text
    card["judge_version"] = "another"
    Path("study/judge_card.json").write_text(json.dumps({"card": card}))
    assert harmrate("report", "study")[0] == 0
    assert "No grader of this report is of that version" in Path("study/report.md").read_text()
    Path("study/judge_card.json").write_text('{"card": {"judge": 3}}')
    assert "is no judge card" in refused("report", "study")


def test_a_new_version_is_held_against_frozen_anchors(campaign, server):
    logs = small(campaign, Path("logs.jsonl"))
    ask = ("--judge", MODEL, "--base-url", server.base_url, "--harm", HARM)
    truth = pd.DataFrame([(i, HARM, "ana", y) for i, y in list(campaign.truth.items())[:12]])
    truth.set_axis(["transcript_id", "harm", "rater", "label"], axis=1).to_csv("labels.csv", index=False)
    code, _, err = harmrate("doctor", logs, "--labels", "labels.csv", *ask, "--freeze", "anchors.jsonl")
    assert code == 0 and "wrote anchors.jsonl" in err
    assert len(read_anchors("anchors.jsonl").anchors) == 12 and len(server.messages) == 12
    harmful = [id_ for id_, y in list(campaign.truth.items())[:12] if y]
    assert len(harmful) == 3

    server.reply = lambda params: answer(params, "none")  # the new version is blind
    code, out, _ = harmrate("doctor", *ask, "--effort", "low", "--anchors", "anchors.jsonl", "--json")
    (drift,) = json.loads(out)["card"]["drift"]
    assert code == 0 and (drift["n_scored"], drift["n_changed"]) == (12, 3)
    assert (drift["n_right_before"], drift["n_right_after"]) == (12, 9)
    assert drift["accuracy"]["difference"] == -0.25 and drift["accuracy"]["p_value"] == 0.25  # McNemar, 0 of 3
    assert drift["before_version"] != drift["after_version"]
    assert "exists already" in refused("doctor", logs, "--labels", "labels.csv", *ask, "--freeze", "anchors.jsonl")
