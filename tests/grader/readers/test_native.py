"""harmrate's own JSONL gives back what was written."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.errors import InputError
from grader.readers import read_transcripts
from grader.transcript import KINDS, ROLES, Message, Transcript
from grader.transcript_files import write_transcripts

plain = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
values = st.recursive(plain, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=4), v, max_size=3))
objects = st.dictionaries(st.text(max_size=6), values, max_size=4)
messages = st.builds(
    Message,
    role=st.sampled_from(sorted(ROLES)),
    kind=st.sampled_from(sorted(KINDS)),
    text=st.text(max_size=40),
    name=st.none() | st.text(max_size=5),
    arguments=st.none() | objects,
)
transcripts = st.builds(
    Transcript,
    id=st.text(min_size=1, max_size=8),
    messages=st.lists(messages, min_size=1, max_size=4).map(tuple),
    metadata=objects,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(transcripts, min_size=1, max_size=4, unique_by=lambda t: t.id), st.booleans())
def test_round_trip(written: list[Transcript], ascii_only: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.jsonl"
        lines = (json.dumps(t.to_dict(), ensure_ascii=ascii_only) for t in written)
        path.write_bytes(b"".join(line.encode() + b"\n" for line in lines))
        for format_ in ("auto", "harmrate"):
            read = list(read_transcripts(path, format=format_))
            assert read == written
            assert [t.content_hash for t in read] == [t.content_hash for t in written]


@settings(max_examples=60)
@given(st.lists(transcripts, min_size=1, max_size=4, unique_by=lambda t: t.id), st.sampled_from(["jsonl", "parquet"]))
def test_what_we_write_is_read_back_equal(written: list[Transcript], suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"t.{suffix}"
        assert write_transcripts(written, path) == len(written)
        assert list(read_transcripts(path)) == written


def test_an_interrupted_writer_leaves_the_old_file(tmp_path: Path) -> None:
    def cut() -> Iterator[Transcript]:
        yield Transcript(id="b", messages=())
        raise KeyboardInterrupt

    for name in ("t.jsonl", "t.parquet"):
        write_transcripts([Transcript(id="a", messages=())], tmp_path / name)
        with pytest.raises(KeyboardInterrupt):
            write_transcripts(cut(), tmp_path / name)
        assert [t.id for t in read_transcripts(tmp_path / name)] == ["a"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.jsonl", "t.parquet"]
    with pytest.raises(InputError, match=r"written to \.jsonl or \.parquet, not '\.txt'"):
        write_transcripts([], tmp_path / "t.txt")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"id": "a", "messages": "x"}, "needs 'id'"),
        ({"id": "", "messages": []}, "an 'id' that is not empty"),
        ({"id": "a", "messages": [{"role": "user", "kind": "shout", "text": ""}]}, "message 1 needs"),
        ({"id": "a", "messages": [], "metadata": 3}, "metadata must be an object"),
        ([], "no transcript but list"),
    ],
)
def test_broken_records(tmp_path: Path, record: object, reason: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "ok", "messages": []}\n' + json.dumps(record))
    with pytest.raises(InputError, match=f"line 2: .*{reason}"):
        list(read_transcripts(path, format="harmrate", on_bad="refuse"))
    sound, unread = read_transcripts(path, format="harmrate")
    assert sound.id == "ok" and reason in unread.metadata["unread"]


def test_bottomless_arguments_are_refused(tmp_path: Path) -> None:
    deep: object = 1
    for _ in range(150):
        deep = {"a": deep}
    message = {"role": "assistant", "kind": "tool_call", "text": "", "arguments": {"x": deep}}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"id": "a", "messages": [message]}))
    with pytest.raises(InputError, match="nested"):
        list(read_transcripts(path))
