"""The judge's pipeline: requests a second against a bare loop and Inspect Scout, stored replies re-read, memory.

    python -m benchmarks.judge [-n 1000] [--rounds 3] [--scout /path/to/python] [--memory 1000 5000 20000]

All ask the same loopback server about the same transcripts at the same concurrency. The bare loop is a gather over
`AsyncAnthropic` that sends the judge's own bodies, made beforehand, and reads the text of each reply; the judge makes
them, stores each reply and yields verdicts. Rounds run bare, judge, judge, bare; medians are told, with the processor
time of each, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic

from benchmarks.children import run
from benchmarks.loopback import server
from benchmarks.results import Found, Measured, peaks_by_size
from grader.judge import LLMJudge
from grader.judge.clients.sender import _in_loop
from grader.rubrics import load_rubrics
from grader.store.store import Store
from grader.transcript import Message, Transcript

MODEL = "claude-sonnet-5-5"
SCOUT = Path(__file__).with_name("scout_peer.py")


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds on the clock and of this process's processor time."""

    wall: float
    processor: float


def transcripts(n: int) -> list[Transcript]:
    """Short transcripts, all different."""
    return [transcript(i) for i in range(n)]


def transcript(i: int) -> Transcript:
    """Transcript number `i`: some 1,600 characters."""
    said = "The inventory of shelf number seven was counted again today and found correct. " * 20
    task = Message(role="user", kind="text", text=f"Task {i}.")
    return Transcript(id=f"t{i}", messages=(task, Message(role="assistant", kind="text", text=f"{i}: {said}")))


def write_transcripts(path: Path, n: int) -> Path:
    """The same as JSON lines, one at a time."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(transcript(i).to_dict()) + "\n" for i in range(n))
    return path


def timed(work: Callable[[], object]) -> Taken:
    """What `work` took."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Taken(time.perf_counter() - wall, time.process_time() - processor)


async def bare(params: Sequence[dict[str, Any]], address: str, concurrency: int) -> Taken:
    """What the same requests take a gather loop over `AsyncAnthropic` that keeps nothing."""
    async with anthropic.AsyncAnthropic(base_url=address, api_key="test", max_retries=0) as client:
        slots = asyncio.Semaphore(concurrency)

        async def ask(one: dict[str, Any]) -> str:
            async with slots:
                message = await client.messages.create(**one)
            return "".join(block.text for block in message.content if block.type == "text")

        wall, processor = time.perf_counter(), time.process_time()
        texts = await asyncio.gather(*map(ask, params))
        taken = Taken(time.perf_counter() - wall, time.process_time() - processor)
    assert all(texts)
    return taken


def judged(address: str, runs: Sequence[Transcript], concurrency: int, path: Path) -> tuple[Taken, Taken]:
    """What the judge takes with a new store, and again with every reply in it."""
    rubrics = load_rubrics()
    client = anthropic.AsyncAnthropic(base_url=address, api_key="test", max_retries=0)
    with Store(path) as store:
        judge = LLMJudge(client, MODEL, rubrics=rubrics, concurrency=concurrency, store=store)

        def work() -> None:
            assert sum(1 for _ in judge.grade(runs)) == len(runs) * len(rubrics)

        taken = timed(work), timed(work)
    _in_loop(client.close()).result(5)
    return taken


def scout(python: str, address: str, runs: Path, concurrency: int) -> float:
    """Seconds that Inspect Scout's `llm_scanner` takes."""
    command = [python, str(SCOUT), str(runs), address, MODEL, str(concurrency)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(told.splitlines()[-1])
    assert found["n_errors"] == 0
    return float(found["seconds"])


def peak_memory(address: str, n: int, folder: Path, concurrency: int) -> float:
    """Peak MB of `harmrate grade` over `n` transcripts read from a file."""
    runs = write_transcripts(folder / f"{n}.jsonl", n)
    options = ["--judge", MODEL, "--base-url", address, "--concurrency", str(concurrency)]
    files = ["--store", str(folder / f"{n}.sqlite"), "--out", str(folder / f"{n}.parquet")]
    command = [sys.executable, "-m", "cli", "grade", str(runs), *options, *files]
    return run(command, environment={"ANTHROPIC_API_KEY": "test"}).megabytes


def speed(n: int, rounds: int, concurrency: int, latency: float, python: str | None) -> list[Measured]:
    """The rates of all."""
    runs = transcripts(n)
    loops: list[Taken] = []
    first: list[Taken] = []
    second: list[Taken] = []
    scouts: list[float] = []
    params = [dict(r.params) for r in LLMJudge(_Nobody(), MODEL, rubrics=load_rubrics()).requests(runs)]
    with server(latency) as address, tempfile.TemporaryDirectory() as folder:
        file = write_transcripts(Path(folder) / "runs.jsonl", n)
        for number in range(rounds):
            for who in ("bare", "judge", "judge", "bare"):
                if who == "bare":
                    loops.append(asyncio.run(bare(params, address, concurrency)))
                else:
                    store = Path(folder) / f"{number}-{len(first)}.sqlite"
                    new, again = judged(address, runs, concurrency, store)
                    first.append(new)
                    second.append(again)
            if python is not None:
                scouts.append(scout(python, address, file, concurrency))
    how = f"{n:,} requests, {concurrency} at once, latency {1000 * latency:.0f} ms"
    ours, stored, loop = (n / _wall(taken) for taken in (first, second, loops))
    rows = [
        Measured(
            what=f"judge, store and verdicts, {how}",
            value=ours,
            unit="a second",
            better="more",
            against=f"a bare loop over AsyncAnthropic {anthropic.__version__}",
            peer=loop,
            limit=0.9,
        ),
        Measured(what=f"processor time of one request, {how}", value=_processor(first, n), unit="ms"),
        Measured(what=f"stored replies read again, {how}", value=stored, unit="a second", better="more", limit=3_334),
    ]
    if scouts:
        theirs = n / statistics.median(scouts)
        told, peer = f"judge on three harms, {how}", "Inspect Scout's llm_scanner, one question"
        rows.append(Measured(what=told, value=ours, unit="a second", better="more", against=peer, peer=theirs, limit=2))
    return rows


def memory(sizes: Sequence[int], concurrency: int) -> list[Measured]:
    """Peak memory of `harmrate grade` by the number of transcripts."""
    with server(0.0) as address, tempfile.TemporaryDirectory() as folder:
        peaks = {n: peak_memory(address, n, Path(folder), concurrency) for n in sizes}
    return peaks_by_size("harmrate grade", peaks)


def measured(
    n: int = 1_000,
    rounds: int = 3,
    *,
    concurrency: int = 64,
    latency: float = 0.05,
    python: str | None = None,
    sizes: Sequence[int] = (),
) -> Found:
    """Speed, unless there are no rounds, and memory at the sizes named."""
    rows = speed(n, rounds, concurrency, latency, python) if rounds else []
    return Found(rows=[*rows, *memory(sizes, concurrency)])


def _wall(taken: Sequence[Taken]) -> float:
    return statistics.median(t.wall for t in taken)


def _processor(taken: Sequence[Taken], n: int) -> float:
    """Median milliseconds of processor time of one request."""
    return 1000 * statistics.median(t.processor for t in taken) / n


class _Nobody:
    """A client for a judge that only says what it would ask."""

    def send(self, request: object) -> Any:
        raise NotImplementedError


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3, help="0: no comparison of speed")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--scout", metavar="PYTHON", default=os.environ.get("SCOUT_PYTHON"))
    parser.add_argument("--memory", type=int, nargs="*", default=[], metavar="N", help="e.g. 1000 5000 20000")
    options = parser.parse_args()
    found = measured(
        options.n,
        options.rounds,
        concurrency=options.concurrency,
        latency=options.latency,
        python=options.scout,
        sizes=options.memory,
    )
    for row in found.rows:
        print(row)
    if options.scout is None:
        print("Inspect Scout: not compared; name a Python that has it with --scout or SCOUT_PYTHON")


if __name__ == "__main__":
    main()
