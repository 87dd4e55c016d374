"""Claude Code: sessions as written to disk, their exports, and what ``claude -p`` prints as a stream."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePath
from typing import Any

from grader.readers.blocks import as_text
from grader.readers.build import build_transcript
from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.formats.claude_branches import Line, branches, is_talk
from grader.readers.formats.claude_stream import is_stream_line, is_withdrawn, result_facts, result_messages, withdrawn
from grader.readers.formats.talks import whole_or_unread
from grader.readers.records import Record
from grader.readers.shapes.common import mapping, objects
from grader.transcript import Transcript

_AGENT_FILE = re.compile(r"agent-(.+?)\.jsonl(?:\.\w+)?")
_FACTS = ("cwd", "gitBranch", "version", "timestamp", "entrypoint", "agentType")
NAMED = frozenset({"caller", "stop_details", "container", "context_management", "diagnostics"})


@dataclass(slots=True, kw_only=True)
class _Thread:
    """The lines of a session, or of one of its sub-agents."""

    session: str
    agent: str
    file: str
    lines: list[Line] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    result: Mapping[str, Any] = field(default_factory=dict)


def parse_claude_code(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per branch of a session, and of each of its sub-agents.

    A session that was rewound has several branches; a resumed or forked one has its lines in several files. The
    branches, the copies and the sub-agents share the ``episode``. A line that is in two files is read once. Keeps the
    files that belong together in memory.
    """
    threads: dict[tuple[str, str], _Thread] = {}
    for record in records:
        for line in _lines(record.value):
            _sort_in(line, record.file, threads)
    episodes = _episodes(threads.values())
    for thread in threads.values():
        id_ = f"{thread.session}/{thread.agent}" if thread.agent else thread.session
        yield from whole_or_unread(id_, thread.file, partial(_transcripts, id_, thread, episodes[thread.session]))


def is_session_line(value: Any) -> bool:
    """Whether a record is a line of a session or of a stream, or an export of a whole session."""
    match value:
        case {"loglines": [*_]}:
            return True
        case {"type": str(), "sessionId": str()}:
            return "projectHash" not in value
        case {"type": "user" | "assistant", "message": {}, "uuid": _, "isSidechain": _}:
            return True
        case {"type": "summary", "leafUuid": _}:
            return True
    return isinstance(value, Mapping) and is_stream_line(value)


def _lines(value: Any) -> Iterator[Line]:
    if isinstance(value, Mapping) and isinstance(value.get("loglines"), list):
        value = value["loglines"]
    yield from objects(value if isinstance(value, list) else [value])


def _sort_in(line: Line, file: str, threads: dict[tuple[str, str], _Thread]) -> None:
    """Add a line to the thread that it belongs to; a copy of one that is there already is left out."""
    session, agent = _session(line, file), _agent(line, file)
    if line.get("type") == "result" and "subtype" in line:
        key = (session, "")
        threads.setdefault(key, _Thread(session=session, agent="", file=file)).result = line
        return
    if not isinstance(line.get("uuid"), str) and not is_talk(line):
        if line.get("type") == "system" and line.get("subtype") == "init":
            threads.setdefault((session, agent), _Thread(session=session, agent=agent, file=file)).lines.append(line)
        return
    thread = threads.setdefault((session, agent), _Thread(session=session, agent=agent, file=file))
    key_text = _key(line)
    if key_text not in thread.seen:
        thread.seen.add(key_text)
        thread.lines.append(_prompt_line(line))


def _key(line: Line) -> str:
    """What makes two lines copies of each other: a resumed session rewrites only the session's id."""
    return f"{line.get('uuid')} {json.dumps([line.get('type'), line.get('message')], sort_keys=True)}"


def _prompt_line(line: Line) -> Line:
    """A prompt that the user typed while the agent worked is kept as an attachment: it is the user's line."""
    attachment = mapping(line.get("attachment"))
    if attachment.get("type") != "queued_command" or not attachment.get("prompt"):
        return line
    return {**line, "type": "user", "message": {"role": "user", "content": attachment["prompt"]}}


def _session(line: Line, file: str) -> str:
    for key in ("sessionId", "session_id"):
        if isinstance(line.get(key), str) and line[key]:
            return str(line[key])
    folder = PurePath(file).parent
    return folder.parent.name if folder.name == "subagents" and folder.parent.name else file


def _agent(line: Line, file: str) -> str:
    """The sub-agent's id: of the line, else of the file's name; empty for the session itself."""
    parent = line.get("parent_tool_use_id")
    if not line.get("isSidechain") and not parent:
        return ""
    for key in ("agentId", "agent_id"):
        if isinstance(line.get(key), str) and line[key]:
            return str(line[key])
    named = _AGENT_FILE.fullmatch(PurePath(file).name)
    return named[1] if named else as_text(parent) or "side"


def _episodes(threads: Any) -> dict[str, str]:
    """Session -> the first session that has one of its lines; sessions with common lines are copies of one run."""
    episodes: dict[str, str] = {}
    first: dict[str, str] = {}  # line -> session
    for thread in threads:
        episodes.setdefault(thread.session, thread.session)
        for line in thread.lines:
            if is_talk(line) and isinstance(line.get("uuid"), str):
                other = first.setdefault(_key(line), thread.session)
                old, new = episodes[thread.session], episodes[other]
                if old != new:
                    episodes = {session: new if episode == old else episode for session, episode in episodes.items()}
    return episodes


def _transcripts(id_: str, thread: _Thread, episode: str) -> Iterator[Transcript]:
    kept = [list(branch) for branch in branches(thread.lines)]
    if kept and (gone := withdrawn(thread.lines)):
        kept = [*_with_withdrawn(kept[-1], gone, kept[:-1])]
    if not kept and thread.result:
        kept = [[]]
    for number, lines in enumerate(kept, 1):
        last = number == len(kept)
        facts: dict[str, Any] = {"episode": episode, "agent": thread.agent or None}
        if len(kept) > 1:
            facts |= {"branch": number, "rolled_back": not last}
        yield _transcript(
            id_ if last else f"{id_}/branch-{number}", thread, lines, facts, result=thread.result if last else {}
        )


def _with_withdrawn(lines: list[Line], gone: set[str], others: list[list[Line]]) -> Iterator[list[Line]]:
    """The branches, with a reply that was withdrawn on a branch of its own."""
    yield from others
    places = [at for at, line in enumerate(lines) if is_withdrawn(line, gone)]
    if places:
        yield lines[: places[-1] + 1]
    yield [line for line in lines if not is_withdrawn(line, gone)]


def _transcript(
    id_: str, thread: _Thread, lines: list[Line], facts: dict[str, Any], *, result: Mapping[str, Any]
) -> Transcript:
    said, errors = _errors(lines)
    extra = result_messages(result, said)
    parts = conversation([*(line["message"] for line in said), *extra])
    facts |= {key: line[key] for line in reversed(thread.lines) for key in _FACTS if line.get(key)}
    facts["model"] = _model(thread.lines)
    if errors:
        facts["api_errors"] = errors
    failing = _is_error(said[-1]) if said else False
    facts |= ending(parts, error=errors[-1] if failing and errors else None) | _limit(said)
    facts |= result_facts(result, parts)
    known = {key: value for key, value in facts.items() if value is not None}
    raw = [line["message"] for line in said]
    return build_transcript(id_, parts, known, source=thread.file, raw=raw, named=NAMED)


def _is_error(line: Line) -> bool:
    """Whether a line is the error of a call, written as if the agent had said it."""
    error = line.get("error")
    return line["type"] == "assistant" and (
        line.get("isApiErrorMessage") is True or (bool(error) and not _is_cut(line))
    )


def _is_cut(line: Line) -> bool:
    return line.get("error") == "max_output_tokens"


def _limit(lines: list[Line]) -> dict[str, str]:
    return {"limit": "max_output_tokens"} if lines and _is_cut(lines[-1]) else {}


def _errors(lines: list[Line]) -> tuple[list[Line], list[str]]:
    """The lines, without errors that the run survived, and the texts of all errors."""
    agent = [at for at, line in enumerate(lines) if line["type"] == "assistant" and not _is_error(line)]
    survived = agent[-1] if agent else -1
    errors = [
        as_text(line["message"].get("content")) or as_text(line.get("error")) for line in lines if _is_error(line)
    ]
    return [line for at, line in enumerate(lines) if at > survived or not _is_error(line)], errors


def _model(lines: list[Line]) -> str | None:
    """The first model that a reply or the stream's head names; ``<synthetic>`` is the harness itself."""
    names = (mapping(line.get("message")).get("model") or line.get("model") for line in lines)
    return next((name for name in names if isinstance(name, str) and name and name != "<synthetic>"), None)


FORMAT = Format(
    name="claude-code",
    parse=parse_claude_code,
    fits=is_session_line,
    unit="file",
    recognised_by="lines with `type` and `sessionId`, `loglines`, or the stream of `claude -p` (`session_id`)",
    id="`sessionId`; of a sub-agent `sessionId/agentId`; of a branch that was rewound `.../branch-N`",
    model="the first `message.model` that is not `<synthetic>`",
    failures="`isApiErrorMessage` after the agent's last line; a result with `is_error`; no word of the agent",
)
