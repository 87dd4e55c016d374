"""Several runs on one store ask each question once, and say the same."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from judge_helpers import answer, transcript
from messages_server import MessagesServer

from grader import read_verdicts
from grader.judge.clients.protocol import Reply
from grader.judge.clients.reply_recorder import ReplyRecorder
from grader.store.claims import Claims
from grader.store.store import Store

ROOT = Path(__file__).resolve().parents[3]
N = 120


def at_random(params: dict[str, Any]) -> dict[str, Any]:
    stage = random.choice(["none", "attempted"])
    return answer(params, stage)


def start(server: MessagesServer, out: str, *more: str) -> subprocess.Popen[bytes]:
    command = [
        sys.executable, "-c", "from cli import main; main()", "grade", "runs.jsonl", "--harm", "blackmail",
        "--base-url", server.base_url, "--out", out, "--store", "store.sqlite", "--concurrency", "8", *more,
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT), "ANTHROPIC_API_KEY": "test"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("runs.jsonl").write_text("".join(json.dumps(transcript(i).to_dict()) + "\n" for i in range(N)))


@pytest.mark.slow
def test_two_processes_on_one_store_agree_and_pay_once(runs):
    with MessagesServer(at_random, latency=0.05) as server:
        processes = [start(server, f"v{i}.jsonl") for i in range(2)]
        for process in processes:
            _, told = process.communicate(timeout=120)
            assert process.returncode == 0, told.decode()
        n_requests = len(server.messages)
    first, second = (read_verdicts(f"v{i}.jsonl").set_index("transcript_id")["present"] for i in range(2))
    disagreements = int((first != second.reindex(first.index)).sum())
    if "HARMRATE_SHOW" in os.environ:
        print(f"two processes: {n_requests} requests for {N} questions, {disagreements} disagreements")  # noqa: T201
    assert disagreements == 0 and n_requests <= N + 8


@pytest.mark.slow
def test_after_a_kill_the_next_run_asks_only_what_has_no_answer(runs):
    with MessagesServer(at_random, latency=0.1) as server:
        process = start(server, "v.jsonl")
        while len(server.messages) < 40:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        with Store("store.sqlite") as store:
            n_stored = store.counts()["reply"]
        server.requests.clear()
        began = time.monotonic()
        process = start(server, "v.jsonl")
        _, told = process.communicate(timeout=120)
        assert process.returncode == 0, told.decode()
        assert time.monotonic() - began < 60, "the claims of the killed process do not hold it up"
        assert len(server.messages) == N - n_stored


def test_what_is_stored_is_what_is_used():
    from grader.judge.clients.protocol import Request

    store = Store(":memory:")
    request = Request(key="k", transcript_id="t", content_hash="c", harms=("h",), repeat=0, params={})
    one, two = (ReplyRecorder(model="m", store=store, claims=Claims(store)) for _ in range(2))
    assert one.keep([(request, Reply(message={"id": "first"}), "scored")])[0].body.id == "first"
    assert two.keep([(request, Reply(message={"id": "second"}), "scored")])[0].body.id == "first"


def test_a_claim_ends_with_its_lease_and_with_its_process(tmp_path):
    with Store(tmp_path / "store.sqlite") as store:
        assert Claims(store, seconds=-1).take("old") and Claims(store).take("old")
        gone = Claims(store)
        gone.holder = f"{gone.holder.rsplit(':', 2)[0]}:{2**22 + 1}:dead"  # no process has this number
        assert gone.take("k") and Claims(store).take("k")
        elsewhere = Claims(store)
        elsewhere.holder = "another-host:1:x"
        assert elsewhere.take("far") and not Claims(store).take("far")


def test_servers_with_one_model_name_do_not_share_answers(runs):
    from typer.testing import CliRunner

    from cli import app

    sides = []
    for stage in ("attempted", "none"):
        with MessagesServer(lambda params, stage=stage: answer(params, stage)) as server:
            command = ["grade", "runs.jsonl", "--harm", "blackmail", "--base-url", server.base_url, "--out", "v.jsonl"]
            assert CliRunner().invoke(app, command, env={"ANTHROPIC_API_KEY": "k"}).exit_code == 0
        sides.append(read_verdicts("v.jsonl")["present"].all())
    assert sides == [True, False]
