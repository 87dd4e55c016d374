"""Codex: the rollouts that the CLI keeps of its sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from grader.readers.blocks import as_text
from grader.readers.build import build_transcript
from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.formats.talks import whole_or_unread
from grader.readers.records import Record
from grader.readers.shapes.common import first_text, mapping
from grader.transcript import Message, Transcript

_FACTS = ("cwd", "originator", "cli_version", "source", "git", "model_provider", "forked_from_id", "timestamp")
NAMED = frozenset({"phase", "metadata", "internal_chat_message_metadata_passthrough"})
# Words that the harness puts into the user's mouth; a turn of the user's does not begin with them.
_HARNESS = re.compile(r"\s*(?:<[a-z_]+>|# AGENTS\.md)")
# Events that repeat what an item says; one that no item says is shown in its place.
_REPEATS: Mapping[str, tuple[str, str]] = {
    "user_message": ("user", "message"),
    "agent_message": ("assistant", "message"),
    "agent_reasoning": ("reasoning", "text"),
    "agent_reasoning_raw_content": ("reasoning", "text"),
}


@dataclass(slots=True, kw_only=True)
class _Thread:
    """What the files of one thread say."""

    file: str
    metas: list[Mapping[str, Any]] = field(default_factory=list)
    model: str | None = None
    items: list[Mapping[str, Any]] = field(default_factory=list)
    branches: list[list[Mapping[str, Any]]] = field(default_factory=list)
    error: str | None = None
    limit: str | None = None


def parse_codex(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per thread, and one per branch that was rolled back.

    The segments of a resumed thread (files with one id) are one transcript. Forks and spawned agents share the
    ``episode`` of the thread that they came from.
    """
    threads: dict[str, _Thread] = {}
    current: dict[str, _Thread] = {}  # file -> the thread that it belongs to
    for record in records:
        line = record.value
        if not isinstance(line, Mapping):
            continue
        thread = current.get(record.file)
        if thread is None:
            meta = _payload(line) if _is_meta(line) else {}
            id_ = first_text(meta, "id", "session_id") or record.file
            thread = current[record.file] = threads.setdefault(id_, _Thread(file=record.file))
        _take(line, thread)
    for id_, thread in threads.items():
        if not thread.metas and not thread.items:
            continue  # not a line of a rollout
        yield from whole_or_unread(id_, thread.file, partial(_transcripts, id_, thread))


def is_rollout(value: Any) -> bool:
    """Whether a record is a line of a rollout."""
    if not isinstance(value, Mapping) or not isinstance(value.get("payload"), Mapping):
        return False
    return value.get("type") in ("session_meta", "response_item", "turn_context") or (
        value.get("type") == "event_msg" and "timestamp" in value
    )


def _payload(line: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(line.get("payload", line))


def _is_meta(line: Mapping[str, Any]) -> bool:
    return line.get("type") == "session_meta"


def _take(line: Mapping[str, Any], thread: _Thread) -> None:
    payload, kind = _payload(line), line.get("type")
    if kind == "session_meta":
        thread.metas.append(payload)
    elif kind == "turn_context":
        thread.model = thread.model or first_text(payload, "model")
    elif kind == "response_item":
        thread.items.append(payload)
        if payload.get("role") in (None, "assistant"):
            thread.error = thread.limit = None  # the agent went on
    elif kind == "compacted" and first_text(payload, "message"):
        thread.items.append({"role": "user", "content": payload["message"]})
    elif kind == "event_msg":
        _take_event(payload, thread)


def _take_event(event: Mapping[str, Any], thread: _Thread) -> None:
    kind = as_text(event.get("type"))
    if kind in _REPEATS:
        thread.items.append({"event": kind, "text": as_text(event.get(_REPEATS[kind][1]))})
    elif kind == "thread_rolled_back":
        turns = event.get("num_turns")
        _roll_back(thread, turns if isinstance(turns, int) else 1)
    elif kind in ("error", "stream_error"):
        thread.error = first_text(event, "message") or kind
    elif kind == "turn_aborted":
        thread.limit = f"turn_aborted: {as_text(event.get('reason'))}"
    elif kind in ("task_complete", "turn_complete") and not event.get("last_agent_message"):
        thread.error = thread.error or _unanswered(thread)


def _unanswered(thread: _Thread) -> str | None:
    """A turn that ended without a word after the user's last one has failed."""
    for item in reversed(thread.items):
        if item.get("role") in ("user", "developer"):
            return "the turn ended without an answer"
        if "event" not in item:
            return None
    return None


def _roll_back(thread: _Thread, turns: int) -> None:
    """Keep what was undone as a branch, and go on from before the last so many turns of the user's."""
    starts = [at for at, item in enumerate(thread.items) if _is_turn(item)]
    if turns < 1 or not starts:
        return
    thread.branches.append(list(thread.items))
    del thread.items[starts[max(len(starts) - turns, 0)] :]


def _is_turn(item: Mapping[str, Any]) -> bool:
    return item.get("role") == "user" and _HARNESS.match(as_text(item.get("content"))) is None


def _transcripts(id_: str, thread: _Thread) -> Iterator[Transcript]:
    metas = thread.metas or [{}]
    facts = {key: metas[0][key] for key in _FACTS if metas[0].get(key) is not None}
    facts |= {"model": thread.model} if thread.model else {}
    facts["episode"] = _root(metas) or id_
    system = next((text for meta in metas if (text := _instructions(meta))), None)
    ends = [*thread.branches, thread.items]
    for number, items in enumerate(ends, 1):
        last = number == len(ends)
        own = dict(facts) if len(ends) == 1 else {**facts, "branch": number, "rolled_back": not last}
        messages = _messages(items)
        parts = conversation(messages, system=system)
        own |= ending(parts, error=thread.error if last else None)
        if last and thread.limit:
            own["limit"] = thread.limit
            if not any(part.role == "assistant" for part in parts):
                own["provider_error"] = thread.error or thread.limit
        name = id_ if last else f"{id_}/branch-{number}"
        yield build_transcript(name, parts, own, source=thread.file, raw=[system, messages], named=NAMED)


def _instructions(meta: Mapping[str, Any]) -> str:
    base = meta.get("base_instructions")
    return as_text(mapping(base).get("text", base)) or as_text(meta.get("instructions"))


def _root(metas: list[Mapping[str, Any]]) -> str | None:
    """The thread that a fork or a spawned agent came from; a fork's file ends with the oldest thread's head."""
    for meta in reversed(metas):
        spawn = mapping(mapping(mapping(meta.get("source")).get("subagent")).get("thread_spawn"))
        root = first_text(meta, "forked_from_id", "parent_thread_id") or first_text(spawn, "parent_thread_id")
        if root or meta is not metas[0]:
            return root or first_text(meta, "id", "session_id")
    return None


def _messages(items: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The items; of the events only those whose words no item has."""
    plain = [item for item in items if "event" not in item]
    if len(plain) == len(items):
        return plain
    words = {" ".join(part.text.split()) for part in _parts(plain)}
    messages: list[Mapping[str, Any]] = []
    for item in items:
        if "event" not in item:
            messages.append(item)
        elif (text := " ".join(item["text"].split())) and not any(text in other for other in words):
            messages.append(_as_message(item))
    return messages


def _parts(items: list[Mapping[str, Any]]) -> list[Message]:
    return conversation(items)


def _as_message(event: Mapping[str, Any]) -> dict[str, Any]:
    role = _REPEATS[event["event"]][0]
    if role == "reasoning":
        return {"type": "reasoning", "summary": [{"type": "summary_text", "text": event["text"]}]}
    return {"role": role, "content": event["text"]}


FORMAT = Format(
    name="codex",
    parse=parse_codex,
    fits=is_rollout,
    unit="file",
    recognised_by="lines with `type` and `payload` (`session_meta`, `response_item` ...)",
    id="`id` of the first `session_meta`; of a branch that was rolled back `.../branch-N`",
    model="`turn_context.model`",
    failures="an error, an aborted turn or a turn without an answer, and nothing after it",
)
