"""Tool calls and what they returned, in the shapes of chats."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.records import is_too_deep
from grader.readers.texts import as_text
from grader.transcript import Message, tool_call


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


def written_call(content: Any) -> Message:
    """A call that a chat writes as a message of its own (ShareGPT): JSON text with name and arguments."""
    fields, text = call_arguments(content)
    if isinstance(fields.get("name"), str):
        return make_call(fields["name"], fields.get("arguments", fields.get("parameters")))
    return make_call("unknown", fields if text is None else text)


def tool_use(block: Mapping[str, Any], names: dict[str, str]) -> Iterator[Message]:
    """A call that is a content part."""
    call = make_call(block.get("name"), block.get("input", block.get("arguments")))
    remember(block.get("id"), call, names)
    yield call
    # Inspect keeps what a provider-side tool answered in the same part.
    if "result" in block and "arguments" in block:
        yield Message(
            role="tool", kind="tool_result", text=_with_error(block["result"], block.get("error")), name=call.name
        )


def call_ids(content: Any) -> set[str]:
    """Ids of the calls that are parts of a message: some loggers repeat them in ``tool_calls``."""
    if not isinstance(content, list):
        return set()
    return {
        block["id"]
        for block in content
        if isinstance(block, Mapping)
        and isinstance(block.get("id"), str)
        and isinstance(kind := block.get("type"), str)
        and kind.endswith("tool_use")
    }


def tool_calls(message: Mapping[str, Any], names: dict[str, str], repeated: set[str]) -> Iterator[Message]:
    """The calls that a message lists beside its content, but those that are parts of it, too."""
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise InputError(".tool_calls: is no list")
    if message.get("function_call"):
        calls = [*calls, {"function": message["function_call"]}]
    for number, call in enumerate(calls):
        if not isinstance(call, Mapping):
            raise InputError(f".tool_calls[{number}]: is no object")
        if isinstance(call.get("id"), str) and call["id"] in repeated:
            continue
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
    text = _with_error(content, message.get("error"))
    return Message(role="tool", kind="tool_result", text=text, name=name if isinstance(name, str) else None)


def _with_error(content: Any, error: Any) -> str:
    """A result's text, and what the log says of an error where the text doesn't say it."""
    text = as_text(content)
    if error and not isinstance(error, bool):
        reason = as_text(error.get("message", error) if isinstance(error, Mapping) else error)
        if reason not in text:
            text = f"{text}\n{reason}" if text else reason
    return text
