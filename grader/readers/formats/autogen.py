"""AutoGen: results of a task, and saved states of agents and teams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text
from grader.readers.build import read_each
from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.formats.talks import Talk, parse_talks, talks_of
from grader.readers.records import Record
from grader.readers.shapes.autogen import IGNORED, is_message
from grader.readers.shapes.common import first_text, mapping, objects
from grader.transcript import Transcript

_KEYS = ("messages", "task_result.messages", "chat_message.messages", "message_thread")
NAMED = frozenset({"models_usage", "content.data", "source", "stop_reason"})


def parse_autogen(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per result of a task; of a saved state, one per agent that has a model context."""
    return parse_talks(records, _read, is_message=_is_bare, keys=_KEYS)


def parse_autogen_state(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per agent of a saved state of an agent or of a team; a team is an episode."""
    return read_each(records, _read_state)


def is_autogen(value: Any) -> bool:
    """Whether a record is a message of AutoGen, or has a list of them."""
    if _is_bare(value):
        return True
    if isinstance(value, Mapping):
        inner = mapping(value.get("task_result"))
        value = value.get("messages", inner.get("messages", value.get("message_thread")))
    return any(map(_is_bare, objects(value)))


def is_autogen_state(value: Any) -> bool:
    """Whether a record is the saved state of an agent or a team."""
    if not isinstance(value, Mapping):
        return False
    return isinstance(value.get("agent_states"), Mapping) or any(True for _ in _contexts(value, ""))


def _is_bare(value: Any) -> bool:
    return isinstance(value, Mapping) and is_message(value)


def _read(talk: Talk) -> Iterator[Transcript]:
    asking = {m.get("source") for m in objects(talk.messages) if m.get("type") == "UserInputRequestedEvent"}
    asking = {source for source in asking if isinstance(source, str)}
    messages = [
        {**m, "source": "user"} if isinstance(m, Mapping) and as_text(m.get("source")) in asking else m
        for m in talk.messages
    ]
    parts = conversation(messages)
    stop = first_text(talk.fields, "stop_reason")
    facts: dict[str, Any] = {"stop_reason": stop}
    if stop and stop.lower().startswith(("maximum number", "token usage", "timeout")):
        facts["limit"] = stop
    read = [message for message in messages if as_text(mapping(message).get("type")) not in IGNORED]
    yield talk.transcript(parts, facts | ending(parts), named=NAMED, raw=read)


def _read_state(record: Record) -> Iterator[Transcript]:
    contexts = list(_contexts(record.value, "")) if isinstance(record.value, Mapping) else []
    if not contexts:
        thread = _thread(record.value)
        if thread is None:
            raise InputError("a state without messages: no agent in it has a model context")
        contexts = [("", thread)]
    for name, messages in contexts:
        inner = Record(value={"messages": messages}, file=record.file, place=record.place, number=record.number)
        [talk] = talks_of(inner, ("messages",))
        facts: dict[str, Any] = {"episode": record.default_id, "agent": name} if len(contexts) > 1 else {}
        own = f"{record.default_id}/{name}" if len(contexts) > 1 else record.default_id
        parts = conversation(messages)
        yield talk.transcript(parts, facts | ending(parts), id_=own, named=NAMED)


def _contexts(value: Mapping[str, Any], name: str, depth: int = 0) -> Iterator[tuple[str, list[Any]]]:
    """Name and messages of each agent in a state, however deep teams are nested."""
    messages = mapping(value.get("llm_context")).get("messages")
    if isinstance(messages, list):
        yield name, messages
    if depth < 20:
        for key, inner in value.items():
            if key != "llm_context" and isinstance(inner, Mapping):
                container = key in ("agent_states", "agent_state", "state", "inner_team_state")
                yield from _contexts(inner, name if container else str(key), depth + 1)


def _thread(value: Any, depth: int = 0) -> list[Any] | None:
    """The shared thread of a team whose agents have no context of their own."""
    if not isinstance(value, Mapping) or depth > 20:
        return None
    if isinstance(value.get("message_thread"), list) and value["message_thread"]:
        return list(value["message_thread"])
    return next((thread for inner in value.values() if (thread := _thread(inner, depth + 1))), None)


FORMATS = (
    Format(
        name="autogen",
        parse=parse_autogen,
        fits=is_autogen,
        recognised_by="messages with `source` and a `type` that ends in Message or Event",
        id="the record's `id`, else file and line",
        failures="no word of the agent",
    ),
    Format(
        name="autogen-state",
        parse=parse_autogen_state,
        fits=is_autogen_state,
        recognised_by="`llm_context` or `agent_states`",
        id="file and line; of a team's agent `.../NAME`",
        failures="no word of the agent",
    ),
)
