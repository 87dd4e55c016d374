"""Attributes of spans: OTLP's typed values, dotted keys as trees, lists that a limit cut short."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from grader.readers.payload_facts import literal
from grader.readers.records import is_too_deep

_SCALARS = ("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue")
_MOST_ATTRIBUTES = 128  # OpenTelemetry's own limit


def plain_attributes(attributes: Any) -> dict[str, Any]:
    """Attributes as one object, whether OTLP's list of keys and typed values, an object or its JSON text.

    Examples
    --------
    >>> plain_attributes([{"key": "a", "value": {"arrayValue": {"values": [{"intValue": "1"}]}}}])
    {'a': ['1']}
    """
    attributes = literal(attributes)
    if isinstance(attributes, Mapping):
        return {str(key): value for key, value in attributes.items()}
    if not isinstance(attributes, list):
        return {}
    pairs = (item for item in attributes if isinstance(item, Mapping) and isinstance(item.get("key"), str))
    return {item["key"]: plain_value(item.get("value")) for item in pairs}


def plain_value(value: Any) -> Any:
    """The value in one of OTLP's wrappers; any other value as it is."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return value
    for key in _SCALARS:
        if key in value:
            return value[key]
    match value:
        case {"arrayValue": {"values": [*items]}}:
            return [plain_value(item) for item in items]
        case {"kvlistValue": {"values": [*items]}}:
            return plain_attributes(items)
        case {"arrayValue": {}} | {"kvlistValue": {}}:
            return []
    return value


def nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as a tree; objects whose keys are all numbers become lists.

    Examples
    --------
    >>> nested({"m.0.role": "user", "m.1.role": "tool", "n": 1})
    {'m': [{'role': 'user'}, {'role': 'tool'}], 'n': 1}
    """
    tree: dict[str, Any] = {}
    for key, value in fields.items():
        *path, last = str(key).split(".")
        branch = tree
        for step in path:
            below = branch.setdefault(step, {})
            if not isinstance(below, dict):
                below = branch[step] = {"": below}
            branch = below
        if last in branch and isinstance(branch[last], dict):
            branch[last][""] = value
        else:
            branch[last] = dict(value) if isinstance(value, dict) else value
    return {key: _listed(value) for key, value in tree.items()}


def at(tree: Any, path: str) -> Any:
    """What stands at a dotted path of a tree, or None."""
    for step in path.split("."):
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(step)
    return tree


def whole_items(value: Any) -> tuple[list[Any], bool]:
    """The items of a list or of its JSON text, and whether a limit cut it: then the whole items at its head.

    Examples
    --------
    >>> whole_items('[{"a": 1}, {"b": "tw')
    ([{'a': 1}], True)
    """
    parsed = literal(value)
    if isinstance(parsed, list):
        return parsed, False
    if isinstance(parsed, Mapping):
        return [parsed], False
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return ([] if value in (None, "") else [value]), False
    return _salvaged(value.lstrip()[1:]), True


def _salvaged(text: str) -> list[Any]:
    decode = json.JSONDecoder().raw_decode
    items: list[Any] = []
    while text := text.lstrip(" \t\r\n,"):
        try:
            item, end = decode(text)
        except (ValueError, RecursionError):
            break
        if not is_too_deep(item):
            items.append(item)
        text = text[end:]
    return items


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _listed(item) for key, item in value.items()}
    if inner and all(key.isdecimal() and len(key) < 7 for key in inner if isinstance(key, str)):
        if all(isinstance(key, str) for key in inner):
            return [inner[key] for key in sorted(inner, key=int)]
    return inner


def first_text(values: Iterable[Any]) -> str | None:
    """The first value that is a text with something in it."""
    return next((value for value in values if isinstance(value, str) and value.strip()), None)


def is_cut(span: Mapping[str, Any], attributes: Mapping[str, Any]) -> bool:
    """Whether the tracer dropped attributes; where it does not say so, as many as its limit allows are there."""
    dropped = span.get("droppedAttributesCount", span.get("dropped_attributes"))
    return dropped > 0 if isinstance(dropped, int) else len(attributes) >= _MOST_ATTRIBUTES
