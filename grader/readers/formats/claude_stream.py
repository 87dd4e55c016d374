"""What ``claude -p --output-format stream-json`` adds to a session: its head, its result, withdrawn replies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from grader.readers.blocks import as_text
from grader.readers.shapes.common import mapping, objects
from grader.transcript import Message

Line = Mapping[str, Any]
_CUT = "error_max_"


def is_stream_line(value: Mapping[str, Any]) -> bool:
    """Whether a record is a line of a stream: its head, its result, or a message with the session's id."""
    if not isinstance(value.get("session_id"), str):
        return False
    match value.get("type"):
        case "system":
            return "subtype" in value
        case "result":
            return "subtype" in value and "is_error" in value
        case "user" | "assistant":
            return isinstance(value.get("message"), Mapping) and "parent_tool_use_id" in value
    return False


def withdrawn(lines: Iterable[Line]) -> set[str]:
    """Ids of the lines that a later reply took the place of."""
    gone = set[str]()
    for line in lines:
        listed = [line.get("supersedes"), line.get("retracted_message_uuids")]
        listed.append(mapping(line.get("model_refusal_fallback")).get("retracted_message_uuids"))
        for ids in listed:
            gone |= {id_ for id_ in (ids if isinstance(ids, list) else [ids]) if isinstance(id_, str)}
    return gone


def is_withdrawn(line: Line, gone: set[str]) -> bool:
    """Whether a line, or the message that it is a block of, was withdrawn."""
    return line["type"] == "assistant" and not gone.isdisjoint(
        {as_text(line.get("uuid")), as_text(line["message"].get("id"))}
    )


def result_messages(result: Line, lines: Sequence[Line]) -> list[dict[str, Any]]:
    """What only the result contains: denied calls without an answer, and the reply where no line has it."""
    calls, answers = set[str](), set[str]()
    for line in lines:
        for part in objects(line["message"].get("content")):
            calls |= {as_text(part.get("id"))} if part.get("type") == "tool_use" else set()
            answers |= {as_text(part.get("tool_use_id"))} if part.get("type") == "tool_result" else set()
    messages: list[dict[str, Any]] = []
    for denial in objects(result.get("permission_denials")):
        id_ = as_text(denial.get("tool_use_id"))
        use = {"type": "tool_use", "id": id_, "name": denial.get("tool_name"), "input": denial.get("tool_input")}
        if id_ not in calls:
            messages.append({"role": "assistant", "content": [use]})
        if id_ not in answers:
            denied = {"type": "tool_result", "tool_use_id": id_, "content": "[denied]"}
            messages.append({"role": "user", "content": [denied]})
    spoke = any(line["type"] == "assistant" for line in lines)
    if not spoke and not result.get("is_error") and as_text(result.get("result")).strip():
        messages.append({"role": "assistant", "content": result["result"]})
    return messages


def result_facts(result: Line, parts: Sequence[Message]) -> dict[str, Any]:
    """How the stream says that the run ended."""
    subtype = as_text(result.get("subtype"))
    if subtype.startswith(_CUT):
        spoke = any(part.role == "assistant" for part in parts)
        return {"limit": subtype} | ({} if spoke else {"provider_error": subtype})
    if not result.get("is_error"):
        return {}
    errors = result.get("errors")
    texts = [as_text(error) for error in errors] if isinstance(errors, list) else []
    reason = "; ".join(texts) or as_text(result.get("result")) or subtype or "error"
    return {"provider_error": reason, "api_error_status": result.get("api_error_status")}
