"""The scoring service under load: requests at once against a trained classifier, over real HTTP.

>>> # python -m benchmarks.service --classifier DIR --transcripts examples/study/transcripts.jsonl
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np

from benchmarks.results import Found, Measured
from grader import read_transcripts

ROOT = Path(__file__).resolve().parent.parent
TRANSCRIPTS = str(ROOT / "examples/study/transcripts.jsonl")


@contextmanager
def serving(classifier: Path, folder: Path) -> Iterator[str]:
    """``harmrate serve`` in a process of its own, with a new store."""
    command = [sys.executable, "-c", "import cli; cli.main()", "serve", "--port", "0", "--store", "store.sqlite"]
    command += ["--classifier", str(classifier.resolve())]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = next((m[1] for line in process.stderr if (m := re.search(r"running on (http://\S+)", line))), None)
        if address is None:
            raise SystemExit("the service did not start")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        try:
            yield address
        finally:
            process.terminate()
            process.wait(60)


def ask(url: str, bodies: Sequence[dict[str, Any]], concurrency: int) -> tuple[list[float], float]:
    """Seconds of each request, and of all; every answer must hold verdicts."""
    rest, lock, seconds = iter(bodies), threading.Lock(), list[float]()

    def work() -> None:
        with httpx.Client(timeout=600) as client:
            while True:
                with lock:
                    body = next(rest, None)
                if body is None:
                    return
                began = time.perf_counter()
                answer = client.post(f"{url}/v1/verdicts", json=body)
                took = time.perf_counter() - began
                answer.raise_for_status()
                if not answer.json()["verdicts"]:
                    raise SystemExit("an answer without verdicts")
                with lock:
                    seconds.append(took)

    threads = [threading.Thread(target=work) for _ in range(concurrency)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(seconds) != len(bodies):
        raise SystemExit(f"{len(bodies) - len(seconds)} requests failed")
    return seconds, time.perf_counter() - began


def measured(classifier: Path, *, source: str = TRANSCRIPTS, requests: int = 1000, concurrency: int = 50) -> Found:
    """Latency and throughput, with embeddings to compute and with embeddings in the store."""
    pool = list(read_transcripts(source))
    bodies = [{"messages": t.to_dict()["messages"]} for t in islice(cycle(pool), requests)]
    rows = []
    with TemporaryDirectory() as folder, serving(classifier, Path(folder)) as url:
        for name in ("new texts", "texts seen before"):
            seconds, total = ask(url, bodies, concurrency)
            p50, p99 = 1000 * np.percentile(seconds, [50, 99])
            told = f"{requests:,} requests, {concurrency} at once, {name}"
            rows += [
                Measured(what=f"service, {told}", value=requests / total, unit="a second", better="more"),
                Measured(what=f"latency, median, {told}", value=p50, unit="ms"),
                Measured(what=f"latency, 99 %, {told}", value=p99, unit="ms"),
            ]
    return Found(rows=rows)


def main() -> None:
    """Print percentiles and throughput."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classifier", type=Path, required=True, help="folder that `harmrate train` wrote")
    parser.add_argument("--transcripts", default=TRANSCRIPTS)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, default=50)
    asked = parser.parse_args()
    found = measured(asked.classifier, source=asked.transcripts, requests=asked.requests, concurrency=asked.concurrency)
    for row in found.rows:
        print(row)


if __name__ == "__main__":
    main()
