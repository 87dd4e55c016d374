"""Which format a file is in: by its first bytes and its name, then by the keys of its first record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from grader.readers.formats.agentic_misalignment import is_response
from grader.readers.formats.agentleak import is_trace
from grader.readers.formats.among_us import is_step
from grader.readers.formats.chat import is_message
from grader.readers.formats.claude_code import is_session_line
from grader.readers.formats.docent import is_agent_run
from grader.readers.formats.inspect_log import is_log
from grader.readers.formats.message_batches import is_result
from grader.readers.formats.petri import is_audit
from grader.readers.formats.react import is_privacylens, is_rjudge
from grader.readers.formats.replies import reply_field
from grader.readers.formats.swe_agent import is_trajectory
from grader.readers.formats.tau_bench import is_run
from grader.transcript import KINDS

_MAGIC = ((b"PK", "inspect"), (b"PAR1", "parquet"))
_SUFFIXES = {".csv": "csv", ".tsv": "csv", ".txt": "text", ".md": "text", ".log": "text"}


def detect_file(path: Path, head: bytes) -> str | None:
    """Name of the format that a file's first bytes or its suffix tell; None for JSON and for what is unknown.

    Examples
    --------
    >>> detect_file(Path("a.csv"), b"id,text"), detect_file(Path("a.txt"), b'{"id": 1}')
    ('csv', None)
    """
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    suffix = path.suffix.lower()
    looks_like_json = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")
    return None if looks_like_json and suffix not in (".csv", ".tsv") else _SUFFIXES.get(suffix)


def detect_record(value: Any) -> str | None:
    """Name of the format of a file whose first record is `value`; None when it cannot be told.

    Examples
    --------
    >>> detect_record({"messages": [{"role": "user", "content": "Hi"}]})
    'openai'
    >>> detect_record({"price": 3}) is None
    True
    """
    return next((name for name, fits in _TESTS if fits(value)), None)


def _is_native(value: Any) -> bool:
    match value:
        case {"id": str(), "messages": [{"role": str(), "kind": str(kind), "text": str()}, *_]}:
            return kind in KINDS
        case {"id": str(), "messages": [], "metadata": Mapping()}:
            return len(value) == 3
    return False


def _is_anthropic(value: Any) -> bool:
    """A chat with parts or keys that only Anthropic's messages have."""
    if is_message(value):
        return _has_anthropic_parts(value)
    match value:
        case {"messages": [*_], "system": _}:
            return True
        case {"messages": [*messages]} | [*messages]:
            return any(isinstance(m, Mapping) and _has_anthropic_parts(m) for m in messages)
    return False


def _has_anthropic_parts(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    kinds = [part.get("type") for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
    return any(kind in kinds for kind in ("thinking", "redacted_thinking", "tool_use", "tool_result"))


def _is_responses(value: Any) -> bool:
    """Items of OpenAI's Responses API, alone or as the output of a response."""
    match value:
        case {"output": [{"type": str()}, *_]} | {"type": "reasoning" | "function_call" | "function_call_output"}:
            return True
        case {"input": [{"role": _}, *_]} | {"items": [{"type": str()}, *_]} | {"input": [{"type": str()}, *_]}:
            return True
    return False


def _is_chat(value: Any) -> bool:
    if is_message(value):
        return True
    match value:
        case {"messages": [*_]} | {"conversation": [*_]} | {"conversations": [*_]} | [{"role": _}, *_]:
            return True
    return False


def _is_reply(value: Any) -> bool:
    return reply_field(value) is not None


# The order matters: what names itself most clearly comes first.
_TESTS: tuple[tuple[str, Callable[[Any], bool]], ...] = (
    ("harmrate", _is_native),
    ("inspect", is_log),
    ("agentic-misalignment", is_response),
    ("petri", is_audit),
    ("docent", is_agent_run),
    ("batches", is_result),
    ("claude-code", is_session_line),
    ("tau-bench", is_run),
    ("privacylens", is_privacylens),
    ("swe-agent", is_trajectory),
    ("r-judge", is_rjudge),
    ("agentleak", is_trace),
    ("among-us", is_step),
    ("openai-responses", _is_responses),
    ("anthropic", _is_anthropic),
    ("openai", _is_chat),
    ("replies", _is_reply),
)
