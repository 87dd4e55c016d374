"""Long transcripts: overlapping windows on message boundaries, and what share of the text they show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from grader.judge.render import Piece, View, is_shown
from grader.transcript import Message

Window = tuple[Piece, ...]

# A marker with its number, code and speaker.
_HEADER_TOKENS = 30
# Opening messages (system prompt, task) go into every window if they fill at most this share of it:
# they say who may know what.
_PREAMBLE_SHARE = 0.25
_OVERLAP_SHARE = 0.1
# Overlap, in characters, of the parts of one message that is longer than half a window.
_PART_OVERLAP = 400


def estimate_tokens(text: str) -> int:
    """Tokens of `text`, rather too many than too few.

    English runs at some four characters a token, code at three, other scripts at one or less; this
    counts three for ASCII and about half a character for others.

    Examples
    --------
    >>> estimate_tokens("abcdef"), estimate_tokens("日本")
    (2, 4)
    """
    return math.ceil(len(text) / 3 + 0.75 * (len(text.encode("utf-8", "replace")) - len(text)))


def transcript_tokens(messages: Sequence[Message], view: View = "full") -> int:
    """Estimated tokens of a whole transcript as it is shown."""
    return sum(_HEADER_TOKENS + (estimate_tokens(m.text) if is_shown(m, view) else 0) for m in messages)


def whole(messages: Sequence[Message]) -> Window:
    """The one window that shows everything."""
    return tuple(Piece(i, 0, len(m.text)) for i, m in enumerate(messages))


def plan_windows(messages: Sequence[Message], budget: int, *, view: View = "full") -> tuple[Window, ...]:
    """Cut a transcript into overlapping windows of at most `budget` estimated tokens.

    Parameters
    ----------
    messages : sequence of Message
    budget : int, at least 200
        Tokens of one window.
    view : {"full", "no-reasoning", "actions"}

    Returns
    -------
    tuple of Window
        Together they show every character. Neighbours share at least one piece where two fit; a
        message longer than half a window is cut into parts that overlap.

    Raises
    ------
    ValueError
        `budget` is below 200.
    """
    if budget < 200:
        raise ValueError(f"budget must fulfil budget >= 200, got {budget}.")
    if transcript_tokens(messages, view) <= budget:
        return (whole(messages),)
    cost = _Cost(messages, view)
    preamble = _preamble(messages, cost, int(budget * _PREAMBLE_SHARE))
    room = budget - sum(map(cost, preamble))
    units = [part for i in range(len(preamble), len(messages)) for part in _parts(messages, i, room // 2, view)]
    return tuple((*preamble, *units[start:stop]) for start, stop in _spans([cost(u) for u in units], room))


def share_seen(messages: Sequence[Message], windows: Iterable[Window], view: View = "full") -> float:
    """Share in [0, 1] of the transcript's characters that `windows` show together; 1 when there are none."""
    total = sum(len(m.text) for m in messages)
    if total == 0:
        return 1.0
    spans: dict[int, set[tuple[int, int]]] = {}
    for window in windows:
        for piece in window:
            if is_shown(messages[piece.message], view):
                spans.setdefault(piece.message, set()).add((piece.start, piece.end))
    return sum(map(_covered, spans.values())) / total


def _covered(spans: Iterable[tuple[int, int]]) -> int:
    covered, reached = 0, 0
    for start, end in sorted(spans):
        covered += max(0, end - max(start, reached))
        reached = max(reached, end)
    return covered


class _Cost:
    def __init__(self, messages: Sequence[Message], view: View) -> None:
        self._messages, self._view = messages, view

    def __call__(self, piece: Piece) -> int:
        message = self._messages[piece.message]
        shown = message.text[piece.start : piece.end] if is_shown(message, self._view) else ""
        return _HEADER_TOKENS + estimate_tokens(shown)


def _preamble(messages: Sequence[Message], cost: _Cost, budget: int) -> Window:
    opening: list[Piece] = []
    for i, message in enumerate(messages):
        if message.role not in ("system", "user"):
            break
        opening.append(Piece(i, 0, len(message.text)))
    return tuple(opening) if sum(map(cost, opening)) <= budget else ()


def _parts(messages: Sequence[Message], index: int, budget: int, view: View) -> Iterator[Piece]:
    """One message as it is, or in parts of at most `budget` tokens."""
    text = messages[index].text
    if not is_shown(messages[index], view) or _HEADER_TOKENS + estimate_tokens(text) <= budget:
        yield Piece(index, 0, len(text))
        return
    start = 0
    while True:
        end = _part_end(text, start, budget - _HEADER_TOKENS)
        yield Piece(index, start, end)
        if end == len(text):
            return
        start = max(start + 1, end - min(_PART_OVERLAP, (end - start) // 4))


def _part_end(text: str, start: int, budget: int) -> int:
    """Where a part ends: at a blank line, a line or a word if one is near."""
    # No estimate is below a third of a token a character or above 2.6.
    size = min(len(text) - start, 3 * budget)
    while estimate_tokens(text[start : start + size]) > budget and size > 1:
        size = size * 4 // 5
    end = start + size
    if end == len(text):
        return end
    for mark in ("\n\n", "\n", " "):
        cut = text.rfind(mark, start + size * 3 // 4, end)
        if cut >= 0:
            return cut + len(mark)
    return end


def _spans(costs: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """Runs ``[start, stop)`` of units that fit, each beginning with the end of the one before."""
    start = 0
    while True:
        stop, used = start, 0
        while stop < len(costs) and (used + costs[stop] <= room or stop == start):
            used += costs[stop]
            stop += 1
        yield start, stop
        if stop == len(costs):
            return
        start = _next_start(costs, start, stop, int(room * _OVERLAP_SHARE), room)


def _next_start(costs: Sequence[int], start: int, stop: int, overlap: int, room: int) -> int:
    back, used = stop, 0
    while back - 1 > start and used + costs[back - 1] <= overlap:
        back -= 1
        used += costs[back]
    # One shared unit at least, if the next window then still moves on.
    if back == stop and stop - 1 > start and costs[stop - 1] + costs[stop] <= room:
        back = stop - 1
    return back
