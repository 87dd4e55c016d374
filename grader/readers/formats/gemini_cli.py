"""Gemini CLI: session files, old (one object) and new (lines with rewinds), and what it prints as a stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePath
from typing import Any

from grader.readers.blocks import as_text
from grader.readers.build import build_transcript
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.formats.talks import whole_or_unread
from grader.readers.records import Record
from grader.readers.shapes.common import (
    Names,
    called,
    first_text,
    json_text,
    mapping,
    objects,
    returned,
    spoken,
    thought,
)
from grader.readers.shapes.gemini import parts_of, response_text
from grader.transcript import Message, Transcript

_TALK = frozenset({"user", "gemini", "info", "warning", "error"})
_FACTS = ("startTime", "lastUpdated", "projectHash", "kind", "summary")
# Written for the terminal, not said to anyone.
NAMED = frozenset(
    {
        "displayContent",
        "resultDisplay",
        "displayName",
        "description",
        "projectHash",
        "summary",
        "inlineData",
        "mimeType",
    }
)


@dataclass(slots=True, kw_only=True)
class _Session:
    """A session as its lines have built it up so far; `branches` are states that were rewound."""

    file: str
    meta: dict[str, Any] = field(default_factory=dict)
    messages: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    branches: list[list[Mapping[str, Any]]] = field(default_factory=list)


def parse_gemini_cli(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per session, and one per branch that was rewound; a sub-agent shares the ``episode``."""
    session: _Session | None = None
    for record in records:
        value = record.value
        if not isinstance(value, Mapping):
            continue
        starts = isinstance(value.get("sessionId"), str)
        if session is None or record.file != session.file or (starts and isinstance(value.get("messages"), list)):
            if session is not None:
                yield from _sound(session)
            session = _Session(file=record.file)
        _take(value, session)
    if session is not None:
        yield from _sound(session)


def _sound(session: _Session) -> Iterator[Transcript]:
    id_ = first_text(session.meta, "sessionId") or session.file
    return whole_or_unread(id_, session.file, partial(_transcripts, session))


def is_gemini_session(value: Any) -> bool:
    """Whether a record is a session of the CLI, or the head of its lines."""
    return isinstance(value, Mapping) and isinstance(value.get("sessionId"), str) and "projectHash" in value


def _take(value: Mapping[str, Any], session: _Session) -> None:
    """One line: metadata, a message (one with a known id replaces it), an update or a rewind."""
    if "$rewindTo" in value:
        _rewind(session, value["$rewindTo"])
    elif isinstance(value.get("$set"), Mapping):
        session.meta |= {key: item for key, item in value["$set"].items() if key != "messages"}
        if isinstance(value["$set"].get("messages"), list):
            _replace(session, objects(value["$set"]["messages"]))
    elif as_text(value.get("type")) in _TALK:
        session.messages[as_text(value.get("id")) or str(len(session.messages))] = value
    elif isinstance(value.get("sessionId"), str):
        session.meta |= {key: item for key, item in value.items() if key != "messages"}
        for message in objects(value.get("messages")):
            session.messages[as_text(message.get("id")) or str(len(session.messages))] = message


def _rewind(session: _Session, target: Any) -> None:
    ids = list(session.messages)
    at = ids.index(target) if target in ids else 0
    if ids[at:]:
        session.branches.append(list(session.messages.values()))
    session.messages = {id_: session.messages[id_] for id_ in ids[:at]}


def _replace(session: _Session, messages: list[Mapping[str, Any]]) -> None:
    """A checkpoint takes the place of the list; where that loses messages, the list before is kept as a branch."""
    replaced = {as_text(message.get("id")) or str(at): message for at, message in enumerate(messages)}
    if session.messages.keys() - replaced.keys():
        session.branches.append(list(session.messages.values()))
    session.messages = replaced


def _transcripts(session: _Session) -> Iterator[Transcript]:
    if not session.meta and not session.messages:
        return  # not a line of a session
    id_ = first_text(session.meta, "sessionId") or session.file
    facts = {key: session.meta[key] for key in _FACTS if session.meta.get(key) is not None}
    parent = PurePath(session.file).parent.name
    facts["episode"] = parent if session.meta.get("kind") == "subagent" and parent not in ("", "chats") else id_
    ends = [*session.branches, list(session.messages.values())]
    ends = [end for end in ends if end] or [[]]
    for number, messages in enumerate(ends, 1):
        last = number == len(ends)
        own = dict(facts) if len(ends) == 1 else {**facts, "branch": number, "rolled_back": not last}
        names: Names = {}
        parts = [part for message in messages for part in _parts(message, names)]
        models = [model for message in messages if (model := first_text(message, "model"))]
        own |= {"model": models[0]} if models else {}
        own |= ending(parts, error=_error(messages))
        shown = [message for message in messages if message.get("type") in ("user", "gemini")]
        branch_id = id_ if last else f"{id_}/branch-{number}"
        yield build_transcript(branch_id, parts, own, source=session.file, raw=shown, named=NAMED)


def _error(messages: list[Mapping[str, Any]]) -> str | None:
    """The last error after which the agent said nothing."""
    for message in reversed(messages):
        if message.get("type") == "gemini":
            return None
        if message.get("type") == "error":
            return as_text(message.get("content")) or "error"
    return None


def _parts(message: Mapping[str, Any], names: Names) -> Iterator[Message]:
    """Thoughts, content, calls, then what they returned; notices of the CLI are not part of the talk."""
    if message.get("type") == "user":
        yield from parts_of("user", message.get("content"), names)
    elif message.get("type") == "gemini":
        for item in objects(message.get("thoughts")):
            yield thought(": ".join(text for key in ("subject", "description") if (text := as_text(item.get(key)))))
        yield from parts_of("assistant", message.get("content"), names)
        calls = objects(message.get("toolCalls"))
        for call in calls:
            yield called(call.get("name"), call.get("args"), call.get("id"), names)
        for call in calls:
            result = _result(call)
            if result is not None:
                yield returned(result, name=call.get("name"))


def _result(call: Mapping[str, Any]) -> str | None:
    result, status = call.get("result"), call.get("status")
    items = result if isinstance(result, list) else [result] if result is not None else []
    texts = []
    for item in items:
        answer = item.get("functionResponse", item.get("function_response")) if isinstance(item, Mapping) else None
        if isinstance(answer, Mapping):
            texts.append(response_text(answer))
        else:
            texts += [part.text for part in parts_of("user", item, {})]
    text = "\n".join(texts)
    if status in ("error", "cancelled") and not text:
        return f"[{status}]"
    return text if items else None


def parse_gemini_stream(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield the transcript of each run in the output of ``gemini --output-format stream-json``."""
    run: list[Mapping[str, Any]] = []
    file = ""
    for record in records:
        file = record.file
        value = mapping(record.value)
        if value.get("type") == "init" and run:
            yield _run(run, file)
            run = []
        run.append(value)
    if any(event.get("type") in ("init", "message", "tool_use", "result") for event in run):
        yield _run(run, file)


def is_gemini_stream(value: Any) -> bool:
    """Whether a record is the head of a stream."""
    match value:
        case {"type": "init", "session_id": str(), "model": _}:
            return True
        case {"type": "tool_use", "tool_name": _, "tool_id": _}:
            return True
    return False


def _run(events: list[Mapping[str, Any]], file: str) -> Transcript:
    names: Names = {}
    parts: list[Message] = []
    error: Any = None
    for event in _joined(events):
        kind = event.get("type")
        if kind == "message":
            parts += spoken("assistant" if event.get("role") == "assistant" else "user", event.get("content"))
        elif kind == "tool_use":
            parts.append(called(event.get("tool_name"), event.get("parameters"), event.get("tool_id"), names))
        elif kind == "tool_result":
            failure = event.get("error")
            text = json_text(event.get("output")) or json_text(mapping(failure).get("message", failure))
            parts.append(returned(text or f"[{event.get('status')}]", call_id=event.get("tool_id"), names=names))
        elif kind == "error" and event.get("severity", "error") == "error":
            error = event.get("message") or "error"
        elif kind == "result" and event.get("status") == "error":
            error = mapping(event.get("error")).get("message", event.get("error")) or error or "error"
        if kind in ("message", "tool_use") and event.get("role", "assistant") == "assistant":
            error = None
    head = next((event for event in events if event.get("type") == "init"), {})
    facts = {"model": first_text(head, "model"), "timestamp": first_text(head, "timestamp")}
    known = {key: value for key, value in facts.items() if value} | ending(parts, error=error)
    raw = [event for event in events if event.get("type") in ("message", "tool_use", "tool_result")]
    joined = list(_joined(raw))
    return build_transcript(first_text(head, "session_id") or file, parts, known, source=file, raw=joined, named=NAMED)


def _joined(events: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The events, with pieces of one message in one event."""
    whole: dict[str, Any] | None = None
    for event in events:
        piece = event.get("type") == "message" and event.get("delta") is True
        if whole is not None and piece and event.get("role") == whole.get("role"):
            whole["content"] = as_text(whole.get("content")) + as_text(event.get("content"))
            continue
        if whole is not None:
            yield whole
        whole = dict(event) if piece else None
        if whole is None:
            yield event
    if whole is not None:
        yield whole


FORMATS = (
    Format(
        name="gemini-cli",
        parse=parse_gemini_cli,
        fits=is_gemini_session,
        unit="file",
        recognised_by="`sessionId` with `projectHash`",
        id="`sessionId`; of a branch that was rewound `.../branch-N`",
        model="`model` of the first reply that names one",
        failures="an `error` message after the agent's last one",
    ),
    Format(
        name="gemini-stream",
        parse=parse_gemini_stream,
        fits=is_gemini_stream,
        unit="file",
        recognised_by="`init` with `session_id` and `model`",
        id="`session_id`",
        model="`model` of `init`",
        failures="a result with an error and no word of the agent after it",
    ),
)
