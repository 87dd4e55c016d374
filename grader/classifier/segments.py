"""Segments: the pieces of a transcript that are embedded, cut message by message to the model's limit.

A message becomes one window, or several of even length when it is longer than the model reads. A
window starts with speaker and channel in words, because "I will tell his wife" is one thing
as a thought and another as an e-mail. Windows never span messages, so a prompt or tool result that a
thousand transcripts share is the same text in each, and is embedded once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from grader.transcript import Message, Transcript

# How many distinct messages' windows are remembered: shared prompts hit, and memory stays flat.
_REMEMBERED = 8_192
# Heading, and hash of the words, which may be long.
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Segment:
    """One window of one message.

    Parameters
    ----------
    text : str
        What is embedded: speaker and channel, then the words.
    message : int
        Index into ``transcript.messages``.
    start, end : int
        The words are ``transcript.messages[message].text[start:end]``.
    by_agent : bool
        Whether the agent under test said or did it.
    """

    text: str
    message: int
    start: int
    end: int
    by_agent: bool = False


class Tokens(Protocol):
    """The part of an encoder that segments need."""

    @property
    def max_tokens(self) -> int:
        """How many tokens of text the model reads, special tokens left out."""
        ...

    def spans(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        """Per text an array of shape (n_words, 3): start, end and number of tokens of each word."""
        ...


def heading(message: Message) -> str:
    """The speaker and channel of a message, in words.

    Examples
    --------
    >>> heading(Message(role="assistant", kind="tool_call", text="", name="email"))
    'assistant calls email:'
    >>> heading(Message(role="assistant", kind="reasoning", text=""))
    'assistant thinks:'
    """
    name = f" {message.name}" if message.name else ""
    verb = {"text": "", "reasoning": " thinks", "tool_call": f" calls{name}", "tool_result": f" returns{name}"}
    return f"{message.role}{verb[message.kind]}:"


class Segmenter:
    """Cuts transcripts into segments, remembering the messages it has seen.

    Parameters
    ----------
    tokens : Tokens
        Usually the encoder.

    Notes
    -----
    Cuts fall between words, so a window has exactly the tokens that its words had in the message; only
    a single word longer than the model's limit is cut inside.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._windows: dict[_Key, list[tuple[int, int]]] = {}

    def cut(self, transcripts: Iterable[Transcript]) -> list[list[Segment]]:
        """The segments of each transcript, in order; an empty message has none."""
        transcripts = list(transcripts)
        keys = [[(heading(m), text_hash(m.text)) for m in t.messages] for t in transcripts]
        texts = {
            key: message.text
            for row, t in zip(keys, transcripts, strict=True)
            for key, message in zip(row, t.messages, strict=True)
        }
        self._learn({key: text for key, text in texts.items() if key not in self._windows})
        cut = [
            [
                Segment(
                    text=f"{key[0]} {m.text[start:end]}",
                    message=i,
                    start=start,
                    end=end,
                    by_agent=m.role == "assistant",
                )
                for i, (key, m) in enumerate(zip(row, t.messages, strict=True))
                for start, end in self._windows[key]
            ]
            for row, t in zip(keys, transcripts, strict=True)
        ]
        if len(self._windows) > _REMEMBERED:
            self._windows = {key: self._windows[key] for key in texts}
        return cut

    def _learn(self, texts: Mapping[_Key, str]) -> None:
        ordered = sorted(texts)
        heads = sorted({head for head, _ in ordered})
        costs = dict(zip(heads, (int(s[:, 2].sum()) for s in self._tokens.spans(heads)), strict=True))
        for key, spans in zip(ordered, self._tokens.spans([texts[key] for key in ordered]), strict=True):
            self._windows[key] = even_windows(spans, max(1, self._tokens.max_tokens - costs[key[0]]))


def even_windows(spans: npt.NDArray[np.int64], limit: int) -> list[tuple[int, int]]:
    """Cut words into as few windows of at most `limit` tokens as need be, of about equal length.

    Parameters
    ----------
    spans : array of shape (n_words, 3)
        Start, end and number of tokens of each word.
    limit : int
        Most tokens in a window.

    Returns
    -------
    list of (start, end)
        Characters of each window; none for a text without words.

    Examples
    --------
    >>> even_windows(np.array([[0, 1, 1], [2, 3, 1], [4, 5, 1], [6, 7, 1]]), 3)
    [(0, 3), (4, 7)]
    """
    if len(spans) == 0:
        return []
    ends = np.cumsum(spans[:, 2])
    size = -(-ends[-1] // -(-ends[-1] // limit))  # even share of the fewest windows, rounded up
    windows, first, used = [], 0, 0
    while first < len(spans):
        last = int(np.searchsorted(ends, used + size))  # the word that reaches the even share ...
        if last < len(spans) and ends[last] - used > limit and last > first:
            last -= 1  # ... or the one before, when it would break the limit
        last = min(last, len(spans) - 1)
        windows.append((int(spans[first, 0]), int(spans[last, 1])))
        first, used = last + 1, int(ends[last])
    return windows


def text_hash(text: str) -> str:
    """SHA-256 of a text, under which its windows are remembered and its vector is kept."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
