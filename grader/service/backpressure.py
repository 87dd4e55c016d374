"""When a client that found no room should come back, and how many bytes all clients together may send."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# How much the newest answer counts in the running mean: about the last ten answers make it.
_NEWEST = 0.2


class RetryAfterEstimator:
    """Sends whoever is refused away for as long as their turn will take, one after the other.

    Parameters
    ----------
    room : int
        Transcripts that may wait or be in work. Nobody is sent away for longer than a full room takes.
    clock : callable
        Seconds that never run backwards.

    Examples
    --------
    >>> turns = RetryAfterEstimator(room=100, clock=lambda: 0.0)
    >>> turns.answered(in_line=50, seconds=25.0)  # half a second each
    >>> turns.next(4), turns.next(4), turns.next(1000)
    (2, 4, 50)
    """

    def __init__(self, room: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._room = room
        self._clock = clock
        self._pace = 0.0
        self._promised = 0.0

    def answered(self, *, in_line: int, seconds: float) -> None:
        """Learn from an answer: with `in_line` transcripts in the room, its own among them, it took `seconds`."""
        newest = seconds / in_line
        self._pace = newest if self._pace == 0 else (1 - _NEWEST) * self._pace + _NEWEST * newest

    def next(self, n: int) -> int:
        """Whole seconds, at least 1, after which there should be room for `n` more than all who were told before."""
        now = self._clock()
        latest = now + self._room * self._pace
        self._promised = min(max(self._promised, now) + n * self._pace, latest)
        return max(1, math.ceil(self._promised - now))


class BodyRoom:
    """Counts the bytes of bodies that are being read or worked on; calls `refuse` on what goes beyond `max_bytes`.

    A middleware: one body has its own limit, but two hundred such bodies at once would fill the memory.

    Parameters
    ----------
    app : App
        What the requests go on to.
    max_bytes : int
        Of all bodies together.
    refuse : callable
        Gives the exception that ends a request for which there is no room.
    """

    def __init__(self, app: App, *, max_bytes: int, refuse: Callable[[], Exception]) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._refuse = refuse
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, its body counted until it is answered."""
        own = 0

        async def counted() -> MutableMapping[str, Any]:
            nonlocal own
            message = await receive()
            n_bytes = len(message.get("body", b""))
            own += n_bytes
            self._held += n_bytes
            if self._held > self._max_bytes:
                raise self._refuse()
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self._held -= own
