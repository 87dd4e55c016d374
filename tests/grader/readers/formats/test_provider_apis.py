"""Shapes of providers' APIs: OpenAI's Responses, Gemini, Bedrock, LangChain's messages, the Vercel AI SDK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from format_reading import read_lines, read_value, told

WITHHELD = "[reasoning withheld by the provider]"
PICTURE = "data:image/png;base64,iVBORw0KGgoAAAA="


def response(*output: Any, **fields: Any) -> dict[str, Any]:
    return {"object": "response", "id": "r1", "model": "m", "status": "completed", "output": list(output)} | fields


def test_items_of_the_responses_api(tmp_path: Path) -> None:
    output = [
        {"type": "mcp_list_tools", "server_label": "s", "tools": [{"name": "lookup", "description": "not said"}]},
        {"type": "reasoning", "id": "rs", "content": [{"type": "reasoning_text", "text": "Hm."}], "summary": []},
        {"type": "reasoning", "id": "rs2", "summary": [], "encrypted_content": "gAAA"},
        {"type": "file_search_call", "id": "f", "queries": ["plan"], "results": [{"text": "the plan", "file_id": "x"}]},
        {"type": "computer_call", "call_id": "k1", "actions": [{"type": "type", "text": "secret"}]},
        {
            "type": "computer_call_output",
            "call_id": "k1",
            "output": {"type": "computer_screenshot", "image_url": PICTURE},
        },
        {"type": "code_interpreter_call", "id": "c", "code": "print(1)", "outputs": [{"type": "logs", "logs": "1"}]},
        {"type": "image_generation_call", "id": "i", "revised_prompt": "a cat", "result": "iVBORiVBORiVBORiVBOR"},
        {
            "type": "mcp_call",
            "id": "m",
            "server_label": "s",
            "name": "lookup",
            "arguments": '{"q": 1}',
            "error": "gone",
        },
        {"type": "shell_call", "call_id": "k2", "action": {"commands": ["ls"]}},
        {
            "type": "shell_call_output",
            "call_id": "k2",
            "output": [{"stdout": "a", "stderr": "b", "outcome": {"type": "exit", "exit_code": 2}}],
        },
        {"type": "apply_patch_call", "call_id": "k3", "operation": {"type": "create_file", "path": "p", "diff": "+x"}},
        {"type": "apply_patch_call_output", "call_id": "k3", "status": "completed", "output": "ok"},
        {"type": "mcp_approval_request", "id": "ap", "name": "wipe", "arguments": "{}", "server_label": "s"},
        {"type": "mcp_approval_response", "approval_request_id": "ap", "approve": False, "reason": "no!"},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Done.", "annotations": []}],
        },
    ]
    (transcript,) = read_value(tmp_path, response(*output, instructions="Be good.", input="go"))
    assert told(transcript) == [
        ("system", "Be good."),
        ("user", "go"),
        ("thought", "Hm."),
        ("thought", WITHHELD),
        ("file_search()", 'queries: ["plan"]'),
        ("file_search=", "the plan"),
        ("computer()", 'actions: [{"type": "type", "text": "secret"}]'),
        ("computer=", "[image] (image/png, 11 bytes)"),
        ("code_interpreter()", "code: print(1)"),
        ("code_interpreter=", "1"),
        ("image_generation()", "revised_prompt: a cat"),
        ("image_generation=", "[image]"),
        ("lookup()", "q: 1"),
        ("lookup=", "gone"),
        ("shell()", 'commands: ["ls"]'),
        ("shell=", "a\nb\n[exit code 2]"),
        ("apply_patch()", "type: create_file\npath: p\ndiff: +x"),
        ("apply_patch=", "ok"),
        ("wipe()", ""),
        ("user", "[denied] no!"),
        ("assistant", "Done."),
    ]


@pytest.mark.parametrize(
    ("fields", "fact"),
    [
        ({"status": "failed", "error": {"code": "server_error", "message": "boom"}}, {"provider_error": "boom"}),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            {"provider_error": "content_filter"},
        ),
        ({"status": "completed"}, {"provider_error": "an empty reply"}),
    ],
)
def test_a_response_without_words_is_a_failure(tmp_path: Path, fields: dict[str, Any], fact: dict[str, str]) -> None:
    (transcript,) = read_value(tmp_path, response(input="go", **fields))
    assert fact.items() <= transcript.metadata.items()


def test_an_item_of_an_unknown_speaker_is_never_the_agents(tmp_path: Path) -> None:
    lines = [{"id": "a", "input": "x", "output": [{"type": "novelty", "text": "who said this?"}]}]
    lines += [{"id": "b", "input": "x", "output": [{"type": "message", "role": "assistant", "content": "ok"}]}]
    unread, sound = read_lines(tmp_path, lines)
    assert "novelty" in unread.metadata["unread"] and told(sound)[-1] == ("assistant", "ok")


def test_parts_of_the_gemini_api(tmp_path: Path) -> None:
    parts = [
        {"thought": True, "thoughtSignature": "c2ln"},
        {"text": "plan", "thought": True},
        {"function_call": {"id": "1", "name": "send", "args": {"to": "k"}}},
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
    ]
    answers = [
        {"functionResponse": {"id": "1", "name": "send", "response": {"error": "no"}}},
        {"inlineData": {"mimeType": "image/png", "data": "QUJDQUJDQUJDQUJD"}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/c.pdf"}},
    ]
    contents = [{"role": "model", "parts": parts}, {"role": "user", "parts": answers}]
    (transcript,) = read_value(tmp_path, {"contents": contents, "system_instruction": {"parts": [{"text": "Be good"}]}})
    assert told(transcript) == [
        ("system", "Be good"),
        ("thought", WITHHELD),
        ("thought", "plan"),
        ("send()", "to: k"),
        ("code_execution()", "code: print(1)"),
        ("code_execution=", "1"),
        ("send=", "no"),
        ("user", "[image]"),
        ("user", "[file] (gs://b/c.pdf)"),
    ]


def gemini(*candidates: Any, **response: Any) -> dict[str, Any]:
    request = {"contents": [{"role": "user", "parts": [{"text": "go"}]}]}
    return {
        "key": "k",
        "request": request,
        "response": {"candidates": list(candidates), "modelVersion": "m"} | response,
    }


@pytest.mark.parametrize(
    ("record", "fact"),
    [
        (gemini({"finishReason": "SAFETY"}), {"provider_error": "SAFETY"}),
        (gemini(), {"provider_error": "an empty reply"}),
        (gemini(promptFeedback={"blockReason": "OTHER"}), {"provider_error": "OTHER"}),
        (
            gemini({"content": {"role": "model", "parts": [{"text": "x"}]}, "finishReason": "MAX_TOKENS"}),
            {"limit": "MAX_TOKENS"},
        ),
    ],
)
def test_how_gemini_says_that_a_reply_ended(tmp_path: Path, record: dict[str, Any], fact: dict[str, str]) -> None:
    (transcript,) = read_lines(tmp_path, [record])
    assert transcript.id == "k" and transcript.metadata["model"] == "m"
    facts = {key: transcript.metadata[key] for key in ("limit", "provider_error") if key in transcript.metadata}
    assert facts == fact


def test_each_candidate_is_a_transcript_of_one_episode(tmp_path: Path) -> None:
    candidates = [{"content": {"role": "model", "parts": [{"text": word}]}} for word in ("no", "leak")]
    first, second = read_lines(tmp_path, [gemini(*candidates)])
    assert (first.id, second.id) == ("k", "k#choice=2") and told(second)[-1] == ("assistant", "leak")
    assert first.metadata["episode"] == second.metadata["episode"]


BLOCKS = [
    {"reasoningContent": {"redactedContent": "gAAA"}},
    {"citationsContent": {"content": [{"text": "cited"}], "citations": [{"title": "T"}]}},
    {"toolUse": {"toolUseId": "t", "name": "send", "input": {"to": "k"}}},
]
ASKED = [
    {"document": {"name": "contract", "format": "pdf", "source": {"bytes": "aGVsbG8=aGVsbG8="}}},
    {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/a.png"}}}},
    {"text": "go"},
    {"cachePoint": {"type": "default"}},
]
RESULT = [{"toolResult": {"toolUseId": "t", "status": "error", "content": [{"json": {"ok": False}}, {"text": "no"}]}}]


def test_blocks_of_bedrock(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": ASKED},
        {"role": "assistant", "content": BLOCKS},
        {"role": "user", "content": RESULT},
    ]
    (transcript,) = read_value(tmp_path, {"modelId": "m", "messages": messages, "system": [{"text": "Be good"}]})
    assert told(transcript) == [
        ("system", "Be good"),
        ("user", "[contract.pdf]"),
        ("user", "[image] (s3://b/a.png)"),
        ("user", "go"),
        ("thought", WITHHELD),
        ("assistant", "cited"),
        ("send()", "to: k"),
        ("send=", '{"ok": false}\nno'),
    ]


def log(output: Any = None, **fields: Any) -> dict[str, Any]:
    asked = {"messages": [{"role": "user", "content": [{"text": "go"}]}]}
    record = {"schemaType": "ModelInvocationLog", "requestId": "q", "modelId": "m", "input": {"inputBodyJson": asked}}
    return record | ({} if output is None else {"output": {"outputBodyJson": output}}) | fields


STREAM = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "On "}}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "it."}}},
    {"contentBlockStart": {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t", "name": "send"}}}},
    {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"to": '}}}},
    {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '"k"}'}}}},
    {"messageStop": {"stopReason": "tool_use"}},
]


def test_a_streamed_reply_in_an_invocation_log_is_put_together(tmp_path: Path) -> None:
    (transcript,) = read_lines(tmp_path, [log(STREAM, operation="ConverseStream")])
    assert told(transcript) == [("user", "go"), ("assistant", "On it."), ("send()", "to: k")]


def test_an_invocation_of_anthropics_own_shape(tmp_path: Path) -> None:
    reply = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "ok"}],
        "stop_reason": "max_tokens",
    }
    (transcript,) = read_lines(tmp_path, [log(reply, operation="InvokeModel")])
    assert told(transcript)[-1] == ("assistant", "ok") and transcript.metadata["limit"] == "max_tokens"


def test_a_body_that_the_log_does_not_contain_is_named(tmp_path: Path) -> None:
    elsewhere = log(output={}, requestId="far") | {"output": {"outputBodyS3Path": "s3://b/big.json"}}
    sound = log(
        {"output": {"message": {"role": "assistant", "content": [{"text": "x"}]}}, "stopReason": "guardrail_intervened"}
    )
    unread, taken = read_lines(tmp_path, [elsewhere, sound])
    assert "s3://b/big.json" in unread.metadata["unread"]
    assert taken.metadata["provider_error"] == "guardrail_intervened"


def ai(**fields: Any) -> dict[str, Any]:
    return {"type": "ai", "content": ""} | fields


def langchain(tmp_path: Path, *messages: Any) -> list[tuple[str, str]]:
    (transcript,) = read_value(tmp_path, {"messages": [{"type": "human", "content": "go"}, *messages]})
    return told(transcript)[1:]


CALL = {"name": "send", "args": {"to": "k"}, "id": "c"}
RAW = [{"id": "c", "type": "function", "function": {"name": "send", "arguments": '{"to": "k"}'}}]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (ai(tool_calls=[CALL], additional_kwargs={"tool_calls": RAW}), [("send()", "to: k")]),
        (ai(additional_kwargs={"tool_calls": RAW}), [("send()", "to: k")]),
        (ai(content="no", tool_calls=[], additional_kwargs={"tool_calls": RAW}), [("assistant", "no")]),
        (
            ai(invalid_tool_calls=[{"name": "send", "args": '{"to": "k', "id": "c", "error": "e"}]),
            [("send()", '{"to": "k')],
        ),
        (
            ai(
                content=[
                    {"type": "thinking", "thinking": "Hm"},
                    {"type": "tool_use", "id": "c", "name": "send", "input": {}},
                ],
                tool_calls=[CALL],
            ),
            [("thought", "Hm"), ("send()", "to: k")],
        ),
        (
            ai(content=[{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}]}, "said"]),
            [("thought", "Hm"), ("assistant", "said")],
        ),
        ({"type": "chat", "role": "assistant", "content": "x"}, [("assistant", "x")]),
        (
            {"lc": 1, "type": "constructor", "id": ["x", "AIMessageChunk"], "kwargs": {"content": "x"}},
            [("assistant", "x")],
        ),
    ],
)
def test_langchains_messages_in_their_shapes(tmp_path: Path, message: dict[str, Any], expected: list[Any]) -> None:
    more = [] if expected[0][0] == "assistant" else [ai(content="end")]
    assert langchain(tmp_path, message, *more) == expected + [("assistant", "end")] * len(more)


def test_langchain_removals_are_ignored_and_tools_take_the_name_of_their_call(tmp_path: Path) -> None:
    tool = {"type": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "no"}], "status": "error"}
    removal = {"type": "remove", "id": "x", "content": ""}
    assert langchain(tmp_path, ai(tool_calls=[CALL]), removal, tool)[-1] == ("send=", "no")


def test_batches_of_langchain_talks(tmp_path: Path) -> None:
    talk = [{"type": "human", "content": "go"}, ai(content="ok")]
    transcripts = read_value(tmp_path, {"id": "b", "messages": [talk, talk]})
    assert [t.id for t in transcripts] == ["b#1", "b#2"]


def ui(state: str, **fields: Any) -> dict[str, Any]:
    return {"type": "tool-send", "toolCallId": "c", "state": state, "input": {"to": "k"}} | fields


@pytest.mark.parametrize(
    ("part", "result"),
    [
        (ui("output-available", output={"ok": True}), '{"ok": true}'),
        (ui("output-error", errorText="boom"), "boom"),
        (ui("output-denied", approval={"id": "a", "approved": False, "reason": "never"}), "[denied] never"),
        (ui("approval-requested", approval={"id": "a"}), "[not executed: approval was requested]"),
        (
            ui(
                "output-available",
                output={
                    "type": "content",
                    "value": [{"type": "media", "data": "QUJDQUJDQUJDQUJD", "mediaType": "image/png"}],
                },
            ),
            "[image]",
        ),
        (ui("input-available"), None),
    ],
)
def test_what_became_of_a_ui_call(tmp_path: Path, part: dict[str, Any], result: str | None) -> None:
    source = {"type": "source-url", "sourceId": "s", "url": "https://a.example", "title": "A"}
    message = {
        "id": "2",
        "role": "assistant",
        "parts": [{"type": "step-start"}, part, source, {"type": "data-x", "data": {"t": "page"}}],
    }
    (transcript,) = read_value(
        tmp_path,
        {"id": "v", "messages": [{"id": "1", "role": "user", "parts": [{"type": "text", "text": "go"}]}, message]},
    )
    assert told(transcript)[1:] == [("send()", "to: k")] + ([] if result is None else [("send=", result)])
    assert transcript.metadata["page_parts"]


def test_model_messages_with_pictures_and_denied_calls(tmp_path: Path) -> None:
    asked = [
        {"type": "image", "image": "QQQQQQQQQQQQQQQQ", "mediaType": "image/png"},
        {"type": "file", "data": "x", "filename": "plan.pdf", "mediaType": "application/pdf"},
    ]
    call = {"type": "tool-call", "toolCallId": "c", "toolName": "send", "args": {"to": "k"}}
    denied = {
        "type": "tool-result",
        "toolCallId": "c",
        "toolName": "send",
        "output": {"type": "execution-denied", "reason": "no"},
    }
    messages = [
        {"role": "user", "content": asked},
        {"role": "assistant", "content": [{"type": "reasoning", "text": ""}, call]},
        {"role": "tool", "content": [denied]},
    ]
    (transcript,) = read_value(tmp_path, {"id": "v", "messages": messages})
    assert told(transcript) == [
        ("user", "[image]"),
        ("user", "[plan.pdf]"),
        ("thought", WITHHELD),
        ("send()", "to: k"),
        ("send=", "[denied] no"),
    ]


def test_v4_messages_without_parts(tmp_path: Path) -> None:
    call = {"state": "result", "toolCallId": "c", "toolName": "send", "args": {"to": "k"}, "result": "sent"}
    message = {"role": "assistant", "content": "Done.", "reasoning": "Hm.", "toolInvocations": [call]}
    (transcript,) = read_value(
        tmp_path,
        {"id": "v", "messages": [{"role": "user", "content": "go"}, message, {"role": "data", "content": "x"}]},
    )
    assert told(transcript)[1:] == [("thought", "Hm."), ("send()", "to: k"), ("send=", "sent"), ("assistant", "Done.")]
