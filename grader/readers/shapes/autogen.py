"""AutoGen's messages and events (``source`` and ``type``), and those of its saved model contexts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from grader.readers.blocks import as_text
from grader.readers.shapes.common import Names, called, json_text, mapping, media, objects, returned, spoken, thought
from grader.transcript import Message, Role

_USER = re.compile(r"(?:user|human|user_?proxy(?:_?agent)?)", re.IGNORECASE)
_CONTEXT = frozenset({"SystemMessage", "UserMessage", "AssistantMessage", "FunctionExecutionResultMessage"})
# They repeat what another message contains, or are about the run and not in it.
IGNORED = frozenset(
    {
        "ToolCallSummaryMessage",
        "UserInputRequestedEvent",
        "SelectSpeakerEvent",
        "SelectorEvent",
        "ModelClientStreamingChunkEvent",
    }
)


def is_message(message: Mapping[str, Any]) -> bool:
    """Whether a message is one of AutoGen's."""
    kind = message.get("type")
    if not isinstance(kind, str) or "role" in message or not kind.endswith(("Message", "Event")):
        return False
    return "source" in message or kind in _CONTEXT


def is_user(source: Any) -> bool:
    """Whether a source's name is a user's."""
    return isinstance(source, str) and _USER.fullmatch(source) is not None


def message_parts(message: Mapping[str, Any], names: Names) -> Iterator[Message]:
    """The parts of one message or event; an agent's words carry the agent's name."""
    kind, source, content = message["type"], message.get("source"), message.get("content")
    speaker = source if isinstance(source, str) else None
    if kind in IGNORED:
        return
    if kind == "SystemMessage":
        yield from spoken("system", content)
    elif kind == "ThoughtEvent":
        yield replace(thought(content), name=speaker)
    elif kind in ("ToolCallExecutionEvent", "FunctionExecutionResultMessage"):
        for result in objects(content):
            text = json_text(result.get("content"))
            yield returned(text, call_id=result.get("call_id"), name=result.get("name"), names=names)
    elif kind == "CodeExecutionEvent":
        yield returned(json_text(mapping(message.get("result")).get("output", content)), name="code_execution")
    elif kind == "MemoryQueryEvent":
        yield returned("\n".join(json_text(entry.get("content")) for entry in objects(content)), name="memory")
    elif kind == "UserMessage" or (kind != "AssistantMessage" and is_user(source)):
        yield from _content("user", content, speaker, names)
    else:
        if as_text(message.get("thought")).strip():
            yield replace(thought(message["thought"]), name=speaker)
        yield from _content("assistant", content, speaker, names)


def _content(role: Role, content: Any, speaker: str | None, names: Names) -> Iterator[Message]:
    for item in content if isinstance(content, list) else [content]:
        if isinstance(item, Mapping) and "arguments" in item:
            yield called(item.get("name"), item["arguments"], item.get("id"), names)
            continue
        picture = isinstance(item, Mapping) and isinstance(content, list)
        for part in spoken(role, media("image") if picture and not item.get("text") else _text(item)):
            yield replace(part, name=speaker) if part.kind in ("text", "reasoning") else part


def _text(item: Any) -> str:
    if isinstance(item, Mapping) and isinstance(item.get("text"), str):
        return str(item["text"])
    return json_text(item)
