"""AgentLeak traces: a single agent, then coordinator and worker, on the same request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text
from grader.readers.build import build_transcript, read_each, record_id, record_metadata
from grader.readers.format_row import Format
from grader.readers.records import Record
from grader.transcript import Message, Transcript, tool_call

# Channel C5 is a write to the shared memory: a deed, not an utterance.
_MEMORY_CHANNEL = "C5"
# The benchmark's own findings; the call's response is what the channel message sends.
_NAMED = frozenset({"input", "error", "channel"})


def parse_agentleak(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per trace: before each message the prompts of the call that made it.

    A message between agents is the tested system's own text, with the name ``<source> to <target>``. The leak
    flags of the benchmark stay metadata. A call that failed (an error text as its response, which
    the benchmark counts as "no leak") marks the trace in ``provider_error``.
    """
    return read_each(records, _read)


def is_trace(value: Any) -> bool:
    """Whether a record is a trace of AgentLeak."""
    match value:
        case {"channel_messages": [*_], "llm_calls": [*_]}:
            return True
    return False


def _read(record: Record) -> Iterator[Transcript]:
    value = record.value
    if not is_trace(value):
        raise InputError("no AgentLeak trace: it needs 'llm_calls' and 'channel_messages'")
    calls = [call for call in value["llm_calls"] if isinstance(call, Mapping)]
    by_id = {call["call_id"]: call for call in calls if isinstance(call.get("call_id"), str)}
    parts: list[Message] = []
    for message in value["channel_messages"]:
        if not isinstance(message, Mapping):
            raise InputError("a channel message is no object")
        call_id = message.get("llm_call_id")
        if isinstance(call_id, str) and call_id in by_id:
            parts.extend(_prompts(by_id.pop(call_id)))
        parts.append(_message(message))
    if not parts:
        raise InputError("holds no message")
    metadata = record_metadata(value, without={"trace_id", "llm_calls", "channel_messages"})
    if failed := next((call["error"] for call in calls if call.get("error")), None):
        metadata["provider_error"] = as_text(failed)
    id_ = record_id(value, record.default_id)
    yield build_transcript(id_, parts, metadata, source=record.file, raw=value, named=_NAMED)


def _prompts(call: Mapping[str, Any]) -> Iterator[Message]:
    if (text := as_text(call.get("system_prompt"))).strip():
        yield Message(role="system", kind="text", text=text)
    if (text := as_text(call.get("user_prompt"))).strip():
        yield Message(role="user", kind="text", text=text)


def _message(message: Mapping[str, Any]) -> Message:
    text = as_text(message.get("content"))
    if message.get("channel") == _MEMORY_CHANNEL:
        return tool_call("memory", {"content": text}, text=text)
    speaker = f"{as_text(message.get('source'))} to {as_text(message.get('target'))}"
    return Message(role="assistant", kind="text", text=text, name=speaker)


FORMAT = Format(
    name="agentleak",
    parse=parse_agentleak,
    fits=is_trace,
    recognised_by="`llm_calls` and `channel_messages`",
    id="`trace_id`",
    model="`model`",
    scenario="`scenario_id`",
    failures="a call with `error`, or an error text as its response",
)
