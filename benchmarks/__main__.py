"""Run benchmarks and enter what they found into RESULTS.md: `python -m benchmarks [PART ...]`.

Parts are run one after another; `quiet` names those that want the machine for themselves. A part replaces its own rows
only. What got worse by more than a tenth is told; what needs something that is not here says so and is left as it was.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, get_args

from benchmarks.children import Skipped
from benchmarks.parts import PARTS, Size
from benchmarks.results import Found, Results, worse

RESULTS = Path(__file__).parent / "RESULTS.md"
PACKAGES = ("numpy", "scipy", "numba", "pandas", "pyarrow", "scikit-learn", "torch", "onnxruntime", "anthropic", "ray")


def machine() -> str:
    """What ran this, in one line."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return ", ".join([system, *found])


def named(asked: Sequence[str]) -> list[str]:
    """Names of parts, `quiet` and `all` written out.

    Examples
    --------
    >>> named(["quotes", "alpha"])
    ['alpha', 'quotes']
    """
    quiet = [name for name, part in PARTS.items() if part.quiet]
    wanted = {name for word in asked or ["all"] for name in {"all": list(PARTS), "quiet": quiet}.get(word, [word])}
    return [name for name in PARTS if name in wanted]


def run_part(name: str, size: Size, workers: int) -> Found | Literal["skipped", "failed"]:
    """Run one part and print what it found, or why it found nothing."""
    start = time.perf_counter()
    try:
        found = PARTS[name].run(size, workers)
    except Skipped as reason:
        print(f"{name}: skipped: {reason}", flush=True)
        return "skipped"
    except Exception as error:  # the other parts shall run
        print(f"{name}: FAILED: {type(error).__name__}: {error}", flush=True)
        return "failed"
    for row in found.rows:
        print(f"{name}: {row}", flush=True)
    if found.text:
        print(found.text)
    print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="all, quiet, " + ", ".join(PARTS))
    parser.add_argument("--size", choices=get_args(Size), default="full", help="short: ten minutes a part at most")
    parser.add_argument("--quick", action="store_true", help="all at a tiny size, printed and not entered")
    parser.add_argument("--workers", type=int, default=1, help="processes of the simulations")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: benchmarks/RESULTS.md")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.parts) - {*PARTS, "all", "quiet"}):
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    size: Size = "quick" if options.quick else options.size
    target = options.out or (None if size == "quick" else RESULTS)
    failed = False
    for name in named(options.parts):
        found = run_part(name, size, options.workers)
        failed = failed or found == "failed"
        if isinstance(found, Found) and target is not None:
            enter(target, name, found, size)
    if failed:
        sys.exit(1)


def enter(path: Path, name: str, found: Found, size: Size) -> None:
    """Put what one part found into the file, and tell what got worse."""
    results = Results.parse(path.read_text(encoding="utf-8")) if path.is_file() else Results()
    for line in worse(results.values(name), found.rows):
        print(f"{name}: {line}", flush=True)
    short = " --size short" if size == "short" and PARTS[name].short else ""
    day = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    results.enter(name, found, command=f"python -m benchmarks {name}{short}", day=day, machine=machine())
    path.write_text(results.render({key: part.title for key, part in PARTS.items()}), encoding="utf-8")


if __name__ == "__main__":
    main()
