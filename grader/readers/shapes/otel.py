"""Messages of OpenTelemetry's GenAI conventions: a role and typed parts with ``content``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.readers.blocks import chat_parts
from grader.transcript import Message

_MEDIA = ("blob", "uri", "file")
_MODALITIES = ("image", "audio", "video")
_TYPES = frozenset({"tool_call", "tool_call_response", "server_tool_call", "server_tool_call_response", "blob", "uri"})


def is_message(message: Mapping[str, Any]) -> bool:
    """Whether a message has a role and parts that name their type."""
    match message:
        case {"role": str(), "parts": [*parts]} if "content" not in message:
            return bool(parts) and all(isinstance(part, Mapping) and _is_part(part) for part in parts)
    return False


def _is_part(part: Mapping[str, Any]) -> bool:
    """Other formats have typed parts, too, but write their words in other fields."""
    kind = part.get("type")
    return isinstance(kind, str) and (kind in _TYPES or ("content" in part and "text" not in part))


def message_parts(message: Mapping[str, Any], names: dict[str, str]) -> Iterator[Message]:
    """The parts of one message; a result is a tool's whoever the log says brought it."""
    role = message["role"]
    for part in message["parts"]:
        block = _block(part)
        if block.get("type") == "tool_result":
            yield from chat_parts({"role": "tool", **block}, names)
        elif role == "tool" and "text" in block:
            yield from chat_parts({"role": "tool", "content": block["text"]}, names)
        else:
            yield from chat_parts({"role": role, "name": message.get("name"), "content": [block]}, names)


def _block(part: Mapping[str, Any]) -> dict[str, Any]:
    """A part as a block of a chat message."""
    kind = part["type"]
    if kind in ("reasoning", "thinking"):
        return {"type": "reasoning", "reasoning": part.get("content")}
    if kind == "tool_call":
        return {"type": "tool_use", "id": part.get("id"), "name": part.get("name"), "input": part.get("arguments")}
    if kind == "server_tool_call":
        return {"type": "tool_use", "id": part.get("id"), "name": part.get("name"), "input": part.get(kind)}
    if kind in ("tool_call_response", "server_tool_call_response"):
        result = next((part[key] for key in ("response", "result", kind, "content") if part.get(key) is not None), None)
        return {"type": "tool_result", "tool_call_id": part.get("id"), "name": part.get("name"), "content": result}
    if kind in _MEDIA:
        modality = part.get("modality")
        named = {"data": part.get("content"), "uri": part.get("uri"), "file_id": part.get("file_id")}
        known = {key: value for key, value in named.items() if isinstance(value, str)}
        return {"type": modality if modality in _MODALITIES else "file", "mime_type": part.get("mime_type"), **known}
    text = part.get("content")
    return {**part, "text": text} if isinstance(text, str) and "text" not in part else dict(part)
