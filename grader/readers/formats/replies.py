"""The agent's replies in a record: in one field or another, as text, as a message, as several choices."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grader.errors import InputError
from grader.readers.leaves import REPLY_KEYS
from grader.readers.records import is_too_deep, parse_json
from grader.readers.texts import below

# Where a record keeps what the agent thought before it replied.
REASONING_FIELDS = ("reasoning", "reasoning_content", "thinking", "scratchpad")
_FINISH = ("finish_reason", "finishReason", "stop_reason", "stopReason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer to a request: its messages, none where the agent said nothing, and why it ended."""

    messages: list[Any]
    finish: str | None = None


def reply_fields(record: Mapping[str, Any]) -> list[str]:
    """The fields of a record that hold a reply, or would hold one had the agent said anything.

    Examples
    --------
    >>> reply_fields({"prompt": "Hi", "response": None})
    ['response']
    """
    return [key for key in record if key in REPLY_KEYS]


def replies_of(record: Mapping[str, Any]) -> list[Reply]:
    """The replies in a record: one, several where the request asked for ``n`` of them, none where no field holds one.

    Raises
    ------
    InputError
        Two fields hold different replies, or a field holds a value that is no reply.
    """
    read = {key: _replies(record[key], key) for key in reply_fields(record)}
    spoken = {key: replies for key, replies in read.items() if any(reply.messages for reply in replies)}
    if not spoken:
        return next((replies for replies in read.values() if replies), [Reply(messages=[])] if read else [])
    (first, replies), *others = spoken.items()
    for key, more in others:
        if len(words := _words(replies)) < len(also := _words(more)):
            replies, words, also = more, also, words
        if not also <= words:
            raise InputError(
                f"{key}: a reply that differs from the one in {first!r}; which of them did the agent give?"
            )
    return replies


def _replies(value: Any, path: str) -> list[Reply]:
    """The replies in one field."""
    match value:
        case None | "" | []:
            return [Reply(messages=[])]
        case str():
            inner = decoded(value)
            return [_said(value)] if inner is value or not _is_reply(inner) else _replies(inner, path)
        case bool() | int() | float():
            return [_said(str(value))]
        case list():
            return _several(value, path)
        case Mapping():
            return _in_object(value, path)
    raise InputError(f"{path}: {type(value).__name__} is not a reply")


def _several(values: list[Any], path: str) -> list[Reply]:
    """A list is the messages of one reply, or a choice each."""
    if all(isinstance(value, Mapping) and _is_message(value) for value in values):
        return [Reply(messages=values)]
    return [reply for number, value in enumerate(values) for reply in _replies(value, f"{path}[{number}]")]


def _in_object(value: Mapping[str, Any], path: str) -> list[Reply]:
    finish = next((str(value[key]) for key in _FINISH if value.get(key)), None)
    for key in ("message", "delta"):
        if isinstance(value.get(key), Mapping):
            return [Reply(messages=_spoken([_as_message(value[key])]), finish=finish)]
    if "role" in value or isinstance(value.get("content"), (str, list)) or "tool_calls" in value:
        return [Reply(messages=_spoken([_as_message(value)]), finish=finish)]
    for key in ("choices", "output", "messages", "text", "content", "generated_text", "output_text", "completion"):
        if key in value:
            replies = _replies(value[key], f"{path}.{key}")
            return [Reply(messages=reply.messages, finish=reply.finish or finish) for reply in replies]
    if not value or finish or set(value) <= {"error", "message", "code", "status", "type", "id"}:
        return [Reply(messages=[], finish=finish)]
    raise InputError(below(path, f": an object with {', '.join(map(str, list(value)[:5]))} is not a reply"))


def _as_message(message: Mapping[str, Any]) -> Mapping[str, Any]:
    return message if "role" in message else {**message, "role": "assistant"}


def _spoken(messages: list[Any]) -> list[Any]:
    """The messages in which something is."""
    return [m for m in messages if any(m.get(k) for k in m if k not in ("role", "type", "id", "index", "object"))]


def _said(text: str) -> Reply:
    return Reply(messages=[{"role": "assistant", "content": text}] if text.strip() else [])


def _is_message(value: Mapping[str, Any]) -> bool:
    return ("role" in value or "from" in value or isinstance(value.get("type"), str)) and "message" not in value


def _is_reply(value: Any) -> bool:
    """Whether a value that a text was parsed to is a reply in a container, not the words of one."""
    match value:
        case [Mapping() as first, *_]:
            return _is_message(first) and ("content" in first or "tool_calls" in first)
        case {"choices": [*_]} | {"role": _, "content": _}:
            return True
    return False


def decoded(value: Any) -> Any:
    """A list or object that a field or column keeps as text, JSON's or Python's; any other value as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    try:
        return parse_json(value, file="")
    except InputError:
        pass
    try:  # a table that pandas wrote
        parsed = ast.literal_eval(value) if value.lstrip().startswith(("[{'", "{'")) else value
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return value
    return value if is_too_deep(parsed) else parsed


def _words(replies: list[Reply]) -> set[str]:
    """The words of replies, whatever container they are in."""
    words: set[str] = set()
    stack: list[Any] = [reply.messages for reply in replies]
    while stack:
        match stack.pop():
            case str() as text:
                words.update(text.split())
            case Mapping() as mapping:
                stack.extend(child for key, child in mapping.items() if key not in ("role", "id", "type", "index"))
            case list() as items:
                stack.extend(items)
    return words
