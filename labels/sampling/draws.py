"""A design frame of a large pool in 12 bytes per candidate: how each transcript could be drawn, never its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from grader.verdict.coded import Coded, IntArray, KeyArray, id_keys
from labels.sampling.designs import read_design

# What counts need of a row of the design.
_COLUMNS = ("harm", "stratum", "inclusion_probability", "drawn", "episode", "grader", "grader_version")
_NUMBERS = ("inclusion_probability", "drawn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """How transcripts were drawn.

    Parameters
    ----------
    keys : array of uint64, sorted
        `grader.verdict.coded.id_keys` of the candidates.
    codes : array of int
        Which kind of candidate each is.
    kinds : tuple of DataFrame
        The rows of the design of one candidate of each kind, without its id.

    Examples
    --------
    >>> frame = pd.DataFrame({"transcript_id": ["a", "b", "c"], "harm": "leaking",
    ...                       "inclusion_probability": [0.5, 0.5, 1.0], "drawn": [True, True, False]})
    >>> draws = draws_of(frame)
    >>> draws.find(id_keys(np.array(["b", "z"], dtype=object))).tolist(), len(draws.kinds)
    ([1, -1], 2)
    """

    keys: KeyArray
    codes: IntArray
    kinds: tuple[pd.DataFrame, ...]

    def find(self, keys: KeyArray) -> IntArray:
        """Where in `codes` each transcript is; -1 = it was no candidate."""
        return find_keys(self.keys, keys)


def draws_of(design: pd.DataFrame) -> Draws:
    """The draws of a design frame (`labels.draw_sample`)."""
    names = [name for name in _COLUMNS if name in design]
    kinds = _Kinds(names)
    kinds.add(Coded.of(design["transcript_id"]), [Coded.of(design[name]) for name in names])
    draws = kinds.draws()
    if draws is None:
        raise ValueError("design must name each transcript and harm once; join its rounds with combine_rounds.")
    return draws


def read_draws(path: Path | str) -> Draws:
    """Read a design frame for counting, Parquet row group by row group.

    Raises
    ------
    InputError
        As `read_design`.
    """
    draws = _read_parquet(Path(path)) if str(path).endswith(".parquet") and Path(path).is_file() else None
    return draws_of(read_design(path)) if draws is None else draws


def _read_parquet(path: Path) -> Draws | None:
    """The draws of a sound Parquet frame of one round; None where `read_design` has to repair or to refuse."""
    import pyarrow.parquet as pq

    try:
        names = [name for name in _COLUMNS if name in pq.read_schema(path).names]
        text = [name for name in ("transcript_id", *names) if name not in _NUMBERS]
        kinds = _Kinds(names)
        with pq.ParquetFile(path, read_dictionary=text) as file:
            for number in range(file.num_row_groups):
                table = file.read_row_group(number, columns=["transcript_id", *names], use_threads=False)
                pi, drawn = table["inclusion_probability"], table["drawn"]
                if table["transcript_id"].null_count or not _is_sound(pi, drawn):
                    return None
                kinds.add(Coded.of_arrow(table["transcript_id"]), [Coded.of_arrow(table[name]) for name in names])
    except (ValueError, OSError, KeyError):
        return None
    return kinds.draws()


def _is_sound(pi: Any, drawn: Any) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_boolean(drawn.type) or not pa.types.is_floating(pi.type) or pi.null_count or drawn.null_count:
        return False
    inside = pc.and_(pc.greater_equal(pi, 0.0), pc.less_equal(pi, 1.0))
    return bool(pc.all(pc.and_(inside, pc.or_(pc.greater(pi, 0.0), pc.invert(drawn)))).as_py())


class _Kinds:
    """Candidates by what the design says of them, collected part by part."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self.rows: dict[tuple[Any, ...], int] = {}
        self.kinds: dict[tuple[int, ...], int] = {}
        self.keys: list[KeyArray] = []
        self.codes: list[IntArray] = []

    def add(self, ids: Coded, columns: Sequence[Coded]) -> None:
        """Add the rows of one part."""
        row, first = joint_codes([column.codes for column in columns])
        values = zip(*(column.at(first).decoded() for column in columns), strict=True)
        numbers = [self.rows.setdefault(value, len(self.rows)) for value in values]
        self.keys.append(id_keys(ids.values[1:]))
        self.codes.append(self._joined(ids.codes - 1, np.array(numbers)[row], len(ids.values) - 1))

    def draws(self) -> Draws | None:
        """All parts together; None where a transcript and harm has several rows."""
        keys, codes = np.concatenate(self.keys), np.concatenate(self.codes)
        order = np.argsort(keys, kind="stable")
        keys, codes = keys[order], codes[order]
        new = np.append(True, keys[1:] != keys[:-1])
        if not new.all():  # a transcript has rows in several parts
            parts = {code: kind for kind, code in self.kinds.items()}
            codes = self._merged(np.cumsum(new) - 1, codes, int(new.sum()), parts)
            keys = keys[new]
        return self._checked(keys, codes)

    def _checked(self, keys: KeyArray, codes: IntArray) -> Draws | None:
        rows = list(self.rows)
        kinds = tuple(pd.DataFrame([rows[n] for n in kind], columns=self.names) for kind in self.kinds)
        item = ["harm"] if "harm" in self.names else []
        if any(len(kind) > 1 and (not item or kind.duplicated(item).any()) for kind in kinds):
            return None
        return Draws(keys=keys, codes=codes, kinds=kinds)

    def _joined(self, unit: IntArray, row: IntArray, n: int) -> IntArray:
        """The kind of each candidate, from the numbers of its rows."""
        slots = _slots(unit, row, n)
        code, first = joint_codes(list(slots.T))
        numbers = [tuple(int(k) - 1 for k in slots[place] if k) for place in first]
        return np.array([self.kinds.setdefault(kind, len(self.kinds)) for kind in numbers])[code]

    def _merged(self, unit: IntArray, codes: IntArray, n: int, parts: Mapping[int, tuple[int, ...]]) -> IntArray:
        slots = _slots(unit, codes, n)
        code, first = joint_codes(list(slots.T))
        kinds = [tuple(sorted(row for k in slots[place] if k for row in parts[int(k) - 1])) for place in first]
        self.kinds = {}
        return np.array([self.kinds.setdefault(kind, len(self.kinds)) for kind in kinds])[code]


def _slots(unit: IntArray, value: IntArray, n: int) -> IntArray:
    """The values of each unit in a row, sorted, plus 1; 0 = none."""
    order = np.lexsort((value, unit))
    unit, value = unit[order], value[order]
    start = np.searchsorted(unit, np.arange(n))
    rank = np.arange(len(unit)) - start[unit]
    slots = np.zeros((n, int(rank.max(initial=0)) + 1), dtype=np.int64)
    slots[unit, rank] = value + 1
    return slots


def find_keys(table: KeyArray, keys: KeyArray) -> IntArray:
    """Where in a sorted table each key is; -1 = not in it."""
    if not len(table):
        return np.full(len(keys), -1)
    order = np.argsort(keys)  # neighbouring keys are looked up in neighbouring memory
    place = np.empty(len(keys), dtype=np.int64)
    place[order] = np.searchsorted(table, keys[order])
    place[place == len(table)] = 0
    return np.where(table[place] == keys, place, -1)


def joint_codes(columns: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """One code for each combination of codes, in order of first appearance, and the first row of each.

    Examples
    --------
    >>> code, first = joint_codes([np.array([1, 1, 0]), np.array([5, 5, 2])])
    >>> code.tolist(), first.tolist()
    ([0, 0, 1], [0, 2])
    """
    packed, size = columns[0].astype(np.int64), int(columns[0].max(initial=0)) + 1
    for column in columns[1:]:
        width = int(column.max(initial=0)) + 1
        if size * width >= 1 << 62:
            packed, values = pd.factorize(packed)
            size = len(values)
        packed, size = packed * width + column, size * width
    code, values = pd.factorize(packed)
    first = np.zeros(len(values), dtype=np.int64)
    first[code[::-1]] = np.arange(len(code))[::-1]
    return code.astype(np.int64), first
