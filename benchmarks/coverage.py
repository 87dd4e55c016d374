"""Do the intervals hold the truth, and how wide are they? `python -m benchmarks.coverage`.

Campaigns are simulated cell by cell (`benchmarks.cells`), every method answers the same data sets, and cells where a
method that promises its level falls short of it are run again with many more, on a seed of their own.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks.cells import BLOCKS, Block, Cell
from benchmarks.methods import METHODS, human_limits
from benchmarks.outcomes import LEVEL
from benchmarks.peers import PEERS, installed_peers
from benchmarks.simulate import simulate
from benchmarks.summary import FLOOR, bounds_lines, cell_lines, summary_lines
from benchmarks.tally import Row, as_record, make_row
from calibration.records import Target

SEED = 20261123
ALL_METHODS = METHODS | PEERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the cells are run."""

    methods: tuple[str, ...]
    data_sets: int = 1_000
    again: int = 20_000
    seed: int = SEED
    target: Target = "scenarios"


def run_cell(cell: Cell, plan: Plan) -> list[Row]:
    """All methods in one cell; those that promise the level and fall short are run again, at length."""
    rows = list(_round(cell, plan, plan.methods, plan.data_sets, 0))
    short = [row.method for row in rows if ALL_METHODS[row.method].claims and row.coverage < LEVEL]
    if not short or plan.again <= plan.data_sets:
        return rows
    longer = {row.method: row for row in _round(cell, plan, short, plan.again, 1)}
    return [longer.get(row.method, row) for row in rows]


def _round(cell: Cell, plan: Plan, methods: Iterable[str], data_sets: int, number: int) -> Iterator[Row]:
    rng = np.random.default_rng([plan.seed, cell.key, number])
    campaigns = simulate(cell, data_sets, rng)
    human = human_limits(campaigns, plan.target)
    human_width = human.high - human.low
    for name in methods:
        method = ALL_METHODS[name]
        if (cell.scenarios and not method.clusters) or (cell.flagged_share is not None and method.uniform_only):
            continue
        few = campaigns.first(method.max_data_sets)
        start = time.perf_counter()
        outcome = method.run(few, plan.target)
        yield make_row(cell, name, outcome, human_width, time.perf_counter() - start)


def run_cells(cells: Sequence[Cell], plan: Plan, workers: int = 1) -> Iterator[Row]:
    """The rows of all cells, in order; the same whatever the number of processes."""
    if workers == 1:
        for cell in cells:
            yield from run_cell(cell, plan)
        return
    with ProcessPoolExecutor(workers) as pool:
        for rows in pool.map(partial(run_cell, plan=plan), cells, chunksize=1):
            yield from rows


def report(rows: Sequence[Row], *, every_cell: bool = False, target: Target = "scenarios") -> str:
    """The rows in Markdown: tables per block, or one line per cell, then the promises, which are about the process."""
    floor = FLOOR if target == "scenarios" else {}
    tables = cell_lines(rows) if every_cell else summary_lines(rows, floor)
    return "\n".join([*tables, "", *(bounds_lines(rows) if target == "scenarios" else [])])


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write the rows as JSON records; nan, which JSON does not know, becomes null."""
    records = [{k: None if v != v else v for k, v in as_record(row).items()} for row in rows]
    path.write_text(json.dumps(records, indent=1, allow_nan=False))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = _parser().parse_args(arguments)
    there, absent = installed_peers()
    if absent:
        print(f"not installed, so not in the table: {', '.join(absent)}", file=sys.stderr)
    methods = tuple(options.methods or (*METHODS, *there))
    if missing := set(methods) & set(absent):
        sys.exit(f"not installed: {', '.join(sorted(missing))}")
    plan = Plan(
        methods=methods, data_sets=options.data_sets, again=options.again, seed=options.seed, target=options.target
    )
    blocks: list[Block] = list(BLOCKS) if options.cells == "all" else [options.cells]
    cells = [cell for block in blocks for cell in BLOCKS[block]()]
    if plan.target == "pool":
        # Scenarios as a sample make no pool.
        cells = [cell for cell in cells if not cell.scenarios]
    rows = list(with_progress(run_cells(cells, plan, options.workers), len(cells)))
    if options.json:
        write_rows(rows, options.json)
    print(report(rows, every_cell=options.rows, target=plan.target))


def with_progress(rows: Iterable[Row], n_cells: int) -> Iterator[Row]:
    """Pass the rows on, and say how far it is every tenth of the way."""
    start, done, last = time.perf_counter(), 0, None
    for row in rows:
        if row.cell != last:
            done, last = done + 1, row.cell
            if done % max(n_cells // 10, 1) == 0:
                print(f"{done} of {n_cells} cells begun, {time.perf_counter() - start:.0f} s", file=sys.stderr)
        yield row


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("--cells", choices=[*BLOCKS, "all"], default="regimes")
    parser.add_argument(
        "--methods", nargs="+", choices=list(ALL_METHODS), metavar="METHOD", help=", ".join(ALL_METHODS)
    )
    parser.add_argument("--data-sets", type=int, default=1_000)
    parser.add_argument("--again", type=int, default=20_000, help="data sets for cells that fall short (0: never)")
    parser.add_argument("--target", choices=[t for t in get_args(Target) if t != "new-scenarios"], default="scenarios")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--rows", action="store_true", help="one line per cell and method")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


if __name__ == "__main__":
    main()
