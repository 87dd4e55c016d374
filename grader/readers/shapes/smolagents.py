"""Messages of smolagents: calls and observations as text, under roles of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from grader.readers.blocks import as_text, make_call
from grader.readers.payload_facts import literal
from grader.readers.shapes.common import Names, called, mapping
from grader.transcript import Message

_CALLING = re.compile(r"\s*Calling tools:\s*(?P<calls>.*)", re.DOTALL)
_OBSERVED = re.compile(r"\s*(?:Call id: (?P<id>\S+)\s*)?Observation:\s*(?P<text>.*)", re.DOTALL)


def is_message(message: Mapping[str, Any]) -> bool:
    """Whether a message has one of the roles that smolagents adds."""
    return message.get("role") in ("tool-call", "tool-response")


def written_calls(text: str) -> list[Mapping[str, Any]] | str:
    """The calls that a text writes as Python does; a text in which none can be made out as it is."""
    calling = _CALLING.fullmatch(text)
    written = calling["calls"].strip() if calling else text
    calls = literal(written)
    return calls if isinstance(calls, list) and all(isinstance(call, Mapping) for call in calls) else written


def message_parts(message: Mapping[str, Any], names: Names) -> Iterator[Message]:
    """The calls in a ``tool-call``; a ``tool-response`` is a result."""
    text = as_text(message.get("content"))
    if message["role"] == "tool-response":
        observed = _OBSERVED.fullmatch(text)
        name = names.get(observed["id"] or "") if observed else None
        yield Message(role="tool", kind="tool_result", text=observed["text"] if observed else text, name=name)
        return
    calls = written_calls(text)
    if not isinstance(calls, list):
        yield make_call(None, calls)
        return
    for call in calls:
        function = mapping(call.get("function"))
        name, arguments = function.get("name", call.get("name")), function.get("arguments", call.get("arguments"))
        yield called(name, literal(arguments) if name != "python_interpreter" else arguments, call.get("id"), names)
