"""What a harness hands over: chat messages of any vendor, as a transcript that remembers where its parts came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from grader.errors import InputError
from grader.readers.build import build_transcript, clean
from grader.readers.conversation import message_parts
from grader.transcript import Message, Transcript

SOURCE = "harness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A transcript, and which of the harness's messages each of its parts is of.

    Parameters
    ----------
    transcript : Transcript
    owners : tuple of int
        ``owners[i]`` is the index of the harness's message that ``transcript.messages[i]`` is a part of.
    """

    transcript: Transcript
    owners: tuple[int, ...]


def conversation_of(
    messages: Iterable[Any], *, id: str = "1", metadata: Mapping[str, Any] | None = None
) -> Conversation:
    """Read messages as a harness holds them.

    Parameters
    ----------
    messages : iterable of mapping
        Of OpenAI, Anthropic, Inspect or harmrate (``role, kind, text``), mixed as they come.
    id : str
        Of the transcript.
    metadata : mapping, optional
        What rates may split by; no grader sees it.

    Raises
    ------
    InputError
        Something in the list is no message, there is none, or its role is unknown.

    Examples
    --------
    >>> call = {"id": "c", "function": {"name": "email", "arguments": '{"to": "k"}'}}
    >>> found = conversation_of([{"role": "user", "content": "Hi"},
    ...                          {"role": "assistant", "content": "Yes.", "tool_calls": [call]}])
    >>> [m.kind for m in found.transcript.messages], found.owners
    (['text', 'text', 'tool_call'], (0, 1, 1))
    """
    parts: list[Message] = []
    owners: list[int] = []
    names: dict[str, str] = {}
    for index, message in enumerate(messages):
        try:
            found = list(_parts(message, names))
        except InputError as error:
            raise InputError(f"message {index + 1}: {error.reason}") from None
        parts += found
        owners += [index] * len(found)
    if not parts:
        raise InputError("holds no message")
    transcript = build_transcript(id, parts, metadata or {}, source=SOURCE)
    return Conversation(transcript=transcript, owners=tuple(owners))


def _parts(message: Any, names: dict[str, str]) -> Iterable[Message]:
    if not isinstance(message, Mapping):
        raise InputError(f"no object but {type(message).__name__}")
    message = clean(message)
    if "kind" in message and "text" in message:
        return Transcript.from_dict({"id": "", "messages": [message]}).messages
    return message_parts(message, names)
