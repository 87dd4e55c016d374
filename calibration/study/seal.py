"""The seal of a study's folder: the SHA-256 of every file that its numbers rest on, in one chain."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.files.atomic import write_text
from grader.files.lock import LOCK

SEAL = "seal.json"
SCHEMA = 1
# What is written to a folder after its report, and changes no number.
_NOT_SEALED = (SEAL, LOCK, "store.sqlite", "reviews.jsonl")
# Parts of a report that are computed from the files; the rest says when and how.
_COMPUTED = ("rates", "agreement", "comparisons", "graders", "harms", "raters", "ledger")
# Two machines may round the last digits of a sum differently.
_TOLERANCE = 1e-9
_LISTED = 20


def write_seal(folder: Path) -> None:
    """Write ``seal.json`` into a folder that holds a finished report."""
    write_text(folder / SEAL, _text(_hashes(folder)))


def changes(folder: Path) -> list[str]:
    """What was changed or removed since the folder was sealed, a phrase each; empty when nothing was.

    Parameters
    ----------
    folder : path

    Raises
    ------
    InputError
        The folder has no seal, or one that cannot be read.
    """
    file = folder / SEAL
    try:
        text = file.read_text(encoding="utf-8")
        sealed: dict[str, str] = json.loads(text)["files"]
        names = [(str(name), str(value)) for name, value in sealed.items()]
    except FileNotFoundError:
        raise InputError("no seal: `harmrate run` and `harmrate report` write one", file=file) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return [f"{SEAL} is not as harmrate writes it"]
    if text != _text(dict(names)):
        return [f"{SEAL} was changed"]
    present = _hashes(folder)
    return [
        f"{name} {'was changed' if name in present else 'is missing'}"
        for name, value in names
        if present.get(name) != value
    ]


def added(folder: Path) -> list[str]:
    """Files that came into the folder after it was sealed; no number rests on them."""
    sealed = json.loads((folder / SEAL).read_text(encoding="utf-8"))["files"]
    return sorted(set(_hashes(folder)) - set(sealed))


def different_numbers(stated: Mapping[str, Any], computed: Mapping[str, Any]) -> list[str]:
    """Where two reports (``report.json``) differ in what is computed, as paths; the first ones.

    Examples
    --------
    >>> different_numbers({"rates": [{"low": 0.1}]}, {"rates": [{"low": 0.2}]})
    ['rates[0].low: 0.1 stated, 0.2 computed']
    """
    found = (line for part in _COMPUTED for line in _different(part, stated.get(part), computed.get(part)))
    return [line for line, _ in zip(found, range(_LISTED), strict=False)]


def _different(path: str, a: Any, b: Any) -> Iterator[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys(), key=str):
            yield from _different(f"{path}.{key}", a.get(key), b.get(key))
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _different(f"{path}[{i}]", x, y)
    elif not _same(a, b):
        yield f"{path}: {_short(a)} stated, {_short(b)} computed"


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, int | float) and not isinstance(b, bool):
        return math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return bool(a == b)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each sealed file, by its name below the folder, sorted."""
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(_NOT_SEALED)
    )
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def _text(files: Mapping[str, str]) -> str:
    """The seal as text: the files, and a chain in which each link holds all before it."""
    link = ""
    for name, value in files.items():
        link = hashlib.sha256(f"{link}\0{name}\0{value}".encode()).hexdigest()
    return json.dumps({"schema": SCHEMA, "seal": link, "files": dict(files)}, indent=1, ensure_ascii=False) + "\n"
