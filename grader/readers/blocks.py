"""Chat messages of every vendor, part by part, as our messages.

OpenAI, Anthropic, Inspect and their relatives mix freely in the wild: a list of messages is read by
the type of each part, not by who is said to have written it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.actions import split_actions
from grader.readers.records import is_too_deep
from grader.transcript import Message, Role, tool_call

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "agent": "assistant",
    "model": "assistant",
    "gpt": "assistant",
    "tool": "tool",
    "function": "tool",
    "ipython": "tool",
    "environment": "tool",
    "observation": "tool",
}
WITHHELD = "[reasoning withheld by the provider]"


def chat_parts(message: Mapping[str, Any], names: dict[str, str]) -> Iterator[Message]:
    """The parts of one chat message: its reasoning, its content, its refusal, its tool calls."""
    role = role_of(message.get("role", message.get("from")))
    content = message.get("content", message.get("value"))
    if role == "tool":
        yield tool_result(message, content, names)
        return
    if role == "assistant":
        yield from _reasoning_field(message)
    name = message.get("name")
    yield from content_parts(role, content, names, name if isinstance(name, str) else None)
    if isinstance(refusal := message.get("refusal"), str) and refusal:
        yield Message(role=role, kind="text", text=refusal)
    yield from _tool_calls(message, names)


def role_of(value: Any) -> Role:
    """Our role for a log's word."""
    role = _ROLES.get(value) if isinstance(value, str) else None
    if role is None:
        raise InputError(f"unknown role {str(value)[:40]!r}")
    return role


def assistant_text(text: str) -> Iterator[Message]:
    """An agent's text, with text actions and scratchpads taken apart; nothing for blank text."""
    parts = list(split_actions(text))
    if len(parts) == 1 and parts[0].kind == "text":
        yield Message(role="assistant", kind="text", text=text)
    else:
        yield from parts


def as_text(value: Any) -> str:
    """Any JSON value as text: text as it is, null as nothing, text parts joined, else JSON."""
    match value:
        case None:
            return ""
        case str():
            return value
        case list() if value and all(_is_part(item) for item in value):
            return "\n".join(part_text(item) for item in value)
    return json.dumps(value, ensure_ascii=False)


def call_arguments(value: Any) -> tuple[Mapping[str, Any], str | None]:
    """A call's arguments, and the text to show when they are no object (free text, broken JSON)."""
    if isinstance(value, str):
        try:
            parsed = json.loads(value or "{}")
        except (ValueError, RecursionError):
            return {}, value
        if is_too_deep(parsed):
            return {}, value
        value = parsed
    if isinstance(value, Mapping):
        return value, None
    return {}, as_text(value)


def make_call(name: Any, arguments: Any) -> Message:
    """A tool call from a log's name and its arguments, an object or JSON text."""
    fields, text = call_arguments(arguments)
    return tool_call(name if isinstance(name, str) and name else "unknown", fields, text=text)


def content_parts(role: Role, content: Any, names: dict[str, str], name: str | None) -> Iterator[Message]:
    """The parts of a message's content: text, or a list of typed parts."""
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        yield from text_parts(role, as_text(content), name)
        return
    for block in content:
        if isinstance(block, Mapping):
            yield from block_parts(role, block, names, name)
        else:
            yield from text_parts(role, as_text(block), name)


def text_parts(role: Role, text: str, name: str | None) -> Iterator[Message]:
    """One text; an agent's is taken apart by `assistant_text`, and blank text is nothing."""
    if role == "assistant":
        yield from assistant_text(text)
    elif text.strip():
        yield Message(role=role, kind="text", text=text, name=name)


def block_parts(role: Role, block: Mapping[str, Any], names: dict[str, str], name: str | None) -> Iterator[Message]:
    """One typed part of a message's content."""
    kind = block.get("type")
    if not isinstance(kind, str):
        kind = "text" if "text" in block else "unknown"
    if kind in ("thinking", "reasoning", "redacted_thinking"):
        yield Message(role=role, kind="reasoning", text=reasoning_text(block))
    elif kind.endswith("tool_result"):
        yield tool_result(block, block.get("content"), names)
    elif kind.endswith("tool_use"):
        yield from _tool_use(block, names)
    else:
        yield from text_parts(role, part_text(block), name)


def _is_part(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, Mapping) and isinstance(value.get("type"), str))


def part_text(part: Any) -> str:
    """The text of a text part; a named placeholder for a picture or a file, so that it is not lost."""
    if isinstance(part, str):
        return part
    for key in ("text", "refusal"):
        if isinstance(part.get(key), str):
            return str(part[key])
    source = part.get("source")
    if isinstance(source, Mapping) and source.get("type") == "text":
        return as_text(source.get("data"))
    if part.get("type") == "data":
        return as_text(part.get("data"))
    return f"[{part.get('type', 'part')}]"


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


def _reasoning_field(message: Mapping[str, Any]) -> Iterator[Message]:
    for key in ("reasoning_content", "reasoning", "thinking"):
        if (text := as_text(message.get(key))).strip():
            yield Message(role="assistant", kind="reasoning", text=text)
            return


def _tool_use(block: Mapping[str, Any], names: dict[str, str]) -> Iterator[Message]:
    call = make_call(block.get("name"), block.get("input", block.get("arguments")))
    remember(block.get("id"), call, names)
    yield call
    # Inspect keeps what a provider-side tool answered in the same part.
    if "result" in block and "arguments" in block:
        yield Message(role="tool", kind="tool_result", text=as_text(block["result"]), name=call.name)


def _tool_calls(message: Mapping[str, Any], names: dict[str, str]) -> Iterator[Message]:
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise InputError("tool_calls is no list")
    if message.get("function_call"):
        calls = [*calls, {"function": message["function_call"]}]
    for call in calls:
        if not isinstance(call, Mapping):
            raise InputError("a tool call is no object")
        inner = call.get("function", call.get("custom"))
        name, arguments = call.get("name", inner), call.get("arguments", call.get("args"))
        if isinstance(inner, Mapping):
            name, arguments = inner.get("name"), inner.get("arguments", inner.get("input"))
        made = make_call(name, arguments)
        remember(call.get("id"), made, names)
        yield made


def remember(call_id: Any, call: Message, names: dict[str, str]) -> None:
    """Note the tool's name under the id of its call, for results that name only the id."""
    if isinstance(call_id, str) and call.name:
        names[call_id] = call.name


def tool_result(message: Mapping[str, Any], content: Any, names: dict[str, str]) -> Message:
    """What a tool returned, under the name of the tool, or of the call that it answers."""
    name = message.get("name") or message.get("function")
    for key in ("tool_call_id", "tool_use_id", "call_id"):
        if not isinstance(name, str) and isinstance(message.get(key), str):
            name = names.get(message[key])
    text = as_text(content)
    error = message.get("error")
    if error and not text:  # Inspect: the call failed and returned nothing
        text = as_text(error.get("message", error) if isinstance(error, Mapping) else error)
    return Message(role="tool", kind="tool_result", text=text, name=name if isinstance(name, str) else None)
