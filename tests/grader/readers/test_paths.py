"""The same transcripts wherever they lie and however they are packed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import fsspec
import pytest
import zstandard
from judge_helpers import transcript

from grader.errors import InputError
from grader.files.storage import fetched
from grader.readers import read_transcripts
from grader.transcript_files import write_transcripts

LINES = "".join(
    json.dumps({"messages": [{"role": "user", "content": f"Hi {i}"}], "model": "m"}) + "\n" for i in range(2000)
).encode()


def zstd(data: bytes) -> bytes:
    """Two frames, as parallel compressors write."""
    half = len(data) // 2
    pack = zstandard.ZstdCompressor(write_checksum=True).compress
    return pack(data[:half]) + pack(data[half:])


@pytest.fixture
def bucket():
    """An object storage in memory: real fsspec, no server."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.mark.parametrize(("suffix", "pack"), [("zst", zstd), ("gz", gzip.compress)])
def test_compressed_lines_are_the_lines(tmp_path: Path, suffix, pack):
    (tmp_path / "a.jsonl").write_bytes(LINES)
    plain = list(read_transcripts(tmp_path / "a.jsonl"))
    (tmp_path / "packed").mkdir()
    packed = tmp_path / "packed" / f"a.jsonl.{suffix}"
    packed.write_bytes(pack(LINES))
    found = list(read_transcripts(tmp_path / "packed"))
    assert [t.messages for t in found] == [t.messages for t in plain] and len(found) == 2000
    assert found[7].id == f"{packed.name}:8"


@pytest.mark.parametrize(("suffix", "pack"), [("zst", zstd), ("gz", gzip.compress)])
@pytest.mark.parametrize("harm", ["cut", "flipped", "one frame"])
def test_compressed_lines_that_are_damaged_are_never_fewer_lines(tmp_path: Path, suffix, pack, harm):
    whole = pack(LINES)
    if harm == "one frame":  # the second begins and goes no further
        whole = pack(LINES) + pack(LINES)[:12]
    if harm == "cut":
        whole = whole[:-9]
    if harm == "flipped":
        whole = whole[:300] + bytes([whole[300] ^ 255]) + whole[301:]
    file = tmp_path / f"a.jsonl.{suffix}"
    file.write_bytes(whole)
    with pytest.raises(InputError, match=r"a\.jsonl\.\w+: "):
        list(read_transcripts(file, on_bad="refuse"))
    if harm != "flipped":  # the sound lines before the damage are kept, and one transcript counts the rest
        *sound, rest = read_transcripts(file)
        assert len(sound) > 100 and "compressed data is damaged" in rest.metadata["unread"]


def test_a_remote_file_reads_as_a_local_one_under_its_own_name(tmp_path: Path, bucket):
    write_transcripts([transcript(i) for i in range(3)], tmp_path / "own.parquet")
    bucket.pipe("/b/runs/x/a.jsonl", LINES)
    bucket.pipe("/b/runs/own.parquet", (tmp_path / "own.parquet").read_bytes())
    bucket.pipe("/b/runs/notes.txt", b"not a log of this folder")
    (tmp_path / "a.jsonl").write_bytes(LINES)
    local = [*read_transcripts(tmp_path / "own.parquet"), *read_transcripts(tmp_path / "a.jsonl")]
    found = list(read_transcripts("memory://b/runs"))
    assert [t.messages for t in found] == [t.messages for t in local]
    assert [t.id for t in found[:3]] == ["t0", "t1", "t2"]
    assert (found[3].id, found[3].metadata["source"]) == ("x/a.jsonl:1", "memory://b/runs/x/a.jsonl")
    assert next(read_transcripts("memory://b/runs/**/*.jsonl")) == found[3]
    assert len(list(read_transcripts("memory://b/runs/own.parquet", tmp_path / "a.jsonl"))) == 2003


def test_what_a_remote_file_lacks_is_told_by_its_own_name(bucket):
    bucket.pipe("/b/broken.jsonl", b'{"messages": [\n')
    with pytest.raises(InputError) as told:
        list(read_transcripts("memory://b/broken.jsonl"))
    assert str(told.value).startswith("memory://b/broken.jsonl: ") and "harmrate-" not in str(told.value)
    for missing in ("memory://b/none.jsonl", "memory://none/*.jsonl"):
        with pytest.raises(InputError, match="no such file"):
            list(read_transcripts(missing))
    with pytest.raises(InputError, match="credentials do not belong"):
        list(read_transcripts("ftp://me:secret@host/a.jsonl"))
    with pytest.raises(InputError, match="not a storage that fsspec supports"):
        list(read_transcripts("nowhere://b/a.jsonl"))


def test_no_name_of_an_object_leads_out_of_the_folder_for_copies(tmp_path: Path, bucket, monkeypatch):
    """Names of objects may hold what is a way up, or to the root, in a path of this machine."""
    (tmp_path / "copies" / "deep" / "deeper").mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "copies" / "deep" / "deeper"))
    for key in ("b/a.jsonl", "b/../../../c.jsonl", "b/../../../../../../../../../d.jsonl"):
        bucket.pipe(f"/{key}", LINES)
        with fetched(f"memory://{key}") as copy:
            assert copy.resolve().is_relative_to(tmp_path / "copies" / "deep" / "deeper")
            assert copy.read_bytes() == LINES
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
