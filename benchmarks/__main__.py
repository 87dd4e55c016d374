"""Run every benchmark and write down what came out: `python -m benchmarks`."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from benchmarks import alpha, coverage, designs, efficiency, rates
from benchmarks.cells import BLOCKS
from benchmarks.methods import METHODS
from benchmarks.peers import installed_peers
from benchmarks.tally import Row

RESULTS = Path(__file__).parent / "RESULTS.md"
# A look at everything in about a minute; its numbers are noise.
QUICK_DATA_SETS = 20


def machine() -> str:
    """What ran this, in one line."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "numba"))
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, {packages}"
    )


def results(*, quick: bool = False, workers: int = 1, seed: int = coverage.SEED, rows_file: Path | None = None) -> str:
    """Everything, in Markdown; the rows of the simulation also as JSON, where a file is named."""
    start = time.perf_counter()
    size = f"--data-sets {QUICK_DATA_SETS} --again 0" if quick else "--data-sets 1000 --again 20000"
    there, absent = installed_peers()
    plan = coverage.Plan(methods=tuple(METHODS), seed=seed)
    if quick:
        plan = replace(plan, data_sets=QUICK_DATA_SETS, again=0)
    speed = ["## Speed and memory", "", rates.report(), alpha.report()]
    rows: list[Row] = []
    for name, block in BLOCKS.items():
        cells = block()
        # Peers work on rows and take their time: the regimes are enough to see what they do.
        here = replace(plan, methods=(*METHODS, *there)) if name == "regimes" else plan
        rows += coverage.with_progress(coverage.run_cells(cells, here, workers), len(cells))
    drawn = list(designs.rows(data_sets=QUICK_DATA_SETS if quick else 1_000, workers=workers))
    needed = list(efficiency.rows(efficiency.RATES[-1:] if quick else efficiency.RATES))
    if rows_file:
        coverage.write_rows(rows, rows_file)
    text = [
        "# Results of the benchmarks",
        "",
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {machine()}; {time.perf_counter() - start:.0f} s in all.",
        "Written by `python -m benchmarks`; what the columns mean stands in `benchmarks/README.md`.",
        "",
        *speed,
        "",
        "## Coverage and width",
        "",
        f"`python -m benchmarks.coverage --cells all --seed {seed} {size}`, peers in the regimes only."
        + (f" Peers that were not installed: {', '.join(absent)}." if absent else ""),
        coverage.report(rows),
        "",
        "## Sampling designs",
        "",
        designs.report(drawn),
        "",
        "## Labels needed",
        "",
        efficiency.report(needed),
        "",
    ]
    return "\n".join(text)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few data sets, printed instead of written")
    parser.add_argument("--workers", type=int, default=1, help="processes of the simulation")
    parser.add_argument("--seed", type=int, default=coverage.SEED)
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: benchmarks/RESULTS.md")
    parser.add_argument("--json", type=Path, metavar="FILE", help="rows of the simulation")
    options = parser.parse_args(arguments)
    text = results(quick=options.quick, workers=options.workers, seed=options.seed, rows_file=options.json)
    target = options.out or (None if options.quick else RESULTS)
    if target is None:
        print(text)
    else:
        target.write_text(text)
        print(f"written: {target}", file=sys.stderr)


if __name__ == "__main__":
    main()
