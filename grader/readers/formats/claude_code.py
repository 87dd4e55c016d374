"""Claude Code sessions: JSONL as written to disk, or the JSON of an export with ``loglines``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text
from grader.readers.build import build_transcript
from grader.readers.conversation import conversation
from grader.readers.format_row import Format
from grader.readers.records import Record
from grader.transcript import Transcript

_LINES = frozenset({"user", "assistant", "summary", "system", "progress", "file-history-snapshot", "queue-operation"})


def parse_claude_code(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per session, and one per sub-agent, which shares its ``episode``.

    Holds one file in memory: the lines of sub-agents stand between those of the session.
    """
    threads: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    file = ""
    for record in records:
        file = record.file
        for line in _lines(record):
            if line.get("type") in ("user", "assistant") and isinstance(line.get("message"), Mapping):
                agent = as_text(line.get("agentId")) or "side" if line.get("isSidechain") else ""
                threads.setdefault((as_text(line.get("sessionId")) or file, agent), []).append(line)
    if file and not threads:
        raise InputError("a session without messages", file=file)
    for (session, agent), lines in threads.items():
        yield _transcript(session, agent, lines, file=file)


def is_session_line(value: Any) -> bool:
    """Whether a record is a line of a session, or an export of a whole one."""
    match value:
        case {"loglines": [*_]}:
            return True
        case {"type": str(kind), **rest} if kind in _LINES:
            return not rest.keys().isdisjoint({"message", "sessionId", "leafUuid", "messageId"})
    return False


def _lines(record: Record) -> Iterator[Mapping[str, Any]]:
    match record.value:
        case {"loglines": [*lines]}:
            pass
        case line:
            lines = [line]
    for line in lines:
        if not isinstance(line, Mapping):
            raise record.error(f"a line is no object but {type(line).__name__}")
        yield line


def _transcript(session: str, agent: str, lines: list[Mapping[str, Any]], *, file: str) -> Transcript:
    try:
        parts = conversation(line["message"] for line in lines)
    except InputError as error:
        raise InputError(error.reason, file=file, record=f"session {session!r}") from None
    models = (line["message"].get("model") for line in lines)
    metadata = {key: lines[0][key] for key in ("cwd", "gitBranch", "version", "timestamp") if key in lines[0]}
    metadata["model"] = next((m for m in models if isinstance(m, str) and m != "<synthetic>"), None)
    metadata["episode"] = session
    failed = next((line for line in lines if line.get("isApiErrorMessage")), None)
    if failed is not None:
        metadata["provider_error"] = as_text(failed["message"].get("content"))
    id_ = f"{session}/{agent}" if agent else session
    return build_transcript(id_, parts, {k: v for k, v in metadata.items() if v is not None}, source=file)


FORMAT = Format(
    name="claude-code",
    parse=parse_claude_code,
    fits=is_session_line,
    unit="file",
    recognised_by="lines with `type` and `sessionId`, or `loglines`",
    id="`sessionId`; of a sub-agent `sessionId/agentId`",
    model="the first `message.model`",
    failures="`isApiErrorMessage`",
)
