"""OpenTelemetry spans of GenAI calls: OTLP JSON, the console exporter's spans, log records, Traceloop's keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from grader.errors import InputError
from grader.readers.attributes import at, first_text, is_cut, nested, plain_attributes, plain_value
from grader.readers.blocks import as_text
from grader.readers.format_row import Format
from grader.readers.formats.openinference import has_openinference, openinference_span
from grader.readers.genai import Talk, genai_talk
from grader.readers.records import Record
from grader.readers.shapes.common import mapping, objects
from grader.readers.spans import Span, SpanKind, ToolUse, moment
from grader.readers.traces import span_transcripts
from grader.transcript import Transcript

_KEYS = ("gen_ai.", "llm.", "traceloop.", "pydantic_ai.", "openinference.")
_CONTAINERS = (("resourceSpans", "scopeSpans", "spans"), ("resourceLogs", "scopeLogs", "logRecords"))
_AGENTS = ("invoke_agent", "create_agent", "invoke_workflow")
_ERRORS = ("2", "STATUS_CODE_ERROR", "ERROR", "StatusCode.ERROR")


def parse_otel(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per trace; a conversation over several traces is an episode; holds one file in memory."""
    return span_transcripts(_read(records))


def is_otel(value: Any) -> bool:
    """Whether a record holds spans or log records of OpenTelemetry about calls of models."""
    if not isinstance(value, Mapping):
        return False
    if any(isinstance(value.get(outer), list) for outer, _, _ in _CONTAINERS):
        return True
    context = value.get("context")
    traced = "traceId" in value or "trace_id" in value or (isinstance(context, Mapping) and "trace_id" in context)
    if not traced:
        return False
    attributes = plain_attributes(value.get("attributes"))
    if any(key.startswith(_KEYS) for key in attributes):
        return True
    events = objects(value.get("events"))
    return (
        any(as_text(event.get("name")).startswith("gen_ai.") for event in events) or _log_name(value, attributes) != ""
    )


@dataclass(slots=True, kw_only=True)
class _Trace:
    """The spans of one trace as they were recorded, and the log records that belong to each."""

    spans: list[tuple[Record, Mapping[str, Any]]] = field(default_factory=list)
    logs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def _read(records: Iterator[Record]) -> Iterator[tuple[Record, Span]]:
    traces: dict[str, _Trace] = {}
    for record in records:
        for item in _items(record.value):
            trace = traces.setdefault(_id(item, "trace"), _Trace())
            attributes = plain_attributes(item.get("attributes"))
            name = _log_name(item, attributes)
            if name:
                event = {"name": name, "attributes": attributes, "body": plain_value(item.get("body"))}
                trace.logs.setdefault(_id(item, "span"), []).append(event)
            else:
                trace.spans.append((record, item))
        last = record
    for id_, trace in traces.items():
        met = set[str]()
        for record, item in trace.spans:
            met.add(own := _id(item, "span"))
            yield record, _span(item, id_, trace.logs.get(own, []))
        for own, events in trace.logs.items():
            if own not in met:  # only the log records were exported
                yield last, _span({"spanId": own, "name": "log records"}, id_, events)


def _items(value: Any) -> Iterator[Mapping[str, Any]]:
    """The spans and log records of an OTLP object; any other object is one itself."""
    if not isinstance(value, Mapping):
        raise InputError(f"not a span but {type(value).__name__}")
    packed = False
    for outer, middle, inner in _CONTAINERS:
        for resource in objects(value.get(outer)):
            packed = True
            for scope in objects(resource.get(middle, resource.get("instrumentationLibrarySpans"))):
                around = {"resource": resource.get("resource"), "scope": scope.get("scope")}
                yield from ({**item, **around} for item in objects(scope.get(inner)))
    if not packed and not any(outer in value for outer, _, _ in _CONTAINERS):
        yield value


def _id(item: Mapping[str, Any], kind: str) -> str:
    context = mapping(item.get("context"))
    id_ = first_text([item.get(f"{kind}Id"), item.get(f"{kind}_id"), context.get(f"{kind}_id")]) or ""
    return id_.lower().removeprefix("0x")


def _log_name(item: Mapping[str, Any], attributes: Mapping[str, Any]) -> str:
    """The event's name where an item is a log record about a call of a model; else empty."""
    if "startTimeUnixNano" in item or "start_time" in item:
        return ""
    names = (item.get("eventName"), item.get("event_name"), attributes.get("event.name"))
    return next((name for name in names if isinstance(name, str) and name.startswith("gen_ai.")), "")


def _span(item: Mapping[str, Any], trace: str, logs: list[dict[str, Any]]) -> Span:
    attributes = plain_attributes(item.get("attributes"))
    id_, parent = _id(item, "span"), _id({"spanId": item.get("parentSpanId", item.get("parent_id"))}, "span")
    start = item.get("startTimeUnixNano", item.get("start_time"))
    events = [
        {"name": as_text(e.get("name")), "attributes": plain_attributes(e.get("attributes")), "body": None}
        for e in objects(item.get("events"))
    ]
    error = _error(item, attributes, events)
    name = as_text(item.get("name"))
    if has_openinference(attributes):
        facts = {"trace": trace, "id_": id_, "parent": parent, "name": name, "start": start, "kind": None}
        return openinference_span(attributes, **facts, error=error, record=item)
    tree = nested(attributes)
    talk = genai_talk(attributes, tree, [*events, *logs])
    kind = _kind(attributes, talk)
    hidden = ("attributes",) if isinstance(item.get("attributes"), (list, Mapping)) else ()
    return Span(
        trace=trace,
        id=id_,
        parent=parent,
        name=name,
        kind=kind,
        start=moment(start),
        asked=talk.asked,
        answers=talk.answers,
        tool=_tool(attributes, name) if kind != "llm" else None,
        error=error,
        cut=talk.cut or is_cut(item, attributes),
        model=_model(attributes) if kind in ("llm", "other") else None,
        facts={
            "episode": as_text(attributes.get("gen_ai.conversation.id") or attributes.get("session.id")),
            "agent": as_text(attributes.get("gen_ai.agent.name")),
        },
        talk=talk.source,
        rest={k: v for k, v in item.items() if k not in hidden} | {"attributes": talk.rest(attributes), "log": logs},
    )


def _kind(attributes: Mapping[str, Any], talk: Talk) -> SpanKind:
    operation = as_text(attributes.get("gen_ai.operation.name"))
    if operation == "execute_tool" or attributes.get("traceloop.span.kind") == "tool":
        return "tool"
    if operation in _AGENTS or attributes.get("traceloop.span.kind") in ("workflow", "task", "agent"):
        return "other"
    if any(key.startswith("gen_ai.evaluation.") for key in attributes):
        return "judge"
    called = operation in ("chat", "generate_content", "text_completion") or "llm.request.type" in attributes
    return "llm" if called or talk.asked or talk.answers else "other"


def _tool(attributes: Mapping[str, Any], name: str) -> ToolUse | None:
    words = [
        attributes.get("gen_ai.tool.name"),
        attributes.get("traceloop.entity.name"),
        name.removeprefix("execute_tool "),
    ]
    arguments = attributes.get("gen_ai.tool.call.arguments", attributes.get("traceloop.entity.input"))
    result = attributes.get("gen_ai.tool.call.result", attributes.get("traceloop.entity.output"))
    if arguments is None and result is None:
        return None
    return ToolUse(
        name=first_text(words) or "",
        arguments=arguments,
        result=result,
        call_id=first_text([attributes.get("gen_ai.tool.call.id")]),
    )


def _model(attributes: Mapping[str, Any]) -> str | None:
    return first_text(attributes.get(key) for key in ("gen_ai.response.model", "gen_ai.request.model"))


def _error(item: Mapping[str, Any], attributes: Mapping[str, Any], events: list[dict[str, Any]]) -> str | None:
    status = item.get("status")
    code = status.get("code", status.get("status_code")) if isinstance(status, Mapping) else status
    failed = str(code) in _ERRORS or bool(attributes.get("error.type"))
    if not failed:
        return None
    messages = [at(status, "message"), at(status, "description")]
    messages += [e["attributes"].get("exception.message") for e in events if e["name"] == "exception"]
    return first_text([*messages, as_text(attributes.get("error.type"))]) or "the span ended with an error"


FORMAT = Format(
    name="otel-genai",
    parse=parse_otel,
    fits=is_otel,
    unit="file",
    recognised_by="`resourceSpans` or `resourceLogs`, or a trace id and attributes `gen_ai.*`, `llm.*`, `traceloop.*`",
    id="the trace's id; `<trace>/<n>` for further threads",
    model="`gen_ai.response.model`, else `gen_ai.request.model`",
    failures="the last call, or the root, ended in an error; a filter took the answer; no word of the agent",
)
