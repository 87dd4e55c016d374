"""A run that is killed at any moment loses at most the replies in flight, and a rerun gives the same verdicts.

``HARMRATE_KILLS=200 pytest -m slow tests/grader/judge/test_kills.py`` kills two hundred times.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from judge_helpers import answer, transcript
from messages_server import MessagesServer

from grader import read_verdicts

pytestmark = pytest.mark.slow

N = 500
CONCURRENCY = 4
KILLS = int(os.environ.get("HARMRATE_KILLS", "12"))


@pytest.fixture(scope="module")
def transcripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "transcripts.jsonl"
    path.write_text("".join(json.dumps(transcript(i).to_dict()) + "\n" for i in range(N)))
    return path


def start(server: MessagesServer, transcripts: Path, folder: Path) -> subprocess.Popen[bytes]:
    options = ["--judge", "claude-sonnet-5-5", "--base-url", server.base_url, "--concurrency", str(CONCURRENCY)]
    files = ["--store", str(folder / "store.sqlite"), "--out", str(folder / "verdicts.parquet")]
    command = [sys.executable, "-m", "cli", "grade", str(transcripts), "--harm", "blackmail", *options, *files]
    environment = dict(os.environ) | {"ANTHROPIC_API_KEY": "test"}
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_hears_interrupts,
    )


def _hears_interrupts() -> None:
    """A shell that runs the tests in its background has interrupts ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def comparable(path: Path) -> pd.DataFrame:
    """All but what names the single request."""
    frame = read_verdicts(path).drop(columns="usage")
    frame["evidence"] = frame["evidence"].map(json.dumps)
    return frame.sort_values("transcript_id", ignore_index=True)


def test_kills_lose_at_most_what_was_in_flight(transcripts: Path, tmp_path: Path) -> None:
    rng = random.Random(20261125)
    (tmp_path / "undisturbed").mkdir()
    with MessagesServer(answer) as server:
        assert start(server, transcripts, tmp_path / "undisturbed").wait(120) == 0
        assert len(server.messages) == N
    expected = comparable(tmp_path / "undisturbed" / "verdicts.parquet")
    killed = campaign = 0
    while killed < KILLS:
        campaign += 1
        folder = tmp_path / f"disturbed{campaign}"
        folder.mkdir()
        kills = 0
        with MessagesServer(answer, latency=0.05) as server:
            while (process := start(server, transcripts, folder)).poll() is None:
                # Before the first request, among the requests, or while the verdicts are written.
                try:
                    process.wait(rng.uniform(0.5, 2.5) if killed + kills < KILLS else 120)
                    break
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    kills += 1
                    time.sleep(0.1)  # what was in flight arrives
            assert process.returncode == 0
            assert N <= len(server.messages) <= N + CONCURRENCY * kills
        killed += kills
        pd.testing.assert_frame_equal(comparable(folder / "verdicts.parquet"), expected)


def test_an_interrupt_ends_cleanly_with_what_it_has(transcripts: Path, tmp_path: Path) -> None:
    with MessagesServer(answer, latency=0.05) as server:
        process = start(server, transcripts, tmp_path)
        while len(server.messages) < 50:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        written = read_verdicts(tmp_path / "verdicts.parquet")
        assert 0 < len(written) < N and (written["outcome"] == "scored").all()
        sent = len(server.messages)
        assert start(server, transcripts, tmp_path).wait(120) == 0
        assert len(read_verdicts(tmp_path / "verdicts.parquet")) == N
        assert len(server.messages) <= N + CONCURRENCY and sent < N


def test_two_processes_share_one_store(transcripts: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with MessagesServer(answer, latency=0.02) as server:
        first = start(server, transcripts, tmp_path)
        time.sleep(1.5)
        second = start(server, transcripts, tmp_path)
        assert (first.wait(120), second.wait(120)) == (0, 0)
        assert N <= len(server.messages) < 2 * N
        assert start(server, transcripts, tmp_path).wait(120) == 0
    assert len(read_verdicts(tmp_path / "verdicts.parquet")) == N
