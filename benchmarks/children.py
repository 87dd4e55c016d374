"""Work in processes of its own, so that seconds and peak memory are its own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parent.parent
# Starts a command from a small process: the peak memory of a process is at least that of whoever started it.
_WATCH = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(process.pid, 0)
with open(sys.argv[1], "w") as note:
    json.dump([time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss], note)
code = os.waitstatus_to_exitcode(status)
sys.exit(code if code >= 0 else 128 - code)
"""


class Skipped(Exception):
    """What a benchmark needs is not here; the message says what."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a process took: seconds on the clock, of processor time, and peak memory in MB."""

    seconds: float
    processor: float
    megabytes: float
    output: str


def run(command: Sequence[str], *, environment: Mapping[str, str] | None = None, folder: Path = ROOT) -> Ran:
    """Run a command to its end.

    Raises
    ------
    RuntimeError
        It failed; with the last line that it said.
    """
    env = os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {})
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
        tempfile.NamedTemporaryFile() as note,
    ):
        watched = [sys.executable, "-S", "-c", _WATCH, note.name, *command]
        code = subprocess.run(watched, cwd=folder, env=env, stdout=out, stderr=err, check=False).returncode
        output, told = (_all_of(file) for file in (out, err))
        taken = note.read()
    if code:
        last = (told.strip() or output.strip() or "nothing was said").splitlines()[-1]
        raise RuntimeError(f"{' '.join(command)} ended with {code}: {last}")
    seconds, used, peak = json.loads(taken)
    # Linux counts in kB, macOS in bytes.
    return Ran(seconds, used, peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024), output)


def _all_of(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def module(name: str, *arguments: object) -> tuple[Ran, Any]:
    """Run a module of the benchmarks with this Python; what it took, and the JSON that it printed last."""
    ran = run([sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)])
    return ran, json.loads(ran.output.splitlines()[-1])


def peak_megabytes() -> float:
    """Peak memory of this process so far."""
    unit = 1e6 if sys.platform == "darwin" else 1e6 / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
