"""All targets in turn for FUZZ_SECONDS in all: ``make fuzz``. Ends with 1 when one raised, hung or took too much.

Inputs that did so are left in ``build/fuzz/found``; one that is mended goes to ``tests/fuzz/found``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = HERE.parents[1] / "build" / "fuzz"
# Of one input, and of a target's process as a whole.
HANG_SECONDS, MEMORY_MB = 5, 1024
_STATS = re.compile(r"stat::(number_of_executed_units|peak_rss_mb): +(\d+)")


def fuzz(name: str, seconds: int) -> bool:
    """Fuzz one target and print a line about it; whether nothing was found."""
    found = WORK / "found"
    found.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", f"-timeout={HANG_SECONDS}", f"-rss_limit_mb={MEMORY_MB}"]
    options += ["-print_final_stats=1", "-max_len=65536", f"-artifact_prefix={found}/{name}-"]
    command = [sys.executable, str(HERE), name, str(WORK / "corpus" / name), *options]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    said = done.stdout + done.stderr
    stats = {key: int(number) for key, number in _STATS.findall(said)}
    tried, memory = stats.get("number_of_executed_units", 0), stats.get("peak_rss_mb", 0)
    sys.stdout.write(f"{name}: {tried} inputs in {seconds} s, at most {memory} MB, exit code {done.returncode}\n")
    if done.returncode:
        telling = [line for line in said.splitlines() if not line.startswith(("#", "INFO: ", "WARNING: "))]
        sys.stdout.write("\n".join(telling)[-4000:] + "\n")
    sys.stdout.flush()
    return done.returncode == 0


def main(names: Sequence[str]) -> int:
    """Fuzz the named targets, or all."""
    sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]
    from fuzz.targets import TARGETS

    chosen = names or list(TARGETS)
    each = int(os.environ.get("FUZZ_SECONDS", "600")) // len(chosen)
    return 0 if all([fuzz(name, each) for name in chosen]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
