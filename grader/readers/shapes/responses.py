"""Items of OpenAI's Responses API: messages, reasoning, calls of every kind and what they returned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text, block_parts
from grader.readers.shapes.common import Names, called, json_text, mapping, media, objects, returned, spoken, thought
from grader.transcript import Message

# Items about the request or the context window; none of them is something that was said.
IGNORED = frozenset({"mcp_list_tools", "additional_tools", "compaction", "item_reference", "ghost_snapshot"})
_FRAME = frozenset({"type", "id", "call_id", "status", "output", "outputs", "results", "result", "error", "name"})
# Fields that are not an argument: who asked, and blobs for the provider.
_ASIDE = frozenset({"encrypted_content", "internal_metadata", "created_by", "phase", "caller", "role"})
_WHOLE_ARGUMENTS = ("arguments", "input", "action", "operation")
_PICTURES = frozenset({"input_image", "image", "computer_screenshot"})
_ALWAYS_ITEMS = frozenset({"reasoning", "program", "mcp_approval_request", "mcp_approval_response"})


def is_item(message: Mapping[str, Any]) -> bool:
    """Whether a message is an item of the Responses API that is not a chat message."""
    kind = message.get("type")
    return isinstance(kind, str) and "role" not in message and "from" not in message


def item_parts(item: Mapping[str, Any], names: Names) -> Iterator[Message]:
    """The parts of one item: reasoning, a call with what it returned, or the output of an earlier call."""
    kind = item["type"]
    if kind in IGNORED:
        return
    if kind == "reasoning":
        yield thought(_reasoning(item))
    elif kind == "mcp_approval_response":
        yield from spoken("user", _approval(item))
    elif kind == "agent_message":  # of another agent, to this one
        yield from spoken("user", _result_text(item.get("content") or item.get("message")), name=item.get("author"))
    elif kind.endswith("_output"):
        yield returned(_output(item), call_id=item.get("call_id"), name=item.get("name"), names=names)
    elif kind.endswith("_call") or kind in _ALWAYS_ITEMS:
        yield from _call_parts(item, names)
    elif kind in ("output_text", "refusal", "tool_use", "thinking", "redacted_thinking"):
        yield from block_parts("assistant", item, names, None)
    elif kind in ("input_text", "input_image", "input_file"):
        yield from block_parts("user", item, names, None)
    else:  # an item whose speaker is unknown is never the agent's
        raise InputError(f"unknown kind of item {kind[:40]!r}, and no role")


def _reasoning(item: Mapping[str, Any]) -> str:
    """Readable reasoning, else its summary."""
    for key in ("content", "summary", "text"):
        if item.get(key) and (text := as_text(item[key]).strip()):
            return text
    return ""


def _approval(item: Mapping[str, Any]) -> str:
    decision = "approved" if item.get("approve") else "denied"
    return f"[{decision}] {as_text(item.get('reason'))}".strip()


def _call_parts(item: Mapping[str, Any], names: Names) -> Iterator[Message]:
    name, arguments = _name_and_arguments(item)
    call = called(name, arguments, item.get("call_id") or item.get("id"), names)
    yield call
    answers = [_result_text(item[key]) for key in ("output", "outputs", "results", "error") if item.get(key)]
    if item.get("type") == "image_generation_call" and item.get("result"):
        answers.append(media("image", None, item["result"]))
    if answers:
        yield returned("\n".join(answers), name=call.name)
    elif item.get("status") in ("failed", "incomplete", "cancelled"):
        yield returned(f"[{item['status']}]", name=call.name)


def _name_and_arguments(item: Mapping[str, Any]) -> tuple[str, Any]:
    """A provider's own tool is named by its type: ``web_search_call`` is a call of ``web_search``."""
    kind: str = item["type"]
    named = item.get("name")
    name = named if isinstance(named, str) and named else kind.removesuffix("_call")
    rest = {k: v for k, v in item.items() if k not in _FRAME | _ASIDE and v is not None}
    for key in _WHOLE_ARGUMENTS:
        if key in rest:
            value = rest.pop(key)
            extra = {k: v for k, v in rest.items() if k not in ("server_label", "approval_request_id")}
            if not extra:
                return name, value
            return name, {**extra, **(value if isinstance(value, Mapping) else {key: value})}
    return name, rest


def _output(item: Mapping[str, Any]) -> str:
    if item.get("output") is not None:
        return _result_text(item["output"])
    rest = {k: v for k, v in item.items() if k not in _FRAME | _ASIDE and v is not None}
    error = item.get("error") or item.get("result")
    return _result_text(error) if error else json_text(rest) if rest else ""


def _result_text(value: Any) -> str:
    """The text of a result: parts joined, pictures as placeholders, a shell's streams one after the other."""
    if isinstance(value, list):
        return "\n".join(text for text in map(_result_text, value) if text)
    if not isinstance(value, Mapping):
        return json_text(value)
    if value.get("type") in _PICTURES or "image_url" in value:
        url = value.get("image_url")
        return media("image", None, mapping(url).get("url", url), value.get("file_id"))
    if value.get("type") in ("input_file", "file"):
        return media("file", value.get("filename"), value.get("file_url"), value.get("file_id"))
    for key in ("text", "logs", "refusal"):
        if isinstance(value.get(key), str):
            return str(value[key])
    if "stdout" in value or "stderr" in value:
        return _streams(value)
    if "content" in value and "success" in value:  # Codex: a call that failed
        return _result_text(value["content"])
    return json_text(value)


def _streams(value: Mapping[str, Any]) -> str:
    texts = [as_text(value.get(key)).rstrip("\n") for key in ("stdout", "stderr")]
    outcome = mapping(value.get("outcome"))
    code = outcome.get("exit_code")
    texts.append("[timeout]" if outcome.get("type") == "timeout" else f"[exit code {code}]" if code else "")
    return "\n".join(text for text in texts if text)


def output_texts(value: Any) -> str:
    """What a call returned, from any of the shapes that outputs have."""
    return _result_text(value)


def messages_of(items: Any) -> list[Mapping[str, Any]]:
    """The objects of a list of items; text alone is a user's message."""
    if isinstance(items, str):
        return [{"role": "user", "content": items}] if items else []
    return objects(items)
