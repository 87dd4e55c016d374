"""Amazon Bedrock's Converse API: requests, responses, and both together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from grader.errors import InputError
from grader.readers.build import build_transcript, read_each, record_id, record_metadata
from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.formats.bedrock_log import is_log, read_log
from grader.readers.records import Record
from grader.readers.shapes.bedrock import is_message
from grader.readers.shapes.common import first_text, mapping, objects
from grader.transcript import Transcript

NAMED = frozenset(
    {
        "redactedContent",
        "cachePoint",
        "toolAddition",
        "toolRemoval",
        "inferenceConfig",
        "toolConfig",
        "guardrailConfig",
        "trace",
        "metrics",
        "source.bytes",
        "format",
    }
)
_TALK = frozenset({"id", "messages", "system", "output", "request", "response", "stopReason"})


def parse_bedrock(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per conversation, or per call of an invocation log."""
    first = next(records, None)
    if first is None:
        return
    if _is_bare(first.value):
        messages = [first.value, *(record.value for record in records)]
        yield from read_each(iter([first]), lambda record: _read(record, {"messages": messages}, record.file))
        return
    yield from read_each(chain([first], records), _read_record)


def is_bedrock(value: Any) -> bool:
    """Whether a record is a line of an invocation log, a message of the Converse API, or has such messages."""
    if is_log(value) or _is_bare(value):
        return True
    if not isinstance(value, Mapping):
        return any(map(_is_bare, objects(value)))
    request, response = mapping(value.get("request")) or value, mapping(value.get("response")) or value
    messages = [*objects(request.get("messages")), mapping(response.get("output")).get("message")]
    return any(map(_is_bare, messages))


def _is_bare(value: Any) -> bool:
    return isinstance(value, Mapping) and is_message(value)


def _read_record(record: Record) -> Iterator[Transcript]:
    value = {"messages": record.value} if isinstance(record.value, list) else record.value
    if not isinstance(value, Mapping):
        raise InputError(f"not a conversation but {type(value).__name__}")
    if is_log(value):
        yield from read_log(record)
    else:
        yield from _read(record, value, record_id(value, record.default_id))


def _read(record: Record, value: Mapping[str, Any], id_: str) -> Iterator[Transcript]:
    """A request; the response beside it, or in it, comes last."""
    request, response = mapping(value.get("request")) or value, mapping(value.get("response")) or value
    output = mapping(response.get("output"))
    messages, reply = request.get("messages") or [], output.get("message")
    if not isinstance(messages, list):
        raise InputError("'messages' is not a list")
    if not messages and reply is None:
        raise InputError("has neither 'messages' nor 'output.message'")
    parts = conversation([*system_messages(request.get("system")), *messages, *([reply] if reply else [])])
    stop = first_text(response, "stopReason")
    metadata = record_metadata(value, without=_TALK)
    facts = {"model": first_text(request, "modelId") or first_text(value, "modelId", "model"), "stop_reason": stop}
    metadata |= {key: fact for key, fact in facts.items() if fact}
    empty = "message" in output and not conversation([reply] if reply else [])
    metadata |= ending(parts, error=value.get("error"), stop=stop, empty=empty)
    yield build_transcript(id_, parts, metadata, source=record.file, raw=value, named=NAMED)


def system_messages(system: Any) -> list[Any]:
    """A system prompt, as text or as blocks, as a message."""
    return [{"role": "system", "content": system}] if system else []


FORMAT = Format(
    name="bedrock",
    parse=parse_bedrock,
    fits=is_bedrock,
    recognised_by="`schemaType` ModelInvocationLog, or content blocks named by their key (`toolUse` ...)",
    id="`requestId` of a log, else the record's `id`, else file and line",
    model="`modelId`",
    failures="`errorCode`, `guardrail_intervened`, `content_filtered`, malformed output",
)
