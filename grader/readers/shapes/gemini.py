"""Contents of the Gemini API: ``role`` and ``parts``, in camelCase or snake_case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import role_of
from grader.readers.shapes.common import (
    Names,
    called,
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

_ASIDE = frozenset({"thought", "thoughtSignature", "thought_signature", "videoMetadata", "video_metadata"})
_ANSWER_KEYS = ("output", "result", "content", "error")


def is_content(message: Mapping[str, Any]) -> bool:
    """Whether a message has Gemini's untyped parts and no ``content``."""
    parts = message.get("parts")
    if "content" in message or "kind" in message or "parts" not in message:
        return False
    if isinstance(parts, (Mapping, str)):
        return True
    return isinstance(parts, list) and not any(isinstance(part, Mapping) and "type" in part for part in parts)


def content_parts(message: Mapping[str, Any], names: Names) -> Iterator[Message]:
    """The parts of one content; without a role it is the user's, as the API takes it."""
    role = role_of(message["role"]) if message.get("role") is not None else "user"
    yield from parts_of(role, message.get("parts"), names)


def parts_of(role: Role, parts: Any, names: Names) -> Iterator[Message]:
    """Messages of a list of parts, of one part, or of text."""
    for part in parts if isinstance(parts, list) else [parts]:
        if isinstance(part, Mapping):
            yield from _part(role, part, names)
        else:
            yield from spoken(_speaker(role), part)


def _speaker(role: Role) -> Role:
    return "user" if role == "tool" else role


def _part(role: Role, part: Mapping[str, Any], names: Names) -> Iterator[Message]:
    call = _field(part, "functionCall", "toolCall")
    answer = _field(part, "functionResponse", "toolResponse")
    code, output = _field(part, "executableCode"), _field(part, "codeExecutionResult")
    blob = _field(part, "inlineData") or _field(part, "fileData")
    if call:
        yield called(call.get("name") or _field_of(call, "toolType"), call.get("args"), call.get("id"), names)
    elif answer:
        name = answer.get("name") or _field_of(answer, "toolType")
        yield returned(response_text(answer), call_id=answer.get("id"), name=name, names=names)
    elif code:
        yield called("code_execution", {"code": code.get("code")}, None, names)
    elif output:
        yield returned(json_text(output.get("output")) or f"[{output.get('outcome')}]", name="code_execution")
    elif blob:
        yield from spoken(_speaker(role), _placeholder(blob))
    elif part.get("thought") is True:
        yield thought(part.get("text"), role=_speaker(role))
    elif isinstance(part.get("text"), str):
        yield from spoken(_speaker(role), part["text"])
    elif part.keys() - _ASIDE:
        raise InputError(f"unknown kind of part: {', '.join(sorted(map(str, part)))[:80]}")
    elif part:
        yield thought("", role=_speaker(role))


def response_text(answer: Mapping[str, Any]) -> str:
    """What a function returned; ``{"result": "sent"}`` is just ``sent``. Pictures in it are placeholders."""
    response = answer.get("response")
    text = json_text(response)
    if isinstance(response, Mapping) and len(response) == 1:
        [(key, value)] = response.items()
        text = json_text(value) if key in _ANSWER_KEYS else text
    blobs = (_field(part, "inlineData") or _field(part, "fileData") for part in objects(answer.get("parts")))
    return "\n".join([text, *(_placeholder(blob) for blob in blobs if blob)])


def _placeholder(blob: Mapping[str, Any]) -> str:
    return media(media_kind(_field_of(blob, "mimeType")), _field_of(blob, "displayName"), _field_of(blob, "fileUri"))


def _field(part: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """The first of these fields that contains an object, in either spelling; else an empty one."""
    return next((value for name in names if (value := mapping(_field_of(part, name)))), {})


def _field_of(part: Mapping[str, Any], name: str) -> Any:
    """A field in camelCase or snake_case."""
    if name in part:
        return part[name]
    return part.get("".join(f"_{c.lower()}" if c.isupper() else c for c in name))
