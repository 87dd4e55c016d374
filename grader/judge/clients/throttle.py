"""How many requests may be in flight: fewer after 429 and 529, more again with every success."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# Many requests fail at once when a limit is reached; together they count as one sign.
_ONE_SIGN_SECONDS = 1.0


class Throttle:
    """A limit on requests in flight that halves when the server is overrun and grows back slowly.

    Parameters
    ----------
    most : int, at least 1
        Never more than this in flight.

    Attributes
    ----------
    limit : float in [1, most]
        The limit now.
    n_slowed : int
        How often the server asked for less.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        self.n_slowed = 0
        self.in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self._closed_until = 0.0
        self._slowed_at = -_ONE_SIGN_SECONDS

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a free slot and hold it."""
        await self._enter()
        try:
            yield
        finally:
            self.in_flight -= 1
            self._wake()

    def succeeded(self) -> None:
        """One more in flight for every `limit` successes."""
        self.limit = min(float(self.most), self.limit + 1 / self.limit)

    def slow_down(self, seconds: float) -> None:
        """Halve the limit and start nothing for so many seconds."""
        now = asyncio.get_running_loop().time()
        self._closed_until = max(self._closed_until, now + seconds)
        if now - self._slowed_at >= _ONE_SIGN_SECONDS:
            self._slowed_at = now
            self.limit = max(1.0, self.limit / 2)
            self.n_slowed += 1

    def close(self) -> None:
        """Start nothing more; what is in flight may finish."""
        self._closed = True
        for turn in self._waiting:
            turn.cancel()

    async def _enter(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if self._closed:
                raise asyncio.CancelledError
            if self.in_flight >= int(self.limit):
                turn: asyncio.Future[None] = loop.create_future()
                self._waiting.append(turn)
                await turn
            elif self._closed_until > loop.time():
                await asyncio.sleep(self._closed_until - loop.time())
            else:
                self.in_flight += 1
                return

    def _wake(self) -> None:
        free = int(self.limit) - self.in_flight
        while self._waiting and free > 0:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1
