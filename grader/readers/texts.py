"""Speakers and texts of a log as ours: roles, an agent's text taken apart, any value as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers import media
from grader.readers.actions import split_actions
from grader.transcript import Message, Role

WITHHELD = "[reasoning withheld by the provider]"
_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "agent": "assistant",
    "bot": "assistant",
    "chatbot": "assistant",
    "model": "assistant",
    "gpt": "assistant",
    "tool": "tool",
    "function": "tool",
    "ipython": "tool",
    "environment": "tool",
    "observation": "tool",
}
# Of a part that is shown as JSON: what nobody can read.
_UNREADABLE = frozenset({"encrypted_content", "signature", "cache_control"})


def role_of(value: Any) -> Role:
    """Our role for a log's word, in capitals or not; an unknown speaker is refused, never taken for the agent."""
    role = _ROLES.get(value) if isinstance(value, str) else None
    if role is None and isinstance(value, str):
        role = _ROLES.get(value.strip().lower())
    if role is None:
        raise InputError("has no role: who spoke is unknown" if value is None else f"unknown role {str(value)[:40]!r}")
    return role


def assistant_text(text: str) -> Iterator[Message]:
    """An agent's text, with text actions and scratchpads taken apart; nothing for blank text."""
    if "<" not in text:
        if text.strip():
            yield Message(role="assistant", kind="text", text=text)
        return
    parts = list(split_actions(text))
    if len(parts) == 1 and parts[0].kind == "text":
        yield Message(role="assistant", kind="text", text=text)
    else:
        yield from parts


def as_text(value: Any) -> str:
    r"""Any JSON value as text: text as it is, null as nothing, parts one below the other, else JSON.

    Examples
    --------
    >>> as_text([{"type": "text", "text": "a"}, {"type": "hit", "title": "b"}])
    'a\n{"type": "hit", "title": "b"}'
    """
    match value:
        case None:
            return ""
        case str():
            return value
        case list() if value and all(_is_part(item) for item in value):
            return "\n".join(part_text(item) for item in value)
        case {"type": "text", "text": str(text)} if len(value) == 2:
            return text
        case {"type": str()}:
            return part_text(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def part_text(part: Any) -> str:
    """A part of a result: its text; media as a placeholder; any other part whole, as JSON."""
    if isinstance(part, str):
        return part
    text = plain_text(part)
    if (picture := media.placeholder(part)) is not None:
        return picture if text is None else f"{picture}\n{text}"
    if text is not None:
        return text
    return json.dumps({k: v for k, v in part.items() if k not in _UNREADABLE}, ensure_ascii=False, default=str)


def plain_text(part: Mapping[str, Any]) -> str | None:
    """The words of a part that is text, in whatever field the vendor keeps them; None when it has none."""
    for key in ("text", "refusal"):
        if isinstance(part.get(key), str):
            return str(part[key])
    source = part.get("source")
    if isinstance(source, Mapping) and source.get("type") in ("text", "content"):
        return as_text(source.get("data", source.get("content")))
    if part.get("type") == "data":
        return as_text(part.get("data"))
    return None


def _is_part(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, Mapping) and (isinstance(value.get("type"), str) or value.keys() == {"text"})
    )


def below(path: str, reason: str) -> str:
    """A reason that was given for what is at `path`; one that begins with a path of its own continues it."""
    return f"{path}{reason}" if reason[:1] in (".", ":") else f"{path}: {reason}"
