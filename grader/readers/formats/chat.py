"""OpenAI chats and Anthropic messages: a record per conversation, or one conversation as a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from grader.errors import InputError
from grader.readers.build import build_transcript, read_each, record_id, record_metadata
from grader.readers.conversation import conversation
from grader.readers.records import Record
from grader.transcript import Transcript

_MESSAGES = ("messages", "conversation", "conversations", "input", "items")
_ITEMS = frozenset({"reasoning", "function_call", "function_call_output"})  # of OpenAI's Responses API
_ANSWERS = ("choices", "response", "output")


def parse_chat(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield one transcript per record with ``messages``; bare messages are one conversation.

    Reads OpenAI's shape (tool calls with JSON text as arguments, role ``tool``), the items of its
    Responses API, Anthropic's shape (parts ``text, thinking, tool_use, tool_result``, a ``system``
    prompt apart), and request-and-response pairs: what the model answered, in ``choices``, ``output``,
    ``response`` or Anthropic's ``content``, comes last. All other fields become metadata.
    """
    first = next(records, None)
    if first is None:
        return
    if is_message(first.value):
        yield _one_conversation(first, records)
        return
    yield from read_each(chain([first], records), _read)


def is_message(value: Any) -> bool:
    """Whether a record is a single chat message, so that its file is one conversation."""
    if not isinstance(value, Mapping):
        return False
    if "role" in value and value.get("object") is None and value.get("type") in (None, "message"):
        return "content" in value or "tool_calls" in value
    return isinstance(kind := value.get("type"), str) and kind in _ITEMS


def _one_conversation(first: Record, rest: Iterator[Record]) -> Transcript:
    try:
        parts = conversation(record.value for record in chain([first], rest))
        return build_transcript(first.file, parts, {}, source=first.file)
    except InputError as error:
        raise error if error.file else InputError(error.reason, file=first.file) from None


def _read(record: Record) -> Iterator[Transcript]:
    value = {"messages": record.value} if isinstance(record.value, list) else record.value
    if not isinstance(value, Mapping):
        raise InputError(f"no conversation but {type(value).__name__}")
    key = next((k for k in _MESSAGES if isinstance(value.get(k), list)), None)
    asked = value[key] if key else _question(value)
    answered = _answer(value)
    if not key and not answered:
        raise InputError("has no list of messages")
    parts = conversation([*asked, *answered], system=value.get("system") or value.get("instructions"))
    if not parts:
        raise InputError("holds no message")
    metadata = record_metadata(value, without={"id", key or "input", "system", "instructions", *_ANSWERS})
    yield build_transcript(record_id(value, record.default_id), parts, metadata, source=record.file)


def _question(value: Mapping[str, Any]) -> list[Any]:
    asked = value.get("input")
    return [{"role": "user", "content": asked}] if isinstance(asked, str) and asked else []


def _answer(value: Mapping[str, Any]) -> list[Any]:
    """The messages of an answer that a log keeps beside the question."""
    response = value.get("response", value)
    if isinstance(response, str):
        return [{"role": "assistant", "content": response}]
    match response:
        case {"choices": [{"message": Mapping() as message}, *_]}:
            return [message]
        case {"output": [*items]}:
            return items
        case {"role": "assistant", "content": _}:
            return [response]
    return []
