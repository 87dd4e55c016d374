"""OpenAI's Responses API: stored responses, requests with them, and lists of items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text
from grader.readers.build import build_transcript, read_each, record_id, record_metadata
from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.leaves import REPLY_KEYS
from grader.readers.records import Record
from grader.readers.shapes.common import first_text, mapping
from grader.transcript import Message, Transcript

_ITEMS = frozenset(
    {"reasoning", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output"}
)
_ITEM_SUFFIXES = ("_call", "_call_output")
_TALK = frozenset({"id", "input", "items", "output", "instructions", "request", "response", "object"})
NAMED = frozenset(
    {
        "output.result",
        "items.result",
        "input.result",
        ".result",
        "mcp_list_tools",
        "annotations",
        "output_text",
        "tools",
        "text",
        "prompt_cache_key",
        "tool_choice",
    }
)


def parse_responses(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per response or list of items; a file of bare items is one conversation."""
    first = next(records, None)
    if first is None:
        return
    if _is_bare(first.value):
        items = [first.value, *(record.value for record in records)]
        yield from read_each(iter([first]), lambda record: [_bare(record, items)])
        return
    yield from read_each(chain([first], records), _read)


def is_responses(value: Any) -> bool:
    """Whether a record is a response, or an item that only this API has."""
    match value:
        case {"object": "response"} | {"response": {"object": "response"}}:
            return True
        case {"output": {"role": _}} | {"output": {"choices": _}}:  # a chat, its prompt under `input`
            return False
        case {"output": [{"type": str()}, *_]} | {"response": {"output": [{"type": str()}, *_]}}:
            return True
        case {"input": [{"role": _}, *_]} | {"items": [{"type": str()}, *_]} | {"input": [{"type": str()}, *_]}:
            return all(isinstance(value[key], list) for key in REPLY_KEYS.intersection(value))  # else a prompt's reply
    return _is_item(value) or (isinstance(value, list) and any(map(_is_item, value)))


def _is_item(value: Any) -> bool:
    kind = value.get("type") if isinstance(value, Mapping) and "role" not in value else None
    if not isinstance(kind, str) or not (kind == "reasoning" or kind.endswith(_ITEM_SUFFIXES)):
        return False
    return not value.keys().isdisjoint({"call_id", "summary", "status", "action", "output", "encrypted_content"})


def _is_bare(value: Any) -> bool:
    if not isinstance(value, Mapping) or "object" in value or "input" in value and "role" in value:
        return False
    return _is_item(value) or (isinstance(value.get("role"), str) and "content" in value and "output" not in value)


def _bare(record: Record, items: list[Any]) -> Transcript:
    parts = conversation(items)
    return build_transcript(record.file, parts, ending(parts), source=record.file, raw=items, named=NAMED)


def _read(record: Record) -> Iterator[Transcript]:
    value = {"items": record.value} if isinstance(record.value, list) else record.value
    if not isinstance(value, Mapping):
        raise InputError(f"not a response but {type(value).__name__}")
    request, response = mapping(value.get("request")) or value, mapping(value.get("response")) or value
    asked = _items(request.get("input", value.get("items")), "user")
    answered = _items(response.get("output"), "assistant")
    if not asked and not answered and "output" not in response:
        raise InputError("has neither 'input' nor 'output'")
    instructions = request.get("instructions") or response.get("instructions") or value.get("instructions")
    parts = conversation([*_items(instructions, "system"), *asked, *answered])
    metadata = record_metadata(value, without=_TALK) | ({"status": response["status"]} if "status" in response else {})
    if model := first_text(response, "model") or first_text(request, "model"):
        metadata["model"] = model
    metadata |= _ending(parts, response, answered)
    id_ = record_id(value, "") or record_id(response, record.default_id)
    yield build_transcript(id_, parts, metadata, source=record.file, raw=value, named=NAMED)


def _items(items: Any, role: str) -> list[Any]:
    """A list of items; text, or parts without a speaker, belong to `role`."""
    if isinstance(items, str):
        return [{"role": role, "content": items}] if items.strip() else []
    if items is not None and not isinstance(items, list):
        raise InputError(f"the items are not a list but {type(items).__name__}")
    return list(items or [])


def _ending(parts: list[Message], response: Mapping[str, Any], answered: list[Any]) -> dict[str, str]:
    status, error = response.get("status"), response.get("error")
    reason = first_text(mapping(response.get("incomplete_details")), "reason")
    if status == "failed" or error:
        message = mapping(error).get("message", error)
        return ending(parts, error=as_text(message) or "failed")
    if status in ("cancelled", "in_progress", "queued"):
        return ending(parts) | {"limit": str(status)}
    silent = "output" in response and not any(part.role == "assistant" for part in conversation(answered))
    return ending(parts, stop=reason, empty=silent and reason != "max_output_tokens")


FORMAT = Format(
    name="openai-responses",
    parse=parse_responses,
    fits=is_responses,
    recognised_by="`object` response, or `output`, `input` or `items` with items of that API",
    id="`id` of the record or of the response, else file and line",
    model="`model`",
    failures="`status` failed, `error`, `content_filter` without text, an empty output",
)
