"""The coverage benchmark in print: a table per block, the promises, the worst cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from benchmarks.cells import Block
from benchmarks.tally import Row

# Mean width relative to human-only that no method with coverage .95 can beat in the regimes, by design.
FLOOR = {"uniform": 0.646, "25 % on flagged": 0.600, "50 % on flagged": 0.711}

COLUMNS = (
    "method",
    "cells",
    "answered",
    "min. coverage",
    "max. above",
    "max. below",
    "zero width",
    "width ratio",
    "geometric",
)


# What is promised: misses above by method, and widths relative to human-only by method and design.
ABOVE = {"post-stratified": 0.045, "likelihood-ratio": 0.05}
WIDTHS = (
    ("post-stratified", "uniform", 0.83),
    ("likelihood-ratio", "uniform", 0.79),
    ("likelihood-ratio", "25 % on flagged", 0.75),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A promise about the rows of one method in one block."""

    block: Block
    method: str
    what: str
    value: Callable[[Sequence[Row]], float]
    limit: float
    design: str = ""

    @property
    def at_least(self) -> bool:
        """Whether the value must not fall below the limit; else it must not exceed it."""
        return self.what == "coverage"


def _bounds() -> list[Bound]:
    bounds = []
    promises: list[tuple[Block, float]] = [("regimes", 0.94), ("stress", 0.935)]
    for (block, coverage), (method, above) in product(promises, ABOVE.items()):
        bounds.append(Bound(block=block, method=method, what="coverage", value=_min_coverage, limit=coverage))
        bounds.append(Bound(block=block, method=method, what="misses above", value=_max_above, limit=above))
        bounds.append(Bound(block=block, method=method, what="zero width", value=_zero_width, limit=0.0))
    for method, design, limit in WIDTHS:
        bounds.append(Bound(block="regimes", method=method, what="width", value=_width, limit=limit, design=design))
    return bounds


def bounds_lines(rows: Sequence[Row]) -> Iterator[str]:
    """One line per promise that the rows can judge."""
    for bound in _bounds():
        chosen = [
            row
            for row in rows
            if row.cell.block == bound.block and row.method == bound.method and bound.design in ("", row.cell.design)
        ]
        if not chosen:
            continue
        value = bound.value(chosen)
        held = value >= bound.limit if bound.at_least else value <= bound.limit
        side = "at least" if bound.at_least else "at most"
        where = f"{bound.block}{', ' + bound.design if bound.design else ''}"
        word = "held" if held else "NOT HELD"
        beside = f" (geometric mean {_geometric_width(chosen):.4f})" if bound.value is _width else ""
        yield f"- {where}, {bound.method}: {bound.what} {value:.4f}{beside}, {side} {bound.limit:g}: {word}"


def summary_lines(rows: Sequence[Row], floor: Mapping[str, float] = FLOOR) -> Iterator[str]:
    """A table per block and design, the worst cells of each block; `floor` is by design, of the regimes."""
    for block in dict.fromkeys(row.cell.block for row in rows):
        inside = [row for row in rows if row.cell.block == block]
        designs = dict.fromkeys(row.cell.design for row in inside)
        for design in designs:
            chosen = [row for row in inside if row.cell.design == design]
            yield from _table(f"{block}, {design}", chosen, floor.get(design) if block == "regimes" else None)
        yield from _worst(block, inside)


def _table(title: str, rows: Sequence[Row], floor: float | None) -> Iterator[str]:
    yield f"\n### {title}\n"
    columns = [*COLUMNS, *(["above floor"] if floor else []), "seconds"]
    yield "| " + " | ".join(columns) + " |"
    yield "|---" * len(columns) + "|"
    for method in dict.fromkeys(row.method for row in rows):
        own = [row for row in rows if row.method == method]
        width = _width(own)
        cells = [
            method,
            f"{len(own)}",
            f"{np.mean([row.answered for row in own]):.3f}",
            f"{_min_coverage(own):.3f}",
            f"{_max_above(own):.3f}",
            f"{_finite([row.below for row in own], max):.3f}",
            f"{_zero_width(own):.3f}",
            f"{width:.3f}",
            f"{_geometric_width(own):.3f}",
            *([f"{width - floor:+.3f}"] if floor else []),
            f"{sum(row.seconds for row in own):.1f}",
        ]
        yield "| " + " | ".join(cells) + " |"


def _worst(block: Block, rows: Sequence[Row]) -> Iterator[str]:
    yield f"\nWorst cells of {block}:\n"
    for method in dict.fromkeys(row.method for row in rows):
        own = [row for row in rows if row.method == method and not np.isnan(row.coverage)]
        if own:
            worst = min(own, key=lambda row: row.coverage)
            yield f"- {method}: {worst.coverage:.4f} ({worst.data_sets} data sets) at {worst.cell.name}"
    contradictions = sum(row.contradictions for row in rows)
    if contradictions:
        yield f"- {contradictions} data sets where a test accepts the truth and the interval leaves it out"


def cell_lines(rows: Sequence[Row]) -> Iterator[str]:
    """One line per method and cell."""
    yield "| cell | method | data sets | coverage | above | below | zero width | width | width / human-only |"
    yield "|---" * 9 + "|"
    for row in rows:
        shares = (row.coverage, row.above, row.below, row.zero_width, row.width, row.width_ratio)
        cells = [f"{row.cell.block}: {row.cell.name}", row.method, f"{row.data_sets}", *(f"{v:.4f}" for v in shares)]
        yield "| " + " | ".join(cells) + " |"


def _min_coverage(rows: Sequence[Row]) -> float:
    return _finite([row.coverage for row in rows], min)


def _max_above(rows: Sequence[Row]) -> float:
    return _finite([row.above for row in rows], max)


def _zero_width(rows: Sequence[Row]) -> float:
    return _finite([row.zero_width for row in rows], lambda shares: float(np.mean(shares)))


def _width(rows: Sequence[Row]) -> float:
    return _finite([row.width_ratio for row in rows], lambda ratios: float(np.mean(ratios)))


def _geometric_width(rows: Sequence[Row]) -> float:
    """Geometric mean of the cells' width ratios, which treats half as wide and twice as wide alike."""
    return _finite([row.width_ratio for row in rows], lambda ratios: float(np.exp(np.mean(np.log(ratios)))))


def _finite(values: Sequence[float], reduce: Callable[[list[float]], float]) -> float:
    """Reduce the values that are not nan; nan when there is none."""
    finite = [value for value in values if not np.isnan(value)]
    return reduce(finite) if finite else float("nan")
