"""Messages of the Vercel AI SDK: ModelMessages (v4 to v6) and UIMessages with ``parts`` or ``toolInvocations``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.readers.blocks import as_text, block_parts, role_of
from grader.readers.shapes.common import (
    Names,
    called,
    first_text,
    json_text,
    mapping,
    media,
    media_kind,
    objects,
    returned,
    spoken,
    thought,
)
from grader.transcript import Message, Role

_MODEL_TYPES = frozenset({"tool-call", "tool-result", "tool-approval-request", "tool-approval-response"})
_UI_TYPES = frozenset({"step-start", "dynamic-tool", "tool-invocation", "file", "source"})
_UI_PREFIXES = ("tool-", "data-", "source-")
# For the page, not said by anyone: the reader of the format keeps what they contain as metadata.
_PAGE = ("step-start", "source", "data-")


def is_message(message: Mapping[str, Any]) -> bool:
    """Whether a message is a ModelMessage with a tool part, or a UIMessage."""
    if "role" not in message:
        return False
    if message["role"] == "data" or any(map(_is_model_part, objects(message.get("content")))):
        return True
    return isinstance(message.get("toolInvocations"), list) or any(map(_is_ui_part, objects(message.get("parts"))))


def _is_model_part(part: Mapping[str, Any]) -> bool:
    kind = as_text(part.get("type"))
    if kind == "file":
        return not part.keys().isdisjoint({"mediaType", "mimeType"})
    return kind in _MODEL_TYPES or (kind == "image" and "image" in part)


def _is_ui_part(part: Mapping[str, Any]) -> bool:
    kind = part.get("type")
    if kind == "text":
        return "text" in part
    if kind == "reasoning":
        return not part.keys().isdisjoint({"text", "reasoning", "details"})
    return isinstance(kind, str) and (kind in _UI_TYPES or kind.startswith(_UI_PREFIXES))


def is_page_part(part: Mapping[str, Any]) -> bool:
    """Whether a UI part is for the page only (a source, the app's own data, the start of a step)."""
    return as_text(part.get("type")).startswith(_PAGE)


def message_parts(message: Mapping[str, Any], names: Names) -> Iterator[Message]:
    """The parts of one message; where a v4 message says everything twice, its ``parts`` count."""
    if message.get("role") == "data":
        return
    role = role_of(message.get("role"))
    parts = message.get("parts")
    if isinstance(parts, list) and parts:
        blocks = parts
    else:
        content = message.get("content")
        blocks = [*_v4_parts(message), *(content if isinstance(content, list) else [content])]
    for block in blocks:
        if isinstance(block, Mapping):
            yield from _part(role, block, names)
        else:
            yield from spoken("user" if role == "tool" else role, block)


def _v4_parts(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Reasoning and calls of a v4 message without parts."""
    if message.get("reasoning"):
        yield {"type": "reasoning", "text": message["reasoning"]}
    for invocation in objects(message.get("toolInvocations")):
        yield {"type": "tool-invocation", "toolInvocation": invocation}


def _part(role: Role, part: Mapping[str, Any], names: Names) -> Iterator[Message]:
    kind = as_text(part.get("type"))
    if kind in ("reasoning", "redacted-reasoning"):
        yield thought(first_text(part, "text", "reasoning"), role=role)
    elif kind in ("image", "file"):
        yield from spoken("user" if role == "tool" else role, _placeholder(part))
    elif kind == "tool-call":
        yield called(part.get("toolName"), part.get("input", part.get("args")), part.get("toolCallId"), names)
    elif kind == "tool-result":
        text = _output_text(part.get("output", part.get("result", part.get("content"))))
        yield returned(text, call_id=part.get("toolCallId"), name=part.get("toolName"), names=names)
    elif kind == "tool-approval-response":
        yield from spoken("user", _decision(part))
    elif kind == "tool-invocation":
        yield from _invocation(mapping(part.get("toolInvocation")), names)
    elif kind == "dynamic-tool" or (kind.startswith("tool-") and kind not in _MODEL_TYPES):
        yield from _invocation({"toolName": kind.removeprefix("tool-"), **part}, names)
    elif kind not in _MODEL_TYPES and not is_page_part(part):
        yield from block_parts("user" if role == "tool" else role, part, names, None)


def _invocation(part: Mapping[str, Any], names: Names) -> Iterator[Message]:
    """One UI part that is a call and, once there is one, its result."""
    arguments = part.get("input", part.get("args", part.get("rawInput")))
    call = called(part.get("toolName"), arguments, part.get("toolCallId"), names)
    yield call
    text = _outcome(part)
    if text is not None:
        yield returned(text, name=call.name)


def _outcome(part: Mapping[str, Any]) -> str | None:
    """What became of the call by its state; None while it has no result."""
    state, approval = part.get("state"), mapping(part.get("approval"))
    if state == "output-error" or part.get("errorText"):
        return json_text(part.get("errorText")) or "[error]"
    if state == "output-denied" or approval.get("approved") is False:
        return _decision({"approved": False, **approval})
    if state == "approval-requested":
        return "[not executed: approval was requested]"
    for key in ("output", "result"):
        if key in part:
            return _output_text(part[key])
    return None


def _decision(approval: Mapping[str, Any]) -> str:
    return f"[{'approved' if approval.get('approved') else 'denied'}] {as_text(approval.get('reason'))}".strip()


def _output_text(output: Any) -> str:
    """A result: typed (``{type: text, value}``), a list of content parts, or any JSON value of a tool."""
    kind = output.get("type") if isinstance(output, Mapping) else None
    if kind == "execution-denied":
        return f"[denied] {json_text(output.get('reason'))}".strip()
    if kind in ("text", "json", "error-text", "error-json") and "value" in output:
        return json_text(output["value"])
    parts = output.get("value") if kind == "content" else output
    if isinstance(parts, list) and parts and all(isinstance(p, Mapping) and "type" in p for p in parts):
        return "\n".join(_content_text(part) for part in parts)
    return json_text(parts)


def _content_text(part: Mapping[str, Any]) -> str:
    if isinstance(part.get("text"), str):
        return str(part["text"])
    return _placeholder(part) if {"data", "url", "image", "fileId"} & part.keys() else json_text(part)


def _placeholder(part: Mapping[str, Any]) -> str:
    kind = as_text(part.get("type")).partition("-")[0]
    addresses = (part.get("url"), part.get("image"), part.get("data"), part.get("fileId"))
    media_type = part.get("mediaType") or part.get("mimeType")
    return media("image" if kind == "image" else media_kind(media_type), part.get("filename"), *addresses)
