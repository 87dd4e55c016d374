"""Braintrust rows: spans of experiments and logs."""

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

_KINDS: Mapping[str, SpanKind] = {"llm": "llm", "tool": "tool", "score": "judge", "classifier": "judge"}


def parse_braintrust(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per root span, whose id it has; ``expected`` and scores are metadata; one file in memory."""
    return span_transcripts(records_of(records, _spans))


def is_braintrust(value: Any) -> bool:
    """Whether a record is a span of Braintrust."""
    match value:
        case {"root_span_id": str(), "span_attributes": _}:
            return True
    return False


def _spans(row: Any) -> Iterator[Span]:
    if not isinstance(row, Mapping):
        return
    attributes = literal(row.get("span_attributes"))
    attributes = attributes if isinstance(attributes, Mapping) else {}
    name = as_text(attributes.get("name"))
    kind = _KINDS.get(as_text(attributes.get("type")), "other")
    if attributes.get("purpose") == "scorer":
        kind = "judge"
    metadata, metrics = literal(row.get("metadata")), literal(row.get("metrics"))
    metadata = metadata if isinstance(metadata, Mapping) else {}
    parents = literal(row.get("span_parents"))
    begun = metrics.get("start") if isinstance(metrics, Mapping) else None
    yield Span(
        trace=as_text(row.get("root_span_id")),
        id=as_text(row.get("span_id") or row.get("id")),
        parent=as_text(parents[0]) if isinstance(parents, list) and parents else "",
        name=name,
        kind=kind,
        start=moment(begun if begun is not None else row.get("created")),
        asked=asked(row.get("input")),
        answers=answered(row.get("output")),
        tool=ToolUse(name=name, arguments=row.get("input"), result=row.get("output")) if kind != "llm" else None,
        error=as_text(row.get("error")) or None,
        model=model_of(metadata) if kind != "judge" else None,
        facts={key: as_text(metadata.get(key)) for key in ("scenario", "episode", "session_id") if metadata.get(key)},
        rest=beside_talk(row, "input", "output") if kind == "llm" else row,
    )


FORMAT = Format(
    name="braintrust",
    parse=parse_braintrust,
    fits=is_braintrust,
    unit="file",
    recognised_by="`root_span_id` and `span_attributes`",
    id="`root_span_id`",
    model="`metadata.model`, else the reply's model",
    scenario="`metadata.scenario`",
    failures="the last call, or the root, ended in an error; a filter took the answer; no word of the agent",
)
