"""Codex: the events that ``codex exec --json`` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from grader.readers.blocks import as_text
from grader.readers.build import build_transcript
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.records import Record
from grader.readers.shapes.common import called, first_text, json_text, mapping, returned, spoken, thought
from grader.readers.shapes.responses import output_texts
from grader.transcript import Message, Transcript

_FRAME = frozenset({"id", "type", "status", "aggregated_output", "exit_code", "result", "error", "output", "server"})
# A call is named by its tool; the server is where it runs.
NAMED = frozenset({"error", "server"})
_NAMES = {"command_execution": "shell"}


@dataclass(slots=True, kw_only=True)
class _Run:
    """The items of a thread, in the order in which they began."""

    file: str
    items: dict[Any, Mapping[str, Any]] = field(default_factory=dict)
    error: str | None = None
    starts: int = 0


def parse_codex_exec(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per thread; the prompt is not in these events."""
    runs: dict[str, _Run] = {}
    run: _Run | None = None
    for record in records:
        event = mapping(record.value)
        kind = as_text(event.get("type"))
        if kind == "thread.started" or run is None:
            id_ = first_text(event, "thread_id") or record.file
            run = runs.setdefault(id_, _Run(file=record.file))
            run.starts += 1
        if kind.startswith("item.") and isinstance(event.get("item"), Mapping):
            _take(event["item"], run)
        elif kind in ("turn.failed", "error"):
            error = event.get("error", event.get("message"))
            run.error = as_text(mapping(error).get("message", error)) or kind
    for id_, run in runs.items():
        if id_ == run.file and not run.items and not run.error:
            continue  # no event of a thread
        names: dict[str, str] = {}
        items = list(run.items.values())
        parts = [part for item in items for part in _parts(item, names)]
        facts = ending(parts, error=run.error)
        yield build_transcript(id_, parts, facts, source=run.file, raw=items, named=NAMED)


def is_exec_event(value: Any) -> bool:
    """Whether a record is an event of ``codex exec``."""
    match value:
        case {"type": "thread.started", "thread_id": str()}:
            return True
        case {"type": "item.completed" | "item.started", "item": {"type": str()}}:
            return True
    return False


def _take(item: Mapping[str, Any], run: _Run) -> None:
    """Add an item, or what became of one that had begun; the agent's next step heals an error."""
    run.items[run.starts, as_text(item.get("id")) or len(run.items)] = item
    if item.get("type") != "error":
        run.error = None


def _parts(item: Mapping[str, Any], names: dict[str, str]) -> Iterator[Message]:
    kind = as_text(item.get("type"))
    if kind == "agent_message":
        yield from spoken("assistant", item.get("text"))
    elif kind == "reasoning":
        yield thought(item.get("text"))
    elif kind != "error":
        arguments = {key: value for key, value in item.items() if key not in _FRAME}
        name = arguments.pop("tool", None) or _NAMES.get(kind, kind)
        call = called(name, arguments.get("arguments", arguments), item.get("id"), names)
        yield call
        text = _result(item)
        if text is not None:
            yield returned(text, name=call.name)


def _result(item: Mapping[str, Any]) -> str | None:
    """What the call returned; None while it runs, and for what has no result."""
    if item.get("status") == "in_progress":
        return None
    if item.get("type") == "command_execution":
        code = item.get("exit_code")
        return json_text(item.get("aggregated_output")) + (f"\n[exit code {code}]" if code else "")
    result, error = item.get("result"), item.get("error")
    if error:
        return json_text(mapping(error).get("message", error))
    if isinstance(result, Mapping) and result.get("content"):
        return output_texts(result["content"])
    if result is not None or item.get("output") is not None:
        return output_texts(result if result is not None else item["output"])
    return f"[{item['status']}]" if item.get("status") in ("failed", "declined") else None


FORMAT = Format(
    name="codex-exec",
    parse=parse_codex_exec,
    fits=is_exec_event,
    unit="file",
    recognised_by="`thread.started` with `thread_id`, or `item.completed`",
    id="`thread_id`",
    failures="`turn.failed` or `error` and nothing after it",
)
