"""Logfire records: rows of spans, as JSONL or as its query API gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.readers.attributes import first_text, nested, plain_attributes, whole_items
from grader.readers.blocks import as_text
from grader.readers.format_row import Format
from grader.readers.genai import Talk, genai_talk
from grader.readers.payload_facts import literal
from grader.readers.payloads import Answer, answered, asked
from grader.readers.records import Record
from grader.readers.shapes.common import objects
from grader.readers.spans import Span, SpanKind, ToolUse, moment, records_of
from grader.readers.traces import span_transcripts
from grader.transcript import Transcript

_WHOLE = ("pydantic_ai.all_messages", "all_messages_events")


def parse_logfire(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per trace; an agent's span holds its whole talk; holds one file in memory."""
    return span_transcripts(records_of(records, _spans))


def is_logfire(value: Any) -> bool:
    """Whether a record is a row of Logfire's, or an answer of its query API."""
    match value:
        case {"trace_id": _, "span_name": _, "start_timestamp": _}:
            return True
        case {"columns": [*_], "rows": [*_]} | {"columns": [{"name": _, "values": _}, *_]}:
            return any(is_logfire(row) for row in _rows(value))
    return False


def _rows(value: Any) -> list[Any]:
    """The rows of an answer of the query API, whichever way round it has them."""
    match value:
        case {"columns": [*columns], "rows": [*rows]}:
            names = [
                as_text(column.get("name")) if isinstance(column, Mapping) else as_text(column) for column in columns
            ]
            return [dict(zip(names, row, strict=False)) if isinstance(row, list) else row for row in rows]
        case {"columns": [*columns]}:
            named = {as_text(c.get("name")): c["values"] for c in objects(columns) if isinstance(c.get("values"), list)}
            length = max((len(values) for values in named.values()), default=0)
            return [{k: v[i] for k, v in named.items() if i < len(v)} for i in range(length)]
    return [value]


def _spans(value: Any) -> Iterator[Span]:
    for row in objects(_rows(value)):
        yield _span(row)


def _span(row: Mapping[str, Any]) -> Span:
    attributes = plain_attributes(row.get("attributes"))
    events = [
        {
            "name": as_text(e.get("name", e.get("event_name"))),
            "attributes": plain_attributes(e.get("attributes")),
            "body": None,
        }
        for e in objects(literal(row.get("otel_events")))
    ]
    talk = _talk(attributes, events)
    kind = _kind(attributes, talk)
    names = (attributes.get(key) for key in ("gen_ai.response.model", "gen_ai.request.model", "model_name"))
    agent = first_text([attributes.get("gen_ai.agent.name"), attributes.get("agent_name")])
    return Span(
        trace=as_text(row.get("trace_id")),
        id=as_text(row.get("span_id")),
        parent=as_text(row.get("parent_span_id")),
        name=as_text(row.get("span_name")),
        kind=kind,
        start=moment(row.get("start_timestamp")),
        asked=talk.asked,
        answers=talk.answers,
        tool=_tool(attributes) if kind != "llm" else None,
        error=_error(row),
        cut=talk.cut,
        model=first_text(names) if kind != "judge" else None,
        facts={"agent": agent or "", "episode": as_text(attributes.get("gen_ai.conversation.id"))},
        talk=talk.source,
        rest={**row, "attributes": talk.rest(attributes)},
    )


def _error(row: Mapping[str, Any]) -> str | None:
    if not row.get("is_exception") and row.get("otel_status_code") != "ERROR":
        return None
    texts = [as_text(row.get(key)) for key in ("exception_type", "exception_message", "otel_status_message")]
    return " ".join(text for text in texts if text) or "the span ended with an exception"


def _talk(attributes: Mapping[str, Any], events: list[dict[str, Any]]) -> Talk:
    for key in _WHOLE:
        if key in attributes:
            items, cut = whole_items(attributes[key])
            if key == "all_messages_events":
                items = [_as_message(item) for item in items if isinstance(item, Mapping)]
            return _split([item for item in items if isinstance(item, Mapping)], key, cut=cut)
    talk = genai_talk(attributes, nested(attributes), [*_as_events(attributes), *events])
    if talk.asked or talk.answers:
        return talk
    request, response = literal(attributes.get("request_data")), literal(attributes.get("response_data"))
    keys = frozenset({"request_data", "response_data"})
    return Talk(asked=asked(request), answers=answered(response), source=[request, response], keys=keys)


def _as_events(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Pydantic AI's older attribute ``events``: the conventions' events in one JSON text."""
    items, _ = whole_items(attributes.get("events"))
    return [{"name": as_text(e.get("event.name")), "attributes": dict(e), "body": None} for e in objects(items)]


def _as_message(event: Mapping[str, Any]) -> dict[str, Any]:
    """A message from one of the older events, whose role may stand only in its name."""
    role = as_text(event.get("event.name")).removeprefix("gen_ai.").removesuffix(".message")
    message = {key: value for key, value in event.items() if not str(key).startswith(("event.", "gen_ai."))}
    if role == "choice":
        inner = literal(event.get("message"))
        return {"role": "assistant", **inner} if isinstance(inner, Mapping) else {"role": "assistant", "content": inner}
    message.setdefault("role", role)
    if role == "tool":
        message |= {"role": "tool", "tool_call_id": event.get("id")}
    return message


def _split(messages: list[Mapping[str, Any]], key: str, *, cut: bool) -> Talk:
    """A whole talk as what was asked, up to the last words of the agent, and those words."""
    at = len(messages)
    while at and messages[at - 1].get("role") == "assistant":
        at -= 1
    told = messages[at:]
    answers = [Answer(messages=list(told))] if told else []
    source = None if cut else messages
    return Talk(asked=messages[:at], answers=answers, cut=cut, source=source, keys=frozenset({key}))


def _kind(attributes: Mapping[str, Any], talk: Talk) -> SpanKind:
    operation = as_text(attributes.get("gen_ai.operation.name"))
    if operation == "execute_tool" or "tool_arguments" in attributes:
        return "tool"
    if operation == "invoke_agent" and not any(key in attributes for key in _WHOLE):
        return "other"
    return "llm" if talk.asked or talk.answers or operation == "chat" else "other"


def _tool(attributes: Mapping[str, Any]) -> ToolUse | None:
    name = first_text([attributes.get("gen_ai.tool.name"), attributes.get("tool_name")])
    if name is None:
        return None
    return ToolUse(
        name=name,
        arguments=attributes.get("gen_ai.tool.call.arguments", attributes.get("tool_arguments")),
        result=attributes.get("gen_ai.tool.call.result", attributes.get("tool_response")),
        call_id=first_text([attributes.get("gen_ai.tool.call.id")]),
    )


FORMAT = Format(
    name="logfire",
    parse=parse_logfire,
    fits=is_logfire,
    unit="file",
    recognised_by="`trace_id`, `span_name` and `start_timestamp`",
    id="the trace's id; `<trace>/<n>` for further threads",
    model="`gen_ai.response.model`, else `gen_ai.request.model`, `model_name`",
    failures="the last call, or the root, ended in an error; a filter took the answer; no word of the agent",
)
