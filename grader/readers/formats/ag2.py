"""AG2 and AutoGen 0.2: chat histories, whose roles are as the first speaker's agent saw them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.conversation import conversation, message_parts
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.formats.talks import Talk, parse_talks
from grader.readers.records import Record
from grader.readers.shapes.common import objects
from grader.transcript import Message, Transcript

_KEYS = ("chat_history",)
# The result's summary repeats the last message, or was made by another call.
NAMED = frozenset({"summary", "cost", "human_input"})


def parse_ag2(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per chat result: who speaks first is the user, every other speaker the agent."""
    return parse_talks(records, _read, is_message=lambda _: False, keys=_KEYS)


def is_ag2(value: Any) -> bool:
    """Whether a record is the result of a chat."""
    return isinstance(value, Mapping) and any("role" in m or "name" in m for m in objects(value.get("chat_history")))


def _read(talk: Talk) -> Iterator[Transcript]:
    names: dict[str, str] = {}
    parts: list[Message] = []
    user: Any = None
    for number, message in enumerate(talk.messages):
        if not isinstance(message, Mapping):
            raise InputError(f"chat_history[{number}] is not an object but {type(message).__name__}")
        speaker = message.get("name") if message.get("name") is not None else number % 2
        role = message.get("role")
        if role == "system":
            parts += conversation([message])
            continue
        user = speaker if user is None and role not in ("tool", "function") else user
        parts += _parts(message, "user" if speaker == user else "assistant", names)
    fields = {key: value for key, value in talk.fields.items() if key != "chat_id"}
    chat_id = talk.fields.get("chat_id")
    facts: dict[str, Any] = {"chat_id": chat_id} if isinstance(chat_id, (int, str)) else {}
    plain = Talk(id=talk.id, messages=talk.messages, fields=fields, record=talk.record, raw=talk.raw)
    yield plain.transcript(parts, facts | ending(parts), named=NAMED)


def _parts(message: Mapping[str, Any], role: str, names: dict[str, str]) -> list[Message]:
    """One message as the real speaker's; a tool's answers are results, whoever passed them on."""
    answers = objects(message.get("tool_responses"))
    if message.get("role") in ("tool", "function") or answers:
        answers = answers or [message]
        return [
            part
            for answer in answers
            for part in _message(names, {**answer, "role": "tool", "name": _tool_name(answer, message)})
        ]
    return _message(names, {**message, "role": role})


def _tool_name(answer: Mapping[str, Any], message: Mapping[str, Any]) -> Any:
    """The function's name; the name in a tool message is that of the agent that ran it."""
    return answer.get("name") if message.get("role") == "function" and answer is message else None


def _message(names: dict[str, str], message: Mapping[str, Any]) -> list[Message]:
    """The parts of one message; `names` keeps the ids of calls from one message to the next."""
    return list(message_parts({key: value for key, value in message.items() if value is not None}, names))


FORMAT = Format(
    name="ag2",
    parse=parse_ag2,
    fits=is_ag2,
    recognised_by="`chat_history`",
    id="the record's `id`, else file and line",
    failures="no word of the agent",
)
