"""tau2-bench results: one file with all simulations, or a folder with a file for each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text
from grader.readers.build import build_transcript, read_each
from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.records import Record
from grader.readers.shapes.common import mapping, objects
from grader.transcript import Message, Transcript

_FAILED = frozenset({"infrastructure_error", "agent_error", "user_error", "unexpected_error"})
_LIMITS = frozenset({"max_steps", "timeout", "too_many_errors", "context_window_exceeded"})
NAMED = frozenset(
    "raw_data requestor audio_path audio_content audio_format audio_script_gold speech_effects source_effects"
    " channel_effects turn_taking_action".split()
)
_MAX_RESULT = 2**28
# By tick of a voice conversation: who spoke or called, and who got a result.
_TICKS = (
    ("user_chunk", "user"),
    ("user_tool_calls", "user"),
    ("user_tool_results", "tool"),
    ("agent_chunk", "assistant"),
    ("agent_tool_calls", "assistant"),
    ("agent_tool_results", "tool"),
)


def parse_tau2(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per simulation: the task is the scenario, the trial the epoch, the agent's model the model.

    The simulated user's own calls have role user. Rewards, reviews and the tasks' criteria are metadata.
    """
    return read_each(records, _read)


def is_tau2(value: Any) -> bool:
    """Whether a record is a file of results of tau2-bench, or one simulation."""
    match value:
        case {"simulations": [*_], "info": _, "tasks": _} | {"simulation_index": _, "info": _}:
            return True
        case {"task_id": _, "termination_reason": _}:
            return "messages" in value or "ticks" in value
    return False


def _read(record: Record) -> Iterator[Transcript]:
    value = record.value
    if not is_tau2(value):
        raise InputError("no results of tau2-bench: it needs 'simulations', 'info' and 'tasks'")
    if "termination_reason" in value and "simulations" not in value:
        info = _info_beside(record.file)
        yield _transcript(value, info, default_id=record.default_id, source=record.file)
        return
    simulations = value.get("simulations") or []  # with an index, each simulation has a file of its own
    if not isinstance(simulations, list):
        raise InputError("'simulations' is not a list")
    for number, simulation in enumerate(simulations, 1):
        if not isinstance(simulation, Mapping):
            raise InputError(f"simulations[{number - 1}] is not an object")
        default_id = f"{record.default_id}:{number}"
        task = next((t for t in objects(value.get("tasks")) if t.get("id") == simulation.get("task_id")), None)
        info = {**mapping(value.get("info")), "task": task}
        yield _transcript(simulation, info, default_id=default_id, source=record.file)


def _info_beside(file: str) -> Mapping[str, Any]:
    """The ``info`` in the ``results.json`` above the folder of simulations."""
    path = Path(file).parent.parent / "results.json"
    try:
        if not path.is_file() or path.stat().st_size > _MAX_RESULT:
            return {}
        return mapping(mapping(json.loads(path.read_bytes())).get("info"))
    except (OSError, ValueError, RecursionError):
        return {}


def _transcript(simulation: Mapping[str, Any], info: Mapping[str, Any], *, default_id: str, source: str) -> Transcript:
    messages = simulation.get("messages")
    if messages is not None and not isinstance(messages, list):
        raise InputError("'messages' is not a list")
    parts = _parts(messages) if messages else list(_spoken(objects(simulation.get("ticks"))))
    reason = as_text(simulation.get("termination_reason"))
    metadata = {key: item for key, item in simulation.items() if key not in ("messages", "ticks")}
    metadata |= {"scenario": as_text(simulation.get("task_id")), "epoch": simulation.get("trial")}
    metadata["model"] = mapping(info.get("agent_info")).get("llm")
    metadata["info"] = dict(info)
    metadata |= ending(parts, error=reason if reason in _FAILED else None)
    if reason in _LIMITS:
        metadata["limit"] = reason
    known = {key: item for key, item in metadata.items() if item not in (None, "", {})}
    id_ = as_text(simulation.get("id")) or default_id
    return build_transcript(id_, parts, known, source=source, raw=_heard(simulation), named=NAMED)


def _heard(simulation: Mapping[str, Any]) -> dict[str, Any]:
    """A simulation without the pieces of speech and sound in its ticks, which are put together to texts."""
    ticks = [
        {key: item for key, item in tick.items() if not key.endswith("_chunk")}
        for tick in objects(simulation.get("ticks"))
    ]
    return {**simulation, "ticks": ticks}


def _parts(messages: list[Any]) -> list[Message]:
    flat = [inner for message in messages for inner in _flat(message)]
    parts: list[Message] = []
    names: dict[str, str] = {}
    for number, message in enumerate(flat, 1):
        if not isinstance(message, Mapping):
            raise InputError(f"messages[{number - 1}] is not an object but {type(message).__name__}")
        parts += _message(message, names)
    return parts


def _flat(message: Any) -> list[Any]:
    inner = mapping(message).get("tool_messages")
    return inner if isinstance(inner, list) else [message]


def _message(message: Mapping[str, Any], names: dict[str, str]) -> list[Message]:
    role = message.get("role")
    if role == "tool":
        name = names.get(as_text(message.get("id")))
        return [Message(role="tool", kind="tool_result", text=as_text(message.get("content")), name=name)]
    for call in objects(message.get("tool_calls")):
        if isinstance(call.get("id"), str) and isinstance(call.get("name"), str):
            names[call["id"]] = call["name"]
    plain: dict[str, Any] = {"role": role, "content": None if message.get("is_audio") else message.get("content")}
    plain["tool_calls"] = message.get("tool_calls")
    plain["reasoning_content"] = message.get("reasoning_content") or _reasoning(message.get("raw_data"))
    parts = conversation([plain])
    return [replace(part, role="user") for part in parts] if role == "user" else parts


def _reasoning(raw: Any, depth: int = 0) -> Any:
    """Reasoning that only the provider's own message holds."""
    fields = mapping(raw)
    for key in ("reasoning_content", "reasoning", "thinking"):
        if isinstance(fields.get(key), str) and fields[key]:
            return fields[key]
    choices = objects(fields.get("choices"))
    inner = fields.get("message") or (choices[0].get("message") if choices else None)
    return _reasoning(inner, depth + 1) if inner and depth < 3 else None


def _spoken(ticks: list[Mapping[str, Any]]) -> Iterator[Message]:
    """A voice conversation: what one speaker says over many ticks is one text."""
    names: dict[str, str] = {}
    speaker, text = "", ""
    for tick in ticks:
        for key, role in _TICKS:
            if not (item := tick.get(key)):
                continue
            if key.endswith("_chunk"):
                words = _chunk(item)
                if words and role != speaker:
                    yield from _text(speaker, text)
                    speaker, text = role, ""
                text += words
                continue
            yield from _text(speaker, text)
            speaker, text = "", ""
            for entry in objects(item):
                inner = {"role": role, "tool_calls": [entry]} if role != "tool" else {"role": "tool", **entry}
                yield from _message(inner, names)
    yield from _text(speaker, text)


def _chunk(item: Any) -> str:
    fields = mapping(item)
    return "" if fields.get("is_audio") else as_text(fields.get("content"))


def _text(speaker: str, text: str) -> Iterator[Message]:
    if text.strip():
        yield Message(role="assistant" if speaker == "assistant" else "user", kind="text", text=text)


FORMAT = Format(
    name="tau2",
    parse=parse_tau2,
    fits=is_tau2,
    recognised_by="`simulations`, `info` and `tasks`; a file of `simulations/`: `task_id` and `termination_reason`",
    id="the simulation's id",
    model="`info.agent_info.llm`",
    scenario="`task_id` (the trial is the epoch)",
    failures="`termination_reason` *_error; no word of the agent",
)
