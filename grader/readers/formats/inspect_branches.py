"""Petri 3 in Inspect logs: the conversations of the target's timeline, one per branch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.transcript import canonical_json

_MAX_DEPTH = 100


def expand_refs(refs: Any, pool: Any) -> list[Any]:
    """The messages that ``[start, end)`` ranges name in a pool of messages stored once.

    Examples
    --------
    >>> expand_refs([[0, 2], [3, 4]], ["a", "b", "c", "d"])
    ['a', 'b', 'd']
    """
    if not isinstance(refs, list) or not isinstance(pool, list):
        raise InputError("references to messages without a list of messages")
    found: list[Any] = []
    for reference in refs:
        match reference:
            case [int(start), int(end)] if 0 <= start <= end <= len(pool):
                found.extend(pool[start:end])
            case _:
                raise InputError(f"reference {str(reference)[:40]!r} beyond {len(pool)} messages")
        if len(found) > 1_000_000:
            raise InputError("references to more than a million messages")
    return found


def target_branches(sample: Mapping[str, Any], pool: Any) -> list[tuple[str, list[Any]]]:
    """Name and messages of every branch of the target's timeline, in order of creation.

    Empty when the sample has no timeline named ``target`` or ``<audit>-target``: then its messages are
    the whole conversation.
    """
    timelines = sample.get("timelines")
    events = sample.get("events")
    if not isinstance(timelines, list) or not isinstance(events, list):
        return []
    target = next((t for t in timelines if isinstance(t, Mapping) and _is_target(t.get("name"))), None)
    if target is None:
        return []
    by_id = {e["uuid"]: e for e in events if isinstance(e, Mapping) and isinstance(e.get("uuid"), str)}
    branches = []
    for name, span in _spans(target.get("root"), 0):
        if messages := _messages(_model_events(span, by_id, 0), pool):
            branches.append((name, messages))
    return sorted(branches, key=lambda branch: _creation(branch[0]))


def _is_target(name: Any) -> bool:
    return isinstance(name, str) and (name == "target" or name.endswith("-target"))


def _creation(name: str) -> int:
    """``branch 2`` was the second; the root, however it is called, was first."""
    _, _, number = name.rpartition(" ")
    return int(number) if number.isdecimal() and len(number) < 9 else 0


def _spans(span: Any, depth: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A span and all that branch off it."""
    if not isinstance(span, Mapping) or depth > _MAX_DEPTH:
        return
    yield str(span.get("name")), span
    for branch in _items(span.get("branches")):
        yield from _spans(branch, depth + 1)


def _model_events(span: Mapping[str, Any], by_id: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
    for item in _items(span.get("content")):
        if not isinstance(item, Mapping) or depth > _MAX_DEPTH:
            continue
        if item.get("type") == "span":
            yield from _model_events(item, by_id, depth + 1)
            continue
        event = item.get("event")
        event = by_id.get(event) if isinstance(event, str) else event
        if isinstance(event, Mapping) and event.get("event") == "model":
            yield event


def _messages(events: Iterator[Mapping[str, Any]], pool: Any) -> list[Any]:
    """Every message that the model saw or wrote in these calls, once, in order of appearance."""
    seen: dict[str, Any] = {}
    for event in events:
        asked = event.get("input") or expand_refs(event.get("input_refs") or [], pool or [])
        for message in [*_items(asked), *_answer(event)]:
            seen.setdefault(_key(message), message)
    return list(seen.values())


def _answer(event: Mapping[str, Any]) -> list[Any]:
    match event.get("output"):
        case {"choices": [{"message": Mapping() as message}, *_]}:
            return [message]
    return []


def _key(message: Any) -> str:
    if isinstance(message, Mapping) and isinstance(message.get("id"), str):
        return str(message["id"])
    return canonical_json(message)


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
