"""Records that hold an agent's reply as one text, perhaps with the prompt beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text, assistant_text
from grader.readers.build import build_transcript, read_each, record_id, record_metadata
from grader.readers.records import Record
from grader.transcript import Message, Transcript

# In order of preference. A record with several of these is read by the first.
REPLY_FIELDS = (
    "response",
    "raw_response",
    "completion",
    "reply",
    "generation",
    "model_output",
    "output",
    "answer",
    "text",
)
SYSTEM_FIELDS = ("system_prompt", "system")
PROMPT_FIELDS = ("prompt", "user_prompt", "question", "instruction", "input", "test_case", "context")


def parse_replies(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per record: system prompt and prompt where known, then the reply.

    Text actions (``<tool_use:email>``) become tool calls and scratchpads reasoning; every other
    field becomes metadata.
    """
    return read_each(
        records, lambda record: [read_reply(record.value, default_id=record.default_id, source=record.file)]
    )


def reply_field(value: Any) -> str | None:
    """The field that holds the reply, or None when the record has none."""
    if not isinstance(value, Mapping):
        return None
    return next((key for key in REPLY_FIELDS if isinstance(value.get(key), str)), None)


def read_reply(value: Any, *, default_id: str, source: str) -> Transcript:
    """One record or table row as a transcript.

    Raises
    ------
    InputError
        When it has no reply, or an empty one.
    """
    field = reply_field(value)
    if field is None:
        raise InputError(f"has no reply: none of the fields {', '.join(REPLY_FIELDS)} holds text")
    used = {"id", field}
    messages = []
    for role, names in (("system", SYSTEM_FIELDS), ("user", PROMPT_FIELDS)):
        name = next((n for n in names if n != field and as_text(value.get(n)).strip()), None)
        if name is not None:
            used.add(name)
            messages.append(
                Message(role="system" if role == "system" else "user", kind="text", text=as_text(value[name]))
            )
    reply = list(assistant_text(value[field]))
    if not reply:
        raise InputError(f"the reply in field {field!r} is empty")
    metadata = record_metadata(value, without=used)
    return build_transcript(record_id(value, default_id), [*messages, *reply], metadata, source=source)
