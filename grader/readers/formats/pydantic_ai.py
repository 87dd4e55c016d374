"""pydantic-ai: the messages of a run, as `all_messages_json` writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.formats.talks import Talk, parse_talks
from grader.readers.records import Record
from grader.readers.shapes.common import first_text, objects
from grader.readers.shapes.pydantic_ai import is_message
from grader.transcript import Message, Transcript

_KEYS = ("messages", "all_messages", "message_history", "new_messages")
NAMED = frozenset(
    {
        "part_kind",
        "outcome",
        "model_name",
        "content.data",
        "content.media_type",
        "provider_details",
        "provider_name",
        "provider_url",
        "provider_response_id",
        "dynamic_ref",
    }
)


def parse_pydantic_ai(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per run: a list of messages, a list per line, or a record with ``messages``."""
    return parse_talks(records, _read, is_message=_is_bare, keys=_KEYS)


def is_pydantic_ai(value: Any) -> bool:
    """Whether a record is a message of pydantic-ai, or has a list of them."""
    if _is_bare(value):
        return True
    if isinstance(value, Mapping):
        value = next((value[key] for key in _KEYS if isinstance(value.get(key), list)), None)
    return any(map(_is_bare, objects(value)))


def _is_bare(value: Any) -> bool:
    return isinstance(value, Mapping) and is_message(value)


def _read(talk: Talk) -> Iterator[Transcript]:
    parts = list(_without_repeats(conversation(talk.messages)))
    replies = [message for message in objects(talk.messages) if message.get("kind") == "response"]
    last = replies[-1] if replies else {}
    stop = first_text(last, "finish_reason")
    run_id = next((first_text(reply, "run_id") for reply in reversed(replies) if reply.get("run_id")), None)
    model = next((name for reply in replies if (name := first_text(reply, "model_name"))), None)
    facts = {"model": model, "stop_reason": stop, "run_id": run_id}
    empty = bool(replies) and not conversation([last])
    yield talk.transcript(parts, facts | ending(parts, stop=stop, empty=empty), named=NAMED)


def _without_repeats(parts: list[Message]) -> Iterator[Message]:
    """The parts with each system text once: every request repeats the instructions."""
    seen = set[str]()
    for part in parts:
        if part.role != "system" or part.text not in seen:
            yield part
        if part.role == "system":
            seen.add(part.text)


FORMAT = Format(
    name="pydantic-ai",
    parse=parse_pydantic_ai,
    fits=is_pydantic_ai,
    recognised_by="messages with `kind` and `parts` that have `part_kind`",
    id="the record's `id`, else file and line",
    model="`model_name` of the first reply that names one",
    failures="a last response without parts",
)
