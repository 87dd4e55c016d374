"""Chat messages of every vendor, part by part, as our messages.

OpenAI, Anthropic, Inspect and their relatives mix freely in the wild: a list of messages is read by
the type of each part, not by which vendor is said to have written it. A part whose words are in no known field is
refused; it is never named in place of its content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from grader.errors import InputError
from grader.readers import media
from grader.readers.build import PREFILL
from grader.readers.calls import (
    call_arguments,
    call_ids,
    make_call,
    remember,
    tool_calls,
    tool_result,
    tool_use,
    written_call,
)
from grader.readers.texts import WITHHELD, as_text, assistant_text, below, part_text, plain_text, role_of
from grader.transcript import Message, Role

__all__ = [
    "WITHHELD", "as_text", "assistant_text", "below", "block_parts", "call_arguments", "chat_parts", "content_parts",
    "make_call", "part_text", "reasoning_text", "remember", "role_of", "text_parts", "tool_result",
]  # fmt: skip

_REASONING_TYPES = frozenset({"thinking", "reasoning", "redacted_thinking", "reasoning_text"})
_REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking", "scratchpad", "reasoning_details", "thinking_blocks")
_CALL_ROLES = frozenset({"function_call", "tool_call", "tool-call"})


def chat_parts(message: Mapping[str, Any], names: dict[str, str]) -> Iterator[Message]:
    """The parts of one chat message: its reasoning, its content, its refusal, its tool calls."""
    speaker = message.get("role", message.get("from"))
    content = message.get("content", message.get("value"))
    if isinstance(speaker, str) and speaker in _CALL_ROLES:
        yield written_call(content)
        return
    role = role_of(speaker)
    if role == "tool":
        yield tool_result(message, content, names)
        return
    if role == "assistant":
        yield from _reasoning_fields(message)
    yield from content_parts(role, content, names, _speaker(message))
    if isinstance(refusal := message.get("refusal"), str) and refusal:
        yield Message(role=role, kind="text", text=refusal)
    audio = message.get("audio")
    if isinstance(audio, Mapping) and isinstance(audio.get("transcript"), str):
        yield from text_parts(role, audio["transcript"], None)
    yield from tool_calls(message, names, call_ids(content))


def _speaker(message: Mapping[str, Any]) -> str | None:
    """The speaker's name. An agent that happens to be called like the mark of an auditor's words is no auditor."""
    name = message.get("name")
    if not isinstance(name, str) or not name:
        return None
    return f"agent {name}" if name == PREFILL else name


def content_parts(role: Role, content: Any, names: dict[str, str], name: str | None) -> Iterator[Message]:
    """The parts of a message's content: text, or a list of typed parts."""
    if isinstance(content, str):
        yield from text_parts(role, content, name)
        return
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        yield from text_parts(role, as_text(content), name)
        return
    for number, block in enumerate(content):
        try:
            if isinstance(block, Mapping):
                yield from block_parts(role, block, names, name)
            else:
                yield from text_parts(role, as_text(block), name)
        except InputError as error:
            raise InputError(below(f".content[{number}]", error.reason)) from None


def text_parts(role: Role, text: str, name: str | None) -> Iterator[Message]:
    """One text; an agent's is taken apart by `assistant_text`, and blank text is nothing."""
    if role == "assistant":
        for part in assistant_text(text):
            yield part if name is None or part.name else replace(part, name=name)
    elif text.strip():
        yield Message(role=role, kind="tool_result" if role == "tool" else "text", text=text, name=name)


def block_parts(role: Role, block: Mapping[str, Any], names: dict[str, str], name: str | None) -> Iterator[Message]:
    """One typed part of a message's content."""
    kind = block.get("type")
    if not isinstance(kind, str):
        kind = "text" if "text" in block else "unknown"
    if kind in _REASONING_TYPES:
        yield Message(role=role, kind="reasoning", text=reasoning_text(block))
    elif kind.endswith("tool_result"):
        yield tool_result(block, block.get("content"), names)
    elif kind.endswith("tool_use"):
        yield from tool_use(block, names)
    else:
        yield from text_parts(role, _said(block), name)


def _said(part: Mapping[str, Any]) -> str:
    """The words of a content part; a placeholder for media. What is neither is refused, never named in their place."""
    text = plain_text(part)
    if (picture := media.placeholder(part)) is not None:
        return picture if text is None else f"{picture}\n{text}"
    if text is not None:
        return text
    keys = [key for key in part if key != "type"]
    if "type" not in part and len(keys) == 1:
        raise InputError(f".{keys[0][:40]}: a content part of unknown type")
    raise InputError(f": a content part of unknown type {str(part.get('type'))[:40]!r}")


def reasoning_text(block: Mapping[str, Any]) -> str:
    """Readable reasoning, else its summary; encrypted reasoning is named, never shown as nothing."""
    if block.get("redacted") is not True:
        for key in ("thinking", "reasoning", "content"):
            if text := as_text(block.get(key)).strip():
                return text
    for key in ("summary", "text"):
        if block.get(key) and (text := as_text(block[key]).strip()):
            return text
    return WITHHELD


def _reasoning_fields(message: Mapping[str, Any]) -> Iterator[Message]:
    """What the agent thought, in whichever fields the provider keeps it; a repetition once."""
    thoughts = ""
    for key in _REASONING_FIELDS:
        value = message.get(key)
        if not value:
            continue
        parts = value if isinstance(value, list) else [value]
        text = "\n".join(reasoning_text(part) if isinstance(part, Mapping) else as_text(part) for part in parts)
        if text.strip() and text.strip() not in thoughts:
            thoughts += text
            yield Message(role="assistant", kind="reasoning", text=text)
