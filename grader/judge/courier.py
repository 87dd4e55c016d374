"""Sends requests side by side and hands replies back in the order they arrive."""

from __future__ import annotations

import asyncio
import functools
import os
import queue
import random
import threading
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, cast

from grader.judge.client import JudgeClient, Reply, Request, SendError
from grader.judge.keeping import Keeper, Kept
from grader.judge.throttle import Throttle

_OVERRUN = frozenset({429, 529})
# How long replies already paid for may still arrive after a run was stopped.
_LAST_REPLIES_SECONDS = 30.0
# How long an arrived reply waits for others to be stored with; short against the seconds that a model takes.
_GATHER_SECONDS = 0.01

Answer = tuple[Request, "Reply | SendError"]


class Carrier(Protocol):
    """What a run needs of whoever carries its requests: one by one (`Courier`) or in batches."""

    def __enter__(self) -> Self:
        """Get ready."""
        ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End, with what has been paid for stored."""
        ...

    def submit(self, request: Request) -> None:
        """Have `request` answered."""
        ...

    def next_answer(self) -> Answer:
        """The next answer to any request; waits for it."""
        ...

    def count_tokens(self, params: Mapping[str, Any]) -> int | None:
        """The server's count of a prompt's tokens, if it gives one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often and after what pauses a request that may pass is sent again.

    Parameters
    ----------
    attempts : int, at least 1
        In all, for errors of the server or the connection.
    unreadable : int
        Further attempts after a reply that is no verdict.
    first_pause, longest_pause : float
        Seconds; the pause doubles from one to the other and is drawn at random from its upper half. A
        server's ``retry-after`` comes before it, up to `longest_pause`.
    """

    attempts: int = 6
    unreadable: int = 1
    first_pause: float = 0.5
    longest_pause: float = 60.0

    def pause(self, attempt: int, retry_after: float | None) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 0)."""
        if retry_after is not None:
            return min(retry_after, self.longest_pause)
        # Keeps clients from coming back all at once; no number of a report depends on it.
        return min(self.first_pause * 2.0**attempt, self.longest_pause) * random.uniform(0.5, 1.0)


class Courier:
    """Carries requests while its ``with`` block runs.

    Parameters
    ----------
    client : JudgeClient, or a client with coroutines ``asend`` and ``acount_tokens``
    concurrency : int, at least 1
        Most requests in flight.
    retries : Retries
    keeper : Keeper
        Called in the courier's thread: stores replies before anybody else sees them. A request counts as in flight,
        and holds its slot, until its reply is stored.
    """

    def __init__(self, client: JudgeClient, *, concurrency: int, retries: Retries, keeper: Keeper) -> None:
        self._client = client
        self._is_async = bool(getattr(client, "is_async", hasattr(client, "asend")))
        self._retries = retries
        self._keeper = keeper
        self._submitted: deque[Request] = deque()
        self._is_told = False
        self._arrived: list[tuple[Kept, asyncio.Future[None]]] = []
        self._answers: queue.SimpleQueue[Sequence[Answer] | BaseException] = queue.SimpleQueue()
        self._heard: deque[Answer] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = None if self._is_async else ThreadPoolExecutor(concurrency, "harmrate-judge")
        self.throttle = Throttle(concurrency)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # What is in flight has been paid for; only somebody who leaves early does not wait for it.
        wait = isinstance(error, Exception)
        _in_loop(self._stop(_LAST_REPLIES_SECONDS if wait else 0.0)).result()
        if self._threads is not None:
            self._threads.shutdown(wait=wait, cancel_futures=True)

    def submit(self, request: Request) -> None:
        """Have `request` sent as soon as there is a slot."""
        self._submitted.append(request)
        if not self._is_told:  # to wake the loop costs more than to hand it a request
            self._is_told = True
            _loop().call_soon_threadsafe(self._start)

    def next_answer(self) -> Answer:
        """The next reply or failure, whichever request it belongs to; waits for it.

        Raises
        ------
        RunStopped, InputError
            No further request can succeed.
        """
        while not self._heard:
            answers = self._answers.get()
            if isinstance(answers, BaseException):
                raise answers
            self._heard.extend(answers)
        return self._heard.popleft()

    def count_tokens(self, params: Mapping[str, Any]) -> int | None:
        """The server's count of a prompt's tokens; None when it has none to give."""
        name = "acount_tokens" if self._is_async else "count_tokens"
        count = getattr(self._client, name, None)
        if count is None:
            return None
        with suppress(SendError):
            counted: int | None = _in_loop(count(params)).result() if self._is_async else count(params)
            return counted
        return None

    def _start(self) -> None:
        self._is_told = False  # before the queue is emptied: what comes later tells again
        loop = asyncio.get_running_loop()
        while self._submitted:
            task = loop.create_task(self._carry(self._submitted.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, request: Request) -> None:
        try:
            await self._answer(request)
        except SendError as failure:
            self._answers.put([(request, failure)])
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._answers.put(error)

    async def _answer(self, request: Request) -> None:
        failed = unreadable = 0
        while True:
            async with self.throttle.slot():
                outcome = await self._attempt(request)
                if isinstance(outcome, Reply):
                    self.throttle.succeeded()
                    read = self._keeper.read(request, outcome)
                    if read == "unparseable" and unreadable < self._retries.unreadable:
                        unreadable += 1
                        continue
                    return await self._kept((request, outcome, read))
                pause = self._retries.pause(failed, outcome.retry_after)
                if outcome.status in _OVERRUN:
                    self.throttle.slow_down(outcome.retry_after if outcome.retry_after is not None else pause)
            failed += 1
            if outcome.retry == "never" or failed >= self._retries.attempts:
                raise outcome
            await asyncio.sleep(pause)

    async def _kept(self, arrived: Kept) -> None:
        """Wait until the reply is stored, with the others that arrive now."""
        loop = asyncio.get_running_loop()
        stored = loop.create_future()
        self._arrived.append((arrived, stored))
        if len(self._arrived) >= self.throttle.in_flight:  # nobody else to wait for
            self._keep_arrived()
        elif len(self._arrived) == 1:
            loop.call_later(_GATHER_SECONDS, self._keep_arrived)
        await stored

    def _keep_arrived(self) -> None:
        """Store what has arrived and hand it over."""
        arrived, self._arrived = self._arrived, []
        if not arrived:
            return
        try:
            self._keeper.keep([kept for kept, _ in arrived])
        except BaseException as error:
            self._answers.put(error)
        else:
            self._answers.put([(request, reply) for (request, reply, _), _ in arrived])
        for _, stored in arrived:
            if not stored.done():
                stored.set_result(None)

    async def _attempt(self, request: Request) -> Reply | SendError:
        try:
            if self._is_async:
                reply: Reply = await cast(Any, self._client).asend(request)
                return reply
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._client.send, request)
        except SendError as failure:
            return failure

    async def _stop(self, seconds: float) -> None:
        self.throttle.close()
        deadline = asyncio.get_running_loop().time() + seconds
        while self.throttle.in_flight and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
        self._keep_arrived()
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _in_loop(work: Coroutine[Any, Any, Any]) -> Future[Any]:
    return asyncio.run_coroutine_threadsafe(work, _loop())


def _loop() -> asyncio.AbstractEventLoop:
    """The event loop of all couriers of this process.

    An async client's connections belong to the loop they were opened in, so a client that two judges
    share, or one judge uses twice, must meet the same loop each time.
    """
    return _running_loop(os.getpid())


@functools.cache
def _running_loop(process: int) -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name=f"harmrate-judge-{process}", daemon=True).start()
    return loop
