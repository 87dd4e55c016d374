"""The service at 200 connections: nothing is lost, memory stays bounded, the full room is told, the end is graceful.

``HARMRATE_LOAD_SECONDS=60 pytest -m slow tests/grader/service/test_service_load.py --log-cli-level=INFO``
is the long run.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.slow

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[3]
SECONDS = float(os.environ.get("HARMRATE_LOAD_SECONDS", "10"))
CONNECTIONS = 200
# Fewer than the connections: some always find no room.
MAX_WAITING = 128

# Writes down what it has graded: whoever pays for a verdict must get it.
SERVE = f"""
import sys, time
from grader import Verdict
from grader.service.serve import serve

class Shouts:
    name, version, kind = "shouts", "1", "rule"
    def grade(self, transcripts):
        with open("graded", "a") as graded:
            for t in transcripts:
                time.sleep(0.004)
                text = t.messages[0].text
                graded.write(text.split()[0] + "\\n")
                yield Verdict(transcript_id=t.id, harm="shouting", grader="shouts", grader_version="1",
                              present="!" in text)

serve([Shouts()], port=0, max_waiting={MAX_WAITING})
"""


@contextmanager
def serving(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    for module in ("fastapi", "uvicorn", "prometheus_client"):
        pytest.importorskip(module, reason="the extra 'serve' is not installed")
    (folder / "service.py").write_text(SERVE)
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "service.py"]
    with subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True) as service:
        try:
            found = (re.search(r"running on (http://\S+)", line) for line in service.stderr)
            yield service, next(match[1] for match in found if match)
        finally:
            service.kill()


def megabytes(pid: int, what: str) -> float:
    """``VmRSS`` or ``VmHWM`` of a process."""
    return int(re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) / 1000


@dataclass
class Load:
    """What the clients sent and were told."""

    url: str
    answered: set[str] = field(default_factory=set)
    told: Counter[str] = field(default_factory=Counter)
    waits: Counter[int] = field(default_factory=Counter)

    async def client(self, number: int, http: httpx.AsyncClient, until: float) -> None:
        """Ask again and again, each time with a text of its own; come back when told to."""
        asked = 0
        while time.monotonic() < until:
            key, loud = f"{number}-{asked}", (number + asked) % 3 == 0
            body = {"messages": [{"role": "assistant", "content": key + (" No!" if loud else " No.") + " x" * 1000}]}
            try:
                answer = await http.post(f"{self.url}/v1/verdicts", json=body)
            except httpx.TransportError:  # the service has ended, or was about to
                self.told["gone"] += 1
                return
            self.told[str(answer.status_code)] += 1
            if answer.status_code == 429:
                wait = int(answer.headers["retry-after"])
                self.waits[wait] += 1
                await asyncio.sleep(wait)
                continue
            assert answer.status_code == 200, answer.text
            (row,) = answer.json()["verdicts"]
            assert row["present"] is loud  # its own verdict, nobody else's
            self.answered.add(key)
            asked += 1

    async def run(self, seconds: float, then: tuple[float, subprocess.Popen[str]] | None = None) -> None:
        """All clients for `seconds`; `then` tells after how many of them to end which process."""
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        async with httpx.AsyncClient(limits=limits, timeout=60) as http, asyncio.TaskGroup() as group:
            until = time.monotonic() + seconds
            for number in range(CONNECTIONS):
                group.create_task(self.client(number, http, until))
            if then is not None:
                await asyncio.sleep(then[0])
                then[1].send_signal(signal.SIGTERM)


def _run(work: Coroutine[Any, Any, None]) -> None:
    """In a thread of its own: another test's browser may hold this one's event loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_two_hundred_connections_lose_nothing_and_memory_is_bounded(tmp_path: Path) -> None:
    with serving(tmp_path) as (service, url):
        load = Load(url)
        _run(load.run(2))
        settled = megabytes(service.pid, "VmRSS")
        _run(load.run(SECONDS))
        grown = megabytes(service.pid, "VmHWM") - settled
        page = httpx.get(f"{url}/metrics").text
        assert "harmrate_waiting 0.0" in page
        served = {code: float(n) for code, n in re.findall(r'harmrate_requests_total{status="(\d+)"} (\S+)', page)}
        service.send_signal(signal.SIGTERM)
        assert service.wait(20) == 0
    log.info("answers %s, waits told %s, memory grew by %.0f MB", dict(load.told), dict(load.waits), grown)
    assert set(load.told) == {"200", "429"} and load.told["200"] > 10 * SECONDS
    assert served == dict(load.told)
    assert set((tmp_path / "graded").read_text().split()) == load.answered
    assert grown < 100


def test_sigterm_under_load_answers_all_that_is_in_work(tmp_path: Path) -> None:
    with serving(tmp_path) as (service, url):
        load = Load(url)
        _run(load.run(60, then=(3, service)))
        assert service.wait(20) == 0
    assert load.told["200"] > 100 and 0 < load.told["gone"] <= CONNECTIONS
    assert set((tmp_path / "graded").read_text().split()) == load.answered


def test_a_connection_that_rested_as_long_as_clients_let_it_is_used_again(tmp_path: Path) -> None:
    with (
        serving(tmp_path) as (service, url),
        closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)) as connection,
    ):
        for rest in (6, 0):
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            assert answer.status == 200 and answer.read()
            time.sleep(rest)
        # A resting connection does not keep the service from ending.
        service.send_signal(signal.SIGTERM)
        assert service.wait(10) == 0
