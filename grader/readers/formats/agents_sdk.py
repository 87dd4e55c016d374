"""Traces of OpenAI's Agents SDK: a trace and its spans, the inner ones first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text
from grader.readers.build import build_transcript, unread_transcript
from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.payload_facts import literal, model_of
from grader.readers.payloads import answered, asked
from grader.readers.records import Record
from grader.readers.shapes.common import mapping
from grader.readers.spans import Span, SpanKind, ToolUse, moment, records_of
from grader.readers.traces import span_transcripts
from grader.transcript import Transcript

_KINDS: Mapping[str, SpanKind] = {"generation": "llm", "response": "llm", "function": "tool", "guardrail": "judge"}


def parse_agents_sdk(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per trace, with the workflow's name as its scenario; holds one file in memory.

    Spans of the Responses API hold an id but no words: of those calls only the uses of tools are known.
    """
    first = next(records, None)
    if first is None:
        return
    if _is_row(first.value):
        yield from _sessions(chain([first], records))
        return
    yield from span_transcripts(records_of(chain([first], records), _spans))


def _is_row(value: Any) -> bool:
    """Whether a record is a row of the SDK's SQLite session: an item of the Responses API as JSON text."""
    return isinstance(value, Mapping) and "message_data" in value and "session_id" in value


def _sessions(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per session of the SDK's SQLite memory."""
    sessions: dict[str, list[Record]] = {}
    for record in records:
        session = as_text(record.value.get("session_id")) if _is_row(record.value) else ""
        sessions.setdefault(session, []).append(record)
    for session, rows in sessions.items():
        try:
            items = [literal(mapping(row.value).get("message_data")) for row in rows]
            parts = conversation(items)
            id_ = session or rows[0].default_id
            yield build_transcript(id_, parts, ending(parts), source=rows[0].file, raw={"items": items})
        except InputError as error:
            yield unread_transcript(rows[0], f"session {session!r}: {error.reason}")


def is_agents_sdk(value: Any) -> bool:
    """Whether a record is a trace or a span of the Agents SDK."""
    match value:
        case {"object": "trace", "id": str()} | {"object": "trace.span", "trace_id": str()}:
            return True
        case {"data": [Mapping() as first, *_]}:
            return is_agents_sdk(first)
    return _is_row(value)


def _spans(item: Any) -> Iterator[Span]:
    match item:
        case {"data": [*items]}:
            for inner in items:
                yield from _spans(inner)
        case {"object": "trace"}:
            yield _trace(item)
        case {"object": "trace.span"}:
            yield _span(item)


def _trace(trace: Mapping[str, Any]) -> Span:
    facts = {"scenario": as_text(trace.get("workflow_name")), "episode": as_text(trace.get("group_id"))}
    id_ = as_text(trace.get("id"))
    return Span(trace=id_, id=id_, facts=facts, rest=dict(trace))


def _span(span: Mapping[str, Any]) -> Span:
    data = literal(span.get("span_data"))
    data = data if isinstance(data, Mapping) else {}
    kind = _KINDS.get(as_text(data.get("type")), "other")
    name, error = as_text(data.get("name")), span.get("error")
    if isinstance(error, Mapping):
        error = " ".join(as_text(error[key]) for key in ("message", "data") if error.get(key))
    response = literal(data.get("response"))
    output = data.get("output") if data.get("output") is not None else response
    tool = ToolUse(name=name, arguments=data.get("input"), result=data.get("output")) if kind == "tool" else None
    talks = kind == "llm"
    return Span(
        trace=as_text(span.get("trace_id")),
        id=as_text(span.get("id")),
        parent=as_text(span.get("parent_id")),
        name=name,
        kind=kind,
        start=moment(span.get("started_at")),
        asked=asked(data.get("input")) if talks else [],
        answers=answered(output) if talks else [],
        tool=tool,
        error=as_text(error) or None,
        model=(model_of(data) or model_of(response)) if talks else None,
        rest={**span, "span_data": {k: v for k, v in data.items() if k not in ("input", "output")}}
        if talks
        else dict(span),
    )


FORMAT = Format(
    name="agents-sdk",
    parse=parse_agents_sdk,
    fits=is_agents_sdk,
    unit="file",
    recognised_by="`object` is `trace` or `trace.span`",
    id="the trace's id; `<trace>/<n>` for further threads",
    model="the generation's `model`",
    scenario="`workflow_name`",
    failures="the last call, or the root, ended in an error; a filter took the answer; no word of the agent",
)
