"""``harmrate.toml``: a study written down, so that a command follows it and a reader can check it.

Its keys are the options of ``harmrate run``; the tables only group them. The command line overrides the file.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.files.atomic import write_text

STUDY_FILE = "harmrate.toml"
TABLES = ("inputs", "study", "judge", "report")
# Options that the command line takes as NAME=VALUE, and a file better as a table.
_PAIRS = ("where", "set")
_HEAD = """\
# A study: `harmrate run` without arguments follows this file, other commands with --study.
# Keys are the options of `harmrate run`; what the command line says overrides them.
"""


def read_study_file(path: Path, known: Sequence[str]) -> dict[str, Any]:
    """The options that a study file sets, by name, as the command line would give them.

    Parameters
    ----------
    path : path of a TOML file
        Tables ``inputs``, ``study``, ``judge``, ``report``, all optional; paths are relative to the file.
    known : names of the options there are, with ``_`` for ``-``

    Returns
    -------
    dict from option name to value

    Raises
    ------
    InputError
        Not TOML, an unknown table or option, an option that stands twice.
    """
    options: dict[str, Any] = {}
    for table, entries in _tables(path).items():
        if table not in TABLES or not isinstance(entries, dict):
            raise InputError(f"{table!r} is no table of a study; there are {', '.join(TABLES)}", file=path)
        for key, value in entries.items():
            name = key.replace("-", "_")
            if name not in known:
                raise InputError(f"no option {key!r}; there are {', '.join(known)}", file=path, record=f"[{table}]")
            if name in options:
                raise InputError(f"{key!r} stands twice", file=path, record=f"[{table}]")
            options[name] = _as_given(name, value, path.parent)
    return options


def write_study_file(options: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Write a study file: table to option to value; None and empty values are left out.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / STUDY_FILE
    >>> write_study_file({"inputs": {"transcripts": ["runs"]}, "study": {"level": 0.9, "by": None}}, path)
    >>> read_study_file(path, ["transcripts", "level"])["level"]
    0.9
    """
    lines = [_HEAD]
    for table, entries in options.items():
        said = {key: value for key, value in entries.items() if value not in (None, "", [], {})}
        if said:
            lines += [f"[{table}]", *(f"{key} = {_toml(value)}" for key, value in said.items()), ""]
    write_text(path, "\n".join(lines))


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("no such file", file=path) from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read as TOML: {error}", file=path) from None


def _as_given(name: str, value: Any, folder: Path) -> Any:
    """A value as the command line has it: pairs joined, keys of groups in one text, paths from the file's folder."""
    if name in _PAIRS and isinstance(value, dict):
        return [f"{k}={'|'.join(map(str, v)) if isinstance(v, list) else v}" for k, v in value.items()]
    if name == "by" and isinstance(value, list):
        return ",".join(map(str, value))
    if name in _PATHS:
        return [_beside(folder, v) for v in value] if isinstance(value, list) else _beside(folder, value)
    return value


_PATHS = frozenset(
    {"transcripts", "verdicts", "labels", "design", "metadata", "label_config", "rubrics", "store", "classifier"}
    | {"prices", "replies", "out"}
)


def _beside(folder: Path, value: Any) -> Any:
    """A relative path as seen from the current folder; words that are no paths stay as they are."""
    if not isinstance(value, str) or value in ("-", "uniform"):
        return value
    return str(folder / value)


def _toml(value: Any) -> str:
    """A TOML value; JSON's texts, numbers and lists are TOML's, too."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(str(k))} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
