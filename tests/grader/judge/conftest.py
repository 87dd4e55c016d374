"""A loopback judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest
from judge_helpers import answer
from messages_server import MessagesServer

from grader.judge import LLMJudge
from grader.judge.clients.sender import Retries, _in_loop
from grader.rubrics import Rubric, load_rubrics

MODEL = "claude-sonnet-5-5"
QUICK = Retries(first_pause=0.01, longest_pause=0.05)


@pytest.fixture
def server() -> Iterator[MessagesServer]:
    with MessagesServer(answer) as running:
        yield running


@pytest.fixture
def client(server: MessagesServer) -> Iterator[anthropic.AsyncAnthropic]:
    connected = anthropic.AsyncAnthropic(base_url=server.base_url, api_key="test", timeout=5)
    yield connected
    # Its connections belong to the loop they were opened in, which is the couriers'.
    _in_loop(connected.close()).result(5)


@pytest.fixture
def one_rubric() -> dict[str, Rubric]:
    return load_rubrics(names=["blackmail"])


@pytest.fixture
def judge(client: anthropic.AsyncAnthropic) -> Callable[..., LLMJudge]:
    def make(**settings: Any) -> LLMJudge:
        settings = {"rubrics": load_rubrics(), "retries": QUICK, "client": client, "model": MODEL} | settings
        return LLMJudge(settings.pop("client"), settings.pop("model"), **settings)

    return make
