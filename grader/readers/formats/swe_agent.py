"""SWE-agent trajectories (``.traj``): what the agent said, the command it ran, what came back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text, assistant_text, role_of
from grader.readers.build import build_transcript, read_each
from grader.readers.conversation import message_parts
from grader.readers.format_row import Format
from grader.readers.records import Record
from grader.transcript import Message, Transcript, tool_call

# What repeats a step in other words, and what the tool says of itself.
_NAMED = frozenset(
    {"response", "state", "execution_time", "query", "extra_info", "agent", "message_type", "is_demo", "tags"}
)


def parse_swe_agent(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per trajectory; the instance (the file's name) is the scenario.

    The ``history`` is read where there is one, for it holds the prompts, else the ``trajectory``. A thought
    is text, for the agent says it aloud; an action is a tool call; what follows is its result.
    """
    return read_each(records, _read)


def is_trajectory(value: Any) -> bool:
    """Whether a record is a trajectory of SWE-agent."""
    match value:
        case {"history": [{"role": _}, *_]} | {"trajectory": [{"action": _}, *_]}:
            return True
    return False


def _read(record: Record) -> Iterator[Transcript]:
    if not is_trajectory(record.value):
        raise InputError("no SWE-agent trajectory: neither 'history' nor 'trajectory' is a list of steps")
    value = record.value
    history, trajectory = value.get("history"), value.get("trajectory")
    parts = list(_history(history) if isinstance(history, list) and history else _steps(trajectory))
    if not parts:
        raise InputError("holds no message")
    metadata = {key: item for key, item in value.items() if key not in ("history", "trajectory")}
    metadata["scenario"] = as_text(value.get("instance_id")) or Path(record.file).stem
    shown = {"history" if isinstance(history, list) and history else "trajectory"}
    raw = {key: item for key, item in value.items() if key in shown or key not in ("history", "trajectory")}
    yield build_transcript(record.file, parts, metadata, source=record.file, raw=raw, named=_NAMED)


def _history(history: list[Any]) -> Iterator[Message]:
    acted = False
    names: dict[str, str] = {}
    for number, message in enumerate(history, 1):
        if not isinstance(message, Mapping):
            raise InputError(f"message {number} is no object")
        role = role_of(message.get("role"))
        if message.get("is_demo"):  # a worked example inside the prompt: nobody's deed
            yield Message(role="user", kind="text", text=as_text(message.get("content")))
        elif role == "assistant" and "action" in message and not message.get("tool_calls"):
            acted = True
            yield from _step(message)
        elif role == "user" and acted:
            yield Message(role="tool", kind="tool_result", text=as_text(message.get("content")))
        else:
            yield from message_parts({**message, **_call_id(message)}, names)


def _call_id(message: Mapping[str, Any]) -> dict[str, Any]:
    ids = message.get("tool_call_ids")
    return {"tool_call_id": ids[0]} if isinstance(ids, list) and ids else {}


def _steps(steps: Any) -> Iterator[Message]:
    if not isinstance(steps, list):
        raise InputError("neither 'history' nor 'trajectory' is a list of steps")
    for number, step in enumerate(steps, 1):
        if not isinstance(step, Mapping):
            raise InputError(f"step {number} is no object")
        yield from _step(step)
        yield Message(role="tool", kind="tool_result", text=as_text(step.get("observation")))


def _step(step: Mapping[str, Any]) -> Iterator[Message]:
    yield from assistant_text(as_text(step.get("thought")))
    if action := as_text(step.get("action")).strip():
        yield tool_call("command", {"command": action}, text=action)


FORMAT = Format(
    name="swe-agent",
    parse=parse_swe_agent,
    fits=is_trajectory,
    recognised_by="`history` of messages or `trajectory` of steps with `action`",
    id="the file",
    scenario="`instance_id`, else the file's name",
    failures="no word of the agent",
)
