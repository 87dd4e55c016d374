"""Which part of a study each file is, by looking into it: what ``harmrate init`` writes down."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from grader.errors import InputError
from grader.readers import read_transcripts
from labels.read import read_labels
from labels.sampling.rounds import DESIGN_COLUMNS

Part = Literal["transcripts", "verdicts", "labels", "design"]
# What Label Studio exports.
_EXPORTS = (".json", ".csv", ".tsv")
# Groups whose rates are worth comparing, where transcripts name more than one.
_GROUPS = ("model", "arm")
_LOOK_AT = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What was found in the files.

    Parameters
    ----------
    transcripts : tuple of str
    verdicts, labels, design : path or None
    by : tuple of str
        Metadata keys that split the first transcripts into several groups.
    n_labels : int
        Definite labels.
    n_scenarios : int
        Among the first transcripts.
    """

    transcripts: tuple[str, ...] = ()
    verdicts: Path | None = None
    labels: Path | None = None
    design: Path | None = None
    by: tuple[str, ...] = ()
    n_labels: int = 0
    n_scenarios: int = 0


def guess_inputs(paths: Iterable[str | Path]) -> Guess:
    """Find out what each file or folder is.

    Raises
    ------
    InputError
        A file that is neither transcripts nor verdicts, labels or a design, with the reason why it cannot be read; two
        files for a part that is one file.
    """
    found = Guess()
    for path in map(Path, paths):
        part = part_of(path)
        if part == "transcripts":
            found = replace(found, transcripts=(*found.transcripts, str(path)))
            continue
        if getattr(found, part) is not None:
            raise InputError(f"{part} are in {getattr(found, part)}, too; name one of them", file=path)
        single: dict[str, Any] = {part: path}
        found = replace(found, **single)
    if found.labels is not None:
        found = replace(found, n_labels=len(read_labels(found.labels).votes()))
    return _with_groups(found) if found.transcripts else found


def part_of(path: Path) -> Part:
    """Which part of a study a file or folder is.

    Raises
    ------
    InputError
        None of them; the reason is that of the reader of transcripts.
    """
    if path.is_dir():
        return "transcripts"
    columns = _columns(path)
    if set(DESIGN_COLUMNS) <= columns:
        return "design"
    if {"transcript_id", "harm", "grader"} <= columns and columns & {"present", "score"}:
        return "verdicts"
    if {"transcript_id", "harm", "rater", "label"} <= columns:
        return "labels"
    if path.suffix in _EXPORTS:
        try:
            read_labels(path)
        except InputError:
            pass
        else:
            return "labels"
    next(read_transcripts(path), None)
    return "transcripts"


def _columns(path: Path) -> set[str]:
    """Of a table, from its head; none for what is no table."""
    try:
        match path.suffix:
            case ".parquet":
                import pyarrow.parquet as pq

                return set(pq.read_schema(path).names)
            case ".csv" | ".tsv":
                return set(pd.read_csv(path, sep="," if path.suffix == ".csv" else "\t", nrows=0).columns)
            case ".jsonl":
                with path.open(encoding="utf-8") as lines:
                    first = json.loads(next(lines, "{}"))
                return set(first) if isinstance(first, dict) else set()
    except (OSError, ValueError):
        return set()
    return set()


def _with_groups(found: Guess) -> Guess:
    heads = [t.metadata for t in islice(read_transcripts(*found.transcripts), _LOOK_AT)]
    scenarios = {str(head["scenario"]) for head in heads if head.get("scenario") is not None}
    return replace(found, by=_splitting(heads, _GROUPS), n_scenarios=len(scenarios))


def _splitting(heads: Sequence[object], keys: Sequence[str]) -> tuple[str, ...]:
    values = {key: {str(h.get(key)) for h in heads if isinstance(h, dict) and h.get(key) is not None} for key in keys}
    return tuple(key for key in keys if len(values[key]) > 1)
