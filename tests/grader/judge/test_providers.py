"""The SDK's Bedrock and Vertex clients as the judge uses them, over real HTTP where no cloud package is needed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic
import pytest
from judge_helpers import answer, harms_of, transcript

from grader.errors import InputError
from grader.judge import LLMJudge
from grader.judge.clients import providers
from grader.judge.clients.providers import Provider, provider_client
from grader.judge.clients.sender import _in_loop
from grader.judge.setup import JudgeSetup, open_judge
from grader.redaction import Redaction
from grader.rubrics import Rubric
from grader.store.store import Store

Make = Callable[..., LLMJudge]


class Cloud(BaseHTTPRequestHandler):
    """Answers on every path, and keeps what came."""

    seen: list[tuple[str, dict[str, str], dict[str, Any]]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        text = json.dumps(answer(body))
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
        content = json.dumps(message | {"content": [{"type": "text", "text": text}], "usage": {"input_tokens": 1}})
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.send_header("x-amzn-RequestId", "amz-7")
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def cloud() -> Iterator[tuple[str, list[Any]]]:
    handler = type("Handler", (Cloud,), {"seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler.seen  # type: ignore[attr-defined]
        server.shutdown()


@pytest.fixture(autouse=True)
def no_cloud_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_BEARER_TOKEN_BEDROCK", "CLOUD_ML_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def test_bedrock_from_settings(
    cloud: tuple[str, list[Any]], one_rubric: dict[str, Rubric], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, seen = cloud
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bearer")
    setup = JudgeSetup(
        provider="bedrock", region="eu-west-1", base_url=url, model="anthropic.claude-sonnet-5-5", window_tokens=300
    )
    (verdict,) = open_judge(setup, one_rubric).grade([transcript(extra="Long. " * 20)])
    assert verdict.outcome == "scored" and verdict.grader == "anthropic.claude-sonnet-5-5"
    assert verdict.usage["request_id"] == "amz-7"
    ((path, headers, body),) = seen
    assert path == "/model/anthropic.claude-sonnet-5-5/invoke" and headers["authorization"] == "Bearer bearer"
    assert "model" not in body and body["anthropic_version"] and harms_of(body) == list(one_rubric)


def test_vertex_sync_client(cloud: tuple[str, list[Any]], judge: Make, one_rubric: dict[str, Rubric]) -> None:
    url, seen = cloud
    with anthropic.AnthropicVertex(region="global", project_id="p1", access_token="t", base_url=url) as client:
        (verdict,) = judge(client=client, rubrics=one_rubric).grade([transcript()])
    assert verdict.outcome == "scored"
    ((path, headers, _),) = seen
    assert path == "/projects/p1/locations/global/publishers/anthropic/models/claude-sonnet-5-5:rawPredict"
    assert headers["authorization"] == "Bearer t"


def test_a_client_that_cannot_count_tokens_leaves_it_to_the_estimate(
    cloud: tuple[str, list[Any]], judge: Make, one_rubric: dict[str, Rubric]
) -> None:
    url, seen = cloud
    with anthropic.AnthropicBedrock(aws_region="eu-west-1", api_key="k", base_url=url) as client:
        (verdict,) = judge(client=client, rubrics=one_rubric, window_tokens=300).grade(
            [transcript(extra="Long. " * 900)]
        )
    assert verdict.outcome == "scored" and verdict.usage["windows"] == len(seen) > 1


@pytest.mark.parametrize("provider", ["bedrock", "vertex"])
def test_a_missing_extra_is_told_in_one_line(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "_SIGNERS", {"bedrock": "no_such_package", "vertex": "no_such_package.auth"})
    with pytest.raises(InputError) as caught:
        provider_client(provider, region="global")
    assert str(caught.value) == f"provider {provider} needs more of the SDK: pip install 'anthropic[{provider}]'"


@pytest.mark.parametrize("provider", ["bedrock", "vertex"])
def test_a_missing_region_is_told_in_one_line(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "_SIGNERS", {"bedrock": "json", "vertex": "json"})
    with pytest.raises(InputError, match=f"provider {provider} cannot be used: No .*region") as caught:
        provider_client(provider)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_signed_ends_the_run_in_one_line(judge: Make, one_rubric: dict[str, Rubric]) -> None:
    client = anthropic.AsyncAnthropicVertex(region="global", project_id="p1")
    client._ensure_access_token = lambda: (_ for _ in ()).throw(RuntimeError("Could not resolve API token\nx"))  # type: ignore[method-assign]
    client.with_options = lambda **_: client  # type: ignore[method-assign]
    with pytest.raises(
        InputError, match="credentials of the judge's API cannot be used: Could not resolve API token x"
    ):
        list(judge(client=client, rubrics=one_rubric).grade([transcript()]))
    _in_loop(client.close()).result(5)


def test_clouds_take_no_batches(one_rubric: dict[str, Rubric]) -> None:
    with pytest.raises(InputError, match="provider vertex takes no batches"):
        open_judge(JudgeSetup(provider="vertex", transport="batch"), one_rubric, store=Store(":memory:"))


def test_plain_choices_become_the_judges_settings() -> None:
    assert JudgeSetup(thinking="adaptive").settings()["thinking"] == {"type": "adaptive"}
    assert JudgeSetup(thinking={"type": "between_tools"}).settings()["thinking"] == {"type": "between_tools"}
    assert JudgeSetup().settings()["thinking"] is None
    assert JudgeSetup(redact=Redaction()).settings()["redact"] == Redaction()
