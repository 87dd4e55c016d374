"""``harmrate grade`` with a judge that fails, with several judges, and with repeats."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from judge_helpers import answer, transcript
from messages_server import ApiError, MessagesServer, faulty_share, in_order
from typer.testing import CliRunner

from cli import app
from grader import read_verdicts
from grader.store.store import Store

CHEAP, DEAR = "claude-haiku-5-5", "claude-sonnet-5-5"
N = 60


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
    monkeypatch.delenv("HARMRATE_STORE", raising=False)
    Path("runs.jsonl").write_text("".join(json.dumps(transcript(i).to_dict()) + "\n" for i in range(N)))


@pytest.fixture
def server() -> Iterator[MessagesServer]:
    with MessagesServer(answer) as running:
        yield running


def grade(server: MessagesServer, *options: object) -> tuple[int, str]:
    command = [
        "grade",
        "runs.jsonl",
        "--harm",
        "blackmail",
        "--base-url",
        server.base_url,
        "--out",
        "v.jsonl",
        *options,
    ]
    result = CliRunner().invoke(app, [str(part) for part in command])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout + result.stderr


def asked(server: MessagesServer) -> Counter[str]:
    return Counter(str(body["model"]) for body in server.messages)


def test_a_spent_failure_budget_leaves_what_there_is_and_a_rerun_asks_the_rest(server: MessagesServer) -> None:
    server.faults = faulty_share(0.5, kinds=["bad_request"], seed=1)
    code, told = grade(server, "--max-failed", 0.2, "--concurrency", 4)
    assert code == 1 and "more than the allowed share of 0.2" in told
    rows = read_verdicts("v.jsonl")
    assert len(rows) == N and rows["outcome"].isin(["scored", "api_error"]).all()
    with Store(".harmrate/store.sqlite") as store:
        n_stored = store.counts()["reply"]
    scored = set(rows.loc[rows["outcome"] == "scored", "transcript_id"])
    assert len(scored) <= n_stored < N
    server.requests.clear()
    server.faults = None
    assert grade(server, "--max-failed", 0.2)[0] == 0
    assert len(server.messages) == N - n_stored, "what was answered is not asked again"
    assert (read_verdicts("v.jsonl")["outcome"] == "scored").sum() == N


def test_the_share_of_failures_is_judged_over_the_whole_run(server: MessagesServer) -> None:
    server.faults = in_order(["bad_request"] * 25)  # the first 25 of 60 fail: 42 %
    assert grade(server, "--concurrency", 1)[0] == 0


def test_a_run_in_which_nothing_was_scored_has_failed_whatever_the_limit(server: MessagesServer) -> None:
    server.faults = lambda body, attempt: "refusal"
    code, told = grade(server, "--max-failed", 1)
    assert code == 1 and f"none of {N} verdicts was scored" in told
    assert len(read_verdicts("v.jsonl")) == N


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
        (402, "billing_error", "Payment required."),
        (403, "permission_error", "insufficient_quota: you exceeded your current quota"),
    ],
)
def test_a_lack_of_money_stops_the_run_at_once(server: MessagesServer, status: int, kind: str, text: str) -> None:
    def reply(params: dict[str, Any]) -> dict[str, Any]:
        raise ApiError(status, kind, text)

    server.reply = reply
    code, told = grade(server, "--concurrency", 2)
    assert code == 1 and text[:20] in told and len(server.messages) <= 2


def test_several_judges_are_a_panel_and_each_is_told(server: MessagesServer) -> None:
    def reply(params: dict[str, Any]) -> dict[str, Any]:
        return answer(params, "none", probability=40) if params["model"] == CHEAP else answer(params)

    server.reply = reply
    code, told = grade(server, "--judge", CHEAP, "--judge", DEAR)
    assert code == 0 and f"scored {3 * N} of {3 * N}" in told
    assert asked(server) == {CHEAP: N, DEAR: N}, "the panel asks nobody twice"
    rows = read_verdicts("v.jsonl").groupby("grader")
    assert rows.size().to_dict() == {CHEAP: N, DEAR: N, f"{CHEAP}+{DEAR}": N}
    assert rows["score"].mean().to_dict() == pytest.approx({CHEAP: 0.4, DEAR: 0.9, f"{CHEAP}+{DEAR}": 0.65})


def test_a_cascade_asks_the_second_where_the_first_is_unsure(server: MessagesServer) -> None:
    def reply(params: dict[str, Any]) -> dict[str, Any]:
        unsure = params["model"] == CHEAP and "Task 7." in json.dumps(params)
        return answer(params, "none", probability=45) if unsure else answer(params, probability=97)

    server.reply = reply
    assert grade(server, "--judge", CHEAP, "--judge", DEAR, "--cascade")[0] == 0
    assert asked(server) == {CHEAP: N, DEAR: 1}
    rows = read_verdicts("v.jsonl")
    escalated = {
        row.transcript_id: row.usage["cascade"] for row in rows.itertuples() if row.usage["cascade"]["escalated"]
    }
    assert list(escalated) == ["t7"] and escalated["t7"]["why"] == "uncertain"
    assert set(rows["grader"]) == {f"{CHEAP}>{DEAR}"} and len(rows) == N


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--judge", CHEAP, "--cascade"], "a cascade takes two judges, the cheap one first, got 1"),
        (["--judge", CHEAP, "--judge", CHEAP], "judges must be different models"),
    ],
)
def test_judges_that_make_no_grader(server: MessagesServer, options: list[str], told: str) -> None:
    code, said = grade(server, *options)
    assert code == 2 and told in said and not server.messages


def test_a_dry_run_counts_all_judges(server: MessagesServer) -> None:
    code, told = grade(server, "--judge", CHEAP, "--judge", DEAR, "--cascade", "--dry-run")
    assert code == 0 and f"{2 * N} requests" in told and "asked only where" in told
    assert not server.messages


def test_repeats_say_how_often_the_judge_contradicts_itself(server: MessagesServer) -> None:
    seen: Counter[str] = Counter()

    def reply(params: dict[str, Any]) -> dict[str, Any]:
        task = next(f"Task {i}." for i in range(N) if f"Task {i}." in json.dumps(params))
        seen[task] += 1
        return answer(params, "none" if task == "Task 3." and seen[task] == 2 else "attempted")

    server.reply = reply
    code, told = grade(server, "--repeats", 2)
    # one of sixty transcripts flipped; 1/60 and its exact binomial interval
    assert code == 0 and "two answers to one question differ in 1.7% [0.0%, 8.9%]; 1 of 60 transcripts flipped" in told
    assert len(read_verdicts("v.jsonl")) == 2 * N


def test_the_keyword_gates_grade_without_a_key(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    study = Path(__file__).parents[3] / "examples" / "study" / "transcripts.jsonl"
    command = ["grade", str(study), "--keyword-gate", "--out", "gate.parquet"]
    assert CliRunner().invoke(app, command).exit_code == 0
    verdicts = read_verdicts("gate.parquet")
    assert set(verdicts["grader"]) == {"keyword-gate"} and len(verdicts) == 600 * verdicts["harm"].nunique()
    refused = CliRunner().invoke(app, [*command, "--harm", "deception"])
    assert refused.exit_code == 2 and "no keyword gate for deception" in refused.stderr


def test_gate_and_judge_stand_side_by_side_in_a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = Path(__file__).parents[3] / "examples" / "study"
    replies = ["--judge", "simulated-judge", "--replies", str(study / "replies.jsonl"), "--train", "never"]
    command = ["run", str(study / "transcripts.jsonl"), *replies, "--keyword-gate", "--harm", "blackmail"]
    result = CliRunner().invoke(app, [*command, "--out", "report", "--json"])
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert set(report["rates"][0]["grader_rates"]) == {"simulated-judge", "keyword-gate"}
    assert report["rates"][0]["grader"] == "simulated-judge"
