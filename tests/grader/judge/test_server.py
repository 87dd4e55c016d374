"""The official SDK, unchanged, against the loopback server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import pytest
from messages_server import FAULTS, MessagesServer, by_text, faulty_share, in_order

SCHEMA = {
    "type": "object",
    "properties": {"stage": {"enum": ["none", "attempted"]}, "probability": {"type": "integer"}},
    "required": ["stage", "probability"],
    "additionalProperties": False,
}


def ask(client: anthropic.Anthropic, text: str = "Hello", **more: Any) -> anthropic.types.Message:
    output_config: Any = {"format": {"type": "json_schema", "schema": SCHEMA}}
    message: anthropic.types.Message = client.messages.create(
        model="claude-sonnet-5-5",
        max_tokens=100,
        messages=[{"role": "user", "content": text}],
        output_config=output_config,
        **more,
    )
    return message


def connect(server: MessagesServer, *, timeout: float = 5.0) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=server.base_url, api_key="test", max_retries=0, timeout=timeout)


@pytest.fixture
def server() -> Iterator[MessagesServer]:
    with MessagesServer() as running:
        yield running


@pytest.fixture
def client(server: MessagesServer) -> Iterator[anthropic.Anthropic]:
    with connect(server) as connected:
        yield connected


def test_default_reply_fulfils_the_schema(server: MessagesServer, client: anthropic.Anthropic) -> None:
    message = ask(client)
    assert json.loads(message.content[0].text) == {"stage": "none", "probability": 0}  # type: ignore[union-attr]
    assert message._request_id is not None and message._request_id.startswith("req_test_")
    assert server.messages[0]["output_config"]["format"]["schema"] == SCHEMA


def test_scripted_reply_sees_the_request(server: MessagesServer, client: anthropic.Anthropic) -> None:
    server.reply = lambda params: {"stage": "attempted", "probability": len(params["messages"][0]["content"])}
    assert json.loads(ask(client, "four").content[0].text)["probability"] == 4  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
def test_sampling_parameters_are_refused(client: anthropic.Anthropic, name: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match="sampling parameters"):
        ask(client, extra_body={name: 1})


def test_prefill_open_schemas_and_unknown_models_are_refused(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="prefill"):
        client.messages.create(
            model="claude-sonnet-5-5", max_tokens=9, messages=[{"role": "assistant", "content": "{"}]
        )
    open_schema: Any = {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}}
    with pytest.raises(anthropic.BadRequestError, match="additionalProperties"):
        client.messages.create(
            model="claude-sonnet-5-5",
            max_tokens=9,
            messages=[{"role": "user", "content": "x"}],
            output_config=open_schema,
        )
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="claude-0", max_tokens=9, messages=[{"role": "user", "content": "x"}])


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ("rate_limit", anthropic.RateLimitError, 429),
        ("overloaded", anthropic.OverloadedError, 529),
        ("server_error", anthropic.InternalServerError, 500),
        ("too_large", anthropic.ContentTooLargeError, 413),
        ("spend_limit", anthropic.RateLimitError, 429),
        ("payment_required", anthropic.PaymentRequiredError, 402),
    ],
)
def test_error_faults_arrive_as_the_sdks_errors(
    server: MessagesServer,
    client: anthropic.Anthropic,
    fault: str,
    error: type[anthropic.APIStatusError],
    status: int,
) -> None:
    server.faults = in_order([fault])
    with pytest.raises(error) as raised:
        ask(client)
    assert raised.value.status_code == status
    assert raised.value.request_id == "req_test_00000001"
    assert (raised.value.error_code or "").endswith("limit_reached") == (fault in ("spend_limit", "payment_required"))
    if fault == "rate_limit":
        assert float(raised.value.response.headers["retry-after"]) > 0
    assert ask(client).stop_reason == "end_turn"


def test_transport_faults(server: MessagesServer) -> None:
    server.faults = in_order(["hang", "cut_body", "reset", "garbled_body"])
    with connect(server, timeout=0.3) as client:
        with pytest.raises(anthropic.APITimeoutError):
            ask(client)
        for _ in range(2):
            with pytest.raises(anthropic.APIConnectionError):
                ask(client)
        with pytest.raises(ValueError, match="Expecting value"):
            ask(client)
        assert ask(client).stop_reason == "end_turn"


@pytest.mark.parametrize("fault", ["refusal", "max_tokens", "model_context_window_exceeded"])
def test_stop_reason_faults(server: MessagesServer, client: anthropic.Anthropic, fault: str) -> None:
    server.faults = in_order([fault])
    message = ask(client)
    assert message.stop_reason == fault
    if fault == "refusal":
        assert message.stop_details is not None and message.stop_details.category == "general_harms"
        assert message.content == []
    else:
        with pytest.raises(ValueError, match="Unterminated|Expecting|delimiter"):
            json.loads(message.content[0].text)  # type: ignore[union-attr]


def test_the_sdks_own_retries_get_through(server: MessagesServer) -> None:
    server.faults = in_order(["rate_limit", "overloaded"])
    with anthropic.Anthropic(base_url=server.base_url, api_key="test", max_retries=2) as client:
        assert ask(client).stop_reason == "end_turn"
    assert len(server.messages) == 3


def test_share_of_faults_is_seeded_and_near_its_share() -> None:
    plan, again, other = faulty_share(0.3, seed=1), faulty_share(0.3, seed=1), faulty_share(0.3, seed=2)
    bodies = [{"messages": [str(i)]} for i in range(3000)]
    struck = [plan(body, 0) for body in bodies]
    assert struck == [again(body, 0) for body in bodies] != [other(body, 0) for body in bodies]
    share = sum(fault is not None for fault in struck) / len(struck)
    assert abs(share - 0.3) < 4 * (0.3 * 0.7 / 3000) ** 0.5
    assert set(struck) == {None, *FAULTS}
    assert [faulty_share(1.0, tries=1)({}, attempt) is None for attempt in range(3)] == [False, True, True]


def test_faults_by_text(server: MessagesServer, client: anthropic.Anthropic) -> None:
    server.faults = by_text({"second": "overloaded"})
    assert ask(client, "first").stop_reason == "end_turn"
    with pytest.raises(anthropic.OverloadedError):
        ask(client, "the second")


def test_prompt_cache_serves_what_was_answered_before(server: MessagesServer, client: anthropic.Anthropic) -> None:
    def usage(question: str) -> anthropic.types.Usage:
        marked: Any = {"type": "text", "text": "a transcript " * 100, "cache_control": {"type": "ephemeral"}}
        blocks = [marked, {"type": "text", "text": question}]
        return client.messages.create(
            model="claude-sonnet-5-5", max_tokens=9, messages=[{"role": "user", "content": blocks}]
        ).usage

    first, second = usage("What?"), usage("When?")
    assert first.cache_creation_input_tokens and first.cache_read_input_tokens == 0
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens
    assert second.cache_creation_input_tokens == 0
    assert first.input_tokens + first.cache_creation_input_tokens == second.input_tokens + (
        second.cache_read_input_tokens or 0
    )


def test_count_tokens_models_and_context_window(client: anthropic.Anthropic, server: MessagesServer) -> None:
    messages: Any = [{"role": "user", "content": "x" * 4000}]
    counted = client.messages.count_tokens(model="claude-sonnet-5-5", messages=messages).input_tokens
    assert 1000 <= counted <= 1100
    assert [model.id for model in client.models.list()] == ["claude-sonnet-5-5", "claude-haiku-5-5"]
    info = client.models.retrieve("claude-haiku-5-5")
    assert info.max_input_tokens == 200_000
    assert info.capabilities is not None and info.capabilities.batch.supported
    server.api.context_window = 1000
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        ask(client, "x" * 5000)


def test_many_connections_at_once() -> None:
    with MessagesServer(latency=0.05) as server, connect(server) as client:
        with ThreadPoolExecutor(16) as pool:
            texts = [m.content[0].type for m in pool.map(lambda i: ask(client, f"{i}"), range(48))]
        assert texts == ["text"] * 48
        assert 4 <= server.max_in_flight <= 16


def batch_of(*texts: str) -> list[Any]:
    return [
        {
            "custom_id": f"id_{i}",
            "params": {"model": "claude-haiku-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": text}]},
        }
        for i, text in enumerate(texts)
    ]


def test_batches(server: MessagesServer, client: anthropic.Anthropic) -> None:
    server.faults = by_text({"two": "overloaded", "three": "hang", "four": "refusal"})
    batch = client.messages.batches.create(requests=batch_of("one", "two", "three", "four"))
    assert batch.processing_status == "in_progress" and batch.request_counts.processing == 4
    assert client.messages.batches.retrieve(batch.id).processing_status == "in_progress"
    with pytest.raises(anthropic.BadRequestError):
        client.get(f"/v1/messages/batches/{batch.id}/results", cast_to=object)
    ended = client.messages.batches.retrieve(batch.id)
    assert ended.processing_status == "ended"
    assert (ended.request_counts.succeeded, ended.request_counts.errored, ended.request_counts.expired) == (2, 1, 1)
    results = {r.custom_id: r.result for r in client.messages.batches.results(batch.id)}
    assert [results[f"id_{i}"].type for i in range(4)] == ["succeeded", "errored", "expired", "succeeded"]
    assert results["id_0"].type == "succeeded" and results["id_0"].message.usage.service_tier == "batch"
    assert results["id_1"].type == "errored" and results["id_1"].error.error.type == "overloaded_error"
    assert results["id_3"].type == "succeeded" and results["id_3"].message.stop_reason == "refusal"
    assert [b.id for b in client.messages.batches.list()] == [batch.id]


def test_batches_are_refused_canceled_and_unknown(server: MessagesServer, client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="unique"):
        client.messages.batches.create(requests=batch_of("one") + batch_of("two"))
    server.batches.limit = 2
    with pytest.raises(anthropic.BadRequestError, match="1 to 2"):
        client.messages.batches.create(requests=batch_of("one", "two", "three"))
    batch = client.messages.batches.create(requests=batch_of("one", "two"))
    assert client.messages.batches.cancel(batch.id).processing_status == "canceling"
    client.messages.batches.retrieve(batch.id)
    assert client.messages.batches.retrieve(batch.id).request_counts.canceled == 2
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve("msgbatch_none")
