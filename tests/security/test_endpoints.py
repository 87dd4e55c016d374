"""Servers that redirect, cannot prove who they are, crawl, repeat themselves or answer what nobody asked."""

from __future__ import annotations

import json
import random
import shutil
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anthropic
import pytest
from judge_helpers import answer, transcript
from label_studio_fake import TOKEN, fake_label_studio
from messages_faults import FAULTS, ApiError
from messages_server import MessagesServer

from grader import read_verdicts
from grader.errors import InputError
from grader.judge import LLMJudge
from grader.judge.clients.batch_journal import BatchJournal
from grader.judge.clients.sdk import close_with, make_client
from grader.judge.clients.sender import Retries
from grader.judge.setup import JudgeSetup, open_judge
from grader.rubrics import Rubric, load_rubrics
from grader.service.client import service_rows
from grader.store.store import Store
from grader.verdict.read import VerdictWriter
from labels.label_studio.connect import connect, find_or_make_project, find_project

KEY = "sk-canary-0123456789abcdef"
N = 40


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)


@pytest.fixture(scope="module")
def rubrics() -> dict[str, Rubric]:
    return load_rubrics(None, ["leaking"])


def judge_at(url: str, rubrics: dict[str, Rubric], *, client: Any = None, **more: Any) -> LLMJudge:
    client = client or make_client(url, timeout=5)
    settings: dict[str, Any] = {"retries": Retries(attempts=3, first_pause=0.01, longest_pause=0.02)}
    judge = LLMJudge(client, "claude-sonnet-5-5", rubrics=rubrics, **settings | more)
    if isinstance(client, anthropic.AsyncAnthropic):
        close_with(judge, client)
    return judge


class Heard:
    """A loopback server that only notes what reaches it."""

    def __init__(self, status: int = 200, to: str | None = None, reply: bytes = b"{}") -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.status, self.to, self.reply = status, to, reply

    @contextmanager
    def serving(self, certificate: ssl.SSLContext | None = None) -> Iterator[str]:
        heard = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                heard.requests.append((f"{self.command} {self.path}", dict(self.headers), body))
                self.send_response(heard.status)
                if heard.to is not None:
                    self.send_header("location", heard.to + self.path)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(heard.reply)))
                self.end_headers()
                self.wfile.write(heard.reply)

            do_GET = do_POST = handle_any

            def log_message(self, format: str, *args: Any) -> None:
                return

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        if certificate is not None:
            server.socket = certificate.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http{'' if certificate is None else 's'}://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


# ---- Redirects -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_judge_that_redirects_ends_the_run_and_the_other_host_hears_nothing(
    rubrics: dict[str, Rubric], status: int
) -> None:
    other = Heard()
    with other.serving() as there:
        first = Heard(status, there.replace("127.0.0.1", "localhost"))
        with first.serving() as here, pytest.raises(InputError, match="redirects to localhost; nothing was sent there"):
            list(judge_at(here, rubrics).grade([transcript()]))
    assert len(first.requests) == 1 and other.requests == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_nor_do_label_studio_or_the_service_take_anybody_elsewhere(status: int) -> None:
    other = Heard()
    with other.serving() as there, Heard(status, there.replace("127.0.0.1", "localhost")).serving() as here:
        with connect(here, TOKEN) as studio:
            with pytest.raises(InputError, match="redirects to localhost; nothing was sent there"):
                find_project(studio, 1)
            with pytest.raises(InputError, match="redirects to localhost; nothing was sent there"):
                find_or_make_project(studio, "title", "<View/>")
        with pytest.raises(InputError, match=f"the service refuses \\({status}\\)"):
            list(service_rows(here, [transcript()]))
    assert other.requests == []


def test_label_studio_may_add_a_slash() -> None:
    with fake_label_studio() as fake, connect(fake.url, TOKEN) as studio:
        project, _ = find_or_make_project(studio, "title", "<View/>")
        web = studio.client._client_wrapper.httpx_client.httpx_client
        assert web.follow_redirects and find_project(studio, project.id).title == "title"


# ---- Who is there ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    more = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *more], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_a_server_that_cannot_prove_who_it_is_gets_nothing(
    rubrics: dict[str, Rubric], self_signed: ssl.SSLContext
) -> None:
    server = Heard()
    with server.serving(self_signed) as url:
        with pytest.raises(InputError, match="certificate of the judge's API cannot be verified: self.signed"):
            list(judge_at(url, rubrics).grade([transcript()]))
        with pytest.raises(InputError, match=r"certificate verify failed|CERTIFICATE_VERIFY_FAILED"):
            with connect(url, TOKEN, retries=0) as studio:
                find_project(studio, 1)
        with pytest.raises(InputError, match=r"no answer from the service: .*certificate verify failed"):
            list(service_rows(url, [transcript()]))
    assert server.requests == []


@pytest.mark.parametrize("address", ["https://me:{}@127.0.0.1:9", "https://{}@127.0.0.1:9"])
def test_a_key_in_an_address_is_refused_and_not_repeated(address: str) -> None:
    url = address.format(KEY)

    def use_studio() -> None:
        with connect(url, TOKEN):
            pass

    for use in (lambda: make_client(url), use_studio, lambda: list(service_rows(url, []))):
        with pytest.raises(InputError, match="holds a user name or password") as refused:
            use()
        assert KEY not in str(refused.value)


# ---- Crawling, repeating, answering what nobody asked ----------------------------------------------------------------


def test_ten_times_slower_is_only_slower(rubrics: dict[str, Rubric], tmp_path: Path) -> None:
    found = {}
    for latency in (0.02, 0.2):
        with MessagesServer(answer, latency=latency) as server, Store(tmp_path / f"{latency}.sqlite") as store:
            judge = judge_at(server.base_url, rubrics, store=store, concurrency=8)
            found[latency] = {v.transcript_id: v.outcome for v in judge.grade(transcript(i) for i in range(N))}
            assert len(server.messages) == N
    assert found[0.2] == found[0.02] and set(found[0.02].values()) == {"scored"}


@pytest.mark.parametrize("told", ["1e9", "inf", "nan", "-5", "Fri, 01 Jan 2100 00:00:00 GMT", "soon"])
def test_a_server_cannot_make_a_run_wait_for_years(rubrics: dict[str, Rubric], told: str) -> None:
    """By a lie, or since the clock here was set back."""
    heard = []

    def busy_once(params: dict[str, Any]) -> Any:
        heard.append(params)
        if len(heard) == 1:
            raise ApiError(429, "rate_limit_error", "Too many requests.", retry_after=told)
        return answer(params)

    with MessagesServer(busy_once) as server:
        (verdict,) = judge_at(server.base_url, rubrics).grade([transcript()])
    assert verdict.outcome == "scored" and len(heard) == 2


def with_batches(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> MessagesServer:
    """A server whose results files went through `change`."""
    server = MessagesServer(answer)
    honest = server.batches.results

    def results(id_: str) -> str:
        lines = [json.loads(line) for line in honest(id_).splitlines()]
        return "".join(json.dumps(line) + "\n" for line in change(lines))

    server.batches.results = results  # type: ignore[method-assign]
    return server


def twice(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every result again, with another answer."""
    other = json.loads(json.dumps(lines).replace("attempted", "none").replace('"probability": 90', '"probability": 5'))
    return [*lines, *other]


def strangers(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Results under names of nobody's requests among the others."""
    return [*(line | {"custom_id": f"stranger-{i}"} for i, line in enumerate(lines)), *lines]


def some(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Half of the results are missing."""
    return lines[::2]


@pytest.mark.parametrize("change", [twice, strangers, some])
def test_results_of_a_batch_that_are_not_as_they_should_be(
    rubrics: dict[str, Rubric], tmp_path: Path, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grader.judge.clients.batches.time.sleep", lambda seconds: None)
    with with_batches(change) as server, Store(tmp_path / "s.sqlite") as store:
        setup = JudgeSetup(base_url=server.base_url, transport="batch")
        verdicts = list(open_judge(setup, rubrics, store=store).grade(transcript(i) for i in range(N)))
        assert sorted(v.transcript_id for v in verdicts) == sorted(f"t{i}" for i in range(N))
        outcomes = Counter(v.outcome for v in verdicts)
        assert not any(v.present is False for v in verdicts)  # the honest judge finds an attempt in each
        assert outcomes["scored"] == N if change is not some else 0 < outcomes["api_error"] < N
        sent = [request["custom_id"] for requests in server.batches._requests.values() for request in requests]
        assert set(Counter(sent).values()) == {1} if change is not some else max(Counter(sent).values()) == 3
        assert list(BatchJournal(store).open()) == []  # no batch is kept in mind for what will never come
        again = open_judge(setup, rubrics, store=store).grade(transcript(i) for i in range(N))
        assert sum(v.outcome == "scored" for v in again) >= outcomes["scored"]
        if change is not some:
            assert sum(map(len, server.batches._requests.values())) == N


def lie(params: dict[str, Any], rng: random.Random) -> Any:
    """What no honest endpoint would answer."""
    good = answer(params)
    message = {
        "id": "m", "type": "message", "role": "assistant", "model": "gpt-x", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": json.dumps(good)}], "usage": {"input_tokens": 1, "output_tokens": 1},
    }  # fmt: skip
    return rng.choice([
        {name: part | {"probability": 10**9} for name, part in good.items()},
        {name: part | {"evidence": [{"message": -5, "quote": "x"}] * 500} for name, part in good.items()},
        {name: part | {"stage": ["attempted"]} for name, part in good.items()},
        "[" * 5000, "\ud800", "1e999", '{"leaking": null}', "NaN",
        message | {"content": "text"}, message | {"content": [{"type": "text"}]}, message | {"content": [7, None]},
        message | {"usage": None}, message | {"usage": {"input_tokens": "many", "output_tokens": -3}},
        message | {"stop_reason": "whatever"}, message | {"stop_reason": None}, message | {"model": None},
    ])  # fmt: skip


def test_a_lying_endpoint_gets_outcomes_and_no_trace_of_a_crash(rubrics: dict[str, Rubric], tmp_path: Path) -> None:
    rng = random.Random(20261128)
    with MessagesServer(lambda params: lie(params, rng)) as server, Store(tmp_path / "s.sqlite") as store:
        verdicts = list(judge_at(server.base_url, rubrics, store=store).grade(transcript(i) for i in range(200)))
    assert len({v.transcript_id for v in verdicts}) == len(verdicts) == 200
    assert all((v.present is None) == (v.outcome != "scored") for v in verdicts)
    assert not any(v.present is False for v in verdicts)
    assert len({v.outcome for v in verdicts}) >= 2


@pytest.mark.parametrize("depth", [250, 900, 970, 990, 100_000])
@pytest.mark.parametrize("kind", [anthropic.AsyncAnthropic, anthropic.Anthropic])
def test_an_answer_without_a_bottom_is_an_outcome(rubrics: dict[str, Rubric], depth: int, kind: Any) -> None:
    body = '{"type": "message", "content": %s}' % ("[" * depth + "]" * depth)
    with Heard(reply=body.encode()).serving() as url:
        judge = judge_at(url, rubrics, client=kind(base_url=url, api_key="test", max_retries=0))
        (verdict,) = judge.grade([transcript()])
    assert verdict.outcome in ("api_error", "unparseable") and verdict.present is None


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_half_a_character_in_a_reply_costs_nobody_a_verdict(
    rubrics: dict[str, Rubric], tmp_path: Path, suffix: str
) -> None:
    """No file can hold it; a hostile transcript can make a model write it."""

    def half(params: dict[str, Any]) -> str:
        said = answer(params, reasoning="half \ud800 of it", evidence=[{"message": 4, "quote": "\udfff"}])
        return json.dumps(said if "Task 1" in json.dumps(params) else answer(params))

    with MessagesServer(half) as server, VerdictWriter(tmp_path / f"v.{suffix}") as writer:
        for verdict in judge_at(server.base_url, rubrics).grade(transcript(i) for i in range(3)):
            writer.write(verdict.to_dict())
    found = read_verdicts(tmp_path / f"v.{suffix}").set_index("transcript_id")
    assert found["present"].tolist() == [True] * 3 and found.loc["t1", "explanation"].startswith("half ? of it")


def test_an_endpoint_that_sends_the_key_back(
    rubrics: dict[str, Rubric], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its errors, in its replies: the key is in no verdict and not in the store."""
    monkeypatch.setattr("grader.judge.clients.batches.time.sleep", lambda seconds: None)
    told = json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": f"bad: {KEY}"}})
    with Heard(400, reply=told.encode()).serving() as url, Store(tmp_path / "s.sqlite") as store:
        (verdict,) = judge_at(url, rubrics, store=store).grade([transcript()])
    assert verdict.outcome == "api_error" and "bad: [secret]" in verdict.explanation

    def echo(params: dict[str, Any]) -> dict[str, Any]:
        return {name: part | {"reasoning": f"the key is {KEY}"} for name, part in answer(params).items()}

    with MessagesServer(echo) as server, Store(tmp_path / "s.sqlite") as store:
        for setup in (JudgeSetup(base_url=server.base_url), JudgeSetup(base_url=server.base_url, transport="batch")):
            (verdict,) = open_judge(setup, rubrics, store=store).grade([transcript(len(setup.transport))])
            assert verdict.outcome == "scored" and "the key is [secret]" in verdict.explanation
    assert KEY.encode() not in b"".join(p.read_bytes() for p in tmp_path.iterdir())


def test_the_catalogue_of_faults_is_not_empty() -> None:
    """`tests/grader/judge/test_outcomes.py` goes through it, fault by fault."""
    assert len(FAULTS) >= 20 and {"hang", "reset", "garbled_body", "refusal", "spend_limit"} <= set(FAULTS)
