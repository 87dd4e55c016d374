"""The scoring service over real HTTP: what it answers, whom it refuses, and that it ends in good order."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from grader import Verdict
from grader.errors import InputError
from grader.judge.clients.protocol import SpendLimitReached
from grader.service.client import service_rows
from grader.transcript import Message, Transcript

pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")
pytest.importorskip("prometheus_client", reason="the extra 'serve' is not installed")
uvicorn = pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")

from grader.service.app import make_app  # noqa: E402
from grader.service.serve import LOOPBACK_NAMES, impatient_protocol, is_loopback, serve  # noqa: E402


class Shouts:
    """Says that a transcript with an exclamation mark shouts; waits for `gate`, notes what came together."""

    version, kind = "1", "rule"

    def __init__(self, name: str = "shouts", harm: str = "shouting", gate: threading.Event | None = None) -> None:
        self.name, self.harm, self.gate = name, harm, gate
        self.together: list[int] = []

    def grade(self, transcripts):
        transcripts = list(transcripts)
        self.together.append(len(transcripts))
        if self.gate is not None:
            assert self.gate.wait(10)
        for t in transcripts:
            text = " ".join(m.text for m in t.messages)
            if "bad key" in text:
                raise InputError("the API key was refused")
            if "defect" in text:
                raise KeyError("stage")
            if "stop the run" in text:
                raise SpendLimitReached("the spend limit is reached")
            known = {"transcript_id": t.id, "harm": self.harm, "grader": self.name, "grader_version": self.version}
            yield Verdict(**known, present="!" in text, score=float("!" in text))


@contextmanager
def running(*graders: Any, **settings: Any) -> Iterator[str]:
    """The service on a free port of this machine."""
    app = make_app(graders, **settings)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": text}]} | more


def post(url: str, body: Any, **more: Any) -> httpx.Response:
    return httpx.post(f"{url}/v1/verdicts", json=body, timeout=20, **more)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running(Shouts(), Shouts("other", "noise"), max_waiting=8, max_batch=4, max_bytes=20_000) as url:
        yield url


def test_one_transcript_gets_a_verdict_of_every_grader(url) -> None:
    answer = post(url, said("No!", id="a", metadata={"model": "m", "scenario": "s"}))
    assert answer.status_code == 200
    rows = answer.json()["verdicts"]
    assert [(r["transcript_id"], r["grader"], r["harm"], r["present"]) for r in rows] == [
        ("a", "shouts", "shouting", True),
        ("a", "other", "noise", True),
    ]
    assert {(r["model"], r["scenario"], r["grader_kind"], r["outcome"]) for r in rows} == {("m", "s", "rule", "scored")}


def test_a_batch_is_answered_in_its_order(url) -> None:
    rows = post(url, {"transcripts": [said("No!", id="b"), said("No."), said("No!")]}).json()["verdicts"]
    own = [(r["transcript_id"], r["present"]) for r in rows if r["grader"] == "shouts"]
    assert own == [("b", True), ("2", False), ("3", True)]


def test_our_own_messages_are_read_too(url) -> None:
    native = Transcript(id="n", messages=(Message(role="assistant", kind="reasoning", text="Aha!"),))
    (row, _) = service_rows(url, [native])
    assert row["transcript_id"] == "n" and row["present"] is True and row["content_hash"] == native.content_hash


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({}, 422, "messages"),
        ([], 422, "body"),
        ({"messages": []}, 422, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 422, "robot"),
        ({"messages": [{"role": "user", "content": ""}]}, 422, "no message"),
        ({"messages": [3]}, 422, "messages"),
        (said("x") | {"mesages": 1}, 422, "mesages"),
        ({"transcripts": [said("x", id="a"), said("y", id="a")]}, 422, "'a'"),
        ({"transcripts": [said("x")] * 5}, 413, "at most 4"),
        (said("x" * 20_000), 413, ""),
        (said("x", metadata={"deep": json.loads("[" * 200 + "]" * 200)}), 422, "nested"),
    ],
)
def test_what_is_refused_is_refused_in_one_line(url, body, status, told) -> None:
    answer = post(url, body)
    assert answer.status_code == status, answer.text
    if status == 422:
        (line,) = answer.json()["detail"].splitlines()
        assert told in line
    else:
        assert told in answer.text


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 9000, b'{"messages": [{"role": "\\ud800", "content": 1}]}', b"\xff"]
)
def test_a_body_that_is_no_json_is_the_client_s_mistake(url, body) -> None:
    answer = httpx.post(f"{url}/v1/verdicts", content=body, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500


def test_halves_of_characters_and_nan_are_answered(url) -> None:
    body = b'{"id": "a\\ud800", "messages": [{"role": "user", "content": "\\udfff!"}], "metadata": {"model": NaN}}'
    answer = httpx.post(f"{url}/v1/verdicts", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (200, 422)
    json.loads(answer.content.decode())


def test_a_spend_limit_is_told_and_the_service_goes_on(url) -> None:
    answer = post(url, said("stop the run"))
    assert answer.status_code == 503 and "spend limit" in answer.json()["detail"]
    assert post(url, said("fine")).status_code == 200


def test_health_names_the_graders(url) -> None:
    told = httpx.get(f"{url}/healthz").json()
    assert told["status"] == "ok" and [g["name"] for g in told["graders"]] == ["shouts", "other"]


def test_openapi_describes_verdicts(url) -> None:
    document = httpx.get(f"{url}/openapi.json").json()
    assert {"200", "400", "413", "422", "429", "503"} <= set(document["paths"]["/v1/verdicts"]["post"]["responses"])
    assert set(document["components"]["schemas"]["Verdict"]["properties"]) >= {
        "present",
        "score",
        "outcome",
        "evidence",
    }


def test_metrics_count_requests_and_verdicts() -> None:
    with running(Shouts()) as url:
        for text in ("No!", "No.", "No."):
            post(url, said(text))
        post(url, {})
        page = httpx.get(f"{url}/metrics")
    lines = dict(line.rsplit(" ", 1) for line in page.text.splitlines() if not line.startswith("#"))
    assert page.headers["content-type"].startswith("text/plain")
    assert float(lines['harmrate_requests_total{status="200"}']) == 3
    assert float(lines['harmrate_requests_total{status="422"}']) == 1
    no = 'harmrate_verdicts_total{grader="shouts",harm="shouting",outcome="scored",present="false"}'
    assert float(lines[no]) == 2
    assert float(lines["harmrate_request_seconds_count"]) == 4 and float(lines["harmrate_waiting"]) == 0


def test_a_full_queue_is_429_and_what_waits_is_graded_together() -> None:
    gate = threading.Event()
    grader = Shouts(gate=gate)
    with running(grader, max_waiting=4) as url, ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(post, url, said(f"No {i}!", id=f"t{i}")) for i in range(4)]
        while httpx.get(f"{url}/metrics").text.count("harmrate_waiting 4.0") == 0:
            time.sleep(0.01)
        refused = post(url, said("too many"))
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
        gate.set()
        answers = [one.result().json()["verdicts"] for one in asked]
        assert post(url, said("room again")).status_code == 200
    assert [rows[0]["transcript_id"] for rows in answers] == ["t0", "t1", "t2", "t3"]
    # The first was taken alone or with others; those that waited for it came together.
    assert len(grader.together) <= 3 + 1 and sum(grader.together) == 5


def test_who_finds_no_room_is_told_when_its_turn_will_come() -> None:
    class Slow(Shouts):
        def grade(self, transcripts):
            transcripts = list(transcripts)
            time.sleep(0.5 * len(transcripts))
            return super().grade(transcripts)

    with running(Slow(), max_waiting=4) as url, ThreadPoolExecutor(8) as pool:
        post(url, said("Half a second."))
        asked = [pool.submit(post, url, said("No!")) for _ in range(4)]
        while httpx.get(f"{url}/metrics").text.count("harmrate_waiting 4.0") == 0:
            time.sleep(0.01)
        told = [int(post(url, {"transcripts": [said("x")] * n}).headers["retry-after"]) for n in (1, 1, 3, 4, 4)]
        assert all(one.result().status_code == 200 for one in asked)
    # At most two transcripts a second: one after the other is sent away for longer, nobody for longer than the full
    # room takes.
    assert told == sorted(told) and told[0] < told[-1] and told[-1] >= 2 and told[-1] == told[-2]


def test_bodies_together_are_bounded() -> None:
    gate = threading.Event()
    with running(Shouts(gate=gate), max_bytes=20_000) as url, ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(post, url, said("x" * 19_000)) for _ in range(8)]
        while httpx.get(f"{url}/metrics").text.count("harmrate_waiting 8.0") == 0:
            time.sleep(0.01)
        refused = post(url, said("x" * 19_000))
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
        assert set(refused.json()) == {"detail"}
        small = pool.submit(post, url, said("there is room for this"))
        gate.set()
        assert {one.result().status_code for one in [*asked, small]} == {200}
        # What was answered or refused holds no room.
        assert post(url, said("x" * 19_000)).status_code == 200


def test_requests_may_name_different_transcripts_alike() -> None:
    gate = threading.Event()
    with running(Shouts(gate=gate)) as url, ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(post, url, said("No!" if i % 2 else "No.", id="same")) for i in range(8)]
        time.sleep(0.2)
        gate.set()
        sides = [one.result().json()["verdicts"][0]["present"] for one in asked]
    assert sides == [bool(i % 2) for i in range(8)]


def test_a_token_is_asked_for_everywhere_but_at_the_door(monkeypatch) -> None:
    monkeypatch.delenv("HARMRATE_SERVE_TOKEN", raising=False)
    native = Transcript(id="n", messages=(Message(role="assistant", kind="text", text="Aha!"),))
    with running(Shouts(), token="s3cret") as url:
        assert httpx.get(f"{url}/healthz").status_code == 200
        assert httpx.get(f"{url}/metrics").status_code == 401
        for header in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic s3cret"}):
            assert post(url, said("x"), headers=header).status_code == 401
        assert post(url, said("x"), headers={"authorization": "Bearer s3cret"}).status_code == 200
        with pytest.raises(InputError, match="401"):
            list(service_rows(url, [native]))
        monkeypatch.setenv("HARMRATE_SERVE_TOKEN", "s3cret")
        assert len(list(service_rows(url, [native]))) == 1


def test_other_sites_cannot_reach_a_service_without_a_token() -> None:
    with running(Shouts(), hosts=LOOPBACK_NAMES) as url:
        assert post(url, said("x")).status_code == 200
        assert post(url, said("x"), headers={"host": "evil.example"}).status_code == 400


def test_no_service_is_told_in_one_line() -> None:
    native = Transcript(id="n", messages=(Message(role="assistant", kind="text", text="Aha!"),))
    with pytest.raises(InputError, match="no answer from the service"):
        list(service_rows("http://127.0.0.1:9", [native]))
    with pytest.raises(InputError, match="http"):
        list(service_rows("file:///etc/passwd", [native]))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_others_need_a_token(monkeypatch, host) -> None:
    monkeypatch.delenv("HARMRATE_SERVE_TOKEN", raising=False)
    assert not is_loopback(host)
    with pytest.raises(InputError, match="HARMRATE_SERVE_TOKEN"):
        serve([Shouts()], host=host)


@pytest.mark.parametrize(("text", "status", "reason"), [("bad key", 502, "API key"), ("defect", 502, "KeyError")])
def test_a_failing_grader_is_not_blamed_on_the_request(url: str, text: str, status: int, reason: str) -> None:
    answer = post(url, said(text))
    assert answer.status_code == status and reason in answer.json()["detail"]


def test_requests_that_are_graded_together_do_not_share_their_failures() -> None:
    gate = threading.Event()
    with running(Shouts(gate=gate), max_waiting=64) as url, ThreadPoolExecutor(12) as pool:
        texts = ["calm"] * 3 + ["defect"] + ["calm!"] * 6 + ["stop the run"]
        answers = [pool.submit(post, url, said(text)) for text in texts]
        time.sleep(0.5)
        gate.set()
        codes = [answer.result().status_code for answer in answers]
    assert codes == [{"defect": 502, "stop the run": 503}.get(text, 200) for text in texts]


def test_connections_that_bring_no_request_are_closed() -> None:
    protocol = impatient_protocol(seconds=0.3, most=3)
    config = uvicorn.Config(make_app([Shouts()]), port=0, log_level="error", http=protocol)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    address = server.servers[0].sockets[0].getsockname()
    silent = [socket.create_connection(address, timeout=5) for _ in range(3)]
    time.sleep(0.1)
    with socket.create_connection(address, timeout=5) as one_too_many, contextlib.suppress(ConnectionError):
        assert one_too_many.recv(1) == b"", "closed at once"
    assert [one.recv(1) for one in silent] == [b""] * 3
    assert post(f"http://127.0.0.1:{address[1]}", said("Hi!")).status_code == 200
    for one in silent:
        one.close()
    server.should_exit = True
    thread.join(10)
