"""mini-swe-agent trajectories of all versions: text with one fenced command, or tool calls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text
from grader.readers.build import build_transcript, read_each
from grader.readers.conversation import conversation, message_parts
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.payload_facts import model_of
from grader.readers.payloads import answered
from grader.readers.records import Record
from grader.readers.shapes.common import mapping
from grader.transcript import Message, Transcript, tool_call

_COMMAND = re.compile(r"```(?:bash|sh|mswea_bash_command)[ \t]*\n(.*?)\n?```", re.DOTALL)
_FENCE = re.compile(r"```(?:bash|sh|mswea_bash_command)\b")
# The harness's copies of what messages say, and the frame of a response.
NAMED = frozenset(
    {"extra", "tools", "text.format", "incomplete_details", "reasoning.effort", "provider_specific_fields"}
)
_LIMITS = frozenset({"LimitsExceeded", "TimeExceeded", "RepeatedFormatError"})
_FINE = frozenset({"", "Submitted"})


def parse_mini_swe_agent(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per trajectory; the instance is the scenario, the exit status says how the run ended.

    The message after a command is its observation. What the agent submitted, costs and raw replies are metadata.
    """
    first = next(records, None)
    if first is None:
        return
    if isinstance(first.value, Mapping) and "role" in first.value:  # the oldest files: a bare list of messages
        messages = [record.value for record in chain([first], records)]
        yield from read_each(iter([_with_value(first, {"messages": messages})]), _read)
        return
    yield from read_each(chain([first], records), _read)


def is_mini_swe_agent(value: Any) -> bool:
    """Whether a record is a trajectory of mini-swe-agent."""
    match value:
        case {"trajectory_format": str(name), "messages": _}:
            return name.startswith("mini-swe-agent")
        case {"info": {"exit_status": _, "submission": _}, "messages": [{"role": _}, *_]}:
            return True
    return False


def _with_value(record: Record, value: Any) -> Record:
    return Record(value=value, file=record.file, place=record.place, number=record.number)


def _read(record: Record) -> Iterator[Transcript]:
    value = {"messages": record.value} if isinstance(record.value, list) else record.value
    messages = value.get("messages") if isinstance(value, Mapping) else None
    if not isinstance(messages, list):
        raise InputError("no mini-swe-agent trajectory: 'messages' is not a list")
    info = mapping(value.get("info"))
    parts = list(_parts(messages))
    exits = [message for message in messages if mapping(message).get("role") == "exit"]
    status, error = _exit(info, exits)
    metadata: dict[str, Any] = {key: item for key, item in value.items() if key not in ("messages", "info")}
    metadata |= {key: item for key, item in info.items() if key != "config"}
    metadata["exit"] = exits
    metadata["config"] = info.get("config")
    metadata["model"] = _model(info, messages)
    instance = as_text(value.get("instance_id"))
    metadata["scenario"] = instance or Path(record.file).name.removesuffix(".json").removesuffix(".traj")
    metadata |= ending(parts, error=error)
    if status in _LIMITS:
        metadata["limit"] = status
    known = {key: item for key, item in metadata.items() if item not in (None, [], "")}
    raw = value | {"messages": [_without_fence(m) for m in messages if mapping(m).get("role") != "exit"]}
    yield build_transcript(record.file, parts, known, source=record.file, raw=raw, named=NAMED)


def _without_fence(message: Any) -> Any:
    """A message without the word by which a fence says that it holds a command."""
    content = mapping(message).get("content")
    return {**message, "content": _FENCE.sub("```", content)} if isinstance(content, str) else message


def _exit(info: Mapping[str, Any], exits: list[Any]) -> tuple[str, str | None]:
    """The exit status, and the error where it is one: any status that is neither a submission nor a limit."""
    extra = mapping(mapping(exits[-1]).get("extra")) if exits else {}
    status = as_text(extra.get("exit_status") or info.get("exit_status"))
    if status in _FINE or status in _LIMITS:
        return status, None
    detail = as_text(extra.get("exception_str"))
    return status, f"{status}: {detail}" if detail else status


def _model(info: Mapping[str, Any], messages: list[Any]) -> str | None:
    configured = mapping(mapping(info.get("config")).get("model")).get("model_name")
    if isinstance(configured, str) and configured:
        return configured
    replies = (mapping(mapping(message).get("extra")).get("response") for message in messages)
    return next((name for reply in replies if (name := model_of(reply)) is not None), None)


def _parts(messages: list[Any]) -> Iterator[Message]:
    names: dict[str, str] = {}
    acted = False  # whether the message before was a command in text: the next one is its observation
    for number, message in enumerate(messages, 1):
        if not isinstance(message, Mapping):
            raise InputError(f"message {number} is not an object but {type(message).__name__}")
        role = message.get("role")
        if role == "exit":
            continue
        plain = {key: item for key, item in message.items() if key != "extra"}
        if message.get("object") == "response" and isinstance(message.get("output"), list):
            yield from conversation(message["output"])
            for item in message["output"]:
                _learn(item, names)
            acted = False
        elif role == "assistant":
            parts = list(message_parts(plain, names))
            spoken = [piece for part in parts for piece in _with_command(part)]
            acted = len(spoken) > len(parts) or any(piece not in parts for piece in spoken)
            yield from spoken
        elif role == "user" and acted:
            acted = False
            yield Message(role="tool", kind="tool_result", text=as_text(message.get("content")), name="bash")
        else:
            yield from _lost_reply(message)
            yield from message_parts(plain, names)


def _learn(item: Any, names: dict[str, str]) -> None:
    """Remember the name of a call for the item that brings its result."""
    fields = mapping(item)
    if isinstance(fields.get("call_id"), str) and isinstance(fields.get("name"), str):
        names[fields["call_id"]] = fields["name"]


def _with_command(part: Message) -> Iterator[Message]:
    """A text that holds exactly one fenced command as text and call; any other part as it is."""
    blocks = list(_COMMAND.finditer(part.text)) if part.role == "assistant" and part.kind == "text" else []
    if len(blocks) != 1:
        yield part
        return
    (block,) = blocks
    if before := part.text[: block.start()].strip():
        yield Message(role="assistant", kind="text", text=before)
    yield tool_call("bash", {"command": block[1]}, text=block[1])
    if after := part.text[block.end() :].strip():
        yield Message(role="assistant", kind="text", text=after)


def _lost_reply(message: Mapping[str, Any]) -> Iterator[Message]:
    """A reply that could not be parsed stands only beside the message that says so."""
    extra = mapping(message.get("extra"))
    if extra.get("interrupt_type") != "FormatError":
        return
    reply = next((extra[key] for key in ("response", "model_response") if extra.get(key)), None)
    for answer in answered(reply)[:1]:
        yield from conversation(answer.messages)


FORMAT = Format(
    name="mini-swe-agent",
    parse=parse_mini_swe_agent,
    fits=is_mini_swe_agent,
    recognised_by="`trajectory_format` mini-swe-agent-*, or `info.exit_status` and `messages`",
    id="the file",
    model="`info.config.model.model_name`",
    scenario="`instance_id`, else the file's name",
    failures="an exit status that is neither a submission nor a limit; no word of the agent",
)
