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

from grader.judge.clients.protocol import JudgeClient, Reply, Request, SendError
from grader.judge.clients.reply_recorder import ASK_AGAIN, ReplyRecorder
from grader.judge.clients.throttle import Throttle
from grader.judge.read_reply import ReplyOutcome

_OVERRUN = frozenset({429, 529})
# How long replies already paid for may still arrive after a run was stopped.
_LAST_REPLIES_SECONDS = 30.0
# How long a stored answer waits for others to be handed over with: to wake the other thread costs more than the rest.
_GATHER_SECONDS = 0.005

# Pause between two looks at the store for an answer that another process waits for.
_LONGEST_WAIT_SECONDS = 1.0

Answer = tuple[Request, "Reply | SendError"]


class Transport(Protocol):
    """What a run needs of whoever carries its requests: one by one (`RequestSender`) or in batches."""

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
        Further attempts after a reply that cannot be read or contradicts itself.
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


@dataclass(slots=True)
class _PendingRequest:
    """A request on its way, how often it failed, and the answer that made us ask again."""

    request: Request
    failed: int = 0
    asked_again: int = 0
    waited: int = 0
    first: tuple[Reply, ReplyOutcome] | None = None


class RequestSender:
    """Carries requests while its ``with`` block runs.

    Parameters
    ----------
    client : JudgeClient, or a client with coroutines ``asend`` and ``acount_tokens``
    concurrency : int, at least 1
        Most requests in flight.
    retries : Retries
    keeper : ReplyRecorder
        Called in the courier's thread: stores replies before anybody else sees them, and before their slots are free.
    """

    def __init__(self, client: JudgeClient, *, concurrency: int, retries: Retries, keeper: ReplyRecorder) -> None:
        self._client = client
        self._is_async = bool(getattr(client, "is_async", hasattr(client, "asend")))
        self._retries = retries
        self._keeper = keeper
        self._concurrency = concurrency
        self._to_send: deque[_PendingRequest] = deque()
        self._is_told = self._has_failed = False
        self._news: list[Answer] = []
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
        self._keeper.give_back()

    def submit(self, request: Request) -> None:
        """Have `request` sent as soon as there is a slot."""
        self._to_send.append(_PendingRequest(request))
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
        """As many workers as may be, and no more than there is to do."""
        self._is_told = False  # before the queue is looked at: what comes later tells again
        if self._has_failed:
            return
        loop = asyncio.get_running_loop()
        for _ in range(min(len(self._to_send), self._concurrency - len(self._tasks))):
            self._tasks.add(loop.create_task(self._work()))

    async def _work(self) -> None:
        """One request after another.

        Each is sent in the moment in which the one before is done with: its connection is taken at once, so the
        client's pool has hardly any idle ones to look through.
        """
        try:
            while self._to_send:
                await self._carry(self._to_send.popleft())
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._has_failed = True  # no further request can succeed
            self._to_send.clear()
            self._hand_over()
            self._answers.put(error)
        finally:  # at once, and not when the loop comes to it: `_start` counts
            self._tasks.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _carry(self, errand: _PendingRequest) -> None:
        async with self.throttle.slot():
            stored = self._keeper.stored(errand.request)
            if stored is not None:
                return self._tell((errand.request, stored))
            if not self._keeper.claim(errand.request):
                return self._wait_for_another_run(errand)
            outcome = await self._attempt(errand.request)
            if isinstance(outcome, Reply):
                self.throttle.succeeded()
                return self._arrived(errand, outcome)
            pause = self._retries.pause(errand.failed, outcome.retry_after)
            if outcome.status in _OVERRUN:
                self.throttle.slow_down(pause)
        errand.failed += 1
        if outcome.retry == "never" or errand.failed >= self._retries.attempts:
            self._keeper.give_back(errand.request)
            self._tell((errand.request, outcome))
        else:
            asyncio.get_running_loop().call_later(pause, self._send_again, errand)

    def _arrived(self, errand: _PendingRequest, reply: Reply) -> None:
        """Count and store a reply before its slot is free; ask again what cannot be read or contradicts itself."""
        self._keeper.count(errand.request, reply)
        read = self._keeper.read(errand.request, reply)
        if read in ASK_AGAIN and errand.asked_again < self._retries.unreadable:
            errand.asked_again += 1
            errand.first = (reply, read)
            self._send_again(errand)
            return
        if read == "unparseable" and errand.first is not None:  # the first answer may at least be readable
            reply, read = errand.first
        (in_effect,) = self._keeper.keep([(errand.request, reply, read)])
        self._tell((errand.request, in_effect))

    def _wait_for_another_run(self, errand: _PendingRequest) -> None:
        """Another process asks the same: look again soon whether its answer is in the store."""
        errand.waited += 1
        pause = min(_LONGEST_WAIT_SECONDS, 0.05 * 1.5**errand.waited)
        asyncio.get_running_loop().call_later(pause, self._send_again, errand)

    def _send_again(self, errand: _PendingRequest) -> None:
        self._to_send.appendleft(errand)
        self._start()

    def _tell(self, answer: Answer) -> None:
        """Hand an answer over, with those of the next moment if there may be some."""
        self._news.append(answer)
        if len(self._news) >= self._concurrency or self.throttle.in_flight <= 1:
            self._hand_over()
        elif len(self._news) == 1:
            asyncio.get_running_loop().call_later(_GATHER_SECONDS, self._hand_over)

    def _hand_over(self) -> None:
        news, self._news = self._news, []
        if news:
            self._answers.put(news)

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
    with _ONE_LOOP:  # a cache alone lets two threads that come first at once start one each
        return _running_loop(os.getpid())


_ONE_LOOP = threading.Lock()


@functools.cache
def _running_loop(process: int) -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name=f"harmrate-judge-{process}", daemon=True).start()
    return loop
