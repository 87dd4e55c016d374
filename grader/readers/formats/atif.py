"""ATIF trajectories (Harbor, terminal-bench): steps of the system, the user and the agent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text, assistant_text, make_call
from grader.readers.build import build_transcript, read_each
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.payload_facts import literal
from grader.readers.records import Record
from grader.readers.shapes.common import mapping, media, objects
from grader.transcript import Message, Role, Transcript

_ROLES: Mapping[str, Role] = {"system": "system", "user": "user", "agent": "assistant"}
_PART = re.compile(r"trajectory\.(.+)\.json")
_TALK = ("message", "reasoning_content", "tool_calls", "observation")
NAMED = frozenset({"source", "metrics", "extra", "subagent_trajectory_ref", "source_call_id"})
_MAX_RESULT = 2**24


def parse_atif(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per trajectory, and one per trajectory of a sub-agent inside it, of one episode.

    Inside a step stand the reasoning, the text, the calls, then their results. A trial's ``result.json`` names the
    task and the exception that ended the run.
    """
    return read_each(records, _read)


def is_atif(value: Any) -> bool:
    """Whether a record is a trajectory in ATIF."""
    match value:
        case {"schema_version": str(version), "steps": _}:
            return version.startswith("ATIF-")
    return False


def _read(record: Record) -> Iterator[Transcript]:
    if not is_atif(record.value):
        raise InputError("no ATIF trajectory: it needs 'schema_version' and 'steps'")
    value = record.value
    id_ = as_text(value.get("trajectory_id")) or _session_part(value, record)
    episode = as_text(value.get("session_id")) or id_
    trial = _trial(record.file)
    yield _transcript(value, id_, episode, trial=trial, source=record.file)
    for number, inner in enumerate(objects(value.get("subagent_trajectories")), 1):
        own = as_text(inner.get("trajectory_id") or inner.get("session_id"))
        name = f"{id_}/{number}" if own in ("", id_, episode) else own
        yield _transcript(inner, name, episode, trial=trial, source=record.file)


def _session_part(value: Mapping[str, Any], record: Record) -> str:
    """The session's id; of its further files with what their names add, for the session repeats."""
    session = as_text(value.get("session_id"))
    part = _PART.fullmatch(Path(record.file).name)
    return "/".join(filter(None, (session, part[1] if part else None))) if session else record.default_id


def _trial(file: str) -> Mapping[str, Any]:
    """The trial's ``result.json``, which stands beside the folder ``agent``."""
    path = Path(file)
    try:
        found = path.parent.parent / "result.json"
        if path.parent.name != "agent" or not found.is_file() or found.stat().st_size > _MAX_RESULT:
            return {}
        return mapping(json.loads(found.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return {}


def _transcript(
    value: Mapping[str, Any], id_: str, episode: str, *, trial: Mapping[str, Any], source: str
) -> Transcript:
    steps = value.get("steps")
    if not isinstance(steps, list):
        raise InputError("'steps' is not a list")
    parts = list(_parts(steps))
    agent = mapping(value.get("agent"))
    models = [agent.get("model_name"), *(mapping(step).get("model_name") for step in steps)]
    metadata = {k: v for k, v in value.items() if k not in ("steps", "subagent_trajectories", "trajectory_id")}
    metadata |= {"model": next((m for m in models if isinstance(m, str) and m), None), "episode": episode}
    metadata["scenario"] = as_text(trial.get("task_name")) or None
    exception = trial.get("exception_info")
    metadata["trial"] = dict(trial) or None
    metadata["step_facts"] = [{k: item for k, item in step.items() if k not in _TALK} for step in objects(steps)]
    silent = not any(part.role == "assistant" for part in parts)
    reason = _reason(exception)
    metadata |= ending(parts, error=reason if silent else None)
    if reason and not silent and "timeout" in reason.lower():
        metadata["limit"] = reason
    unprompted = [step.get("step_id") for step in objects(steps) if step.get("llm_call_count") == 0]
    metadata["steps_without_model"] = unprompted or None
    known = {key: item for key, item in metadata.items() if item is not None}
    raw = {key: item for key, item in value.items() if key not in ("subagent_trajectories", "steps")}
    raw["steps"] = [{key: item for key, item in step.items() if key in _TALK} for step in objects(steps)]
    return build_transcript(id_, parts, known, source=source, raw=raw, named=NAMED)


def _reason(exception: Any) -> str | None:
    fields = mapping(exception)
    texts = [as_text(fields.get(key)) for key in ("exception_type", "exception_message")]
    return ": ".join(text for text in texts if text) or None


def _parts(steps: list[Any]) -> Iterator[Message]:
    names: dict[str, str] = {}
    for number, step in enumerate(steps, 1):
        if not isinstance(step, Mapping):
            raise InputError(f"steps[{number - 1}] is not an object but {type(step).__name__}")
        role = _ROLES.get(as_text(step.get("source")))
        if role is None:
            raise InputError(f"steps[{number - 1}].source: unknown speaker {as_text(step.get('source'))[:40]!r}")
        yield from _step(step, role, names)


def _step(step: Mapping[str, Any], role: Role, names: dict[str, str]) -> Iterator[Message]:
    if reasoning := as_text(step.get("reasoning_content")).strip():
        yield Message(role=role, kind="reasoning", text=reasoning)
    text = _text(step.get("message"))
    if role == "assistant":
        yield from assistant_text(text)
    elif text.strip():
        yield Message(role=role, kind="text", text=text)
    calls = objects(step.get("tool_calls"))
    for call in calls:
        made = make_call(call.get("function_name"), literal(call.get("arguments")))
        if isinstance(id_ := call.get("tool_call_id"), str) and made.name:
            names[id_] = made.name
        yield made
    only = as_text(calls[0].get("function_name")) if len(calls) == 1 else None
    for result in objects(mapping(step.get("observation")).get("results")):
        content = _text(result.get("content")) or " ".join(_references(result))
        name = names.get(as_text(result.get("source_call_id"))) or only
        yield Message(role="tool", kind="tool_result", text=content, name=name)


def _references(result: Mapping[str, Any]) -> Iterator[str]:
    """The sub-agents that a result without words refers to."""
    for reference in objects(result.get("subagent_trajectory_ref")):
        keys = ("trajectory_id", "session_id", "trajectory_path")
        yield f"[sub-agent {next((as_text(reference[key]) for key in keys if reference.get(key)), '')}]"


def _text(content: Any) -> str:
    """Text, or text parts with placeholders for pictures and sound."""
    if not isinstance(content, list):
        return as_text(content)
    return "\n".join(_part(part) for part in content)


def _part(part: Any) -> str:
    fields = mapping(part)
    if fields.get("type") in ("image", "audio", "file", "video"):
        path = mapping(fields.get("source")).get("path")
        return media(as_text(fields["type"]), PurePath(path).name if isinstance(path, str) else None)
    return as_text(fields["text"]) if "text" in fields else as_text(part)


FORMAT = Format(
    name="atif",
    parse=parse_atif,
    fits=is_atif,
    recognised_by="`schema_version` ATIF-* and `steps`",
    id="`trajectory_id`, else `session_id`",
    model="`agent.model_name`, else that of a step",
    scenario="`task_name` in the trial's `result.json`",
    failures="`exception_info` in the trial's `result.json` and no step of the agent",
)
