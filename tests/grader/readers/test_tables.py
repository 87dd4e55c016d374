"""Tables of transcripts: ids from several columns, Scout's columns, our own rows, and what is no such table."""

from __future__ import annotations

import csv
import json
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from grader import Message, Transcript, read_transcripts
from grader.errors import InputError
from grader.readers.formats.tables import read_csv
from grader.transcript_files import write_transcripts

CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def test_an_id_of_several_columns(tmp_path: Path) -> None:
    path = tmp_path / "replies.csv"
    path.write_text("model,id,response\na,1,Hello\nb,1,Bye\n")
    read = partial(read_csv, id_fields=("model", "id"))
    assert [t.id for t in read_transcripts(path, format=read)] == ["a/1", "b/1"]
    with pytest.raises(InputError, match=r"replies\.csv: row 1: has no column 'arm' for the id"):
        list(read_transcripts(path, format=partial(read_csv, id_fields=("arm",))))


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_quoted_cells_keep_delimiters_and_lines(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "replies.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([["id", "response"], ["1", 'a,\t"b"\nc']])
    (transcript,) = read_transcripts(path)
    assert transcript.messages[-1].text == 'a,\t"b"\nc'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "empty"),
        (b",\n1,2\n", "empty"),
        (b"id,response\n1,2,3\n", "a row of 3 values under 2 columns"),
        (b'id,response\n1,"open\n', "broken CSV"),
        (b"id,response\n1,\xff\n", "not UTF-8"),
        (b'id,messages\n1,"5"\n', "row 1: messages: is not a list"),
        (b"id,colour\n1,red\n", "row 1"),
    ],
)
def test_what_is_no_table_is_told_in_one_line(tmp_path: Path, text: bytes, told: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text)
    with pytest.raises(InputError, match=told) as refusal:
        list(read_transcripts(path))
    assert "\n" not in str(refusal.value)


def test_scout_columns(tmp_path: Path) -> None:
    row = {"transcript_id": "T", "messages": json.dumps(CHAT), "task_id": "s", "task_repeat": 2, "model": "m"}
    row |= {"metadata": json.dumps({"arm": "b"}), "score": json.dumps({"value": 1}), "agent": None}
    row |= {"id": "s0", "input": "user:\nHi\n"}  # the sample's id, and the question once more
    pd.DataFrame([row]).to_parquet(tmp_path / "t.parquet")
    (transcript,) = read_transcripts(tmp_path / "t.parquet", format="scout")
    assert transcript.id == "T" and [m.text for m in transcript.messages] == ["Hi", "Hello"]
    facts = transcript.metadata
    assert (facts["scenario"], facts["epoch"], facts["model"], facts["arm"]) == ("s", 2, "m", "b")
    assert "agent" not in facts and "messages" not in facts


def test_our_own_parquet_comes_back_as_it_was(tmp_path: Path) -> None:
    messages = (
        Message(role="assistant", kind="reasoning", text="Hm."),
        Message(role="assistant", kind="tool_call", text="x", name="mail", arguments={"to": "k"}),
    )
    sound = [Transcript(id=f"t{i}", messages=messages, metadata={"model": "m", "epoch": i}) for i in range(3)]
    write_transcripts(sound, tmp_path / "t.parquet")
    assert list(read_transcripts(tmp_path / "t.parquet")) == sound
