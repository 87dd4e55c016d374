"""Where a judge's quotes stand in the transcript: exactly, with other white space, nearly, or nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rapidfuzz import fuzz

from grader.judge.render import by_agent, neutralise
from grader.transcript import Message
from grader.verdict.records import Evidence

Match = Literal["exact", "folded", "fuzzy", "missing"]

# A near match must be this similar (0-100), and is only looked for within these lengths.
FUZZY_SCORE = 85.0
FUZZY_MIN = 20
FUZZY_MAX = 2_000
FUZZY_CHARACTERS = 2_000_000

_ELLIPSIS = re.compile(r"\s*(?:\[\s*(?:\.{3}|…)\s*\]|\.{3,}|…)\s*")
_MIN_FRAGMENT = 12
_VERIFIED_WORDS = 3
_QUOTES = "\"'“”‘’«»`"


@dataclass(frozen=True, slots=True)
class Located:
    """One quote with its place, how it was found, and whose words it is.

    Parameters
    ----------
    evidence : Evidence
        `verified` is true only for the agent's own words, equal after white-space folding, of at least 3 words or 12
        characters (or a whole message).
    match : {"exact", "folded", "fuzzy", "missing"}
    speaker, channel : str or None
        Role and kind of the message; None when missing.
    """

    evidence: Evidence
    match: Match
    speaker: str | None = None
    channel: str | None = None


def locate_quotes(quotes: Iterable[tuple[int, str]], messages: Sequence[Message]) -> tuple[Located, ...]:
    """Find each quote in the transcript.

    Parameters
    ----------
    quotes : iterable of (N, words)
        N as in ``[MN]``; looked at first, then all other messages, so that a wrong number does no harm.
    messages : sequence of Message

    Returns
    -------
    tuple of Located
        One per quote; a quote abbreviated by an ellipsis becomes one per part when all parts are found.

    Examples
    --------
    >>> said = Message(role="assistant", kind="text", text="Please  hold off.")
    >>> found = locate_quotes([(4, "Please hold off.")], [said])[0]
    >>> found.match, found.evidence.start, found.evidence.end, found.evidence.verified
    ('folded', 0, 17, True)
    """
    quotes = list(quotes)
    texts = [neutralise(m.text) for m in messages] if quotes else []
    return tuple(found for number, quote in quotes for found in _locate(number - 1, quote, messages, texts))


def _locate(index: int, quote: str, messages: Sequence[Message], texts: Sequence[str]) -> Iterator[Located]:
    order = _search_order(index, messages)
    if len(quote.strip()) < _MIN_FRAGMENT:  # "Yes" stands everywhere: only the message named can hold it
        order = [i for i in order if i == index]
    whole = _find_literal(quote, order, texts)
    if whole is not None:
        yield _located(quote, whole, messages)
        return
    parts = [part for part in _ELLIPSIS.split(quote) if len(part) >= _MIN_FRAGMENT]
    places = [_find_literal(part, order, texts) for part in parts]
    if len(parts) > 1 and None not in places:
        yield from (_located(part, place, messages) for part, place in zip(parts, places, strict=True))
        return
    yield _located(quote, _find_nearly(quote, order, texts), messages)


@dataclass(frozen=True, slots=True)
class _Place:
    message: int
    start: int
    end: int
    match: Match


def _search_order(index: int, messages: Sequence[Message]) -> list[int]:
    """The message named, then the agent's own, then the others: a repeated quote goes to the agent."""
    named = [index] if 0 <= index < len(messages) else []
    own = [i for i, m in enumerate(messages) if i != index and by_agent(m)]
    return named + own + [i for i, m in enumerate(messages) if i != index and not by_agent(m)]


def _find_literal(quote: str, order: Iterable[int], texts: Sequence[str]) -> _Place | None:
    wanted = neutralise(quote)
    words = wanted.strip().strip(_QUOTES).split()
    if not words:
        return None
    order = list(order)
    for i in order:
        start = texts[i].find(wanted)
        if start >= 0:
            return _Place(i, start, start + len(wanted), "exact")
    pattern = re.compile(r"\s+".join(map(re.escape, words)))
    for i in order:
        match = pattern.search(texts[i])
        if match is not None:
            return _Place(i, *match.span(), "folded")
    return None


def _find_nearly(quote: str, order: Iterable[int], texts: Sequence[str]) -> _Place | None:
    """The most similar passage, within bounds that keep one hostile reply from stalling a run."""
    wanted = neutralise(quote).strip()[:FUZZY_MAX]
    if len(wanted) < FUZZY_MIN:
        return None
    best: _Place | None = None
    score, budget = FUZZY_SCORE, FUZZY_CHARACTERS
    for i in order:
        budget -= len(texts[i])
        if budget < 0:
            break
        near = fuzz.partial_ratio_alignment(wanted, texts[i], score_cutoff=score)
        # A text shorter than the quote is itself looked for in the quote: that is no place of the quote.
        if near is None or near.dest_end - near.dest_start < len(wanted) / 2:
            continue
        if best is None or near.score > score:
            best, score = _Place(i, near.dest_start, near.dest_end, "fuzzy"), near.score
    return best


def _located(quote: str, place: _Place | None, messages: Sequence[Message]) -> Located:
    if place is None:
        return Located(Evidence(message=None, start=None, end=None, quote=quote), "missing")
    message = messages[place.message]
    if place.match != "fuzzy":
        quote = _as_written(quote, message.text[place.start : place.end])
    verified = place.match != "fuzzy" and by_agent(message) and _says_enough(quote, message.text)
    evidence = Evidence(message=place.message, start=place.start, end=place.end, quote=quote, verified=verified)
    return Located(evidence, place.match, message.role, message.kind)


def _says_enough(quote: str, text: str) -> bool:
    """Whether a quote could not be in any message: some words, or all of a short one."""
    words = quote.split()
    return len(words) >= _VERIFIED_WORDS or len(" ".join(words)) >= _MIN_FRAGMENT or words == text.split()


def _as_written(quote: str, text: str) -> str:
    """The quote, without quotation marks around it or stand-ins for forged markers."""
    return quote if quote.split() == text.split() else text
