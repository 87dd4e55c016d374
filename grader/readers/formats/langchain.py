"""LangChain and LangGraph: lists of messages in any of the three serialisations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.formats.talks import Talk, parse_talks
from grader.readers.records import Record
from grader.readers.shapes.common import first_text, mapping, objects
from grader.readers.shapes.langchain import flatten, is_message
from grader.transcript import Transcript

_KEYS = ("messages", "values.messages")
NAMED = frozenset(
    {
        "additional_kwargs.tool_calls",
        "additional_kwargs.function_call",
        "invalid_tool_calls.error",
        "artifact",
        "lc",
        "response_metadata",
        "usage_metadata",
        "example",
    }
)


def parse_langchain(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per list of messages: a list, LangGraph's state, or one of a batch of lists."""
    return parse_talks(records, _read, is_message=is_bare_message, keys=_KEYS)


def is_langchain(value: Any) -> bool:
    """Whether a record is a LangChain message, or has a list of them."""
    if is_bare_message(value):
        return True
    if isinstance(value, Mapping):
        value = value.get("messages", mapping(value.get("values")).get("messages"))
    while isinstance(value, list) and value and isinstance(value[0], list):
        value = value[0]
    return any(map(is_message, objects(value)))


def is_bare_message(value: Any) -> bool:
    """Whether a record is one message and not a container."""
    return isinstance(value, Mapping) and "messages" not in value and is_message(value)


def _read(talk: Talk) -> Iterator[Transcript]:
    parts = conversation(talk.messages)
    replies = [flatten(message) for message in objects(talk.messages) if is_message(message)]
    replies = [reply for reply in replies if reply["type"] == "ai"]
    ends = [mapping(reply.get("response_metadata")) for reply in replies]
    model = next((name for end in ends if (name := first_text(end, "model_name", "model", "model_id"))), None)
    last = ends[-1] if ends else {}
    stop = first_text(last, "finish_reason", "stop_reason", "stopReason")
    facts = {"model": model, "episode": talk.fields.get("thread_id"), "stop_reason": stop}
    yield talk.transcript(parts, facts | ending(parts, stop=stop), named=NAMED)


FORMAT = Format(
    name="langchain",
    parse=parse_langchain,
    fits=is_langchain,
    recognised_by="messages with `lc` and `kwargs`, or `type` human, ai, tool ... and no `role`",
    id="the record's `id`, else file and line",
    model="`response_metadata.model_name` or `.model`",
    failures="`content_filter` without words; no word of the agent",
)
