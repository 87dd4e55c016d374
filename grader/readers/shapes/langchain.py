"""LangChain messages in their three serialisations: flat, ``{type, data}``, and ``{lc, id, kwargs}``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text, block_parts
from grader.readers.shapes.common import Names, called, mapping, media, media_kind, objects, returned, spoken, thought
from grader.transcript import Message, Role

_ROLES: Mapping[str, Role] = {
    "human": "user",
    "user": "user",
    "ai": "assistant",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
}
_TYPES = frozenset(_ROLES) - {"user", "assistant"} | {"chat", "remove"}
_CALLS = frozenset({"tool_use", "tool_call", "function_call", "server_tool_use", "server_tool_call"})
_THOUGHTS = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_content"})
_MEDIA = frozenset({"image", "image_url", "audio", "input_audio", "video", "file", "media"})
# Pieces of a streamed call; the whole call is in `tool_calls`.
_PIECES = frozenset({"input_json_delta", "tool_call_chunk", "invalid_tool_call"})


def is_message(message: Mapping[str, Any]) -> bool:
    """Whether a message is in one of the three serialisations."""
    if "lc" in message and isinstance(message.get("kwargs"), Mapping):
        return True
    kind = message.get("type")
    if not isinstance(kind, str) or "role" in message and kind != "chat":
        return False
    has_content = isinstance(message.get("data"), Mapping) or "content" in message or kind == "remove"
    return has_content and _word(kind) in _TYPES


def flatten(message: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a message, its type as LangChain's short word (``ai``), whatever the serialisation."""
    if "lc" in message:
        path = message.get("id")
        name = path[-1] if isinstance(path, list) and path else None
        fields = dict(message["kwargs"])
        return {**fields, "type": _word(name if isinstance(name, str) else as_text(fields.get("type")))}
    fields = dict(message["data"]) if isinstance(message.get("data"), Mapping) else dict(message)
    return {**fields, "type": _word(as_text(message.get("type")))}


def _word(kind: str) -> str:
    return kind.removesuffix("Chunk").removesuffix("Message").lower()


def message_parts(message: Mapping[str, Any], names: Names) -> Iterator[Message]:
    """The parts of one message."""
    fields = flatten(message)
    kind = fields["type"]
    if kind == "remove":
        return
    role = _ROLES.get(as_text(fields.get("role")).lower() if kind == "chat" else kind)
    if role is None:
        raise InputError(f"unknown role {as_text(fields.get('role') or kind)[:40]!r}")
    if role == "tool":
        text = "\n".join(part.text for part in _content("user", fields.get("content"), names, {}, []))
        yield returned(text, call_id=fields.get("tool_call_id"), name=fields.get("name"), names=names)
    elif role == "assistant":
        yield from _agent_parts(fields, names)
    else:
        yield from _content(role, fields.get("content"), names, {}, [])


def _agent_parts(fields: Mapping[str, Any], names: Names) -> Iterator[Message]:
    extra = mapping(fields.get("additional_kwargs"))
    calls = _calls(fields, extra)
    by_id = {call["id"]: call for call in calls if isinstance(call.get("id"), str)}
    read: list[Any] = []  # ids of the calls that the content has shown
    parts = list(_content("assistant", fields.get("content"), names, by_id, read))
    reasoning = as_text(extra.get("reasoning_content") or mapping(extra.get("reasoning")).get("summary"))
    if reasoning.strip() and not any(part.kind == "reasoning" and part.text.strip() for part in parts):
        yield thought(reasoning)
    yield from parts
    yield from spoken("assistant", extra.get("refusal"))
    yield from spoken("assistant", mapping(extra.get("audio")).get("transcript"))
    for call in calls:
        if call.get("id") is None or call["id"] not in read:
            yield called(call.get("name"), call.get("args"), call.get("id"), names)


def _calls(fields: Mapping[str, Any], extra: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Calls with readable and with broken arguments; the provider's own list only where LangChain's got lost."""
    calls = objects(fields.get("tool_calls")) + objects(fields.get("invalid_tool_calls"))
    if calls or isinstance(fields.get("tool_calls"), list):
        return calls
    raw = objects(extra.get("tool_calls"))
    if isinstance(extra.get("function_call"), Mapping):
        raw = [*raw, {"function": extra["function_call"]}]
    return [
        {"id": call.get("id"), "name": inner.get("name"), "args": inner.get("arguments")}
        for call in raw
        for inner in [mapping(call.get("function")) or call]
    ]


def _content(
    role: Role, content: Any, names: Names, calls: Mapping[str, Mapping[str, Any]], read: list[Any]
) -> Iterator[Message]:
    """Parts of a content; a call in it takes its arguments from `calls` and adds its id to `read`."""
    for block in content if isinstance(content, list) else [content]:
        kind = as_text(block.get("type")) if isinstance(block, Mapping) else ""
        if not isinstance(block, Mapping):
            yield from spoken(role, block)
        elif kind in _CALLS:
            call = calls.get(as_text(block.get("id") or block.get("call_id")), block)
            arguments = next((call[key] for key in ("args", "input", "arguments") if key in call), None)
            yield called(call.get("name"), arguments, call.get("id"), names)
            read.append(call.get("id"))
        elif kind in _THOUGHTS:
            yield thought(_thought_text(block), role=role)
        elif kind in _MEDIA:
            yield from spoken(role, _placeholder(block))
        elif kind == "non_standard" and isinstance(block.get("value"), Mapping):
            yield from _content(role, [block["value"]], names, calls, read)
        elif kind not in _PIECES:
            yield from block_parts(role, block, names, None)


def _thought_text(block: Mapping[str, Any]) -> str:
    inner = block.get("reasoning_content")
    source = inner if isinstance(inner, Mapping) else block
    for key in ("thinking", "reasoning", "text", "content", "summary"):
        if source.get(key) and (text := as_text(source[key]).strip()):
            return text
    return as_text(inner) if isinstance(inner, str) else ""


def _placeholder(block: Mapping[str, Any]) -> str:
    kind = as_text(block.get("type")).removeprefix("input_").removesuffix("_url")
    inner = mapping(block.get("file"))
    if kind in ("file", "media"):
        kind = media_kind(block.get("mime_type"))
    url = block.get("image_url")
    return media(kind, block.get("filename") or inner.get("filename"), mapping(url).get("url", url), block.get("url"))
