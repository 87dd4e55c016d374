"""Judges of other makers: Chat Completions over real HTTP, panels across makers, and Inspect's models."""

from __future__ import annotations

import json
import math
import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, completion
from judge_helpers import answer, transcript
from messages_server import MessagesServer
from typer.testing import CliRunner

pytest.importorskip("openai", reason="the extra 'openai' is not installed")

from cli import app
from grader import read_verdicts
from grader.errors import InputError
from grader.judge.clients.protocol import SpendLimitReached
from grader.judge.money.ledger import Ledger
from grader.judge.money.prices import load_prices
from grader.judge.setup import JudgeSetup, open_judge
from grader.rubrics import load_rubrics
from grader.verdict.records import Verdict

ROOT = Path(__file__).resolve().parents[3]
MODEL = "gpt-5"
N = 60


def part(stage: str = "attempted", probability: int = 90) -> dict[str, Any]:
    evidence = [{"message": 4, "quote": "Stop the wipe, or Rachel learns all."}]
    return {"blackmail": {"reasoning": "r", "evidence": evidence, "stage": stage, "probability": probability}}


def verdicts(server: ChatServer, n: int = 1, **settings: Any) -> list[Verdict]:
    setup = JudgeSetup(model=MODEL, provider="openai", base_url=server.base_url, **settings)
    return list(open_judge(setup, load_rubrics(names=["blackmail"])).grade(transcript(i) for i in range(n)))


def test_a_chat_endpoint_answers_as_a_judge():
    with ChatServer(lambda body: part()) as server:
        found = verdicts(server, N, effort="low")
    assert Counter(v.outcome for v in found) == {"scored": N} and {v.score for v in found} == {0.9}
    body = server.requests[0]
    assert [m["role"] for m in body["messages"]] == ["system", "user"] and body["reasoning_effort"] == "low"
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["blackmail"]
    usage = found[0].usage
    assert usage["evidence_verified"] is True and usage["response_format"] == "json_schema"
    counted = {name: usage[name] for name in ("input_tokens", "cache_read_input_tokens", "output_tokens")}
    assert counted == {"input_tokens": 400, "cache_read_input_tokens": 600, "output_tokens": 50}
    assert usage["thinking_tokens"] == 20 and usage["request_id"].startswith("req_")


@pytest.mark.parametrize(
    ("refuses", "left"),
    [
        (("logprobs",), "json_schema"),
        (("json_schema",), "json_object"),
        (("logprobs", "json_schema", "json_object"), "plain"),
        (("max_tokens",), "json_schema"),
    ],
)
def test_what_an_endpoint_refuses_is_left_out_and_told(refuses, left):
    with ChatServer(lambda body: f"<think>hm</think>Sure: {json.dumps(part())}", refuses=refuses) as server:
        if "max_tokens" in refuses:
            server.answer = wants_completion_tokens(server.answer)  # type: ignore[method-assign]
        found = verdicts(server, 5, concurrency=1)
    assert [v.outcome for v in found] == ["scored"] * 5
    assert {v.usage["response_format"] for v in found} == {left}
    assert len(server.requests) <= 5 + len(refuses), "asked in the old way once, not for every transcript"


def wants_completion_tokens(usual: Any) -> Any:
    def answer_(path: str, body: dict[str, Any]) -> Any:
        if "max_tokens" in body:
            text = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            return 400, {"error": {"message": text, "type": "invalid_request_error"}}
        return usual(path, body)

    return answer_


def test_the_ledger_says_that_an_endpoint_takes_no_schema():
    ledger = Ledger(load_prices())
    with ChatServer(lambda body: part(), refuses=("json_schema",)) as server:
        setup = JudgeSetup(model=MODEL, provider="openai", base_url=server.base_url)
        list(open_judge(setup, load_rubrics(names=["blackmail"]), watch=ledger.watch).grade([transcript()]))
    assert "without a JSON schema" in ledger.summary() and ledger.tokens["cache_read"] == 600


ENDS: dict[str, tuple[Any, str]] = {
    "cut off": (completion(MODEL, '{"blackmail": {"reas', finish="length"), "truncated"),
    "filtered": (completion(MODEL, None, finish="content_filter"), "refused"),
    "refused": (completion(MODEL, None, refusal="I cannot help with that."), "refused"),
    "tool call": (completion(MODEL, None, finish="tool_calls"), "unparseable"),
    "reasoning only": (completion(MODEL, "", reasoning_content="hm"), "unparseable"),
    "no choices": ({"choices": []}, "unparseable"),
    "odd types": ({"choices": [5], "usage": "lots", "model": []}, "unparseable"),
    "parts": (completion(MODEL, [{"type": "text", "text": json.dumps(part())}]), "scored"),  # type: ignore[arg-type]
    "too long": ((400, {"error": {"message": "maximum context length is 8192"}}), "too_long"),
    "server error": ((400, {"error": {"message": "bad", "type": "invalid_request_error"}}), "api_error"),
}  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
def test_every_end_of_a_completion_is_an_outcome(end):
    reply, outcome = ENDS[end]
    with ChatServer(lambda body: reply) as server:
        (verdict,) = verdicts(server)
    assert verdict.outcome == outcome and (verdict.present is None) == (outcome != "scored")


def test_a_quota_that_is_used_up_stops_the_run():
    problem = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota", "type": "x"}}
    with ChatServer(lambda body: (429, problem)) as server, pytest.raises(SpendLimitReached):
        verdicts(server)
    assert len(server.requests) == 1


def test_token_probabilities_are_the_score():
    words = json.dumps(part("attempted", 99)).partition("attempted")
    likely = [{"token": "attempted", "logprob": math.log(0.6)}, {"token": "none", "logprob": math.log(0.2)}]
    tokens = [{"token": words[0], "top_logprobs": []}, {"token": words[1], "top_logprobs": likely}]
    reply = completion(MODEL, "".join(words), logprobs={"content": tokens})
    with ChatServer(lambda body: reply) as server:
        (verdict,) = verdicts(server)
    assert verdict.present is True and verdict.score == pytest.approx(0.75)


def test_the_wrong_address_says_which_was_asked_and_which_option_fits():
    with ChatServer(lambda body: part()) as chat:
        with pytest.raises(
            InputError, match=r"/chat/completions \(chat completions protocol\): end --base-url with /v1"
        ):
            address = chat.base_url.removesuffix("/v1")
            setup = JudgeSetup(model=MODEL, provider="openai", base_url=address)
            list(open_judge(setup, load_rubrics()).grade([transcript()]))
        with pytest.raises(InputError, match=r"/v1/v1/messages .*leave /v1 out .*--provider openai"):
            list(open_judge(JudgeSetup(model=MODEL, base_url=chat.base_url), load_rubrics()).grade([transcript()]))


def test_a_panel_of_two_makers_in_one_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("runs.jsonl").write_text("".join(json.dumps(transcript(i).to_dict()) + "\n" for i in range(N)))
    with ChatServer(lambda body: part("none", 20)) as chat, MessagesServer(answer) as messages:
        command = [
            "grade", "runs.jsonl", "--harm", "blackmail", "--out", "v.jsonl", "--base-url", messages.base_url,
            "--judge", "claude-sonnet-5-5", "--judge", f"openai:{MODEL}",
        ]  # fmt: skip
        environment = {"ANTHROPIC_API_KEY": "a", "OPENAI_API_KEY": "o", "OPENAI_BASE_URL": chat.base_url}
        result = CliRunner().invoke(app, command, env=environment)
    assert result.exit_code == 0, result.stderr
    rows = read_verdicts("v.jsonl").groupby("grader")
    assert rows.size().to_dict() == {"claude-sonnet-5-5": N, MODEL: N, f"claude-sonnet-5-5+{MODEL}": N}
    assert rows["score"].mean().to_dict()[f"claude-sonnet-5-5+{MODEL}"] == pytest.approx(0.55)


@pytest.mark.service
def test_any_model_of_inspect_can_judge(tmp_path):
    python = Path(os.environ.get("HARMRATE_HARNESSES", ROOT / ".venv" / "harness")) / "inspect" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no inspect: {python} does not exist (make test-full installs it)")
    script = """
import json
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from judge_helpers import transcript
from grader.judge import LLMJudge
from grader.judge.clients.inspect_model import InspectClient
from grader.rubrics import load_rubrics

part = {"reasoning": "r", "evidence": [], "stage": "attempted", "probability": 90}
texts = [json.dumps({"blackmail": part})] * 59 + ["I cannot."]
outputs = [ModelOutput.from_content("mockllm/model", text) for text in texts]
for output in outputs:
    output.usage = ModelUsage(input_tokens=10, output_tokens=5)
outputs[3].choices[0].stop_reason = "content_filter"
model = get_model("mockllm/model", custom_outputs=outputs)
judge = LLMJudge(InspectClient(model), "mockllm/model", rubrics=load_rubrics(names=["blackmail"]), concurrency=1)
verdicts = list(judge.grade(transcript(i) for i in range(59)))
ends = [sum(v.outcome == outcome for v in verdicts) for outcome in ("scored", "refused")]
print(ends, verdicts[0].usage["input_tokens"])
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    done = subprocess.run([python, "-c", script], env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.strip() == "[58, 1] 10", done.stderr
