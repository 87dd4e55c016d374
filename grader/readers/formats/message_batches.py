"""Results of message batches, Anthropic's and OpenAI's: one reply, or one failure, per line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text
from grader.readers.build import build_transcript, read_each
from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.records import Record
from grader.transcript import Transcript


def parse_batches(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per request, named by its ``custom_id``.

    A result that is ``errored``, ``canceled`` or ``expired`` is a transcript without messages whose
    metadata ``provider_error`` says so: the request happened, and is no safe reply.
    """
    return read_each(records, _read)


def is_result(value: Any) -> bool:
    """Whether a record is one line of batch results."""
    match value:
        case {"custom_id": _, "result": {"type": _}} | {"custom_id": _, "response": {"status_code": _}}:
            return True
        case {"custom_id": _, "response": None, "error": _}:
            return True
    return False


def _read(record: Record) -> Iterator[Transcript]:
    if not is_result(record.value):
        raise InputError("no batch result: it needs 'custom_id' and 'result' or 'response'")
    value = record.value
    answer, failure = _anthropic(value["result"]) if "result" in value else _openai(value)
    metadata: dict[str, Any] = {} if failure is None else {"provider_error": failure}
    messages: list[Any] = []
    if answer is not None:
        messages = _messages(answer)
        metadata |= {key: answer[key] for key in ("model", "stop_reason", "usage") if key in answer}
    parts = conversation(messages)
    if failure is None:
        metadata |= ending(parts, stop=metadata.get("stop_reason"))
    id_ = as_text(value["custom_id"])
    # Where the request failed, the whole record is its reason.
    yield build_transcript(id_, parts, metadata, source=record.file, raw=None if failure else value, named=_NAMED)


def _anthropic(result: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str | None]:
    message = result.get("message")
    if result["type"] == "succeeded" and isinstance(message, Mapping):
        return message, None
    return None, as_text(result.get("error")) or as_text(result["type"])


def _openai(value: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str | None]:
    response: Mapping[str, Any] = value["response"] or {}
    body = response.get("body")
    if response.get("status_code") == 200 and isinstance(body, Mapping):
        return body, None
    return None, as_text(value.get("error") or body) or f"status {response.get('status_code')}"


_NAMED = frozenset({"custom_id", "request_id", "error"})


def _messages(answer: Mapping[str, Any]) -> list[Any]:
    match answer:
        case {"choices": [{"message": Mapping() as message}, *_]}:
            return [message]
        case {"output": [*items]}:
            return items
        case {"content": content}:
            return [{"role": "assistant", "content": content}]
    raise InputError("the answer holds no message")


FORMAT = Format(
    name="batches",
    parse=parse_batches,
    fits=is_result,
    recognised_by="`custom_id` with `result.type` (Anthropic) or `response.status_code` (OpenAI)",
    id="`custom_id`",
    model="the reply's `model`",
    failures="`errored`, `canceled`, `expired`, another status than 200, an empty reply",
)
