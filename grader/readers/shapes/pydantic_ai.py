"""Messages of pydantic-ai: requests and responses with parts that name their kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.readers.blocks import as_text
from grader.readers.shapes.common import (
    Names,
    called,
    json_text,
    media,
    media_kind,
    returned,
    spoken,
    thought,
)
from grader.transcript import Message, Role


def is_message(message: Mapping[str, Any]) -> bool:
    """Whether a message is a request or a response with kinds of parts."""
    parts = message.get("parts")
    if message.get("kind") not in ("request", "response") or not isinstance(parts, list):
        return False
    return all(isinstance(part, Mapping) and "part_kind" in part for part in parts)


def message_parts(message: Mapping[str, Any], names: Names) -> Iterator[Message]:
    """The parts of one message; the instructions of a request come first, on every request that has them."""
    yield from spoken("system", message.get("instructions"))
    speaker: Role = "user" if message["kind"] == "request" else "assistant"
    for part in message["parts"]:
        yield from _part(part, speaker, names)


def _part(part: Mapping[str, Any], speaker: Role, names: Names) -> Iterator[Message]:
    kind, content = as_text(part.get("part_kind")), part.get("content")
    if kind == "thinking":
        yield thought(content)
    elif kind in ("system-prompt", "user-prompt", "text"):
        role: Role = "system" if kind == "system-prompt" else "user" if kind == "user-prompt" else speaker
        for item in content if isinstance(content, list) else [content]:
            yield from spoken(role, _item_text(item))
    elif kind.endswith("tool-call"):
        yield called(part.get("tool_name"), part.get("args"), part.get("tool_call_id"), names)
    elif kind.endswith("tool-return") or (kind == "retry-prompt" and part.get("tool_name")):
        text = _return_text(content)
        if part.get("outcome") == "denied" and "denied" not in text.lower():
            text = f"[denied] {text}".strip()
        yield returned(text, call_id=part.get("tool_call_id"), name=part.get("tool_name"), names=names)
    elif kind in ("retry-prompt", "retry-feedback"):
        yield from spoken("user", _return_text(content))
    elif kind == "file":
        yield from spoken(speaker, _item_text(content))


def _return_text(content: Any) -> str:
    if isinstance(content, list) and any(_is_media(item) for item in content):
        return "\n".join(_item_text(item) for item in content)
    return _item_text(content)


def _is_media(item: Any) -> bool:
    kind = item.get("kind") if isinstance(item, Mapping) else None
    return isinstance(kind, str) and (kind.endswith("-url") or kind in ("binary", "uploaded-file"))


def _item_text(item: Any) -> str:
    """Text, or the placeholder of a picture, a sound or a document."""
    if not _is_media(item):
        return json_text(item)
    kind = item["kind"].removesuffix("-url")
    if kind in ("binary", "uploaded-file"):
        kind = media_kind(item.get("media_type"))
    return media(kind, item.get("filename"), item.get("url"), item.get("file_id"))
