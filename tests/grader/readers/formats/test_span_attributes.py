"""OpenTelemetry's attributes, events and log records, OpenInference's, Logfire's: one talk, however written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grader import InputError, Transcript, read_transcripts

Json = dict[str, Any]
TRACE = "0af7651916cd43dd8448eb211c80319c"
ARGUMENTS = {"to": "rival@example.com"}
GIVEN = [{"role": "user", "parts": [{"type": "text", "content": "Send it."}]}]
TOLD = [
    {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "content": "Secretly."},
            {"type": "text", "content": "On it."},
            {"type": "tool_call", "id": "c", "name": "send", "arguments": ARGUMENTS},
        ],
        "finish_reason": "tool_call",
    }
]
TALK = [
    ("user", "text", "Send it."),
    ("assistant", "reasoning", "Secretly."),
    ("assistant", "text", "On it."),
    ("assistant", "tool_call", "to: rival@example.com"),
]
SILENT = [TALK[0], *TALK[2:]]  # without the reasoning that older conventions have no place for


def read(tmp_path: Path, *records: Any) -> list[Transcript]:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in records))
    return list(read_transcripts(path))


def said(transcript: Transcript) -> list[tuple[str, str, str]]:
    return [(m.role, m.kind, m.text) for m in transcript.messages]


def span(attributes: Json, **fields: Any) -> Json:
    return {
        "name": "chat",
        "traceId": TRACE,
        "spanId": "1",
        "startTimeUnixNano": "1",
        "attributes": attributes,
    } | fields


def typed(value: Any) -> Json:
    """A value as OTLP writes it."""
    match value:
        case bool():
            return {"boolValue": value}
        case str():
            return {"stringValue": value}
        case int():
            return {"intValue": str(value)}
        case list():
            return {"arrayValue": {"values": [typed(item) for item in value]}}
    return {"kvlistValue": {"values": [{"key": key, "value": typed(item)} for key, item in value.items()]}}


def test_messages_as_json_text_as_lists_and_as_typed_values(tmp_path: Path) -> None:
    texts = {"gen_ai.input.messages": json.dumps(GIVEN), "gen_ai.output.messages": json.dumps(TOLD)}
    lists = {"gen_ai.input.messages": GIVEN, "gen_ai.output.messages": TOLD}
    packed = [{"key": key, "value": typed(value)} for key, value in lists.items()]
    otlp = {"resourceSpans": [{"scopeSpans": [{"spans": [span(packed)]}]}]}
    for record in (span(texts), span(lists), otlp):
        (transcript,) = read(tmp_path, record)
        assert said(transcript) == TALK and transcript.id == TRACE


def test_the_console_exporters_ids_are_those_of_otlp(tmp_path: Path) -> None:
    context = {"trace_id": "0x" + TRACE.upper(), "span_id": "0x1"}
    console = {"name": "chat", "context": context, "start_time": "2026-01-01T00:00:00Z", "parent_id": None}
    console["attributes"] = {"gen_ai.input.messages": json.dumps(GIVEN), "gen_ai.output.messages": json.dumps(TOLD)}
    console["status"] = {"status_code": "UNSET"}
    (tmp_path / "a.json").write_text(json.dumps(console, indent=1) + "\n" + json.dumps(console, indent=1))
    (transcript,) = read_transcripts(tmp_path / "a.json")
    assert transcript.id == TRACE and said(transcript) == TALK


def events(body: bool) -> list[Json]:
    call = {"id": "c", "type": "function", "function": {"name": "send", "arguments": json.dumps(ARGUMENTS)}}
    message = {"role": "assistant", "content": "On it.", "tool_calls": [call]}
    told = {"index": 0, "finish_reason": "tool_calls", "message": message if body else json.dumps(message)}
    return [
        {"name": "gen_ai.user.message", "fields": {"content": "Send it."}},
        {"name": "gen_ai.choice", "fields": told},
    ]


def test_events_of_the_older_conventions(tmp_path: Path) -> None:
    own = [{"name": event["name"], "attributes": event["fields"]} for event in events(body=False)]
    (transcript,) = read(tmp_path, span({"gen_ai.operation.name": "chat"}, events=own))
    assert said(transcript) == SILENT


def test_log_records_belong_to_their_spans_and_are_read_without_them(tmp_path: Path) -> None:
    logs = [
        {"traceId": TRACE, "spanId": "1", "eventName": event["name"], "body": typed(event["fields"]), "attributes": []}
        for event in events(body=True)
    ]
    packed = {"resourceLogs": [{"scopeLogs": [{"logRecords": logs}]}]}
    (alone,) = read(tmp_path, packed)
    assert said(alone) == SILENT
    (together,) = read(tmp_path, span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}), packed)
    assert said(together) == SILENT and together.metadata["model"] == "m"


def test_the_details_event_holds_the_messages(tmp_path: Path) -> None:
    details = {"gen_ai.input.messages": GIVEN, "gen_ai.output.messages": TOLD}
    event = {"name": "gen_ai.client.inference.operation.details", "attributes": details}
    (transcript,) = read(tmp_path, span({"gen_ai.operation.name": "chat"}, events=[event]))
    assert said(transcript) == TALK


def test_numbered_attributes_of_traceloop(tmp_path: Path) -> None:
    attributes = {
        "llm.request.type": "chat",
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Send it.",
        "gen_ai.prompt.10.role": "user",
        "gen_ai.prompt.10.content": "Now.",
        "gen_ai.prompt.2.role": "user",
        "gen_ai.prompt.2.content": "Please.",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "On it.",
        "gen_ai.completion.0.finish_reason": "length",
        "gen_ai.completion.0.tool_calls.0.name": "send",
        "gen_ai.completion.0.tool_calls.0.id": "c",
        "gen_ai.completion.0.tool_calls.0.arguments": json.dumps(ARGUMENTS),
    }
    (transcript,) = read(tmp_path, span(attributes))
    texts = [text for role, _, text in said(transcript) if role == "user"]
    assert texts == ["Send it.", "Please.", "Now."]
    assert said(transcript)[-2:] == TALK[-2:] and transcript.metadata["limit"] == "length"


def test_a_cut_input_is_salvaged_and_is_no_short_talk(tmp_path: Path) -> None:
    later = [*GIVEN, *TOLD, {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "sent"}]}]
    cut = json.dumps(later)[:-30]
    first = span({"gen_ai.input.messages": json.dumps(GIVEN), "gen_ai.output.messages": json.dumps(TOLD)})
    done = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "Done."}]}])
    second = span({"gen_ai.input.messages": cut, "gen_ai.output.messages": done}, spanId="2", startTimeUnixNano="2")
    (transcript,) = read(tmp_path, first, second)
    assert said(transcript) == [*TALK, ("assistant", "text", "Done.")]
    assert transcript.metadata["limit"]


def test_dropped_attributes_are_a_limit(tmp_path: Path) -> None:
    attributes = {"gen_ai.input.messages": GIVEN, "gen_ai.output.messages": TOLD}
    (transcript,) = read(tmp_path, span(attributes, droppedAttributesCount=12))
    assert transcript.metadata["limit"]
    (transcript,) = read(tmp_path, span({**FLAT, "openinference.span.kind": "LLM"}, droppedAttributesCount=12))
    assert transcript.metadata["limit"] and said(transcript) == SILENT
    many = {f"gen_ai.prompt.{n}.{key}": "user" for n in range(64) for key in ("role", "content")}
    (transcript,) = read(tmp_path, span({"llm.request.type": "chat", **many}))
    assert transcript.metadata["limit"]


def test_results_in_any_role_server_tools_media_and_unknown_parts(tmp_path: Path) -> None:
    parts = [
        {"type": "tool_call_response", "id": "c", "result": {"status": "sent"}},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iVBORw0KGgo" * 40},
        {"type": "weather_card", "content": "It rains."},
    ]
    server = [{"type": "server_tool_call", "id": "s", "name": "search", "server_tool_call": {"q": "plan"}}]
    given = [*GIVEN, *TOLD, {"role": "user", "parts": parts}]
    told = [{"role": "assistant", "parts": server, "finish_reason": "stop"}]
    (transcript,) = read(tmp_path, span({"gen_ai.input.messages": given, "gen_ai.output.messages": told}))
    result, picture, card, call = transcript.messages[-4:]
    assert (result.role, result.kind, result.name, result.text) == ("tool", "tool_result", "send", '{"status": "sent"}')
    assert picture.text.startswith("[image") and "iVBOR" not in picture.text
    assert (card.role, card.text) == ("user", "It rains.")
    assert (call.kind, call.name, call.text) == ("tool_call", "search", "q: plan")


def test_a_conversation_over_traces_is_an_episode_and_tools_without_words_are_read(tmp_path: Path) -> None:
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "send",
        "gen_ai.tool.call.arguments": json.dumps(ARGUMENTS),
        "gen_ai.tool.call.result": "sent",
        "gen_ai.conversation.id": "talk",
    }
    (transcript,) = read(tmp_path, span(attributes))
    assert said(transcript) == [TALK[-1], ("tool", "tool_result", "sent")]
    assert transcript.metadata["episode"] == "talk"


def test_traces_of_the_web_are_no_runs(tmp_path: Path) -> None:
    web = span({"http.method": "GET"}, traceId="b" * 32, spanId="9")
    talk = span({"gen_ai.input.messages": GIVEN, "gen_ai.output.messages": TOLD})
    (transcript,) = read(tmp_path, talk, web)
    assert said(transcript) == TALK


def test_the_provider_in_every_event_is_no_text(tmp_path: Path) -> None:
    own = [
        {"name": event["name"], "attributes": {"gen_ai.system": "openai", **event["fields"]}}
        for event in events(body=False)
    ]
    (transcript,) = read(tmp_path, span({"gen_ai.operation.name": "chat"}, events=own))
    assert said(transcript) == SILENT


def test_spans_without_content_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did not record what was said"):
        read(tmp_path, span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}))


# --- OpenInference


def inference(attributes: Json, **fields: Any) -> Json:
    context = {"trace_id": TRACE, "span_id": "1"}
    own = {"openinference.span.kind": "LLM", **attributes}
    return {"name": "llm", "context": context, "span_kind": "LLM", "parent_id": None, "attributes": own} | fields


FLAT = {
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.contents.0.message_content.type": "text",
    "llm.input_messages.0.message.contents.0.message_content.text": "Send it.",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "On it.",
    "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "send",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": json.dumps(ARGUMENTS),
}


def test_flat_attributes_trees_and_otlp_are_one(tmp_path: Path) -> None:
    call = {"tool_call": {"id": "c", "function": {"name": "send", "arguments": json.dumps(ARGUMENTS)}}}
    part = {"message_content": {"type": "text", "text": "Send it."}}
    given = [{"message": {"role": "user", "contents": [part]}}]
    told = [{"message": {"role": "assistant", "content": "On it.", "tool_calls": [call]}}]
    tree = {"llm": {"input_messages": given, "output_messages": told}, "openinference": {"span": {"kind": "LLM"}}}
    packed = [{"key": key, "value": typed(value)} for key, value in {**FLAT, "openinference.span.kind": "LLM"}.items()]
    otlp = {"resourceSpans": [{"scopeSpans": [{"spans": [span(packed)]}]}]}
    for record in (inference(FLAT), {**inference({}), "attributes": tree}, otlp):
        (transcript,) = read(tmp_path, record)
        assert said(transcript) == SILENT


def test_the_providers_own_json_counts_where_it_says_more(tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "send", "arguments": json.dumps(ARGUMENTS)}}
    message = {"role": "assistant", "content": "On it.", "reasoning_content": "Secretly.", "tool_calls": [call]}
    for value in (json.dumps({"choices": [{"message": message}]}), str({"choices": [{"message": message}]})):
        (transcript,) = read(tmp_path, inference(FLAT | {"output.value": value}))
        assert said(transcript) == TALK
    (transcript,) = read(tmp_path, inference(FLAT | {"output.value": '{"choices": []}'}))
    assert said(transcript) == SILENT


def test_reasoning_parts_sessions_and_failures(tmp_path: Path) -> None:
    told = [
        {
            "message.role": "assistant",
            "message.contents": [{"message_content.type": "reasoning", "message_content.text": "Secretly."}],
        }
    ]
    given = [{"message.role": "user", "message.content": "Send it."}]
    columns = {"attributes.llm.input_messages": given, "attributes.llm.output_messages": told}
    row = {"context.trace_id": TRACE, "context.span_id": "1", "span_kind": "LLM", "status_code": "OK", **columns}
    (transcript,) = read(tmp_path, row | {"attributes.session.id": "S"})
    assert said(transcript) == TALK[:2] and transcript.metadata["episode"] == "S"
    del row["attributes.llm.output_messages"]
    (transcript,) = read(tmp_path, row | {"status_code": "ERROR", "status_message": "429"})
    assert transcript.metadata["provider_error"] == "429"


# --- Logfire


def logged(attributes: Any, **fields: Any) -> Json:
    times = {"start_timestamp": "2026-01-01T00:00:00Z", "span_id": "1", "parent_span_id": None}
    return {"trace_id": TRACE, "span_name": "agent run", "attributes": attributes, **times} | fields


def test_logfire_older_events_other_sdks_and_query_answers(tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "send", "arguments": json.dumps(ARGUMENTS)}}
    message = {"role": "assistant", "content": "On it.", "tool_calls": [call]}
    older = [
        {"event.name": "gen_ai.user.message", "content": "Send it.", "role": "user"},
        {"event.name": "gen_ai.assistant.message", **message},
    ]
    request = {"model": "m", "messages": [{"role": "user", "content": "Send it."}]}
    rows = [
        logged({"all_messages_events": json.dumps(older)}),
        logged(json.dumps({"request_data": request, "response_data": {"message": message, "usage": {"x": 1}}})),
    ]
    for row in rows:
        (transcript,) = read(tmp_path, row)
        assert said(transcript) == SILENT
        columns = [{"name": key} for key in row]
        (transcript,) = read(tmp_path, {"columns": columns, "rows": [row]})
        assert said(transcript) == SILENT
        (transcript,) = read(tmp_path, {"columns": [{"name": key, "values": [value]} for key, value in row.items()]})
        assert said(transcript) == SILENT


def test_logfire_failed_spans(tmp_path: Path) -> None:
    row = logged({"gen_ai.operation.name": "chat", "gen_ai.input.messages": GIVEN}, is_exception=True)
    (transcript,) = read(tmp_path, row | {"exception_type": "HTTPError", "exception_message": "429"})
    assert transcript.metadata["provider_error"] == "HTTPError 429"
