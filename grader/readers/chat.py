"""OpenAI chats and Anthropic messages: a record per conversation, or one conversation as a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import conversation
from grader.readers.build import build_transcript, record_id, record_metadata
from grader.readers.records import Record
from grader.transcript import Transcript

_MESSAGES = ("messages", "conversation", "conversations", "input")


def parse_chat(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield one transcript per record with ``messages``; bare messages are one conversation.

    Reads OpenAI's shape (tool calls with JSON text as arguments, role ``tool``), Anthropic's (parts
    ``text, thinking, tool_use, tool_result``, a ``system`` prompt apart), and request-and-response pairs: what
    the model answered, in ``choices``, ``response`` or Anthropic's ``content``, is the last message.
    All other fields become metadata.
    """
    first = next(records, None)
    if first is None:
        return
    if is_message(first.value):
        yield _one_conversation(first, records)
        return
    for record in chain([first], records):
        yield _read(record)


def is_message(value: Any) -> bool:
    """Whether a record is a single chat message, so that its file is one conversation."""
    return isinstance(value, Mapping) and "role" in value and ("content" in value or "tool_calls" in value)


def _one_conversation(first: Record, rest: Iterator[Record]) -> Transcript:
    try:
        parts = conversation(record.value for record in chain([first], rest))
        return build_transcript(first.file, parts, {}, source=first.file)
    except InputError as error:
        raise error if error.file else InputError(error.reason, file=first.file) from None


def _read(record: Record) -> Transcript:
    value = {"messages": record.value} if isinstance(record.value, list) else record.value
    if not isinstance(value, Mapping):
        raise record.error(f"no conversation but {type(value).__name__}")
    key = next((k for k in _MESSAGES if isinstance(value.get(k), list)), None)
    if key is None:
        raise record.error("has no list of messages")
    try:
        parts = conversation([*value[key], *_answer(value)], system=value.get("system"))
        if not parts:
            raise InputError("holds no message")
        metadata = record_metadata(value, without={"id", key, "system", "choices", "response"})
        return build_transcript(record_id(value, record.default_id), parts, metadata, source=record.file)
    except InputError as error:
        raise record.error(error.reason) from None


def _answer(value: Mapping[str, Any]) -> list[Any]:
    """The messages of an answer that a log keeps beside the question."""
    response = value.get("response", value)
    if isinstance(response, str):
        return [{"role": "assistant", "content": response}]
    match response:
        case {"choices": [{"message": Mapping() as message}, *_]}:
            return [message]
        case {"role": "assistant", "content": _}:
            return [response]
    return []
