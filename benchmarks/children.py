"""Work in processes of its own, so that seconds and peak memory are its own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parent.parent


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
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        output, told = (_all_of(file) for file in (out, err))
    if process.returncode:
        last = (told.strip() or output.strip() or "nothing was said").splitlines()[-1]
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {last}")
    # Linux counts in kB, macOS in bytes.
    unit = 1e6 if sys.platform == "darwin" else 1e6 / 1024
    used = usage.ru_utime + usage.ru_stime
    return Ran(seconds, used, usage.ru_maxrss / unit, output)


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
