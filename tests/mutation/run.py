"""``make mutation``: a random sample of mutants of ``calibration/*.py``, and how many of them the tests kill.

mutmut makes the mutants (one operator, constant, argument or text changed) and runs, for each, the tests of
``tests/calibration`` and the examples in docstrings that call the changed function. Functions that numba compiles are
not mutated. A mutant without a test counts as a survivor. The copy that is mutated lies in ``build/mutation``:
``cd build/mutation && mutmut show NAME`` shows a survivor. MUTANTS, MUTATION_SEED and MUTATION_WORKERS are read from
the environment.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutation"
ALSO = ("grader", "labels", "harmrate", "benchmarks", "examples", "docs", "tests", "README.md", "CHANGELOG.md")
CONFIG = """\
[mutmut]
source_paths=calibration
only_mutate=calibration/*.py
do_not_mutate=
    calibration/study/*
    calibration/report/*
pytest_add_cli_args_test_selection=
    tests/calibration
    tests/mutation/examples.py
pytest_add_cli_args=
    -p
    no:cacheprovider
timeout_multiplier=2
timeout_constant=5
also_copy=
"""
_KILLED = ("killed", "timeout", "segfault")


def prepare() -> None:
    """A copy of the checkout with mutmut's settings; what an earlier run found there is gone."""
    shutil.rmtree(WORK, ignore_errors=True)
    skip = shutil.ignore_patterns("__pycache__", ".*", "_build")
    for name in (*ALSO, "calibration"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, WORK / name, ignore=skip)
        else:
            shutil.copy(ROOT / name, WORK / name)
    modules = [path.name for path in ROOT.glob("cli*.py")]
    for name in (*modules, "pyproject.toml"):
        shutil.copy(ROOT / name, WORK / name)
    also = "".join(f"    {name}\n" for name in (*ALSO, *modules))
    (WORK / "setup.cfg").write_text(CONFIG + also, encoding="utf-8")


def mutmut(*arguments: str) -> int:
    """Run mutmut in the copy; its exit status."""
    data = os.environ.get("HARMRATE_DATA", str(ROOT.parent / "shared" / "data"))
    env = os.environ | {"HARMRATE_DATA": data, "HARMRATE_EXAMPLES": str(WORK / "calibration"), "OMP_NUM_THREADS": "1"}
    workers = os.environ.get("MUTATION_WORKERS", "1")
    command = [sys.executable, "-m", "mutmut", *arguments]
    return subprocess.run([*command, "--max-children", workers], cwd=WORK, env=env, check=False).returncode


def results() -> dict[str, int | None]:
    """Every mutant and the exit status of its tests; None where it was not tried."""
    found: dict[str, int | None] = {}
    for path in sorted((WORK / "mutants" / "calibration").glob("*.meta")):
        found |= json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def report(sample: Sequence[str], tried: Mapping[str, int | None], n_all: int) -> str:
    """The score with its limits, and the survivors by name."""
    from mutmut.stats import status_by_exit_code

    from calibration.rates.intervals import wilson

    status = {name: status_by_exit_code[tried[name]] for name in sample}
    killed = sum(one in _KILLED for one in status.values())
    low, high = (float(limit) for limit in wilson(killed, len(sample)))
    counts = ", ".join(f"{number} {name}" for name, number in Counter(status.values()).most_common())
    lines = [f"  {name}: {one}" for name, one in sorted(status.items()) if one not in _KILLED]
    score = f"{killed / len(sample):.1%} of the mutants killed (95 % limits {low:.1%} to {high:.1%})"
    return "\n".join([*lines, f"{len(sample)} drawn from {n_all}: {counts}", score])


def main() -> int:
    """Make mutants, draw, try, tell."""
    sys.path.insert(0, str(ROOT))
    n, seed = int(os.environ.get("MUTANTS", "300")), int(os.environ.get("MUTATION_SEED", "1"))
    prepare()
    mutmut("run", "none")  # makes all mutants and times all tests, then finds that none has this name
    names = sorted(results())
    if not names:
        return 1
    sample = sorted(random.Random(seed).sample(names, min(n, len(names))))
    if mutmut("run", *sample):
        return 1
    sys.stdout.write(report(sample, results(), len(names)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
