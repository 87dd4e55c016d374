"""Which graders take part: one rule for every command, harness and service."""

from __future__ import annotations

import pytest
from judge_helpers import answer
from messages_server import MessagesServer
from typer.testing import CliRunner

from cli import app
from grader.errors import InputError
from grader.graders import NAMES_A_JUDGE, choose_graders
from grader.harness.opening import open_graders
from grader.judge.setup import JudgeSetup
from harmrate.commands.options import JudgeOptions


def test_graders_are_opened_judge_first_then_the_gate(monkeypatch):
    with MessagesServer(answer, models=("m",)) as server:
        graders = open_graders(judge="m", base_url=server.base_url, harms="blackmail", keyword_gate=True)
    assert [(g.name, g.kind) for g in graders] == [("m", "judge"), ("keyword-gate", "rule")]


@pytest.mark.parametrize("name", sorted(NAMES_A_JUDGE))
def test_a_setting_that_says_which_judge_has_it_asked_beside_other_graders(name):
    assert choose_graders({}, judge=JudgeSetup(), given={name: f"--{name}"}, gate="keyword").judge is not None


def test_without_any_grader_the_default_judge_is_asked_unless_verdicts_come_from_elsewhere():
    assert choose_graders({}, judge=JudgeSetup(), given={}).judge == JudgeSetup()
    assert choose_graders({}, judge=JudgeSetup(), given={}, unnamed="no judge").judge is None


@pytest.mark.parametrize("where", [{"gate": "keyword"}, {"unnamed": "no judge"}])
def test_a_setting_of_a_judge_that_is_not_asked_is_refused(where):
    with pytest.raises(InputError, match="--effort is a setting of the judge, and no judge is asked"):
        choose_graders({}, judge=JudgeSetup(effort="low"), given={"effort": "--effort"}, **where)
    with pytest.raises(InputError, match="repeats is a setting of the judge"):
        open_graders(keyword_gate=True, harms="blackmail", repeats=3)


def test_options_know_which_of_them_were_given():
    given = JudgeOptions(base_url="http://127.0.0.1:1", keyword_gate=True, per_harm=True).given()
    assert given == {"base_url": "--base-url", "per_harm": "--per-harm"}


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    from judge_helpers import transcript

    from grader.transcript_files import write_transcripts

    write_transcripts((transcript(i) for i in range(6)), "runs.jsonl")
    return "runs.jsonl"


def test_a_run_with_the_keyword_gates_alone_needs_no_key(study):
    command = ["run", study, "--keyword-gate", "--harm", "blackmail", "--out", "report"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.stderr


def test_an_address_asks_the_judge_beside_the_keyword_gates(study):
    from grader import read_verdicts

    with MessagesServer(answer) as server:
        command = ["grade", study, "--base-url", server.base_url, "--keyword-gate", "--out", "v.jsonl"]
        result = CliRunner().invoke(app, [*command, "--harm", "blackmail"])
    assert result.exit_code == 0, result.stderr
    assert set(read_verdicts("v.jsonl")["grader"]) == {"claude-sonnet-5-5", "keyword-gate"}


def test_an_option_of_the_judge_is_refused_where_none_is_asked(study):
    for command in (["grade", study], ["run", study, "--harm", "blackmail"]):
        result = CliRunner().invoke(app, [*command, "--keyword-gate", "--repeats", "2", "--out", "v.jsonl"])
        assert result.exit_code == 2 and "--repeats is a setting of the judge" in result.stderr
