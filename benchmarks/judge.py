"""The judge's pipeline against a bare loop over the SDK: requests per second, and stored replies re-read.

python -m benchmarks.judge [-n 2000] [--concurrency 64] [--latency 0.05]
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anthropic

from grader.judge import LLMJudge
from grader.judge.courier import _in_loop
from grader.rubrics import load_rubrics
from grader.store import Store
from grader.transcript import Message, Transcript

MODEL = "claude-sonnet-5-5"
SERVER = Path(__file__).parent.parent / "tests" / "messages_server.py"


@contextmanager
def server(latency: float) -> Iterator[str]:
    """The loopback Messages API in a process of its own; its address."""
    command = [sys.executable, str(SERVER), "--port", "0", "--latency", str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = re.search(r"http://\S+", process.stdout.readline())
        assert address is not None
        try:
            yield address[0]
        finally:
            process.terminate()


def transcripts(n: int) -> list[Transcript]:
    """Short transcripts, all different."""
    said = "The inventory of shelf number seven was counted again today and found correct. " * 20
    return [
        Transcript(
            id=f"t{i}",
            messages=(
                Message(role="user", kind="text", text=f"Task {i}."),
                Message(role="assistant", kind="text", text=f"{i}: {said}"),
            ),
        )
        for i in range(n)
    ]


async def bare(judge: LLMJudge, runs: list[Transcript], address: str, concurrency: int) -> float:
    """Seconds for the same requests by a gather loop over `AsyncAnthropic`, nothing read nor kept."""
    params = [dict(request.params) for request in judge.requests(runs)]
    async with anthropic.AsyncAnthropic(base_url=address, api_key="test", max_retries=0) as client:
        slots = asyncio.Semaphore(concurrency)

        async def ask(one: dict[str, object]) -> None:
            async with slots:
                await client.messages.create(**one)  # type: ignore[call-overload]

        start = time.perf_counter()
        await asyncio.gather(*map(ask, params))
        return time.perf_counter() - start


def main() -> None:
    """Print both rates, their ratio, and how long a second run over stored replies takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.05)
    options = parser.parse_args()
    runs, rubrics = transcripts(options.n), load_rubrics()
    with server(options.latency) as address, tempfile.TemporaryDirectory() as folder:
        client = anthropic.AsyncAnthropic(base_url=address, api_key="test", max_retries=0)
        settings = {"rubrics": rubrics, "concurrency": options.concurrency}
        judge = LLMJudge(client, MODEL, **settings)
        loop_seconds = asyncio.run(bare(judge, runs, address, options.concurrency))
        with Store(Path(folder) / "store.sqlite") as store:
            kept = judge.with_store(store)
            seconds = []
            for _ in range(2):
                start = time.perf_counter()
                n_verdicts = sum(1 for _ in kept.grade(runs))
                seconds.append(time.perf_counter() - start)
                assert n_verdicts == options.n * len(rubrics)
        _in_loop(client.close()).result(5)
    first, second = (options.n / s for s in seconds)
    print(f"{options.n} requests, concurrency {options.concurrency}, latency {options.latency} s")
    print(f"bare AsyncAnthropic gather loop: {options.n / loop_seconds:.0f} requests a second")
    print(f"judge, verdicts and store: {first:.0f} a second, {loop_seconds / seconds[0]:.2f} of the loop")
    print(f"stored replies read again: {second:.0f} a second, {10_000 / second:.1f} s for 10,000")


if __name__ == "__main__":
    main()
