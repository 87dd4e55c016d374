"""Langfuse: traces with their observations, lists of traces, rows of observations."""

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

_TYPES = frozenset(
    "GENERATION SPAN EVENT AGENT TOOL CHAIN RETRIEVER EVALUATOR EMBEDDING GUARDRAIL".split(),
)
_KINDS: Mapping[str, SpanKind] = {"GENERATION": "llm", "TOOL": "tool", "EVALUATOR": "judge"}


def parse_langfuse(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per trace, with its name as the scenario and ``sessionId`` as the episode; one file in memory."""
    return span_transcripts(records_of(records, _spans))


def is_langfuse(value: Any) -> bool:
    """Whether a record is a trace or an observation of Langfuse, or an answer of its API with some of them."""
    match value:
        case {"data": [Mapping() as first, *_], "meta": Mapping()}:
            return _is_observation(first) or _is_trace(first)
    return _is_observation(value) or (_is_trace(value) and "observations" in value)


def _is_observation(value: Any) -> bool:
    match value:
        case {"traceId": str(), "type": str(kind)}:
            return kind.upper() in _TYPES
    return False


def _is_trace(value: Any) -> bool:
    if not isinstance(value, Mapping) or not isinstance(value.get("id"), str):
        return False
    return "input" in value and "output" in value and ("observations" in value or "name" in value)


def _spans(value: Any) -> Iterator[Span]:
    match value:
        case {"data": [*items], "meta": _}:
            for item in items:
                yield from _spans(item)
        case Mapping() if _is_observation(value):
            yield _observation(value, as_text(value["traceId"]))
        case Mapping():
            yield from _trace(value)


def _trace(trace: Mapping[str, Any]) -> Iterator[Span]:
    id_ = as_text(trace.get("id"))
    observations = literal(trace.get("observations"))
    facts = {"scenario": trace.get("name"), "episode": trace.get("sessionId"), "user": trace.get("userId")}
    yield Span(
        trace=id_,
        id=f"trace {id_}",
        name=as_text(trace.get("name")),
        asked=asked(trace.get("input")),
        answers=answered(trace.get("output")),
        facts={key: as_text(value) for key, value in facts.items() if value},
        rest={key: value for key, value in trace.items() if key != "observations"},
    )
    for item in observations if isinstance(observations, list) else []:
        if isinstance(item, Mapping):
            yield _observation(item, id_)


def _observation(item: Mapping[str, Any], trace: str) -> Span:
    name = as_text(item.get("name"))
    kind = _KINDS.get(as_text(item.get("type")).upper(), "other")
    level, message = as_text(item.get("level")), as_text(item.get("statusMessage"))
    names = (item.get(key) for key in ("model", "providedModelName", "internalModel"))
    facts = {"episode": as_text(item.get("sessionId")), "scenario": as_text(item.get("traceName"))}
    return Span(
        trace=trace,
        id=as_text(item.get("id")),
        parent=as_text(item.get("parentObservationId")) or f"trace {trace}",
        name=name,
        kind=kind,
        start=moment(item.get("startTime")),
        asked=asked(item.get("input")),
        answers=answered(item.get("output")),
        tool=ToolUse(name=name, arguments=item.get("input"), result=item.get("output")) if kind != "llm" else None,
        error=(message or level) if level == "ERROR" else None,
        model=next((n for n in names if isinstance(n, str) and n), None) or model_of(item.get("output")),
        facts=facts,
        rest=beside_talk(item, "input", "output") if kind == "llm" else item,
    )


FORMAT = Format(
    name="langfuse",
    parse=parse_langfuse,
    fits=is_langfuse,
    unit="file",
    recognised_by="`traceId` and `type` (observations), or `observations`, `input` and `output` (traces)",
    id="the trace's id; `<trace>/<n>` for further threads",
    model="the generation's `model`",
    scenario="the trace's name",
    failures="the last call, or the root, ended in an error; a filter took the answer; no word of the agent",
)
