"""Files of a report: whole or not there, under names that are no paths, with cells that are no formulas."""

from __future__ import annotations

import csv
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd

# A file system takes some 255 bytes.
_LONGEST_NAME = 60
# What a spreadsheet evaluates, blanks in front or not; wide signs, too.
_FORMULA = re.compile(r"'*(?:[\s\ufeff\x00-\x1f]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Where to write what becomes `path` at the end of the block; after an error nothing is left of it.

    Raises
    ------
    OSError
        That names `path`.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(6)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` (UTF-8; halves of characters, which logs do hold, become question marks)."""
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="replace")


def write_table(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as CSV for people: an apostrophe stands before text that a spreadsheet would evaluate."""
    text = {
        str(name): frame[name].map(_shield) for name in frame if not pd.api.types.is_numeric_dtype(frame[name].dtype)
    }
    with written_whole(path) as partial:
        frame.assign(**text).to_csv(partial, index=False, quoting=csv.QUOTE_NONNUMERIC)


def file_names(names: Iterable[str]) -> dict[str, str]:
    """A name for a file of each, no path, not too long, and no two alike.

    Examples
    --------
    >>> file_names(["a", "../b", "_b", "_b"])
    {'a': 'a', '../b': '_b', '_b': '_b-2'}
    """
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        safe = re.sub(r"[^\w-]+", "_", name)[:_LONGEST_NAME]
        number = next(n for n in range(1, len(found) + 2) if _numbered(safe, n) not in found.values())
        found[name] = _numbered(safe, number)
    return found


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def _shield(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell
