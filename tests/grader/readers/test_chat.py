"""OpenAI chats and Anthropic messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grader.errors import InputError
from grader.readers import read_transcripts
from grader.transcript import Transcript


def read(folder: Path, record: Any, **options: Any) -> Transcript:
    path = folder / "chat.json"
    path.write_text(json.dumps(record))
    (transcript,) = read_transcripts(path, **options)
    return transcript


def rows(transcript: Transcript) -> list[tuple[str, str, str | None, str]]:
    return [(m.role, m.kind, m.name, m.text) for m in transcript.messages]


def test_openai_tool_calls(tmp_path: Path) -> None:
    chat = {
        "uuid": "u1",
        "model": "gpt",
        "messages": [
            {"role": "developer", "content": "Be good."},
            {"role": "user", "content": [{"type": "text", "text": "Mail k"}, {"type": "image_url", "image_url": {}}]},
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "Hm.",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "mail", "arguments": '{"to": "k", "n": 2}'}},
                    {"id": "c2", "type": "function", "function": {"name": "run", "arguments": "{broken"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "sent"},
            {"role": "assistant", "content": "", "refusal": "I cannot."},
        ],
    }
    transcript = read(tmp_path, chat)
    assert rows(transcript) == [
        ("system", "text", None, "Be good."),
        ("user", "text", None, "Mail k"),
        ("user", "text", None, "[image]"),
        ("assistant", "reasoning", None, "Hm."),
        ("assistant", "tool_call", "mail", "to: k\nn: 2"),
        ("assistant", "tool_call", "run", "{broken"),
        ("tool", "tool_result", "mail", "sent"),
        ("assistant", "text", None, "I cannot."),
    ]
    assert transcript.messages[4].arguments == {"to": "k", "n": 2}
    assert transcript.id == "u1" and transcript.metadata["model"] == "gpt"


def test_openai_request_and_answer(tmp_path: Path) -> None:
    question = {"messages": [{"role": "user", "content": "Hi"}]}
    answer = {
        "choices": [
            {"message": {"role": "assistant", "content": "Hello", "function_call": {"name": "f", "arguments": "{}"}}}
        ]
    }
    expected = [("user", "text", None, "Hi"), ("assistant", "text", None, "Hello"), ("assistant", "tool_call", "f", "")]
    assert rows(read(tmp_path, question | {"response": answer})) == expected
    assert rows(read(tmp_path, question | answer)) == expected


def test_anthropic_blocks(tmp_path: Path) -> None:
    chat = {
        "id": "a1",
        "system": [{"type": "text", "text": "Be good."}],
        "messages": [
            {"role": "user", "content": "Read it"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Let me.", "signature": "s"},
                    {"type": "redacted_thinking", "data": "xx"},
                    {"type": "text", "text": "Reading."},
                    {"type": "tool_use", "id": "t1", "name": "read", "input": {"path": "/a"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "secret"}]},
                    {"type": "text", "text": "Go on"},
                ],
            },
        ],
    }
    assert rows(read(tmp_path, chat)) == [
        ("system", "text", None, "Be good."),
        ("user", "text", None, "Read it"),
        ("assistant", "reasoning", None, "Let me."),
        ("assistant", "reasoning", None, "[reasoning withheld by the provider]"),
        ("assistant", "text", None, "Reading."),
        ("assistant", "tool_call", "read", "path: /a"),
        ("tool", "tool_result", "read", "secret"),
        ("user", "text", None, "Go on"),
    ]


def test_text_actions_and_scratchpads_in_any_chat(tmp_path: Path) -> None:
    reply = "<think>Leverage?</think>Done.\n<tool_use:cancel_alert>\n4429\n</tool_use:cancel_alert>"
    chat = {
        "messages": [{"role": "user", "content": "<think>not mine</think>"}, {"role": "assistant", "content": reply}]
    }
    assert rows(read(tmp_path, chat)) == [
        ("user", "text", None, "<think>not mine</think>"),
        ("assistant", "reasoning", None, "Leverage?"),
        ("assistant", "text", None, "Done."),
        ("assistant", "tool_call", "cancel_alert", "4429"),
    ]


def test_other_fields_become_metadata(tmp_path: Path) -> None:
    chat = {
        "id": 7,
        "task": "t1",
        "trial": 2,
        "source": "theirs",
        "score": float("nan"),
        "metadata": {"arm": "b"},
        "messages": [{"role": "user", "content": "x \ud83d cut"}],
    }
    transcript = read(tmp_path, chat)
    assert transcript.id == "7"
    facts = transcript.metadata
    assert (facts["scenario"], facts["epoch"], facts["arm"]) == ("t1", 2, "b")
    assert facts["log_source"] == "theirs" and facts["source"] == str(tmp_path / "chat.json")
    assert facts["score"] is None
    assert transcript.messages[0].text == "x \ufffd cut"
    assert "metadata" not in facts


def test_ids_fall_back_to_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(
        '{"messages": [{"role": "user", "content": "x"}]}\n\n{"messages": [{"role": "user", "content": "y"}]}\n'
    )
    assert [t.id for t in read_transcripts(path)] == ["c.jsonl:1", "c.jsonl:3"]


@pytest.mark.parametrize(
    "reply",
    [
        '[ERROR: Insufficient credits. Add more using https://x.ai {"error":{}} [http 402]]',
        'API Error: 529 {"type":"error","error":{"type":"overloaded_error"}}',
        "Error code: 401 - {'error': {'message': 'Incorrect API key'}}",
        "litellm.RateLimitError: RateLimitError: OpenAIException - quota",
        '{"error": {"message": "Internal server error", "code": 500}}',
    ],
)
def test_a_providers_error_is_marked(tmp_path: Path, reply: str) -> None:
    chat = {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": reply}]}
    assert read(tmp_path, chat).metadata["provider_error"] == reply


@pytest.mark.parametrize(
    "reply",
    ["The call failed with Error code: 500.", "Error: I could not find that file.", '{"error": "no such user"}'],
)
def test_talk_about_errors_is_no_providers_error(tmp_path: Path, reply: str) -> None:
    chat = {"messages": [{"role": "user", "content": "[ERROR: quota]"}, {"role": "assistant", "content": reply}]}
    assert "provider_error" not in read(tmp_path, chat).metadata


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"messages": [3]}, "messages.0.: is not an object"),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": 3}]},
            "messages.1..tool_calls: is no list",
        ),
        ({"messages": {}}, "messages: is not a list"),
    ],
)
def test_broken_chats(tmp_path: Path, record: object, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read(tmp_path, record, format="openai")
