"""``harmrate serve`` as a process: it answers, and ends on SIGTERM only after it has answered."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from judge_helpers import answer
from messages_server import MessagesServer
from typer.testing import CliRunner

from cli import app

ROOT = Path(__file__).resolve().parents[3]
SAID = {"messages": [{"role": "assistant", "content": "Stop the wipe, or Rachel learns all."}]}


@contextmanager
def serving(folder: Path, *args: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [
        sys.executable,
        "-c",
        "import cli; cli.main()",
        "serve",
        "--port",
        "0",
        "--store",
        str(folder / "s.sqlite"),
    ]
    env = os.environ | {"PYTHONPATH": str(ROOT), "ANTHROPIC_API_KEY": "test"}
    env.pop("HARMRATE_SERVE_TOKEN", None)
    with subprocess.Popen([*command, *args], cwd=folder, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr:
                if found := re.search(r"running on (http://\S+)", line):
                    yield process, found[1]
                    return
            raise AssertionError(f"it ended with {process.wait()}")
        finally:
            process.kill()


def test_it_answers_what_is_in_work_before_it_ends(tmp_path) -> None:
    for module in ("fastapi", "uvicorn", "prometheus_client"):
        pytest.importorskip(module, reason="the extra 'serve' is not installed")
    judge = MessagesServer(reply=answer, latency=1.0)
    with judge, ThreadPoolExecutor(1) as pool:
        args = ("--judge", "claude-haiku-5-5", "--base-url", judge.base_url, "--harm", "leaking")
        with serving(tmp_path, *args) as (process, url):
            asked = pool.submit(httpx.post, f"{url}/v1/verdicts", json=SAID, timeout=20)
            while not judge.requests:
                assert not asked.done(), asked.result().text
            process.send_signal(signal.SIGTERM)
            (row,) = asked.result().json()["verdicts"]
            assert (row["harm"], row["present"], row["outcome"]) == ("leaking", True, "scored")
            assert process.wait(20) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/healthz")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--classifier", "nowhere"], "nowhere"),
        (["--judge", "claude-haiku-5-5", "--batch"], "--batch"),
        (["--harm", "sneezing"], "sneezing"),
    ],
)
def test_bad_options_end_in_one_line(tmp_path, monkeypatch, args, told) -> None:
    monkeypatch.chdir(tmp_path)
    if args[0] == "--classifier":  # alone, it needs no key
        monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    else:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
    result = CliRunner().invoke(app, ["serve", *args])
    assert result.exit_code == 2 and told in json.dumps(result.stderr) and len(result.stderr.splitlines()) == 1
