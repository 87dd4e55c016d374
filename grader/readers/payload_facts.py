"""Facts in what a model was given and gave back: values written as text, stop reasons, models, ids of calls."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from typing import Any

from grader.readers.blocks import as_text
from grader.readers.records import is_too_deep

_STOPS = ("finish_reason", "stop_reason", "stopReason", "finishReason", "finish_details")
_DEEPEST = 12


def literal(value: Any) -> Any:
    """The object or list that a text writes as JSON or as Python does; any other value as it is.

    Examples
    --------
    >>> literal("{'to': 'k'}"), literal('[1]'), literal("plain")
    ({'to': 'k'}, [1], 'plain')
    """
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    for parse in (json.loads, ast.literal_eval):
        try:
            parsed = parse(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        return value if is_too_deep(parsed) or not isinstance(parsed, (dict, list)) else parsed
    return value


def stop_reason(value: Any) -> str | None:
    """Why a reply ended, from wherever its object says so."""
    if not isinstance(value, Mapping):
        return None
    for key in _STOPS:
        if isinstance(value.get(key), str):
            return str(value[key])
    details = value.get("incomplete_details")
    if isinstance(details, Mapping) and isinstance(details.get("reason"), str):
        return str(details["reason"])
    for key in ("generation_info", "response_metadata", "kwargs", "data", "message"):
        if (reason := stop_reason(value.get(key))) is not None:
            return reason
    return None


def model_of(value: Any) -> str | None:
    """The model that a request, a reply or its message names."""
    value = literal(value)
    if not isinstance(value, Mapping):
        return None
    for key in ("model", "model_name", "modelVersion", "model_version", "modelId"):
        if isinstance(value.get(key), str) and value[key]:
            return str(value[key])
    for key in ("kwargs", "response_metadata", "llm_output"):
        if (name := model_of(value.get(key))) is not None:
            return name
    return None


def call_ids(value: Any, depth: int = 0) -> Iterator[str]:
    """Every id in a payload that may be that of a tool call."""
    if depth > _DEEPEST:
        return
    value = literal(value)
    if isinstance(value, list):
        for item in value:
            yield from call_ids(item, depth + 1)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(item, str) and str(key).lower().endswith(("id", ".id")):
                yield item
            elif isinstance(item, (list, Mapping, str)):
                yield from call_ids(item, depth + 1)


def result_text(value: Any) -> str:
    """What a tool gave back, without the wrapping that tracers put around it."""
    value = literal(value)
    for _ in range(3):
        match value:
            case {"content": inner, **rest} if "type" in rest or "tool_call_id" in rest or not rest:
                value = inner
            case {"kwargs": {"content": inner}} | {"update": {"messages": [{"content": inner}]}}:
                value = inner
            case {"output": inner, **rest} if not rest:
                value = inner
            case {"result": inner, **rest} if not rest:
                value = inner
            case _:
                break
    return as_text(value)
