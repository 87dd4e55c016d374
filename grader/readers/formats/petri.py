"""Petri 1-2 and Bloom transcripts (JSON): the target's view, replayed edit by edit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text
from grader.readers.build import build_transcript, read_each, record_metadata
from grader.readers.conversation import conversation
from grader.readers.format_row import Format
from grader.readers.records import Record
from grader.transcript import Transcript

_TARGET = "target"
_NAMED = frozenset({"source", "is_prefill"})
_BLOOM_NAME = re.compile(r"transcript_v(?P<variation>\w+?)r(?P<repetition>\d+)")

Branch = list[Any]  # a list of chat messages


def parse_petri(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per branch of the target's conversation; the branches of a run share the ``episode``.

    What the auditor rolled back was still done, so it is a branch of its own; the last branch is the one that
    survived. Assistant messages that the auditor wrote bear the name ``prefill``, and their indices
    stand in metadata ``prefill``. The judge's scores stay metadata.
    """
    return read_each(records, _read)


def is_audit(value: Any) -> bool:
    """Whether a record is a transcript of Petri or Bloom."""
    match value:
        case {"metadata": Mapping(), "events": [{"type": str(), **event}, *_]}:
            return "view" in event or "edit" in event or event.keys() >= {"timestamp", "id"}
        case {"metadata": Mapping(), "target_messages": [*_]}:
            return True
    return False


def _read(record: Record) -> Iterator[Transcript]:
    value = record.value
    if not is_audit(value):
        raise InputError("no Petri transcript: it needs 'metadata' and 'events'")
    branches = target_branches(value.get("events") or [])
    if not branches and isinstance(value.get("target_messages"), list):
        branches = [value["target_messages"]]
    if not branches:
        raise InputError("the target's view holds no message")
    said = value["metadata"]
    metadata = _facts(record.file) | record_metadata({k: v for k, v in said.items() if k != "transcript_id"})
    run = as_text(said.get("transcript_id")) or record.default_id
    for number, branch in enumerate(branches, 1):
        last = number == len(branches)
        own = {"episode": run, "branch": number, "rolled_back": not last}
        id_ = run if last else f"{run}/branch-{number}"
        parts = conversation(map(_marked, branch))
        yield build_transcript(id_, parts, metadata | own, source=record.file, raw={"messages": branch}, named=_NAMED)


def _facts(file: str) -> dict[str, Any]:
    """Bloom names its files by variation and repetition."""
    match = _BLOOM_NAME.match(Path(file).name)
    return {"scenario": f"v{match['variation']}", "epoch": int(match["repetition"])} if match else {}


def _marked(message: Any) -> Any:
    """An assistant message that the auditor put in, marked as prefill."""
    if isinstance(message, Mapping) and message.get("role") == "assistant":
        metadata = message.get("metadata")
        known = metadata if isinstance(metadata, Mapping) else {}
        if message.get("source") == "input" or message.get("is_prefill") or known.get("is_prefill"):
            return {**message, "metadata": {**known, "prefill": True}}
    return message


def target_branches(events: Any) -> list[Branch]:
    """The conversations that the target had, the surviving one last."""
    if not isinstance(events, list):
        raise InputError("'events' is no list")
    branches: list[Branch] = []
    now: Branch = []
    for number, event in enumerate(events, 1):
        if not isinstance(event, Mapping):
            raise InputError(f"event {number} is no object")
        view, edit = event.get("view"), event.get("edit")
        if not isinstance(edit, Mapping) or not isinstance(view, (list, str)) or _TARGET not in view:
            continue
        after = _apply(edit, now, number)
        if edit.get("operation") != "add" and _agent_spoke(now[_common(now, after) :]):
            branches.append(now)
        now = after
    return [*branches, now] if now else branches


def _agent_spoke(messages: Branch) -> bool:
    return any(isinstance(m, Mapping) and m.get("role") == "assistant" for m in messages)


def _common(before: Branch, after: Branch) -> int:
    """How many messages at the start are the same."""
    pairs = enumerate(zip(before, after, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(before), len(after)))


def _apply(edit: Mapping[str, Any], messages: Branch, number: int) -> Branch:
    match edit:
        case {"operation": "add", "message": message}:
            return [*messages, message]
        case {"operation": "rollback"}:
            return messages[: _kept(edit, messages, number)]
        case {"operation": "reset"}:
            fresh = edit.get("new_messages") or []
            return list(fresh) if isinstance(fresh, list) else []
        case {"operation": "json_patch", "patch": [*operations]}:
            for operation in operations:
                messages = _patch(messages, operation, number)
            return messages
    raise InputError(f"event {number}: unknown edit {str(edit.get('operation'))[:40]!r}")


def _kept(edit: Mapping[str, Any], messages: Branch, number: int) -> int:
    """How many messages a rollback leaves: up to the named one, else all but `count`."""
    if isinstance(to := edit.get("to_id"), str):
        for index, message in enumerate(messages):
            if isinstance(message, Mapping) and message.get("id") == to:
                return index + 1
    count = edit.get("count", 1)
    if not isinstance(count, int) or count < 0:
        raise InputError(f"event {number}: a rollback by {str(count)[:40]!r}")
    return max(0, len(messages) - count)


def _patch(messages: Branch, operation: Any, number: int) -> Branch:
    """One operation of an RFC 6902 patch on the list of messages."""
    match operation:
        case {"op": ("add" | "remove" | "replace") as op, "path": str(path)} if path.startswith("/"):
            keys = [key.replace("~1", "/").replace("~0", "~") for key in path[1:].split("/")]
            try:
                changed: Branch = _changed(messages, keys, op, operation.get("value"))
                return changed
            except (KeyError, IndexError, TypeError, ValueError):
                raise InputError(f"event {number}: a patch at {path[:80]!r}, where there is nothing") from None
    raise InputError(f"event {number}: unknown patch {str(operation)[:80]!r}")


def _changed(node: Any, keys: list[str], op: str, value: Any) -> Any:
    """A copy of `node` with one place changed; earlier branches keep theirs."""
    key: Any = keys[0]
    copy = list(node) if isinstance(node, list) else dict(node)
    if isinstance(copy, list):
        key = len(copy) if key == "-" else int(key)
    if len(keys) > 1:
        copy[key] = _changed(copy[key], keys[1:], op, value)
    elif op == "remove":
        del copy[key]
    elif op == "add" and isinstance(copy, list):
        copy.insert(key, value)
    else:
        copy[key] = value
    return copy


FORMAT = Format(
    name="petri",
    parse=parse_petri,
    fits=is_audit,
    recognised_by="`metadata` with `events` that have `view` and `edit`, or `target_messages`",
    id="`metadata.transcript_id`; of a rolled-back branch `.../branch-N`",
    model="`metadata.target_model`",
    scenario="the variation in Bloom's file name, else `scenario` of the metadata",
    failures="no word of the agent",
)
