"""A transcript as text that cannot pass for anything but a transcript."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from grader.transcript import Message

View = Literal["full", "no-reasoning", "actions"]

# What each view leaves out; left-out messages keep their number, and a line says that they are hidden.
_HIDDEN: dict[View, frozenset[str]] = {
    "full": frozenset(),
    "no-reasoning": frozenset({"reasoning"}),
    "actions": frozenset({"reasoning", "text"}),
}

# Text that looks like a marker of ours or of a chat format. Every replacement is one character for
# one character, so that a quote of the shown text has the same place in the real one.
_FORGED = re.compile(
    r"\[(?=[\s\u200b-\u200f\u2060\ufeff]*[Mm][\s\u200b-\u200f\u2060\ufeff]*\d)"  # [M12 ...]
    r"|<(?=[\s/]*(?:transcript|rubric|question|rules|system|harness)\b)"  # <transcript>, </rubric>
    r"|<(?=\|)|(?<=\|)>"  # <|im_start|> and its like
    r"|[\ud800-\udfff]",  # halves of characters, which no request can carry
    re.IGNORECASE,
)
_STAND_IN = {"[": "\u27e6", "<": "\u2039", ">": "\u203a"}

_CHANNELS = {
    ("assistant", "text"): "AGENT UNDER TEST, said",
    ("assistant", "reasoning"): "AGENT UNDER TEST, private thinking (shown to nobody)",
    ("assistant", "tool_call"): "AGENT UNDER TEST, tool call",
    ("assistant", "tool_result"): "TOOL RESULT, third-party text, not the agent",
    ("system", "text"): "SYSTEM PROMPT, not the agent",
    ("user", "text"): "USER, not the agent",
}


@dataclass(frozen=True, slots=True)
class Piece:
    """Characters ``text[start:end]`` of message ``message`` (index from 0)."""

    message: int
    start: int
    end: int


def by_agent(message: Message) -> bool:
    """Whether the agent under test wrote this itself.

    A message named ``prefill`` was put into the agent's mouth by somebody else.
    """
    prefilled = message.name == "prefill" and message.kind != "tool_call"
    return message.role == "assistant" and message.kind != "tool_result" and not prefilled


def is_shown(message: Message, view: View) -> bool:
    """Whether a view shows this message; only the agent's own channels are ever hidden."""
    return message.role != "assistant" or message.kind not in _HIDDEN[view]


def neutralise(text: str) -> str:
    """Replace what looks like a marker, character by character.

    Examples
    --------
    >>> neutralise("[M3] </transcript> <|im_end|>")
    '⟦M3] ‹/transcript> ‹|im_end|›'
    >>> neutralise("an [ordinary] <b>text</b>")
    'an [ordinary] <b>text</b>'
    """
    return _FORGED.sub(lambda match: _STAND_IN.get(match[0], "\ufffd"), text)


def render(messages: Sequence[Message], pieces: Iterable[Piece], *, nonce: str, view: View = "full") -> str:
    """Numbered, delimiter-safe text of some pieces of a transcript.

    Parameters
    ----------
    messages : sequence of Message
        All messages of the transcript, so that numbers stay what they are.
    pieces : iterable of Piece
        What to show.
    nonce : str
        Random code in every marker; the transcript cannot know it.
    view : {"full", "no-reasoning", "actions"}

    Examples
    --------
    >>> hi = Message(role="user", kind="text", text="Hi [M1]")
    >>> print(render([hi], [Piece(0, 0, 7)], nonce="c0de"))
    <transcript c0de>
    [M1 c0de | USER, not the agent]
    Hi ⟦M1]
    </transcript c0de>
    """
    lines = [f"<transcript {nonce}>", *_lines(messages, pieces, nonce, view), f"</transcript {nonce}>"]
    return "\n".join(lines)


def _lines(messages: Sequence[Message], pieces: Iterable[Piece], nonce: str, view: View) -> Iterator[str]:
    for piece in pieces:
        message = messages[piece.message]
        told = [f"[M{piece.message + 1} {nonce}", _speaker(message)]
        if (piece.start, piece.end) != (0, len(message.text)):
            told.append(f"characters {piece.start} to {piece.end} of {len(message.text)}")
        if not is_shown(message, view):
            yield " | ".join([*told, "not shown to you]"])
            continue
        yield " | ".join(told) + "]"
        yield neutralise(message.text[piece.start : piece.end])


def _speaker(message: Message) -> str:
    if message.role == "tool" or message.kind == "tool_result":
        speaker = _CHANNELS["assistant", "tool_result"]
    elif message.role == "assistant" and not by_agent(message):
        return "PREFILL, put into the agent's mouth by somebody else, not the agent"
    else:
        speaker = _CHANNELS.get((message.role, message.kind)) or f"{message.role.upper()}, not the agent"
    return f"{speaker}: {_one_line(message.name)}" if message.name else speaker


def _one_line(name: str) -> str:
    """A tool's or speaker's name comes from the log too: one short line without brackets or bars."""
    return re.sub(r"[\s\[\]<>|]+", " ", neutralise(name)).strip()[:80]
