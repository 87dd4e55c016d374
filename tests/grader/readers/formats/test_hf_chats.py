"""Data sets of chats: ShareGPT, Hermes, WildChat, TRL's completions and pairs, as lines and as Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from format_reading import read_lines, told

from grader import read_transcripts


def test_words_of_sharegpt_and_hermes(tmp_path: Path) -> None:
    turns = [
        {"from": "system", "value": "Be good"},
        {"from": "human", "value": "go"},
        {
            "from": "gpt",
            "value": '<think>Hm.</think>Sure.<tool_call>\n{"name": "send", "arguments": {"to": "k"}}\n</tool_call>',
        },
        {"from": "tool", "value": "<tool_response>\nsent\n</tool_response>"},
        {"from": "function_call", "value": '{"name": "wipe", "argum'},
        {"from": "observation", "value": "no"},
        {"from": "bard", "value": "Done."},
    ]
    (transcript,) = read_lines(tmp_path, [{"id": "s", "conversations": turns, "source": "web"}])
    assert told(transcript) == [
        ("system", "Be good"),
        ("user", "go"),
        ("thought", "Hm."),
        ("assistant", "Sure."),
        ("send()", "to: k"),
        ("send=", "sent"),
        ("unknown()", '{"name": "wipe", "argum'),
        ("unknown=", "no"),
        ("assistant", "Done."),
    ]


def test_a_pair_is_two_transcripts_that_do_not_tell_which_is_which(tmp_path: Path) -> None:
    pair = {
        "id": "p",
        "prompt": "go",
        "chosen": "no",
        "rejected": [{"role": "assistant", "content": "leak"}],
        "chosen_score": 9.5,
    }
    chosen, rejected = read_lines(tmp_path, [pair])
    assert (chosen.id, rejected.id) == ("p/chosen", "p/rejected")
    assert told(chosen) == [("user", "go"), ("assistant", "no")] and told(rejected)[-1] == ("assistant", "leak")
    assert chosen.metadata == rejected.metadata and chosen.metadata["episode"] == "p"


def test_an_implicit_prompt_is_not_said_twice(tmp_path: Path) -> None:
    asked = [{"role": "user", "content": "go"}]
    sides = {side: [*asked, {"role": "assistant", "content": side}] for side in ("chosen", "rejected")}
    for number, prompt in enumerate((asked, "go", None)):
        transcripts = read_lines(tmp_path, [{"id": "p", "prompt": prompt} | sides], f"{number}.jsonl")
        assert [told(t) for t in transcripts] == [[("user", "go"), ("assistant", side)] for side in sides]


def test_a_prompt_with_its_completion_as_texts_and_as_lists(tmp_path: Path) -> None:
    rows = [{"id": "a", "prompt": "go", "completion": "ok", "label": True}]
    rows.append(
        {
            "id": "b",
            "prompt": [{"role": "user", "content": "go"}],
            "completion": [{"role": "assistant", "content": "ok"}],
            "label": False,
        }
    )
    for number, row in enumerate(rows):
        (transcript,) = read_lines(tmp_path, [row], f"{number}.jsonl")
        assert told(transcript) == [("user", "go"), ("assistant", "ok")]


def test_an_empty_last_answer_is_a_failure(tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "on"},
    ]
    (transcript,) = read_lines(
        tmp_path, [{"conversation_id": "c", "conversation": [*turns, {"role": "assistant", "content": ""}]}]
    )
    assert transcript.id == "c" and transcript.metadata["provider_error"]


@pytest.mark.parametrize("column", ["messages", "conversation"])
def test_parquet_structs_are_read_without_their_padding(tmp_path: Path, column: str) -> None:
    arguments = {"to": "k", "path": None}  # every tool's parameters in one struct
    call = {"id": "c", "function": {"name": "send", "arguments": arguments}}
    turns: list[dict[str, Any]] = [
        {"role": "user", "content": "go", "tool_calls": None, "name": None},
        {"role": "assistant", "content": None, "tool_calls": [call], "name": None},
        {"role": "assistant", "content": "Done.", "tool_calls": None, "name": None},
    ]
    path = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_pylist([{"conversation_hash": "h", "model": "m", column: turns}]), path)
    (transcript,) = read_transcripts(path)
    assert told(transcript) == [("user", "go"), ("send()", "to: k"), ("assistant", "Done.")]
    assert transcript.metadata["model"] == "m"


def test_messages_of_wildchat_keep_their_notes_out_of_the_talk(tmp_path: Path) -> None:
    notes = {
        "language": "English",
        "toxic": True,
        "redacted": False,
        "turn_identifier": 1,
        "country": "X",
        "hashed_ip": "f",
    }
    turns = [{"role": "user", "content": "go"} | notes, {"role": "assistant", "content": "ok"} | notes]
    row = {
        "conversation_hash": "h",
        "model": "m",
        "conversation": turns,
        "toxic": True,
        "openai_moderation": [{"flagged": True}],
    }
    (transcript,) = read_lines(tmp_path, [row])
    assert told(transcript) == [("user", "go"), ("assistant", "ok")] and transcript.id == "h"
