"""Results of Inspect Scout scans (``<scanner>.parquet``): what each scanner said of each transcript."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.readers.formats.tables import parquet_columns, parquet_rows
from grader.readers.records import parse_json
from grader.verdict.harness_verdict import HarnessVerdict, by_key, is_gap

# Of the columns, some of which hold the whole transcript again, these are read.
_FACTS = {"transcript_model": "model", "transcript_task_id": "scenario", "transcript_task_repeat": "epoch"}
_FACTS |= {"transcript_source_uri": "source"}
_COLUMNS = frozenset(
    "transcript_id scanner_name scanner_version value value_type answer explanation scan_error scan_error_type".split()
)
_MARKS = frozenset({"transcript_id", "scanner_name", "value", "value_type"})


def is_scan(path: Path) -> bool:
    """Whether a Parquet file holds results of a scanner."""
    return path.suffix == ".parquet" and _MARKS <= set(parquet_columns(path))


def read_scan(path: Path) -> Iterator[tuple[str, Mapping[str, Any], HarnessVerdict]]:
    """Yield transcript id, facts and verdict of each result in a scanner's file.

    A truth value or a number is a verdict on the scanner's name; an object holds a verdict per key, a set of results
    one per label (a label not among them was not found). A scan that failed, or whose reply could not be read, says
    so in the verdict's outcome.

    Raises
    ------
    InputError
        When a result's value is no JSON.
    """
    rows = list(parquet_rows(path, [c for c in parquet_columns(path) if c in _COLUMNS | _FACTS.keys()]))
    # Scout stores an unreadable reply as "false"; what gives it away is that it has no answer, where others have one.
    answers = any(row.get("answer") is not None for row in rows)
    labels = sorted({label for row in rows if row["value_type"] == "resultset" for label in _labels(row, path)})
    for number, row in enumerate(rows, 1):
        if not isinstance(row["transcript_id"], str) or not isinstance(row["scanner_name"], str):
            raise InputError("a result without transcript_id or scanner_name", file=path, record=f"row {number}")
        facts = {name: row[column] for column, name in _FACTS.items() if row.get(column) not in (None, "")}
        for held in _held(row, labels, path, answers=answers):
            yield row["transcript_id"], facts, held


def _held(row: Mapping[str, Any], labels: Iterable[str], path: Path, *, answers: bool) -> Iterator[HarnessVerdict]:
    name, kind = row["scanner_name"], row["value_type"]
    common: dict[str, Any] = {"grader": name, "version": str(row.get("scanner_version") or "")}
    common["explanation"] = row.get("explanation") or ""
    if row.get("scan_error"):
        refused = row.get("scan_error_type") == "refusal"
        common["explanation"] = str(row["scan_error"])
        yield HarnessVerdict(harm=name, value=None, outcome="refused" if refused else "api_error", **common)
        return
    if kind == "boolean" and answers and row.get("answer") is None:
        yield HarnessVerdict(harm=name, value=None, outcome="unparseable", **common)
        return
    if kind == "resultset":
        found = _labels(row, path)
        for label in labels:
            yield HarnessVerdict(harm=label, value=found.get(label, False), **common)
        return
    for harm, value in by_key(name, _value(row, path)):
        yield HarnessVerdict(harm=harm, value=value, outcome="not_graded" if is_gap(value) else "scored", **common)


def _value(row: Mapping[str, Any], path: Path) -> Any:
    """The value in its type: the column holds text wherever one row of it does."""
    value = row["value"]
    if isinstance(value, str) and row["value_type"] != "string":
        return parse_json(value, file=str(path), place=f"transcript {row['transcript_id']!r}")
    return value


def _labels(row: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Label -> value of a set of results; of several with one label, the largest that is a number."""
    results = _value(row, path)
    found: dict[str, Any] = {}
    for result in results if isinstance(results, list) else []:
        if isinstance(result, Mapping) and isinstance(label := result.get("label"), str):
            value = result.get("value")
            number = isinstance(value, (bool, int, float))
            found[label] = max(found[label], value) if number and label in found else value
    return found
