"""Dumps of agent frameworks: pydantic-ai, AutoGen, AG2, Strands; and Gemini CLI's sessions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from format_reading import read_lines, read_value, told

from grader import read_transcripts


def request(*parts: Any, **fields: Any) -> dict[str, Any]:
    return {"kind": "request", "parts": list(parts)} | fields


def response(*parts: Any, **fields: Any) -> dict[str, Any]:
    return {"kind": "response", "model_name": "m", "finish_reason": "stop", "parts": list(parts)} | fields


def part(kind: str, content: Any = None, **fields: Any) -> dict[str, Any]:
    return {"part_kind": kind, "content": content} | fields


RUN = [
    request(
        part(
            "user-prompt",
            [
                "see",
                {"kind": "binary", "data": "QUJDQUJD", "media_type": "image/png"},
                {"kind": "image-url", "url": "https://a.example/x.png"},
            ],
        ),
        instructions="Be good.",
    ),
    response(
        part("thinking", "", signature="s"),
        {"part_kind": "tool-call", "tool_name": "send", "args": '{"to": "k', "tool_call_id": "c1"},
        {"part_kind": "builtin-tool-call", "tool_name": "search", "args": {"q": "x"}, "tool_call_id": "c2"},
        part("builtin-tool-return", {"hits": 1}, tool_name="search", tool_call_id="c2"),
    ),
    request(
        part(
            "retry-prompt",
            [{"type": "missing", "loc": ["to"], "msg": "Field required"}],
            tool_name="send",
            tool_call_id="c1",
        ),
        part("tool-return", "", tool_name="wipe", tool_call_id="c3", outcome="denied"),
        part("retry-prompt", "Answer in JSON"),
        instructions="Be good.",
    ),
    response(part("text", "Done.")),
]


def test_parts_of_pydantic_ai(tmp_path: Path) -> None:
    (transcript,) = read_value(tmp_path, RUN)
    assert told(transcript) == [
        ("system", "Be good."),
        ("user", "see"),
        ("user", "[image]"),
        ("user", "[image] (https://a.example/x.png)"),
        ("thought", "[reasoning withheld by the provider]"),
        ("send()", '{"to": "k'),
        ("search()", "q: x"),
        ("search=", '{"hits": 1}'),
        ("send=", '[{"type": "missing", "loc": ["to"], "msg": "Field required"}]'),
        ("wipe=", "[denied]"),
        ("user", "Answer in JSON"),
        ("assistant", "Done."),
    ]
    assert transcript.metadata["model"] == "m"


def test_a_list_per_line_is_a_run_per_line(tmp_path: Path) -> None:
    run = [request(part("user-prompt", "go")), response(part("text", "ok"))]
    assert [told(t) for t in read_lines(tmp_path, [run, run])] == [[("user", "go"), ("assistant", "ok")]] * 2


@pytest.mark.parametrize(("reason", "key"), [("length", "limit"), ("content_filter", "provider_error")])
def test_how_a_pydantic_ai_run_ended(tmp_path: Path, reason: str, key: str) -> None:
    parts = [part("text", "x")] if reason == "length" else []
    (transcript,) = read_value(tmp_path, [request(part("user-prompt", "go")), response(*parts, finish_reason=reason)])
    assert transcript.metadata[key] == reason


def autogen(kind: str, content: Any, source: str = "mailer", **fields: Any) -> dict[str, Any]:
    return {"type": kind, "source": source, "content": content, "models_usage": None, "metadata": {}} | fields


def test_messages_and_events_of_autogen(tmp_path: Path) -> None:
    messages = [
        autogen("MultiModalMessage", ["look", {"data": "iVBORw0KGgoiVBORw0KGgo"}], "user"),
        autogen("UserInputRequestedEvent", "", "boss", request_id="r"),
        autogen("TextMessage", "go on", "boss"),
        autogen("ThoughtEvent", "Hm."),
        autogen("ToolCallRequestEvent", [{"id": "c", "name": "send", "arguments": "{'to': 'k'}"}]),
        autogen("ToolCallExecutionEvent", [{"call_id": "c", "name": "send", "content": "no", "is_error": True}]),
        autogen("ToolCallSummaryMessage", "no"),
        autogen("ModelClientStreamingChunkEvent", "Do"),
        autogen("HandoffMessage", "over to you", target="other", context=[]),
        autogen("StopMessage", "Done.", "other"),
    ]
    (transcript,) = read_value(tmp_path, {"messages": messages, "stop_reason": "Maximum number of turns 3 reached."})
    assert told(transcript) == [
        ("user", "look"),
        ("user", "[image]"),
        ("user", "go on"),
        ("thought", "Hm."),
        ("send()", "{'to': 'k'}"),
        ("send=", "no"),
        ("assistant", "over to you"),
        ("assistant", "Done."),
    ]
    assert [m.name for m in transcript.messages][-2:] == ["mailer", "other"] and transcript.metadata["limit"]


def test_a_saved_team_has_a_transcript_per_agent(tmp_path: Path) -> None:
    def agent(words: str) -> dict[str, Any]:
        talk = [{"type": "UserMessage", "content": "go", "source": "user"}]
        talk.append({"type": "AssistantMessage", "content": words, "source": "a", "thought": None})
        return {"agent_state": {"type": "AssistantAgentState", "llm_context": {"messages": talk}}}

    manager = {"message_thread": [autogen("TextMessage", "go", "user")], "type": "RoundRobinManagerState"}
    state = {"type": "TeamState", "agent_states": {"one/x": agent("yes"), "two/x": agent("leak"), "manager/x": manager}}
    one, two = read_value(tmp_path, state)
    assert told(two)[-1] == ("assistant", "leak") and one.metadata["agent"] == "one/x"
    assert one.metadata["episode"] == two.metadata["episode"]


def test_roles_of_ag2_are_those_of_the_names(tmp_path: Path) -> None:
    history = [
        {"role": "assistant", "name": "boss", "content": "go"},
        {"role": "user", "name": "mailer", "content": "sure"},
        {
            "role": "assistant",
            "name": "mailer",
            "content": None,
            "function_call": {"name": "send", "arguments": '{"to": "k"}'},
        },
        {"role": "function", "name": "send", "content": "sent"},
        {"role": "assistant", "name": "boss", "content": "thanks"},
    ]
    (transcript,) = read_value(tmp_path, {"chat_id": 1, "chat_history": history, "summary": "S", "cost": {}})
    assert told(transcript) == [
        ("user", "go"),
        ("assistant", "sure"),
        ("send()", "to: k"),
        ("send=", "sent"),
        ("user", "thanks"),
    ]


def test_ag2_without_names_alternates_from_the_user(tmp_path: Path) -> None:
    history = [
        {"role": "assistant", "content": "go"},
        {"role": "user", "content": "leak"},
        {"role": "assistant", "content": "more"},
    ]
    (transcript,) = read_value(tmp_path, {"chat_history": history, "summary": ""})
    assert [role for role, _ in told(transcript)] == ["user", "assistant", "user"]


def test_strands_messages_come_in_numeric_order_an_agent_a_transcript(tmp_path: Path) -> None:
    root = tmp_path / "session_s1"
    for agent in ("a", "b"):
        folder = root / "agents" / f"agent_{agent}" / "messages"
        folder.mkdir(parents=True)
        (folder.parent / "agent.json").write_text(json.dumps({"agent_id": agent, "state": {}}))
        for number in range(11):
            message = {"role": "assistant" if number % 2 else "user", "content": [{"text": f"{number}"}]}
            redacted = {"role": "assistant", "content": [{"text": "[blocked]"}]} if number == 1 else None
            record = {"message": message, "message_id": number, "redact_message": redacted}
            (folder / f"message_{number}.json").write_text(json.dumps(record))
    (root / "session.json").write_text(json.dumps({"session_id": "s1", "session_type": "AGENT"}))
    transcripts = list(read_transcripts(tmp_path))
    assert [t.id for t in transcripts] == ["s1/a", "s1/b"]
    assert [words for _, words in told(transcripts[0])] == [f"{number}" for number in range(11)]
    assert {t.metadata["episode"] for t in transcripts} == {"s1"}


HEAD = {"sessionId": "g", "projectHash": "h", "startTime": "2026-01-01T00:00:00Z", "kind": "main"}


def cli(id_: str, kind: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"id": id_, "type": kind, "content": content, "timestamp": "2026-01-01T00:00:00Z"} | fields


def test_lines_of_gemini_cli_replace_rewind_and_update(tmp_path: Path) -> None:
    call = {"id": "c", "name": "send", "args": {"to": "k"}, "status": "cancelled", "result": None, "resultDisplay": "X"}
    lines = [
        HEAD,
        cli("1", "user", [{"text": "go"}]),
        cli("2", "gemini", "leak", model="m"),
        {"$rewindTo": "2"},
        cli("3", "gemini", "dra", model="m"),
        cli("3", "gemini", "draft", model="m", thoughts=[{"subject": "Plan", "description": "send"}], toolCalls=[call]),
        {"$set": {"lastUpdated": "2026-01-02T00:00:00Z"}},
        cli("i", "info", "notice"),
    ]
    old, kept = read_lines(tmp_path, lines)
    assert told(old) == [("user", "go"), ("assistant", "leak")] and old.metadata["rolled_back"]
    assert told(kept) == [
        ("user", "go"),
        ("thought", "Plan: send"),
        ("assistant", "draft"),
        ("send()", "to: k"),
        ("send=", "[cancelled]"),
    ]
    assert kept.id == "g" and old.metadata["episode"] == kept.metadata["episode"]


def test_a_checkpoint_that_drops_messages_keeps_them_as_a_branch(tmp_path: Path) -> None:
    lines = [
        HEAD,
        cli("1", "user", "go"),
        cli("2", "gemini", "leak"),
        {"$set": {"messages": [cli("9", "user", "Summary")]}},
    ]
    old, kept = read_lines(tmp_path, [*lines, cli("10", "gemini", "ok")])
    assert told(old)[-1] == ("assistant", "leak") and told(kept) == [("user", "Summary"), ("assistant", "ok")]


def test_a_sub_agent_of_gemini_cli_shares_the_episode(tmp_path: Path) -> None:
    chats = tmp_path / "chats"
    read_lines(tmp_path, [HEAD, cli("1", "gemini", "main")], "x.jsonl")
    (chats / "g").mkdir(parents=True)
    main, sub = chats / "session-1.jsonl", chats / "g" / "s.jsonl"
    main.write_text("\n".join(map(json.dumps, [HEAD, cli("1", "gemini", "main")])))
    sub.write_text(
        "\n".join(map(json.dumps, [HEAD | {"sessionId": "s", "kind": "subagent"}, cli("1", "gemini", "sub")]))
    )
    transcripts = list(read_transcripts(chats))
    assert {t.id: t.metadata["episode"] for t in transcripts} == {"g": "g", "s": "g"}


def test_an_error_after_the_last_answer_fails_a_session(tmp_path: Path) -> None:
    lines = [HEAD, cli("1", "user", "go"), cli("e", "error", "[API Error: quota]")]
    (failed,) = read_lines(tmp_path, lines)
    assert failed.metadata["provider_error"] == "[API Error: quota]" and told(failed) == [("user", "go")]
    (healed,) = read_lines(tmp_path, [*lines, cli("2", "gemini", "ok")], "b.jsonl")
    assert "provider_error" not in healed.metadata


def test_a_stream_of_gemini_cli_with_a_failed_tool_and_a_failed_end(tmp_path: Path) -> None:
    lines = [
        {"type": "init", "session_id": "s", "model": "m"},
        {"type": "message", "role": "user", "content": "go"},
        {"type": "tool_use", "tool_name": "send", "tool_id": "c", "parameters": {"to": "k"}},
        {"type": "tool_result", "tool_id": "c", "status": "error", "error": {"type": "x", "message": "no"}},
        {"type": "error", "severity": "warning", "message": "slow"},
        {"type": "result", "status": "error", "error": {"type": "y", "message": "quota"}},
    ]
    (transcript,) = read_lines(tmp_path, lines)
    assert told(transcript) == [("user", "go"), ("send()", "to: k"), ("send=", "no")]
    assert transcript.metadata["provider_error"] == "quota"
