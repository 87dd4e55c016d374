"""Plain text: one conversation per file, with or without ``User:`` and ``Assistant:`` at line starts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from grader.errors import InputError
from grader.readers.blocks import assistant_text, role_of
from grader.readers.build import build_transcript
from grader.readers.formats.react import split_react
from grader.readers.records import MAX_RECORD, open_text
from grader.transcript import Message, Transcript

_SPEAKER = re.compile(
    r"^[ \t*#]*(system|user|human|assistant|ai|agent|tool)[ \t*]*:[ \t*]*", re.MULTILINE | re.IGNORECASE
)
_REACT = re.compile(r"^[ \t]*(?:Thought|Action)[ \t]*:", re.MULTILINE)


def read_text(path: Path) -> Iterator[Transcript]:
    """Yield the one transcript of a text file.

    Text that begins with a speaker (``User:``) is split at speakers; text with ``Thought:`` or
    ``Action:`` lines is read as ReAct; any other text is one reply of the agent.

    Raises
    ------
    InputError
        When the file cannot be read, is no text, or is empty.
    """
    with open_text(path) as stream:
        try:
            text = stream.read(MAX_RECORD)
        except UnicodeDecodeError as error:
            raise InputError(f"not UTF-8 text (byte {error.start}: {error.reason})", file=path) from None
    if not text.strip():
        raise InputError("is empty", file=path)
    if len(text) >= MAX_RECORD:
        raise InputError(f"longer than {MAX_RECORD} characters", file=path)
    yield build_transcript(str(path), split_text(text), {}, source=str(path))


def split_text(text: str) -> Iterator[Message]:
    r"""Yield plain text as messages.

    Examples
    --------
    >>> [(m.role, m.text) for m in split_text("User: Hi\nAssistant: Hello\nthere")]
    [('user', 'Hi'), ('assistant', 'Hello\nthere')]
    """
    speakers = list(_SPEAKER.finditer(text))
    if not speakers or text[: speakers[0].start()].strip():
        yield from split_react(text) if _REACT.search(text) else assistant_text(text)
        return
    for this, following in zip(speakers, [*speakers[1:], None], strict=True):
        said = text[this.end() : following.start() if following else len(text)].strip()
        role = role_of(this[1].lower())
        if role == "assistant":
            yield from assistant_text(said)
        elif said:
            yield Message(role=role, kind="tool_result" if role == "tool" else "text", text=said)
