"""Inspect's logs to transcripts against `inspect_ai.log.read_eval_log`: MB per second, same messages, peak memory.

python -m benchmarks.reading --inspect PYTHON [--samples 200] [--turns 20] [--many 2000]

PYTHON is one that has inspect-ai; without it there is nothing to compare with.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.inspect_logs import digest
from benchmarks.results import Found, Measured
from grader.readers import read_transcripts
from grader.transcript import Transcript

THEIRS = Path(__file__).parent / "inspect_logs.py"
ROUNDS = 3


def said(transcript: Transcript) -> str:
    """A digest of all that was said, as `benchmarks.inspect_logs` makes it of a sample."""
    return digest([("call", str(m.name)) if m.kind == "tool_call" else (m.role, m.text) for m in transcript.messages])


def read(path: Path) -> dict[str, Any]:
    """Our side of the comparison: seconds and peak memory of reading a log once, keeping nothing."""
    start = time.perf_counter()
    n = sum(1 for _ in read_transcripts(path))
    return {
        "seconds": time.perf_counter() - start,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "samples": n,
    }


def in_process(python: str, *arguments: str) -> Any:
    """What a process of its own prints as JSON; so that its peak memory is its own."""
    done = subprocess.run([python, *arguments], capture_output=True, text=True, check=False, cwd=THEIRS.parent.parent)
    if done.returncode:
        raise SystemExit(done.stderr.strip().splitlines()[-1])
    return json.loads(done.stdout) if done.stdout.strip() else None


def inflated(path: Path) -> float:
    """MB of JSON in an archive."""
    with zipfile.ZipFile(path) as archive:
        return sum(info.file_size for info in archive.infolist()) / 1e6


def compare(python: str, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both sides on one log, the best of `ROUNDS`; exits when they do not read the same."""
    ours = [in_process(sys.executable, "-m", "benchmarks.reading", "--read", str(path)) for _ in range(ROUNDS)]
    theirs = [in_process(python, str(THEIRS), "read", str(path)) for _ in range(ROUNDS)]
    if {t.id: said(t) for t in read_transcripts(path)} != theirs[0]["said"]:
        raise SystemExit(f"{path}: not the same messages")
    return min(ours, key=lambda r: r["seconds"]), min(theirs, key=lambda r: r["seconds"])


def measured(python: str, sizes: Sequence[tuple[int, int]]) -> Found:
    """The comparison for logs of so many samples and turns."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for n_samples, n_turns in sizes:
            path = Path(folder) / f"{n_samples}-{n_turns}.eval"
            in_process(python, str(THEIRS), "make", str(path), str(n_samples), str(n_turns))
            size = inflated(path)
            ours, theirs = compare(python, path)
            assert ours["samples"] == theirs["samples"] == n_samples
            told = f".eval of {n_samples:,} samples, {n_turns} turns, {size:.0f} MB of JSON"
            versus = "read_eval_log"
            speed, peer = size / ours["seconds"], size / theirs["seconds"]
            rows += [
                Measured(what=told, value=speed, unit="MB/s", better="more", against=versus, peer=peer, limit=3),
                Measured(what=f"memory, {told}", value=ours["peak"], unit="MB", against=versus, peer=theirs["peak"]),
            ]
    return Found(rows=rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("--inspect", metavar="PYTHON", help="a Python with inspect-ai")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--many", type=int, default=2000, help="samples of the log that memory is measured on")
    parser.add_argument("--read", type=Path, metavar="LOG", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.read:
        print(json.dumps(read(options.read)))
    elif options.inspect is None or not Path(options.inspect).is_file():
        print("skipped: name a Python that has inspect-ai with --inspect")
    else:
        # The short log has samples of the long one's size: memory must not grow with their number.
        sizes = [(options.samples, options.turns), (20, options.turns // 4), (options.many, options.turns // 4)]
        for row in measured(options.inspect, sizes).rows:
            print(row)


if __name__ == "__main__":
    main()
