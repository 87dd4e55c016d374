"""Which format a record is in, from its keys alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from grader.readers.agentic_misalignment import is_response
from grader.readers.chat import is_message
from grader.readers.inspect_log import is_log
from grader.readers.replies import reply_field
from grader.transcript import KINDS


def detect_record(value: Any) -> str | None:
    """Name of the format of a file whose first record is `value`; None when it cannot be told.

    Examples
    --------
    >>> detect_record({"messages": [{"role": "user", "content": "Hi"}]})
    'openai'
    >>> detect_record({"price": 3}) is None
    True
    """
    return next((name for name, fits in _TESTS if fits(value)), None)


def _is_native(value: Any) -> bool:
    match value:
        case {"id": str(), "messages": [{"role": str(), "kind": str(kind), "text": str()}, *_]}:
            return kind in KINDS
        case {"id": str(), "messages": [], "metadata": Mapping()}:
            return len(value) == 3
    return False


def _is_anthropic(value: Any) -> bool:
    """A chat with parts or keys that only Anthropic's messages have."""
    if is_message(value):
        return _has_anthropic_parts(value)
    match value:
        case {"messages": [*_], "system": _}:
            return True
        case {"messages": [*messages]} | [*messages]:
            return any(isinstance(m, Mapping) and _has_anthropic_parts(m) for m in messages)
    return False


def _has_anthropic_parts(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    kinds = {part.get("type") for part in content if isinstance(part, Mapping)} if isinstance(content, list) else set()
    return not kinds.isdisjoint({"thinking", "redacted_thinking", "tool_use", "tool_result"})


def _is_chat(value: Any) -> bool:
    if is_message(value):
        return True
    match value:
        case {"messages": [*_]} | {"conversation": [*_]} | {"conversations": [*_]} | [{"role": _}, *_]:
            return True
    return False


def _is_reply(value: Any) -> bool:
    return reply_field(value) is not None


# The order matters: what names itself most clearly comes first.
_TESTS: tuple[tuple[str, Callable[[Any], bool]], ...] = (
    ("harmrate", _is_native),
    ("inspect", is_log),
    ("agentic-misalignment", is_response),
    ("anthropic", _is_anthropic),
    ("openai", _is_chat),
    ("replies", _is_reply),
)
