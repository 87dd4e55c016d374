"""Chat messages of every vendor, part by part, as our messages.

OpenAI, Anthropic, Inspect and their relatives mix freely in the wild: a list of messages is read by
the type of each part, not by who is said to have written it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from grader.errors import InputError
from grader.readers.actions import split_actions
from grader.readers.build import PREFILL
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
_ITEM_FRAME = frozenset({"type", "id", "call_id", "status", "output"})
_WITHHELD = "[reasoning withheld by the provider]"


def conversation(messages: Iterable[Any], *, system: Any = None) -> list[Message]:
    """Every part of every message, in order.

    Parameters
    ----------
    messages : iterable
        Objects with ``role`` and ``content`` (text, a list of parts, or null), ``tool_calls``,
        ``reasoning_content`` and the like.
    system : text or list of parts, optional
        A system prompt that the log keeps apart.

    Raises
    ------
    InputError
        When something in the list is no message, or its role is unknown.
    """
    names: dict[str, str] = {}  # call id -> tool name, for results that name only the call
    parts = list(_content_parts("system", system, names, None)) if system else []
    for number, message in enumerate(messages, 1):
        if not isinstance(message, Mapping):
            raise InputError(f"message {number} is no object but {type(message).__name__}")
        try:
            parts.extend(message_parts(message, names))
        except InputError as error:
            raise InputError(f"message {number}: {error.reason}") from None
    return parts


def message_parts(message: Mapping[str, Any], names: dict[str, str]) -> Iterator[Message]:
    """The parts of one message, or of one item of the Responses API; `names` learns the calls' ids."""
    if "role" not in message and "from" not in message and isinstance(message.get("type"), str):
        yield from _item_parts(message, names)
    elif _is_prefill(message):
        for part in _chat_parts(message, names):
            yield replace(part, name=PREFILL) if part.kind in ("text", "reasoning") else part
    else:
        yield from _chat_parts(message, names)


def _is_prefill(message: Mapping[str, Any]) -> bool:
    """Whether an auditor wrote this message of the agent's (Petri marks it in the metadata)."""
    metadata = message.get("metadata")
    return message.get("role") == "assistant" and isinstance(metadata, Mapping) and bool(metadata.get("prefill"))


def _chat_parts(message: Mapping[str, Any], names: dict[str, str]) -> Iterator[Message]:
    role = role_of(message.get("role", message.get("from")))
    content = message.get("content", message.get("value"))
    if role == "tool":
        yield _tool_result(message, content, names)
        return
    if role == "assistant":
        yield from _reasoning_field(message)
    name = message.get("name")
    yield from _content_parts(role, content, names, name if isinstance(name, str) else None)
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
            return "\n".join(_part_text(item) for item in value)
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


def _content_parts(role: Role, content: Any, names: dict[str, str], name: str | None) -> Iterator[Message]:
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        yield from _text(role, as_text(content), name)
        return
    for block in content:
        if isinstance(block, Mapping):
            yield from _block(role, block, names, name)
        else:
            yield from _text(role, as_text(block), name)


def _item_parts(item: Mapping[str, Any], names: dict[str, str]) -> Iterator[Message]:
    """An item of OpenAI's Responses API: reasoning, a call, or what a call gave back."""
    kind = item["type"]
    if kind.endswith("_output"):
        yield _tool_result(item, item.get("output"), names)
    elif kind.endswith("_call"):
        name, arguments = item.get("name"), item.get("arguments", item.get("input"))
        if not isinstance(name, str):  # tools of the provider are named by their type: web_search_call
            name = kind.removesuffix("_call")
            arguments = item.get("action") or {k: v for k, v in item.items() if k not in _ITEM_FRAME}
        call = make_call(name, arguments)
        _remember(item.get("call_id", item.get("id")), call, names)
        yield call
        if item.get("output") is not None:
            yield Message(role="tool", kind="tool_result", text=as_text(item["output"]), name=call.name)
    else:
        yield from _block("assistant", item, names, None)


def _text(role: Role, text: str, name: str | None) -> Iterator[Message]:
    if role == "assistant":
        yield from assistant_text(text)
    elif text.strip():
        yield Message(role=role, kind="text", text=text, name=name)


def _block(role: Role, block: Mapping[str, Any], names: dict[str, str], name: str | None) -> Iterator[Message]:
    kind = block.get("type")
    if not isinstance(kind, str):
        kind = "text" if "text" in block else "unknown"
    if kind in ("thinking", "reasoning", "redacted_thinking"):
        yield Message(role=role, kind="reasoning", text=_reasoning_text(block))
    elif kind.endswith("tool_result"):
        yield _tool_result(block, block.get("content"), names)
    elif kind.endswith("tool_use"):
        yield from _tool_use(block, names)
    else:
        yield from _text(role, _part_text(block), name)


def _is_part(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, Mapping) and isinstance(value.get("type"), str))


def _part_text(part: Any) -> str:
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


def _reasoning_text(block: Mapping[str, Any]) -> str:
    """Readable reasoning, else its summary; encrypted reasoning is named, never shown as nothing."""
    if block.get("redacted") is not True:
        for key in ("thinking", "reasoning", "content"):
            if text := as_text(block.get(key)).strip():
                return text
    for key in ("summary", "text"):
        if block.get(key) and (text := as_text(block[key]).strip()):
            return text
    return _WITHHELD


def _reasoning_field(message: Mapping[str, Any]) -> Iterator[Message]:
    for key in ("reasoning_content", "reasoning", "thinking"):
        if (text := as_text(message.get(key))).strip():
            yield Message(role="assistant", kind="reasoning", text=text)
            return


def _tool_use(block: Mapping[str, Any], names: dict[str, str]) -> Iterator[Message]:
    call = make_call(block.get("name"), block.get("input", block.get("arguments")))
    _remember(block.get("id"), call, names)
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
        _remember(call.get("id"), made, names)
        yield made


def _remember(call_id: Any, call: Message, names: dict[str, str]) -> None:
    if isinstance(call_id, str) and call.name:
        names[call_id] = call.name


def _tool_result(message: Mapping[str, Any], content: Any, names: dict[str, str]) -> Message:
    name = message.get("name") or message.get("function")
    for key in ("tool_call_id", "tool_use_id", "call_id"):
        if not isinstance(name, str) and isinstance(message.get(key), str):
            name = names.get(message[key])
    text = as_text(content)
    error = message.get("error")
    if error and not text:  # Inspect: the call failed and returned nothing
        text = as_text(error.get("message", error) if isinstance(error, Mapping) else error)
    return Message(role="tool", kind="tool_result", text=text, name=name if isinstance(name, str) else None)
