"""Paths, formats, duplicates and bad files, whatever the format."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.errors import InputError
from grader.readers import READERS, read_transcripts
from grader.readers.format_docs import with_table
from grader.readers.read import ENTRY_POINTS
from grader.transcript import Message, Transcript

CHAT = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}


def write(path: Path, *records: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_files_folders_and_globs_name_the_same_transcripts(tmp_path: Path) -> None:
    for name in ("b", "a", "deep/c"):
        write(tmp_path / f"{name}.jsonl", CHAT | {"id": name})
    (tmp_path / "notes.md").write_text("no transcript")
    ids = ["a", "b", "deep/c"]
    assert [t.id for t in read_transcripts(tmp_path)] == ids
    assert [t.id for t in read_transcripts(f"{tmp_path}/**/*.jsonl")] == ids
    assert [t.id for t in read_transcripts(*(tmp_path / f"{i}.jsonl" for i in ids))] == ids
    assert [t.id for t in read_transcripts(tmp_path, tmp_path / "a.jsonl")] == ids  # a file named twice is read once


def test_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(json.dumps(CHAT | {"id": i}) + "\n" for i in "ab")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert [t.id for t in read_transcripts("-")] == ["a", "b"]


def test_reading_streams(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", CHAT | {"id": "a"}, CHAT | {"id": "a"})
    stream = read_transcripts(path)
    assert next(stream).id == "a"  # the second record is broken, and not yet read
    with pytest.raises(InputError):
        next(stream)


def test_duplicate_ids_name_both_places(tmp_path: Path) -> None:
    first = write(tmp_path / "1.jsonl", CHAT | {"id": "x"}, CHAT | {"id": "a"})
    second = write(tmp_path / "2.jsonl", CHAT | {"id": "a"})
    with pytest.raises(InputError, match="id 'a' is already") as caught:
        list(read_transcripts(first, second))
    assert f"{second}: transcript 1" in str(caught.value)
    assert f"{first}: transcript 2" in str(caught.value)


@pytest.mark.parametrize(
    "layout",
    [
        pytest.param("\n".join, id="JSONL"),
        pytest.param(lambda rows: "[" + ",".join(rows) + "]", id="list on one line"),
        pytest.param(lambda rows: "[\n" + ",\n".join(rows) + "\n]\n", id="list over lines"),
        pytest.param(lambda rows: "\n".join(json.dumps(json.loads(r), indent=2) for r in rows), id="pretty objects"),
        pytest.param(lambda rows: "\r\n\r\n".join(rows) + "\r\n", id="blank lines and CRLF"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_layout_of_json_is_the_same_stream(tmp_path: Path, layout, encoding: str) -> None:
    path = tmp_path / "chats.json"
    path.write_bytes(layout([json.dumps(CHAT | {"id": i}, ensure_ascii=False) for i in ("a", "ü")]).encode(encoding))
    assert [t.id for t in read_transcripts(path)] == ["a", "ü"]


def test_records_longer_than_one_chunk(tmp_path: Path) -> None:
    long = "long " * 500_000
    rows = [{"id": i, "messages": [{"role": "user", "content": long + i}]} for i in "abc"]
    (tmp_path / "list.json").write_text(json.dumps(rows, indent=1))
    write(tmp_path / "lines.jsonl", *rows)
    for name in ("list.json", "lines.jsonl"):
        assert [t.messages[0].text for t in read_transcripts(tmp_path / name)] == [long + i for i in "abc"]


def test_a_bare_list_of_messages_is_one_conversation(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(CHAT["messages"]))
    (transcript,) = read_transcripts(path)
    assert [m.text for m in transcript.messages] == ["Hi", "Hello"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \n\n ", "is empty"),
        (b'{"id": "a", "messages": [{"role": "us', "broken or cut JSON"),
        (b'{"messages": [{"role": "user", "content": "x"}]}\n{"messages": [', "line 2: broken or cut JSON"),
        (b'[{"messages": [{"role": "user", "content": "x"}]}, {"mess', "record 2: broken or cut JSON"),
        (b'[{"messages": [{"role": "user", "content": "x"}]}] tail', "more text"),
        (b'{"price": 3}', "cannot tell the format: a record of keys price fits none of harmrate"),
        (b"[]", "holds no record"),
        (b"3", "cannot tell"),
        (b"\xff\xfa{}", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"id": "a", "messages": [{"role": "pirate", "content": "x"}]}', "messages[0]: unknown role 'pirate'"),
        (b'{"id": "a", "messages": [], "x": 1}\n{"id": "b", "messages": 7}', "line 2: messages: is not a list"),
        (b"PK\x03\x04 and nothing else", "no readable zip"),
    ],
)
def test_bad_files_are_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        list(read_transcripts(path, on_bad="refuse"))
    message = str(caught.value)
    assert message.startswith(str(path)) and reason in message and "\n" not in message


def test_wrong_names_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown format 'word'; choose one of auto, harmrate"):
        list(read_transcripts(tmp_path, format="word"))
    with pytest.raises(InputError, match="no such file"):
        list(read_transcripts(tmp_path / "absent.jsonl"))
    with pytest.raises(InputError, match="no such file"):
        list(read_transcripts(f"{tmp_path}/*.jsonl"))
    with pytest.raises(InputError, match="without transcripts"):
        list(read_transcripts(tmp_path))
    with pytest.raises(InputError, match="no transcripts named"):
        list(read_transcripts())


def test_a_reader_may_be_a_function(tmp_path: Path) -> None:
    def shout(path: Path) -> Iterator[Transcript]:
        text = path.read_text().upper()
        yield Transcript(id=path.stem, messages=(Message(role="assistant", kind="text", text=text),))

    (tmp_path / "a.log").write_text("psst")
    (transcript,) = read_transcripts(tmp_path / "a.log", format=shout)
    assert transcript.messages[0].text == "PSST"


def test_third_parties_add_formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site"
    info = package / "morse-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: morse\nVersion: 1.0\n")
    others = "lost = no_such_module:read\nnumber = morse_reader:NUMBER\n"
    (info / "entry_points.txt").write_text("[harmrate.readers]\nmorse = morse_reader:read\n" + others)
    (package / "morse_reader.py").write_text(
        "from grader.transcript import Transcript\nNUMBER = 1\n"
        "def read(path):\n    yield Transcript(id='morse', messages=())\n"
    )
    monkeypatch.syspath_prepend(str(package))
    (tmp_path / "a.log").write_text("...")
    assert [t.id for t in read_transcripts(tmp_path / "a.log", format="morse")] == ["morse"]
    with pytest.raises(InputError, match="format 'lost': its reader no_such_module:read cannot be loaded"):
        list(read_transcripts(tmp_path / "a.log", format="lost"))
    with pytest.raises(InputError, match="format 'number': morse_reader:NUMBER is not a function"):
        list(read_transcripts(tmp_path / "a.log", format="number"))
    with pytest.raises(InputError, match="choose one of .*morse"):
        list(read_transcripts(tmp_path / "a.log", format="code"))


def test_every_named_format_refuses_an_unfit_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"nothing": "of use"}')
    for name in READERS.keys() - {"text"}:  # any text is a reply
        with pytest.raises(InputError):
            list(read_transcripts(path, format=name))


def test_the_documentation_lists_every_format() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
    assert [name for name in READERS if f"`{name}`" not in page] == []
    assert ENTRY_POINTS in page


def test_the_table_of_formats_in_the_documentation_is_current() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
    assert with_table(page) == page, "run: python -m grader.readers.format_docs docs/formats.md"
