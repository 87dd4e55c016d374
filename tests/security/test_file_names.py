"""Files may be called anything that a file system takes: also that is text from elsewhere."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from judge_helpers import answer
from messages_server import MessagesServer
from typer.testing import CliRunner

from cli import app
from grader import read_transcripts, read_verdicts
from labels.sampling.designs import read_design

NAMES = (
    b"\xff\xfe.jsonl",
    b'a"b\n\x1b[2J]$(x).jsonl',
    b"=cmd.jsonl",
    "x\u202e.jsonl".encode(),
    b"-rf.jsonl",
    b"a b'.jsonl",
)
CHAT = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "I could"}]}\n'


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
    monkeypatch.delenv("HARMRATE_STORE", raising=False)
    (tmp_path / "runs").mkdir()
    for name in NAMES:
        try:
            Path(os.fsdecode(b"runs/" + name)).write_text(CHAT)
        except OSError:
            pytest.skip("this file system takes no such names")
    return tmp_path / "runs"


def harmrate(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    told = result.stdout + result.stderr
    assert told.replace("\n", "").isprintable()
    return result.exit_code, told


def test_whatever_files_are_called_they_are_read_graded_and_drawn(runs: Path) -> None:
    ids = {t.id for t in read_transcripts("runs")}
    assert len(ids) == len(NAMES)
    with MessagesServer(answer) as server:
        judge = ["--judge", "claude-sonnet-5-5", "--base-url", server.base_url, "--harm", "leaking"]
        for out in ("v.parquet", "v.csv", "v.jsonl"):
            assert harmrate("grade", "runs", *judge, "--out", out)[0] == 0
            assert set(read_verdicts(out)["transcript_id"]) == ids
        code, told = harmrate("grade", "runs", *judge, "--out", "shards/")
        assert code == 2 and "is not UTF-8" in told
    assert harmrate("labels", "sample", "runs", "-n", 2, "--out", "round1")[0] == 0
    assert set(read_design("round1/design.csv")["transcript_id"]) == ids


def test_a_study_file_holds_names_and_nothing_of_them_becomes_an_option(runs: Path) -> None:
    hostile = 'x"]\nlevel = 0.5\n[study]\nseed = 7 #.jsonl'
    Path("runs", hostile).write_text(CHAT)
    code, told = harmrate("init", f"runs/{hostile}", "--out", "harmrate.toml")
    assert code == 0, told
    found = tomllib.loads(Path("harmrate.toml").read_text())
    assert [Path(p).name for p in found["inputs"]["transcripts"]] == [hostile]
    assert found["study"].get("level") != 0.5 and found["study"].get("seed") != 7
