"""Transcripts: what one run of the agent under test saw, thought, said and did."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from grader.errors import InputError

Role = Literal["system", "user", "assistant", "tool"]
Kind = Literal["text", "reasoning", "tool_call", "tool_result"]

ROLES: frozenset[str] = frozenset(get_args(Role))
KINDS: frozenset[str] = frozenset(get_args(Kind))

# Metadata keys that mean something to the numbers; every verdict row carries them.
FACTS = ("model", "scenario", "family", "arm", "epoch", "episode", "source")

# Metadata key of a run that was recorded but cannot be read: why. Such a transcript has no messages.
UNREAD = "unread"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing said or done on one channel.

    Parameters
    ----------
    role : {"system", "user", "assistant", "tool"}
        Who: ``assistant`` is the agent under test, ``tool`` a third party's text.
    kind : {"text", "reasoning", "tool_call", "tool_result"}
        The channel. A log's message with several parts becomes several of these.
    text : str
        What was said. For a tool call, its arguments as readable text (see `tool_call`), so that
        evidence can point into it.
    name : str, optional
        The tool's name, or the speaker's where a log names one.
    arguments : mapping, optional
        A tool call's arguments as the log gave them.

    Raises
    ------
    ValueError
        When `role` or `kind` is not one of the names above.

    Examples
    --------
    >>> Message(role="assistant", kind="text", text="Hello.").role
    'assistant'
    """

    role: Role
    kind: Kind
    text: str
    name: str | None = None
    arguments: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"role must be one of {sorted(ROLES)}, got {self.role!r}.")
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {sorted(KINDS)}, got {self.kind!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """One run of the agent under test: the unit that every rate counts.

    Parameters
    ----------
    id : str
        Unique across files and stable from run to run.
    messages : tuple of Message
        In order; message ``i`` is shown to graders as ``[Mi+1]``.
    metadata : mapping
        What the log knew beside the messages. ``model, scenario, family, arm, epoch, episode`` and
        ``source`` have meaning for rates; no grader ever sees any of it.

    Examples
    --------
    >>> t = Transcript(id="a", messages=(Message(role="user", kind="text", text="Hi"),))
    >>> len(t.content_hash)
    64
    """

    id: str
    messages: tuple[Message, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def content_hash(self) -> str:
        """SHA-256 of the messages alone: equal texts have equal hashes, whatever the metadata."""
        rows = [[m.role, m.kind, m.text, m.name, m.arguments] for m in self.messages]
        return hashlib.sha256(canonical_json(rows).encode("utf-8", "surrogatepass")).hexdigest()

    def facts(self) -> dict[str, Any]:
        """The columns that a verdict row takes over from its transcript (`FACTS`, `content_hash`)."""
        return {key: self.metadata.get(key) for key in FACTS} | {"content_hash": self.content_hash}

    def to_dict(self) -> dict[str, Any]:
        """The transcript as JSON-able data: one line of harmrate's own JSONL."""
        return {
            "id": self.id,
            "messages": [_message_to_dict(m) for m in self.messages],
            "metadata": dict(self.metadata),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Transcript:
        """The inverse of `to_dict`.

        Raises
        ------
        InputError
            When a part is missing or of the wrong type; the message names it.
        """
        match record:
            case {"id": str(id_), "messages": list(messages)}:
                metadata = record.get("metadata") or {}
                if not isinstance(metadata, dict):
                    raise InputError(f"metadata must be an object, got {type(metadata).__name__}")
                parts = tuple(_message_from_dict(i, m) for i, m in enumerate(messages, 1))
                return cls(id=id_, messages=parts, metadata=metadata)
        raise InputError("a transcript needs 'id' (text) and 'messages' (a list)")


def tool_call(name: str, arguments: Mapping[str, Any], *, text: str | None = None) -> Message:
    r"""A tool call by the agent; its text is a readable form of its arguments unless `text` is given.

    Examples
    --------
    >>> tool_call("email", {"to": "k@x.com", "body": "Hi", "cc": []}).text
    'to: k@x.com\nbody: Hi\ncc: []'
    """
    if text is None:
        text = "\n".join(f"{key}: {_as_text(value)}" for key, value in arguments.items())
    return Message(role="assistant", kind="tool_call", text=text, name=name, arguments=arguments)


def canonical_json(value: Any) -> str:
    """One text per value: sorted keys, no spaces, so that equal values hash equally."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _message_to_dict(message: Message) -> dict[str, Any]:
    record: dict[str, Any] = {"role": message.role, "kind": message.kind, "text": message.text}
    if message.name is not None:
        record["name"] = message.name
    if message.arguments is not None:
        record["arguments"] = dict(message.arguments)
    return record


def _message_from_dict(number: int, record: Any) -> Message:
    match record:
        case {"role": str(role), "kind": str(kind), "text": str(text)} if role in ROLES and kind in KINDS:
            return Message(
                role=cast(Role, role),
                kind=cast(Kind, kind),
                text=text,
                name=record.get("name"),
                arguments=record.get("arguments"),
            )
    raise InputError(f"message {number} needs 'role', 'kind' and 'text' of harmrate's own format")
