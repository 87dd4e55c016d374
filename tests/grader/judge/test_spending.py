"""``max_cost`` against a server that bills whatever it answered, also what never arrived in one piece."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from typing import Any

import anthropic
import pytest
from judge_helpers import answer, transcript
from messages_server import ApiError, MessagesServer

from grader.judge import LLMJudge
from grader.judge.clients.protocol import RunStopped
from grader.judge.clients.sender import Retries, _in_loop
from grader.judge.money.budget import Budget, BudgetClient
from grader.judge.money.ledger import Ledger
from grader.judge.money.prices import load_prices
from grader.rubrics import load_rubrics

MODEL = "claude-sonnet-5-5"
LIMIT, IN_FLIGHT, N = 1.0, 4, 60
USAGE = {"input_tokens": 10_000, "output_tokens": 1_000}
EACH = load_prices().cost(MODEL, USAGE) or 0.0


class Bill:
    """Answers and bills; what `usage` the reply tells is for the situation to say."""

    def __init__(self, usage: Any = USAGE, *, contradicts: bool = False) -> None:
        self.usage, self.contradicts, self.n = usage, contradicts, 0

    def __call__(self, params: dict[str, Any]) -> dict[str, Any]:
        self.n += 1
        text = json.dumps(answer(params, "none", probability=97) if self.contradicts else answer(params))
        content = [{"type": "text", "text": text}]
        told = {} if self.usage is None else {"usage": self.usage}
        return {
            "type": "message",
            "id": f"m{self.n}",
            "model": MODEL,
            "content": content,
            "stop_reason": "end_turn",
        } | told


def always(fault: str | None) -> Any:
    return lambda body, attempt: fault


def every_second(fault: str) -> Any:
    seen = iter(range(10**6))
    return lambda body, attempt: fault if next(seen) % 2 else None


SITUATIONS: dict[str, tuple[Bill, Any]] = {
    "all is well": (Bill(), None),
    "bodies cut off": (Bill(), always("cut_body")),
    "connections reset after the work": (Bill(), always("reset")),
    "a 200 that is not a message": (Bill(), always("garbled_body")),
    "no usage": (Bill(None), None),
    "usage of a wrong type": (Bill("lots"), None),
    "every second reply cut off": (Bill(), every_second("cut_body")),
    "every answer asked again": (Bill(contradicts=True), None),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_limit_is_never_passed_by_more_than_the_requests_in_flight(situation):
    bill, faults = SITUATIONS[situation]
    bill.n = 0
    ledger = Ledger(load_prices())
    with MessagesServer(bill, faults=faults) as server:
        client = anthropic.AsyncAnthropic(base_url=server.base_url, api_key="test", timeout=5)
        judge = LLMJudge(
            BudgetClient(client, Budget(load_prices(), LIMIT)), MODEL, rubrics=load_rubrics(), concurrency=IN_FLIGHT,
            max_tokens=1_000, retries=Retries(first_pause=0.001, longest_pause=0.002), watch=ledger.watch,
        )  # fmt: skip
        with pytest.raises(RunStopped):
            list(judge.grade(transcript(i) for i in range(N)))
        _in_loop(client.close()).result(5)
    if "HARMRATE_SHOW" in os.environ:
        print(f"\n| {situation} | {LIMIT:.2f} | {bill.n * EACH:.2f} | {bill.n} |")  # noqa: T201
    assert LIMIT / 2 < bill.n * EACH <= LIMIT + IN_FLIGHT * EACH
    if situation in ("all is well", "every answer asked again"):
        assert ledger.n_messages == bill.n, "replies that were asked again are in the books"


def test_requests_that_the_provider_refused_cost_nothing():
    def refuse(params: dict[str, Any]) -> dict[str, Any]:
        raise ApiError(400, "invalid_request_error", "something is wrong")

    budget = Budget(load_prices(), LIMIT)
    with MessagesServer(refuse) as server:
        client = anthropic.AsyncAnthropic(base_url=server.base_url, api_key="test", timeout=5)
        judge = LLMJudge(BudgetClient(client, budget), MODEL, rubrics=load_rubrics(), concurrency=IN_FLIGHT)
        assert {v.outcome for v in judge.grade(transcript(i) for i in range(N))} == {"api_error"}
        _in_loop(client.close()).result(5)
    assert budget.spent == 0


def test_a_server_that_trickles_its_answer_is_given_up_after_the_time_of_a_whole_request():
    listener = socket.create_server(("127.0.0.1", 0))

    def trickle() -> None:
        connection, _ = listener.accept()
        connection.settimeout(5)
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{")
        try:
            while True:
                connection.sendall(b" ")
                time.sleep(0.05)
        except OSError:
            connection.close()

    server = threading.Thread(target=trickle)
    server.start()
    client = anthropic.AsyncAnthropic(
        base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", api_key="test", timeout=0.5
    )
    judge = LLMJudge(client, MODEL, rubrics=load_rubrics(names=["blackmail"]), retries=Retries(attempts=1))
    began = time.monotonic()
    (verdict,) = judge.grade([transcript()])
    assert verdict.outcome == "api_error" and "timed out" in verdict.explanation
    assert time.monotonic() - began < 5
    _in_loop(client.close()).result(5)
    server.join(10)
    listener.close()


@pytest.mark.parametrize(
    "text",
    [
        "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000, decrease input length",
        "This model's maximum context length is 128000 tokens.",
    ],
)
def test_a_prompt_beyond_the_context_limit_is_too_long(text):
    def refuse(params: dict[str, Any]) -> dict[str, Any]:
        raise ApiError(400, "invalid_request_error", text)

    with MessagesServer(refuse) as server:
        client = anthropic.AsyncAnthropic(base_url=server.base_url, api_key="test", timeout=5)
        judge = LLMJudge(client, MODEL, rubrics=load_rubrics(names=["blackmail"]))
        assert [v.outcome for v in judge.grade([transcript()])] == ["too_long"]
        _in_loop(client.close()).result(5)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 200])
def test_a_server_that_cannot_count_tokens_does_not_end_a_run(status, monkeypatch):
    with MessagesServer(answer) as server:
        other = server._other

        async def _other(method: str, path: str, body: Any) -> Any:
            if not path.endswith("count_tokens"):
                return await other(method, path, body)
            if status == 200:
                return {"tokens": "many"}
            raise ApiError(status, "some_error", "no counting here")

        monkeypatch.setattr(server, "_other", _other)
        client = anthropic.AsyncAnthropic(base_url=server.base_url, api_key="test", timeout=5)
        judge = LLMJudge(client, MODEL, rubrics=load_rubrics(names=["blackmail"]), window_tokens=300)
        verdicts = list(judge.grade([transcript(extra="Long. " * 300)]))
        _in_loop(client.close()).result(5)
    assert [v.outcome for v in verdicts] == ["scored"] and verdicts[0].usage["windows"] > 1
