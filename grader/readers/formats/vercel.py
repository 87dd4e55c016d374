"""The Vercel AI SDK: stored chats of UIMessages, and lists of ModelMessages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.formats.talks import Talk, parse_talks
from grader.readers.records import Record
from grader.readers.shapes.common import first_text, mapping, objects
from grader.readers.shapes.vercel import is_message, is_page_part
from grader.transcript import Transcript

_KEYS = ("messages", "response.messages", "uiMessages")
# Said again in `parts`, or by the model's provider only.
NAMED = frozenset(
    {
        "toolInvocations",
        "providerMetadata",
        "callProviderMetadata",
        "providerOptions",
        "revisionId",
        "state",
        "content.image",
        "content.data",
        "value.data",
        "parts.url",
    }
)


def parse_vercel(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per chat: a record with ``messages``, a list of messages, or a file of bare ones."""
    return parse_talks(records, _read, is_message=_is_bare, keys=_KEYS)


def is_vercel(value: Any) -> bool:
    """Whether a record is a message of the SDK, or has a list of them."""
    if _is_bare(value):
        return True
    if isinstance(value, Mapping):
        value = next((found for key in _KEYS if (found := _at(value, key))), None)
    return any(map(_is_bare, objects(value)))


def _at(value: Mapping[str, Any], key: str) -> Any:
    outer, _, inner = key.partition(".")
    return mapping(value.get(outer)).get(inner) if inner else value.get(outer)


def _is_bare(value: Any) -> bool:
    return isinstance(value, Mapping) and is_message(value)


def _read(talk: Talk) -> Iterator[Transcript]:
    messages = objects(talk.messages)
    parts = conversation(talk.messages)
    page = [part for m in messages for part in objects(m.get("parts")) if is_page_part(part) and len(part) > 1]
    extras = [mapping(message.get("metadata")) for message in messages]
    model = next((name for extra in extras if (name := first_text(extra, "model", "modelId"))), None)
    last = messages[-1] if messages else {}
    empty = last.get("role") == "assistant" and not conversation([last])
    stop = first_text(talk.fields, "finishReason") or first_text(extras[-1] if extras else {}, "finishReason")
    facts = {"model": first_text(talk.fields, "model", "modelId") or model, "page_parts": page or None}
    annotations = [note for note in (message.get("annotations") for message in messages) if note]
    facts["annotations"] = annotations or None
    facts |= ending(parts, error=talk.fields.get("error"), stop=stop, empty=empty)
    yield talk.transcript(parts, facts, named=NAMED, raw=[_said(m) for m in messages if m.get("role") != "data"])


def _said(message: Mapping[str, Any]) -> dict[str, Any]:
    """The message without what is for the page."""
    parts = message.get("parts")
    if not isinstance(parts, list) or not parts:
        return dict(message)
    kept = [part for part in parts if not (isinstance(part, Mapping) and is_page_part(part))]
    return {**message, "parts": kept}


FORMAT = Format(
    name="vercel",
    parse=parse_vercel,
    fits=is_vercel,
    recognised_by="messages with parts `tool-call`, `tool-result`, `tool-*`, `step-start`, or `toolInvocations`",
    id="the record's `id`, else file and line",
    model="`model` of the record or of a message's metadata",
    failures="`error`, a filter's finish reason, a last message without parts",
)
