"""OpenInference spans (Phoenix): JSONL of spans, data frames with a column per attribute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers import traces
from grader.readers.attributes import at, first_text, is_cut, nested, plain_attributes, whole_items
from grader.readers.blocks import as_text
from grader.readers.conversation import conversation
from grader.readers.format_row import Format
from grader.readers.payload_facts import literal
from grader.readers.payloads import Answer, answered, asked
from grader.readers.records import Record
from grader.readers.shapes.common import mapping
from grader.readers.spans import Span, SpanKind, ToolUse, moment, records_of
from grader.readers.threads import Key, compared
from grader.readers.traces import span_transcripts
from grader.transcript import Transcript

_KINDS: Mapping[str, SpanKind] = {"LLM": "llm", "TOOL": "tool", "EVALUATOR": "judge", "GUARDRAIL": "judge"}


NAMED = traces.NAMED | {"message.role", "message.tool_call_id", "tool_call.id", "message_content.type"}
_TALK = ("llm.input_messages", "llm.output_messages", "llm.prompts", "llm.completions")


def parse_openinference(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per trace; annotations and evaluators' spans are left out; holds one file in memory."""
    return span_transcripts(records_of(records, _spans), named=NAMED)


def is_openinference(value: Any) -> bool:
    """Whether a record is a span that OpenInference describes."""
    if not isinstance(value, Mapping):
        return False
    if "context.trace_id" in value:
        return "span_kind" in value or any(str(key).startswith("attributes.llm.") for key in value)
    context, attributes = value.get("context"), value.get("attributes")
    if (
        not (isinstance(context, Mapping) and "trace_id" in context)
        and "traceId" not in value
        and "trace_id" not in value
    ):
        return False
    return has_openinference(plain_attributes(attributes)) or ("span_kind" in value and isinstance(attributes, Mapping))


def has_openinference(attributes: Mapping[str, Any]) -> bool:
    """Whether the attributes of a span are OpenInference's, flat or as a tree."""
    if "openinference.span.kind" in attributes or isinstance(at(attributes, "openinference.span.kind"), str):
        return True
    return any(key.startswith(("llm.input_messages", "llm.output_messages")) for key in attributes)


def _spans(record: Any) -> Iterator[Span]:
    if not isinstance(record, Mapping):
        return
    flat = {str(key): value for key, value in record.items()}
    columns = {key.removeprefix("attributes."): v for key, v in flat.items() if key.startswith("attributes.")}
    context = mapping(literal(flat.get("context")))
    status = mapping(flat.get("status"))
    ids = [flat.get("context.trace_id"), context.get("trace_id"), flat.get("traceId"), flat.get("trace_id")]
    own = [flat.get("context.span_id"), context.get("span_id"), flat.get("spanId"), flat.get("span_id")]
    code = first_text([flat.get("status_code"), status.get("status_code"), status.get("code")]) or ""
    message = first_text([flat.get("status_message"), status.get("description"), status.get("message")])
    yield openinference_span(
        columns or plain_attributes(flat.get("attributes")),
        trace=(first_text(ids) or "").lower().removeprefix("0x"),
        id_=first_text(own) or "",
        parent=first_text([flat.get("parent_id"), flat.get("parentSpanId"), flat.get("parent_span_id")]) or "",
        name=as_text(flat.get("name")),
        start=flat.get("start_time", flat.get("startTimeUnixNano")),
        kind=first_text([flat.get("span_kind")]),
        error=(message or code) if code.upper().endswith("ERROR") else None,
        record=record,
    )


def openinference_span(
    attributes: Mapping[str, Any],
    *,
    trace: str,
    id_: str,
    parent: str,
    name: str,
    start: Any,
    kind: str | None,
    error: str | None,
    record: Mapping[str, Any],
) -> Span:
    """A span from its attributes, whatever container it came in."""
    tree = nested(attributes)
    said = first_text([at(tree, "openinference.span.kind"), kind]) or ""
    ours = _KINDS.get(said.upper(), "other")
    given, cut = _messages(at(tree, "llm.input_messages"))
    told, cut_too = _messages(at(tree, "llm.output_messages"))
    input_value, output_value = at(tree, "input.value"), at(tree, "output.value")
    question, answers = _fuller_question(given, input_value), _fuller_answer(told, output_value)
    use = None
    if ours != "llm":
        tool_name = first_text([at(tree, "tool.name"), name]) or ""
        call_id = first_text([at(tree, "tool_call.id"), at(tree, "tool.id")])
        arguments = input_value if input_value is not None else at(tree, "tool.parameters")
        use = ToolUse(name=tool_name, arguments=arguments, result=output_value, call_id=call_id)
    talk = {key: value for key, value in attributes.items() if key.startswith(_TALK)}
    cut = cut or cut_too or is_cut(record, attributes)
    return Span(
        trace=trace,
        id=id_,
        parent=parent,
        name=name,
        kind=ours,
        start=moment(start),
        asked=question,
        answers=answers,
        tool=use,
        error=error,
        cut=cut,
        model=first_text([at(tree, "llm.model_name")]) if ours == "llm" else None,
        facts={"episode": as_text(at(tree, "session.id"))},
        talk=None if cut else nested(talk),
        rest=_rest(record, attributes, frozenset() if cut or ours != "llm" else frozenset(talk)),
    )


def _rest(record: Mapping[str, Any], attributes: Mapping[str, Any], talk: frozenset[str]) -> dict[str, Any]:
    """The record beside its talk; ``input.value`` and ``output.value``, which repeat the talk, are kept in it."""
    rest = {key: item for key, item in record.items() if key != "attributes" and not key.startswith("attributes.")}
    return rest | {"attributes": {key: item for key, item in attributes.items() if key not in talk}}


def _messages(value: Any) -> tuple[list[Any], bool]:
    items, cut = whole_items(value)
    return [message for item in items if isinstance(item, Mapping) and (message := _message(item))], cut


def _message(item: Mapping[str, Any]) -> dict[str, Any] | None:
    """An OpenAI-like message from OpenInference's, flat or as a tree; None where a limit left only pieces."""
    fields = mapping(nested(item).get("message", item))
    if not isinstance(fields.get("role"), str):
        return None
    message: dict[str, Any] = {key: fields[key] for key in ("role", "content", "name", "tool_call_id") if key in fields}
    if parts := [part for item in _items(fields.get("contents")) if (part := _part(item))]:
        message["content"] = parts
    if calls := [call for item in _items(fields.get("tool_calls")) if (call := _call(item))]:
        message["tool_calls"] = calls
    if (name := fields.get("function_call_name")) is not None:
        message["function_call"] = {"name": name, "arguments": fields.get("function_call_arguments_json")}
    return message


def _items(value: Any) -> list[Any]:
    value = literal(value)
    return value if isinstance(value, list) else []


def _part(item: Any) -> Any:
    fields = mapping(nested(mapping(item)).get("message_content", item))
    if fields.get("type") == "reasoning":
        return {"type": "reasoning", "reasoning": fields.get("text") or fields.get("reasoning")}
    return dict(fields)


def _call(item: Any) -> dict[str, Any]:
    fields = mapping(nested(mapping(item)).get("tool_call", item))
    return {"id": fields.get("id"), "function": dict(mapping(fields.get("function")))}


def _fuller_question(given: list[Any], value: Any) -> list[Any]:
    """The messages of the attributes, or the provider's own in ``input.value`` where those say no less."""
    raw = asked(value)
    if not given:
        return raw
    return raw if isinstance(literal(value), (list, Mapping)) and _holds(raw, given) else given


def _fuller_answer(told: list[Any], value: Any) -> list[Answer]:
    raw = answered(value)
    if not told:
        return raw
    own = Answer(messages=told, stop=raw[0].stop if raw else None)
    fuller = isinstance(literal(value), (list, Mapping)) and len(raw) == 1 and _holds(raw[0].messages, told)
    return raw if fuller else [own]


def _holds(raw: list[Any], flat: list[Any]) -> bool:
    try:
        in_raw, in_flat = _keys(raw), _keys(flat)
    except InputError:
        return False
    return set(in_flat) <= set(in_raw)


def _keys(messages: list[Any]) -> list[Key]:
    return compared(conversation(messages))


FORMAT = Format(
    name="openinference",
    parse=parse_openinference,
    fits=is_openinference,
    unit="file",
    recognised_by="`span_kind` or `openinference.span.kind`, or columns `attributes.llm.*`",
    id="the trace's id; `<trace>/<n>` for further threads",
    model="`llm.model_name`",
    failures="the last call, or the root, ended in an error; a filter took the answer; no word of the agent",
)
