"""The documented shape of a verdict in our files, with its version: JSON Schema made from the code."""

from __future__ import annotations

from typing import Any, get_args

from grader.transcript import FACTS
from grader.verdict.records import GraderKind, Verdict

# Raised whenever a reader of the older shape could misread the new one; a new column alone is no reason.
VERSION = 1
# The column that tells it.
COLUMN = "verdict_schema"


def verdict_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one line of a JSONL file of verdicts; Parquet and CSV have these columns.

    In Parquet and CSV ``evidence`` and ``usage`` are JSON text, and what is missing is null or empty.

    Examples
    --------
    >>> sorted(verdict_schema()["required"])
    ['grader', 'harm', 'outcome', 'present', 'transcript_id']
    """
    from pydantic import TypeAdapter

    made = TypeAdapter(Verdict).json_schema()
    properties: dict[str, Any] = {}
    for name, rule in made["properties"].items():
        properties[name] = {key: value for key, value in rule.items() if key not in ("title", "default")}
    properties["score"] = {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "null"}]}
    properties["grader_kind"] = {"enum": list(get_args(GraderKind)), "type": "string"}
    text: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    properties |= {name: text for name in (*FACTS, "content_hash")}
    properties["epoch"] = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    properties[COLUMN] = {"const": VERSION}
    evidence = {key: _untitled(value) for key, value in made["$defs"]["Evidence"].items() if key != "title"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "verdict",
        "type": "object",
        "properties": properties,
        "required": ["transcript_id", "harm", "grader", "present", "outcome"],
        "if": {"properties": {"outcome": {"const": "scored"}}},
        "then": {"properties": {"present": {"type": "boolean"}}},
        "else": {"properties": {"present": {"type": "null"}}},
        "$defs": {"Evidence": evidence},
    }


def _untitled(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _untitled(inner) for key, inner in value.items() if key not in ("title", "default")}
