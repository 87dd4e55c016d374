"""Lists of chat messages of any vendor, also mixed, as our messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import below, chat_parts, content_parts
from grader.readers.build import PREFILL
from grader.readers.shapes import autogen, bedrock, gemini, langchain, otel, pydantic_ai, responses, smolagents, vercel
from grader.transcript import Message

Fits = Callable[[Mapping[str, Any]], bool]
Parts = Callable[[Mapping[str, Any], dict[str, str]], Iterator[Message]]

# Shapes that recognise themselves by a combination of keys. A message that fits none is a plain chat message.
_SHAPES: tuple[tuple[Fits, Parts], ...] = (
    (langchain.is_message, langchain.message_parts),
    (autogen.is_message, autogen.message_parts),
    (pydantic_ai.is_message, pydantic_ai.message_parts),
    (otel.is_message, otel.message_parts),
    (smolagents.is_message, smolagents.message_parts),
    (vercel.is_message, vercel.message_parts),
    (gemini.is_content, gemini.content_parts),
    (bedrock.is_message, bedrock.message_parts),
    (responses.is_item, responses.item_parts),
)

_SPEAKERS = ("user", "assistant", "system")


def conversation(messages: Iterable[Any], *, system: Any = None) -> list[Message]:
    """Every part of every message, in order.

    Parameters
    ----------
    messages : iterable
        Objects with ``role`` and ``content`` (text, a list of parts, or null), ``tool_calls``,
        ``reasoning_content`` and the like, or messages in a vendor's own shape.
    system : text or list of parts, optional
        A system prompt that the log keeps apart.

    Raises
    ------
    InputError
        When something in the list is not a message, or its role is unknown.
    """
    if system is None and (plain := _plain(messages)) is not None:
        return plain
    names: dict[str, str] = {}  # call id -> tool name, for results that name only the call
    parts = list(content_parts("system", system, names, None)) if system else []
    for number, message in enumerate(messages):
        try:
            if not isinstance(message, Mapping):
                raise InputError(f"is not an object but {type(message).__name__}")
            parts.extend(message_parts(message, names))
        except InputError as error:
            raise InputError(below(f"messages[{number}]", error.reason)) from None
    return parts


def _plain(messages: Iterable[Any]) -> list[Message] | None:
    """Messages that are a role and a text, which most are, without a look at every vendor's shape; None for others."""
    if not isinstance(messages, list):
        return None
    parts: list[Message] = []
    for message in messages:
        if not is_plain_message(message):
            return None
        text = message["content"]
        if text and not text.isspace():
            parts.append(Message(role=message["role"], kind="text", text=text))
    return parts


def is_plain_message(message: Any) -> bool:
    """Whether a message is a role and a text, and nothing else, not even a text with tags that splits."""
    return (
        type(message) is dict
        and len(message) == 2
        and message.get("role") in _SPEAKERS
        and type(message.get("content")) is str
        and (message["role"] != "assistant" or "<" not in message["content"])
    )


def message_parts(message: Mapping[str, Any], names: dict[str, str]) -> Iterator[Message]:
    """The parts of one message in any vendor's shape; `names` learns the calls' ids."""
    read = next((parts for fits, parts in _SHAPES if fits(message)), chat_parts)
    if _is_prefill(message):
        for part in read(message, names):
            yield replace(part, name=PREFILL) if part.kind in ("text", "reasoning") else part
    else:
        yield from read(message, names)


def _is_prefill(message: Mapping[str, Any]) -> bool:
    """Whether an auditor wrote this message of the agent's (Petri marks it in the metadata)."""
    metadata = message.get("metadata")
    return message.get("role") == "assistant" and isinstance(metadata, Mapping) and bool(metadata.get("prefill"))
