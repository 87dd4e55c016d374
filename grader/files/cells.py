"""Cells of CSV tables that a spreadsheet would take for a formula: escaped when written, restored when read."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from grader.files.atomic import written_whole

# What a spreadsheet evaluates (blanks in front, or wide signs, are no hindrance), and what looks escaped already.
_FORMULA = re.compile(r"'*(?:[\s\ufeff\x00-\x1f]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")


def write_csv(frame: pd.DataFrame, file: Path | TextIO, *, header: bool = True) -> None:
    """Write a table `escape_formulas`, without its index; `header` says whether the names of the columns come first.

    A carriage return is quoted, which the standard writer leaves bare and readers take for the end of a row.
    """
    safe = escape_formulas(frame)
    has_return = any("\r" in cell for name in _texts(safe) for cell in safe[name] if isinstance(cell, str))
    has_return = has_return or any("\r" in str(name) for name in safe.columns)
    safe.to_csv(file, index=False, header=header, quoting=csv.QUOTE_NONNUMERIC if has_return else csv.QUOTE_MINIMAL)


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """`write_csv` to `path`, whole or not at all."""
    with written_whole(path) as partial:
        write_csv(frame, partial)


def escape_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before every text cell and column name that would start a formula.

    Numbers stay numbers, also those that are written as text. `unescape_formulas` gives back what was there.

    Examples
    --------
    >>> table = pd.DataFrame({"id": ["=1+1", "'=1", "-0.5", "a=b"], "score": [-0.5, 1.0, 0.0, 0.5]})
    >>> escape_formulas(table)["id"].tolist()
    ["'=1+1", "''=1", '-0.5', 'a=b']
    >>> bool((unescape_formulas(escape_formulas(table)) == table).all(axis=None))
    True
    """
    return _changed(frame, _shield)


def unescape_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """The table without the apostrophes that `escape_formulas` put there; all others stay."""
    return _changed(frame, _unshield)


def _changed(frame: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    changed = {name: frame[name].map(change, na_action="ignore") for name in _texts(frame)}
    return frame.assign(**changed).rename(columns=change)


def _texts(frame: pd.DataFrame) -> list[str]:
    is_other = (pd.api.types.is_numeric_dtype, pd.api.types.is_datetime64_any_dtype)
    return [name for name in frame.columns if not any(is_(frame[name].dtype) for is_ in is_other)]


def _shield(cell: Any) -> Any:
    is_formula = isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell


def _unshield(cell: Any) -> Any:
    return cell[1:] if isinstance(cell, str) and cell[:1] == "'" and _FORMULA.match(cell) else cell
