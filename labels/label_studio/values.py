"""What a control holds, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grader.errors import InputError

KINDS = ("choices", "taxonomy", "rating", "number")


def result_values(result: Any) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """What each control holds, per-region answers gathered, and each control's kind."""
    values: dict[str, list[str]] = {}
    kinds: dict[str, str] = {}
    if result is None:
        result = []
    if not isinstance(result, list):
        raise InputError(f"result must be a list, got {type(result).__name__}")
    for item in result:
        if not isinstance(item, Mapping):
            raise InputError(f"a result must be an object, got {type(item).__name__}")
        control, value = item.get("from_name"), item.get("value")
        if not isinstance(control, str) or value is None:
            continue  # a relation between regions
        kind = str(item.get("type", ""))
        region = isinstance(value, Mapping) and bool(value.keys() - {kind, "text"}) and not kind.endswith("labels")
        kinds[control] = f"{kind} per region" if region else kind
        values.setdefault(control, []).extend(flat_values(value))
    return {control: tuple(dict.fromkeys(found)) for control, found in values.items()}, kinds


def spans_of(result: Any) -> tuple[dict[str, Any], ...]:
    """The passages that were marked: control, labels, and from where to where, by message and character.

    Examples
    --------
    >>> value = {"start": "2", "end": "2", "startOffset": 4, "endOffset": 9, "paragraphlabels": ["leaking"]}
    >>> spans_of([{"from_name": "evidence", "value": value}])
    ({'control': 'evidence', 'labels': ['leaking'], 'message': 2, 'start': 4, 'end_message': 2, 'end': 9},)
    """
    return tuple(
        span
        for item in (result if isinstance(result, list) else [])
        if isinstance(item, Mapping) and isinstance(item.get("from_name"), str)
        for span in [span_of(item["from_name"], item.get("value"))]
        if span is not None
    )


def span_of(control: str, value: Any) -> dict[str, Any] | None:
    """One marked passage of a dialogue; None for any other value."""
    if not isinstance(value, Mapping):
        return None
    labels = next((part for name, part in value.items() if str(name).endswith("labels")), None)
    try:
        first, last = int(value["start"]), int(value["end"])
        start, end = int(value["startOffset"]), int(value["endOffset"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if not isinstance(labels, list):
        return None
    where = {"message": first, "start": start, "end_message": last, "end": end}
    return {"control": control, "labels": [str(label) for label in labels], **where}


def flat_values(value: Any) -> list[str]:
    """Everything that a value chose, as text: choices, labels, ratings, numbers, texts, taxonomy paths and their parts.

    Examples
    --------
    >>> flat_values([{"taxonomy": [["Harm", "Deception"]]}])
    ['Harm', 'Harm/Deception', 'Deception']
    >>> flat_values({"choices": ["yes"]}), flat_values([{"rating": 4}]), flat_values(None)
    (['yes'], ['4'], [])
    """
    match value:
        case None:
            return []
        case bool():
            return [str(value).lower()]
        case int():
            return [str(value)]
        case float():
            return [f"{value:g}"]
        case str():
            return [value]
        case list():
            return [text for part in value for text in flat_values(part)]
        case {"taxonomy": list(paths)}:
            return [text for path in paths for text in _path_values(path)]
        case Mapping():
            chosen = [k for k in value if k in KINDS or str(k).endswith("labels")]
            return flat_values([value[k] for k in chosen or (["text"] if "text" in value else [])])
    return []


def _path_values(path: Any) -> list[str]:
    names = [str(part) for part in path] if isinstance(path, list) else [str(path)]
    prefixes = ["/".join(names[: i + 1]) for i in range(len(names))]
    return list(dict.fromkeys([*prefixes, *names]))
