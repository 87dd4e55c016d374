"""Small files that would become huge, JSON without a bottom, links that lead elsewhere: one line, in bounded memory."""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import zstandard

from grader import read_transcripts, read_verdicts, write_verdicts
from grader.classifier.artifact import read_artifact
from grader.errors import InputError
from grader.judge.clients.replay import ReplayClient
from grader.judge.stress.version_drift import read_anchors
from grader.readers import archive, compressed, records
from grader.store.store import Store
from grader.store.tables import COLUMNS, checksum
from grader.transcript_files import write_transcripts
from labels import read_labels

CHAT = '{"id":"a","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":%s}]}'
CALL = (
    '{"id":"a","messages":[{"role":"assistant","content":null,"tool_calls":'
    '[{"id":"1","type":"function","function":{"name":"f","arguments":%s}}]}]}'
)
BLOCK = '{"id":"a","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":%s}]}]}'
NATIVE = '{"id":"a","metadata":{"x":%s},"messages":[{"role":"user","kind":"text","text":"hi"}]}'
CLAUDE = (
    '{"type":"assistant","sessionId":"s","uuid":"u","message":{"role":"assistant","content":'
    '[{"type":"tool_use","id":"1","name":"f","input":%s}]}}'
)
SHAPES = (CHAT, CALL, BLOCK, NATIVE, CLAUDE, "%s", "[%s]")


def nested(depth: int, what: str) -> str:
    return "[" * depth + "]" * depth if what == "list" else '{"a":' * depth + "1" + "}" * depth


@pytest.mark.parametrize("what", ["list", "object", "text"])
@pytest.mark.parametrize("depth", [150, 250, 900, 970, 980, 985, 990, 995, 1_005, 100_000])
def test_json_of_any_depth_is_read_to_its_end_or_refused(tmp_path: Path, depth: int, what: str) -> None:
    path = tmp_path / "t.jsonl"
    for shape in SHAPES:
        inner = json.dumps(nested(depth, "object")) if what == "text" else nested(depth, what)
        path.write_text(shape % inner)
        try:
            found = list(read_transcripts(path))
        except InputError as error:
            assert "\n" not in str(error) and len(str(error)) < 1_000
            continue
        for transcript in found:  # what was taken in must do for everything that comes after
            assert len(transcript.content_hash) == 64 and str(transcript)
        write_transcripts(found, tmp_path / "again.jsonl")


def test_the_depth_allowed_is_the_same_in_every_layout(tmp_path: Path) -> None:
    for depth, is_read in ((records.MAX_DEPTH - 10, True), (records.MAX_DEPTH + 10, False)):
        one = f'{{"x": {nested(depth, "list")}, "y": "z"}}'
        for n, text in enumerate((one, f"[{one}]", one.replace(', "y"', ',\n"y"'), one.replace('"z"', '"z\\ud800"'))):
            path = tmp_path / f"{depth}-{n}.json"
            path.write_text(text)
            if is_read:
                assert len(list(records.iter_records(path))) == 1
            else:
                with pytest.raises(InputError, match="nested too deeply"):
                    list(records.iter_records(path))


DEEP = nested(50_000, "list")


def _artifact(path: Path) -> None:
    path.mkdir()
    (path / "metadata.json").write_text(DEEP)
    read_artifact(path)


def _file(read: Callable[[Path], object], suffix: str) -> Callable[[Path], None]:
    def call(path: Path) -> None:
        path.with_suffix(suffix).write_text(DEEP)
        read(path.with_suffix(suffix))

    return call


@pytest.mark.parametrize(
    "read",
    [
        _artifact,
        _file(read_verdicts, ".jsonl"),
        _file(read_labels, ".jsonl"),
        _file(read_labels, ".json"),
        _file(read_anchors, ".jsonl"),
        _file(ReplayClient, ".jsonl"),
    ],
    ids=["artifact", "verdicts", "labels", "export", "anchors", "replies"],
)
def test_no_entrance_is_bottomless(tmp_path: Path, read: Callable[[Path], None]) -> None:
    with pytest.raises(InputError):
        read(tmp_path / "deep")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("depth", [250, 980, 990, 100_000])
def test_nor_are_cells_of_a_table_of_verdicts(tmp_path: Path, depth: int, suffix: str) -> None:
    """What a cell holds beside the verdict is not worth the verdict."""
    cell = nested(depth, "list")
    cells = {"evidence": cell, "usage": cell}
    table = pd.DataFrame({"transcript_id": ["a"], "harm": "h", "grader": "g", "present": True} | cells)
    path = tmp_path / f"v.{suffix}"
    if suffix == "jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        getattr(table, f"to_{suffix}")(path, index=False)
    found = read_verdicts(path)
    assert found["present"].tolist() == [True] and found["evidence"].tolist() == [[]]
    write_verdicts(found, tmp_path / "again.csv")


def test_a_record_beyond_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_RECORD", 2**21)
    for text in ('{"a": "' + "x" * 2**22 + '"}', '[{"a": "' + "x" * 2**24 + '"}]', '{\n"a": "' + "x" * 2**24 + '"}'):
        (tmp_path / "t.json").write_text(text)
        with pytest.raises(InputError, match="longer than 2097152 characters"):
            list(read_transcripts(tmp_path / "t.json"))


# ---- Archives --------------------------------------------------------------------------------------------------------


def overlapping(path: Path, n_members: int, size: int) -> None:
    """An archive whose members all stand for the same few bytes, in Zstandard."""
    data = b'{"x": "' + b"x" * size + b'"}'
    packed = zstandard.compress(data)
    head = json.dumps({"version": 2, "status": "success", "eval": {"task": "t", "model": "m", "eval_id": "e"}}).encode()
    local, central, end = b"", b"", b""
    names = [("header.json", head, head), *((f"samples/{i}_epoch_1.json", packed, data) for i in range(n_members))]
    places: dict[bytes, int] = {}
    for name, raw, plain in names:
        method = 0 if raw is plain else 93
        fields = struct.pack("<HHHHHIIIH", 20, 0, method, 0, 33, zlib.crc32(plain), len(raw), len(plain), len(name))
        if raw not in places:
            places[raw] = len(local)
            local += b"PK\x03\x04" + fields + struct.pack("<H", 0) + name.encode() + raw
        middle = struct.pack("<HHHHII", 0, 0, 0, 0, 0, places[raw])
        central += b"PK\x01\x02" + struct.pack("<H", 20) + fields + middle + name.encode()
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, len(names), len(names), len(central), len(local), 0)
    path.write_bytes(local + central + end)


def test_members_that_share_their_bytes_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = tmp_path / "bomb.eval"
    overlapping(bomb, 300, 2**20)
    assert bomb.stat().st_size < 50_000
    monkeypatch.setattr(archive, "MAX_INFLATED", 8 * 2**20)
    with archive.open_archive(bomb) as opened:
        with pytest.raises(InputError, match="the archive inflates past"):
            for name in opened.members:
                opened.read(name)
        assert opened.inflated < 60 * 2**20  # of 300 MB


@pytest.mark.parametrize("name", ["../../outside.json", "/etc/outside.json", "samples/../../outside.json"])
def test_names_of_members_are_no_paths(tmp_path: Path, name: str) -> None:
    (tmp_path / "deep").mkdir()
    path = tmp_path / "deep" / "log.eval"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("header.json", json.dumps({"version": 2, "eval": {"task": "t", "model": "m", "eval_id": "e"}}))
        made.writestr(name, "{}")
        link = zipfile.ZipInfo("samples/link_epoch_1.json")
        link.external_attr = 0o120777 << 16  # a symbolic link
        made.writestr(link, "/etc/passwd")
    with pytest.raises(InputError):
        list(read_transcripts(path))
    assert [p.name for p in tmp_path.rglob("*")] == ["deep", "log.eval"]


def test_the_same_limit_for_samples_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("header.json", json.dumps({"version": 2, "eval": {"task": "t", "model": "m", "eval_id": "e"}}))
        made.writestr("samples/1_epoch_1/sample.json", json.dumps({"id": 1, "epoch": 1, "messages": []}))
        for i in range(40):
            made.writestr(
                f"samples/1_epoch_1/messages/{i}.json", json.dumps([{"role": "user", "content": "x" * 2**19}])
            )
    monkeypatch.setattr("grader.readers.formats.inspect_archive.MAX_INFLATED", 2**22)
    with pytest.raises(InputError, match="the sample inflates past"):
        list(read_transcripts(path))


# ---- Compressed streams ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [zstandard.compress, gzip.compress], ids=["zstd", "gzip"])
def test_streams_are_bounded_by_what_went_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(compressed, "UNCOUNTED", 2**20)
    path = tmp_path / "t.jsonl.zst"
    path.write_bytes(pack(b"\n" * 2**26))
    with pytest.raises(InputError, match="grows past 250 times its size"):
        list(read_transcripts(path))
    honest = b"".join(b'{"id": "%d", "messages": [{"role": "user", "content": "same"}]}\n' % i for i in range(20_000))
    path.write_bytes(pack(honest))
    assert sum(1 for _ in read_transcripts(path)) == 20_000


@pytest.mark.slow
@pytest.mark.parametrize("pack", [zstandard.compress, gzip.compress], ids=["zstd", "gzip"])
def test_a_bomb_of_a_hundred_gigabytes_ends_in_one_line(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    bomb = tmp_path / "t.jsonl.zst"
    bomb.write_bytes(pack(b" " * 2**27) * 800)
    code = (
        "import resource, sys, time; from grader import read_transcripts; from grader.errors import InputError\n"
        "try: list(read_transcripts(sys.argv[1]))\n"
        "except InputError as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(bomb)], capture_output=True, text=True, timeout=120)
    told, peak = run.stdout.splitlines()
    print(f"{bomb.stat().st_size} bytes for {800 * 2**27}: {told}; peak {int(peak) // 1024} MB")  # noqa: T201
    assert ("grows past" in told or "longer than" in told) and int(peak) < 3 * 2**20  # kB


# ---- Links -----------------------------------------------------------------------------------------------------------


def test_links_out_of_a_folder_are_refused_and_others_read(tmp_path: Path) -> None:
    secret, runs = tmp_path / "secret.json", tmp_path / "runs"
    secret.write_text('{"id": "s", "messages": [{"role": "user", "content": "private"}]}')
    runs.mkdir()
    (runs / "a.json").write_text('{"id": "a", "messages": [{"role": "user", "content": "x"}]}')
    (runs / "sub").symlink_to(tmp_path, target_is_directory=True)  # folders behind links are not searched
    assert [t.id for t in read_transcripts(runs)] == ["a"]
    (runs / "b.json").symlink_to("../secret.json")
    with pytest.raises(InputError, match=r"b\.json: is a symbolic link out of its folder"):
        list(read_transcripts(runs))
    assert [t.id for t in read_transcripts(runs / "b.json")] == ["s"]  # named, it is meant
    (runs / "b.json").unlink()
    (runs / "loop.json").symlink_to("loop.json")
    assert [t.id for t in read_transcripts(runs)] == ["a"]
    (tmp_path / "alias").symlink_to(runs, target_is_directory=True)
    assert [t.id for t in read_transcripts(tmp_path / "alias")] == ["a"]


@pytest.mark.parametrize("reply", [DEEP, "{", ""])
def test_a_store_from_elsewhere_ends_in_one_line(tmp_path: Path, reply: str) -> None:
    """Its checksums are right, its replies are not."""
    row = ("k", reply, 1.0, *([None] * (len(COLUMNS["reply"]) - 3)))
    with Store(tmp_path / "s.sqlite") as store:
        store.put_rows("reply", [(*row, checksum(*row))])
        with pytest.raises(InputError, match="is damaged"):
            store.get_reply("k")
        with pytest.raises(InputError, match="is damaged"):
            store.export(tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
