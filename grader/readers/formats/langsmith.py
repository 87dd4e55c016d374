"""LangSmith runs: rows of a project, or trees of ``child_runs``; a trace is a transcript."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.readers.blocks import as_text
from grader.readers.format_row import Format
from grader.readers.payload_facts import literal, model_of
from grader.readers.payloads import answered, asked, beside_talk
from grader.readers.records import Record
from grader.readers.spans import Span, SpanKind, ToolUse, moment, records_of
from grader.readers.traces import span_transcripts
from grader.transcript import Transcript

_THREADS = ("thread_id", "session_id", "conversation_id")  # metadata keys that group traces of one talk


def parse_langsmith(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per trace, with the root run's name as its scenario; holds one file in memory."""
    return span_transcripts(records_of(records, _spans))


def is_langsmith(value: Any) -> bool:
    """Whether a record is a run of LangSmith."""
    match value:
        case {"run_type": str(), "trace_id": str()}:
            return "dotted_order" in value or "inputs" in value
        case {"run_type": str(), "child_runs": [*_], "inputs": _}:
            return True
    return False


def _spans(run: Any, trace: str = "", parent: str = "") -> Iterator[Span]:
    if not isinstance(run, Mapping):
        return
    id_ = as_text(run.get("id") or run.get("run_id"))
    trace = as_text(run.get("trace_id")) or trace or id_
    yield _span(run, trace=trace, id_=id_, parent=as_text(run.get("parent_run_id")) or parent)
    children = literal(run.get("child_runs"))
    for child in children if isinstance(children, list) else []:
        yield from _spans(child, trace, id_)


def _span(run: Mapping[str, Any], *, trace: str, id_: str, parent: str) -> Span:
    inputs, outputs = literal(run.get("inputs")), literal(run.get("outputs"))
    kind, name = _kind(run), as_text(run.get("name"))
    extra = literal(run.get("extra"))
    metadata = extra.get("metadata") if isinstance(extra, Mapping) else None
    metadata = metadata if isinstance(metadata, Mapping) else {}
    facts = {"episode": next((as_text(metadata[key]) for key in _THREADS if metadata.get(key)), None)}
    if not parent:
        facts |= {"scenario": name, "project": as_text(run.get("session_name") or run.get("session_id"))}
    frame = {key: value for key, value in run.items() if key != "child_runs"}
    return Span(
        trace=trace,
        id=id_,
        parent=parent,
        name=name,
        kind=kind,
        start=moment(None if run.get("dotted_order") else run.get("start_time"), as_text(run.get("dotted_order"))),
        asked=asked(inputs) if kind != "tool" else [],
        answers=answered(outputs) if kind != "tool" else [],
        tool=_tool(name, inputs, outputs) if kind == "tool" else None,
        error=as_text(run.get("error")) or None,
        model=_model(metadata, extra, outputs),
        facts=facts,
        rest=beside_talk(frame, "inputs", "outputs") if kind == "llm" else frame,
    )


def _kind(run: Mapping[str, Any]) -> SpanKind:
    kind = run.get("run_type")
    if kind == "llm":
        return "llm"
    return "tool" if kind == "tool" else "other"


def _tool(name: str, inputs: Any, outputs: Any) -> ToolUse:
    arguments = inputs
    if isinstance(inputs, Mapping) and inputs.keys() == {"input"}:
        arguments = literal(inputs["input"])
    output = literal(outputs.get("output")) if isinstance(outputs, Mapping) else None
    call_id = output.get("tool_call_id") if isinstance(output, Mapping) else None
    if call_id is None and isinstance(arguments, Mapping) and arguments.get("type") == "tool_call":
        call_id, arguments = arguments.get("id"), arguments.get("args")
    if call_id is None and isinstance(output, Mapping) and isinstance(kwargs := output.get("kwargs"), Mapping):
        call_id = kwargs.get("tool_call_id")
    return ToolUse(
        name=name, arguments=arguments, result=outputs, call_id=call_id if isinstance(call_id, str) else None
    )


def _model(metadata: Mapping[str, Any], extra: Any, outputs: Any) -> str | None:
    if isinstance(name := metadata.get("ls_model_name"), str) and name:
        return name
    parameters = extra.get("invocation_params") if isinstance(extra, Mapping) else None
    return model_of(parameters) or model_of(outputs)


FORMAT = Format(
    name="langsmith",
    parse=parse_langsmith,
    fits=is_langsmith,
    unit="file",
    recognised_by="`run_type` and `trace_id`",
    id="the trace's id; `<trace>/<n>` for further threads",
    model="`ls_model_name`, else the reply's model",
    scenario="the root run's name",
    failures="the last call, or the root, ended in an error; a filter took the answer; no word of the agent",
)
