"""Weave calls: ops of a trace, those of the providers' SDKs among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.readers.blocks import as_text
from grader.readers.format_row import Format
from grader.readers.payload_facts import literal, model_of
from grader.readers.payloads import answered, asked, beside_talk
from grader.readers.records import Record
from grader.readers.spans import Span, SpanKind, ToolUse, is_judge, moment, records_of
from grader.readers.traces import span_transcripts
from grader.transcript import Transcript

# The ends of the ops' names that call a model.
_MODEL_OPS = (
    "completions.create",
    "completions.parse",
    "responses.create",
    "responses.parse",
    "messages.create",
    "messages.stream",
    "generate_content",
    "generate_content_async",
    "generate_content_stream",
    "chat.complete",
    "chat.stream",
    "litellm.completion",
    "litellm.acompletion",
    "cohere.client.chat",
    "invoke_model",
    "converse",
    "send_message",
)


def parse_weave(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per trace; scorers and evaluations are left out; holds one file in memory."""
    return span_transcripts(records_of(records, _spans))


def is_weave(value: Any) -> bool:
    """Whether a record is a call of Weave."""
    match value:
        case {"op_name": str(), "trace_id": str()}:
            return True
    return False


def op_name(value: Any) -> str:
    """The plain name in an op's reference.

    Examples
    --------
    >>> op_name("weave:///e/p/op/openai.chat.completions.create:abc")
    'openai.chat.completions.create'
    """
    return as_text(value).rsplit("/op/", 1)[-1].split(":", 1)[0]


def _kind(name: str) -> SpanKind:
    lowered = name.lower()
    if (
        is_judge(name)
        or lowered.split(".")[0] in ("evaluation", "scorer")
        or lowered.endswith((".score", ".summarize"))
    ):
        # `Evaluation.predict_and_score` calls the agent, too: what is below it is told apart by its own names.
        return "other" if lowered.endswith(("predict_and_score", "evaluation.evaluate")) else "judge"
    return "llm" if lowered.endswith(_MODEL_OPS) else "other"


def _spans(call: Any) -> Iterator[Span]:
    if not isinstance(call, Mapping):
        return
    name = op_name(call.get("op_name"))
    kind = _kind(name)
    inputs, output = literal(call.get("inputs")), literal(call.get("output"))
    attributes = literal(call.get("attributes"))
    attributes = attributes if isinstance(attributes, Mapping) else {}
    yield Span(
        trace=as_text(call.get("trace_id")),
        id=as_text(call.get("id")),
        parent=as_text(call.get("parent_id")),
        name="" if kind != "judge" else name,
        kind=kind,
        start=moment(call.get("started_at")),
        asked=asked(inputs),
        answers=answered(output),
        tool=ToolUse(name=name, arguments=inputs, result=output) if kind == "other" else None,
        error=as_text(call.get("exception")) or None,
        model=(model_of(inputs) or model_of(output)) if kind == "llm" else None,
        facts={
            "episode": as_text(call.get("thread_id") or attributes.get("thread_id") or attributes.get("session_id"))
        },
        rest=beside_talk(call, "inputs", "output") if kind == "llm" else call,
    )


FORMAT = Format(
    name="weave",
    parse=parse_weave,
    fits=is_weave,
    unit="file",
    recognised_by="`op_name` and `trace_id`",
    id="the trace's id; `<trace>/<n>` for further threads",
    model="the model of the call",
    failures="the last call, or the root, ended in an error; a filter took the answer; no word of the agent",
)
