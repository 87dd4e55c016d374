"""OpenHands: event streams of versions 0 and 1, results of its benchmarks, logs of single completions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text
from grader.readers.build import build_transcript, read_each
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.formats import openhands_v0, openhands_v1
from grader.readers.payload_facts import literal, model_of
from grader.readers.payloads import answered, asked, beside_talk
from grader.readers.records import Record
from grader.readers.shapes.common import mapping, objects
from grader.readers.spans import Span, moment
from grader.readers.traces import span_transcripts
from grader.transcript import Message, Transcript

_EVENT_FILE = re.compile(r"event-(\d+)")
_MAX_STATE = 2**26


def parse_openhands(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per event stream, row of ``output.jsonl``, or branch of a conversation that forked.

    The instance is the scenario; a benchmark's attempt is part of the id.
    """
    first = next(records, None)
    if first is None:
        return
    if _is_event(first.value):
        yield from _stream([first, *records])
        return
    yield from read_each(chain([first], records), _read)


def parse_completions(records: Iterator[Record]) -> Iterator[Transcript]:
    """``llm_completions/<instance>/*.json``: a file per call of the model; the folder is the scenario."""
    return span_transcripts(_completion(record) for record in records)


def is_openhands(value: Any) -> bool:
    """Whether a record is an event of OpenHands, or a row of its benchmarks' output."""
    match value:
        case {"instance_id": _, "history": _}:
            return "test_result" in value or "metadata" in value
        case {"events": [first, *_]}:
            return _is_event(first)
        case {"agent": {"llm": _}, "execution_status": _}:
            return True  # base_state.json
    return _is_event(value)


def is_completion(value: Any) -> bool:
    """Whether a record is the log of one call of the model."""
    match value:
        case {"messages": [*_], "response": Mapping(), "timestamp": _}:
            return "kwargs" in value or "cost" in value
    return False


def _is_event(value: Any) -> bool:
    return openhands_v0.is_event(value) or openhands_v1.is_event(value)


def _completion(record: Record) -> tuple[Record, Span]:
    value = record.value
    if not isinstance(value, Mapping):
        raise record.error("no log of a completion")
    folder = Path(record.file).parent
    kwargs = mapping(value.get("kwargs"))
    told = answered(value.get("response"))
    return record, Span(
        trace=str(folder),
        id=record.default_id,
        kind="llm",
        start=moment(value.get("timestamp")),
        asked=asked({"messages": value.get("messages"), "instructions": kwargs.get("instructions")}),
        answers=told,
        error=as_text(value.get("error")) or None,
        model=model_of(value.get("response")) or model_of(kwargs),
        facts={"scenario": folder.name},
        rest=beside_talk(value, "messages", "response"),
    )


def _read(record: Record) -> Iterator[Transcript]:
    value = record.value
    match value:
        case {"events": [*events]}:
            yield from _transcripts(events, record.default_id, {}, error=None, source=record.file)
            return
        case {"agent": _, "execution_status": _}:
            return  # the state beside the events of a conversation
        case {"instance_id": _, "history": _}:
            pass
        case _:
            raise InputError("no event of OpenHands, and no result of its benchmarks")
    history = literal(value.get("history")) or []
    if not isinstance(history, list):
        raise InputError("'history' is not a list")
    pairs = [event for pair in history for event in (pair if isinstance(pair, list) else [pair])]
    settings = mapping(literal(value.get("metadata")))
    instance = as_text(value.get("instance_id"))
    metadata = {key: item for key, item in value.items() if key not in ("history", "metadata") and item is not None}
    metadata |= {"settings": dict(settings), "scenario": instance}
    metadata["model"] = model_of(settings.get("llm_config")) or model_of(settings.get("llm"))
    id_ = "/".join(as_text(part) for part in (instance, value.get("attempt")) if part not in (None, ""))
    prompt = [] if pairs else [Message(role="user", kind="text", text=as_text(value.get("instruction")))]
    error = as_text(value.get("error")) or None
    yield from _transcripts(pairs, id_ or record.default_id, metadata, error=error, source=record.file, prompt=prompt)


def _stream(records: list[Record]) -> Iterator[Transcript]:
    """A file of events, or the event files of one conversation's folder."""
    file = records[0].file
    folder = Path(file).parent
    in_folder = folder.name == "events" and _EVENT_FILE.match(Path(file).name) is not None
    if in_folder:
        records = sorted(records, key=_event_number)
    state = _state(folder.parent / "base_state.json") if in_folder else {}
    events = [record.value for record in records if _is_event(record.value)]
    if len(events) < len(records):
        odd = next(record for record in records if not _is_event(record.value))
        if "execution_status" not in mapping(odd.value):
            raise odd.error("no event of OpenHands")
        state = state or mapping(odd.value)
    id_ = as_text(state.get("id")) or (folder.parent.name if in_folder else file)
    metadata = {"model": model_of(mapping(state.get("agent")).get("llm")), "leaf": as_text(state.get("leaf_event_id"))}
    yield from _transcripts(events, id_, metadata, error=None, source=file)


def _event_number(record: Record) -> int:
    match = _EVENT_FILE.match(Path(record.file).name)
    return int(match[1]) if match else 0


def _state(path: Path) -> Mapping[str, Any]:
    try:
        small = path.is_file() and path.stat().st_size < _MAX_STATE
        return mapping(json.loads(path.read_bytes())) if small else {}
    except (OSError, ValueError, RecursionError):
        return {}


def _transcripts(
    events: list[Any],
    id_: str,
    metadata: Mapping[str, Any],
    *,
    error: str | None,
    source: str,
    prompt: list[Message] | None = None,
) -> Iterator[Transcript]:
    for number, event in enumerate(events, 1):
        if not isinstance(event, Mapping):
            raise InputError(f"history[{number - 1}] is not an event but {type(event).__name__}")
    version = openhands_v1 if any(openhands_v1.is_event(event) for event in events) else openhands_v0
    branches = openhands_v1.branches(objects(events), as_text(metadata.get("leaf")))
    for number, branch in enumerate(branches):
        told = version.read_events(branch)
        parts = [part for part in [*(prompt or []), *told.messages] if part.text.strip() or part.kind != "text"]
        facts = {key: item for key, item in metadata.items() if item not in (None, "", {})}
        if told.model and "model" not in facts:
            facts["model"] = told.model
        reason = told.error or (None if told.finished else error)
        limit = reason if reason and openhands_v0.is_limit(reason) else told.limit
        facts |= ending(parts, error=None if limit == reason else reason)
        facts |= {"limit": limit} if limit else {}
        facts |= {"events_not_shown": told.hidden, "events": told.beside}
        if len(branches) > 1:
            facts["episode"] = id_
        own = id_ if number == 0 else f"{id_}/branch-{number}"
        yield build_transcript(own, parts, facts, source=source, raw=told.raw, named=version.NAMED)


FORMAT = Format(
    name="openhands",
    parse=parse_openhands,
    fits=is_openhands,
    unit="file",
    recognised_by="events: `source` and `action`, `observation` or a `kind` *Event; rows: `instance_id`, `history`",
    id="the conversation's or instance's id (`/<attempt>`), else the file",
    model="`llm_config.model`, `llm.model`, or that of a response",
    scenario="`instance_id`",
    failures="`error` or a state or event that says so, with no part of the agent after it",
)
COMPLETIONS = Format(
    name="openhands-completions",
    parse=parse_completions,
    fits=is_completion,
    unit="file",
    recognised_by="`messages`, `response`, `timestamp` and `cost` or `kwargs`",
    id="the folder",
    model="the response's `model`",
    scenario="the folder's name",
    failures="an error of the last call; no word of the agent",
)
FORMATS = (FORMAT, COMPLETIONS)
