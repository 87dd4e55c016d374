"""A file of records in several shapes: each is read as it would be alone."""

import json

import pytest

from grader.readers import read_transcripts
from grader.readers.ledger import ReadingLedger

ASKED = [{"role": "user", "content": "hi"}]
RECORDS = [
    {"id": "a", "messages": ASKED, "completion": "sent it"},
    {"id": "b", "input": ASKED, "output": {"role": "assistant", "content": "sent it"}},
    {"id": "c", "conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "sent it"}]},
    {"id": "d", "prompt": ASKED, "completion": [{"role": "assistant", "content": "sent it"}]},
    {"id": "e", "messages": ASKED, "output": {"choices": [{"message": {"content": "sent it"}}]}},
    {"id": "f", "prompt": "hi", "response": "sent it"},
    {
        "id": "g",
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}, {"role": "model", "parts": [{"text": "sent it"}]}],
    },
]


@pytest.mark.parametrize("first", range(len(RECORDS)))
def test_every_record_is_read_whatever_the_first_one_is(tmp_path, first):
    rows = [*RECORDS[first:], *RECORDS[:first]]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ledger = ReadingLedger()
    read = {t.id: t for t in read_transcripts(tmp_path, ledger=ledger)}
    assert list(read) == [row["id"] for row in rows]
    for transcript in read.values():
        assert "unread" not in transcript.metadata
        assert [(m.role, m.text) for m in transcript.messages] == [("user", "hi"), ("assistant", "sent it")]
    assert ledger.read == ledger.used == len(RECORDS) and set(ledger.formats.values()) == {1}


def test_lines_of_one_conversation_stay_together(tmp_path):
    lines = [
        *ASKED,
        {"role": "assistant", "content": "sent it"},
        {"type": "function_call", "name": "f", "arguments": "{}"},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (transcript,) = read_transcripts(tmp_path)
    assert [m.kind for m in transcript.messages] == ["text", "text", "tool_call"]
