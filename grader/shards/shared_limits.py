"""Limits on requests and money shared by many processes: a judge acquires a lease before each request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal

from grader.errors import InputError
from grader.judge.clients.message import Usage
from grader.judge.clients.protocol import Reply, Request, RunStopped, SendError, SpendLimitReached
from grader.judge.clients.sdk import as_judge_client
from grader.judge.clients.throttle import Throttle
from grader.judge.money.budget import Budget, Reservation
from grader.judge.money.prices import Prices

_OVERRUN = frozenset({429, 529})
# After a 429 or 529 without a word on how long to wait.
_PAUSE = 1.0


@dataclass(slots=True)
class _Lease:
    """Leave to send one request."""

    holder: str
    slot: AbstractAsyncContextManager[None]
    money: Reservation | None


class Limits:
    """Holds the limits; lives in one place, where every worker can call it.

    Parameters
    ----------
    most : int, at least 1
        Requests in flight, all workers together.
    prices : Prices
    max_cost : float, optional
        US dollars.
    """

    def __init__(self, most: int, prices: Prices, max_cost: float | None = None) -> None:
        self.throttle = Throttle(most)
        self.budget = None if max_cost is None else Budget(prices, max_cost)
        self._leases: dict[int, _Lease] = {}
        self._n_reserved = 0
        self._number = 0
        self._homes: dict[str, str] = {}
        self._gone: set[str] = set()
        self._changed = asyncio.Condition()
        self._paid: list[tuple[str, dict[str, Any]]] = []
        self.most_at_once = 0

    async def arrive(self, home: str, holder: str) -> None:
        """Register a worker; the worker that had its place before is gone, and with it its requests.

        What those may have cost counts as spent, since it is unknown whether they were answered.
        """
        gone = self._homes.pop(home, None)
        self._homes[home] = holder
        if gone is None:
            return
        self._gone.add(gone)
        for number in [n for n, lease in self._leases.items() if lease.holder == gone]:
            lease = self._leases.pop(number)
            await self._end(lease)

    async def enter(self, holder: str, params: Mapping[str, Any]) -> int | str:
        """Wait until a request may be sent: the number of the lease, or why none may be sent any more."""
        money = None
        if self.budget is not None:
            try:
                money = await self._reserve(self.budget, params)
            except (SpendLimitReached, InputError) as refused:
                return str(refused)
        slot = self.throttle.slot()
        await slot.__aenter__()
        lease = _Lease(holder, slot, money)
        if holder in self._gone:  # while it waited
            if money is not None:
                money.release()
            await self._end(lease)
            return "this worker was replaced"
        self._number += 1
        self._leases[self._number] = lease
        self.most_at_once = max(self.most_at_once, self.throttle.in_flight)
        return self._number

    async def leave(
        self,
        number: int,
        model: str = "",
        usage: Mapping[str, Any] | None = None,
        billed: Literal["no", "unknown"] = "unknown",
    ) -> None:
        """The request is answered (then with its usage), or has failed."""
        lease = self._leases.pop(number, None)
        if usage is not None:
            self.throttle.succeeded()
            self._paid.append((model, dict(usage)))
        if lease is not None:
            if lease.money is not None and usage is not None:
                lease.money.charge(model, Usage.model_validate(usage))
            elif lease.money is not None and billed == "no":
                lease.money.release()
            await self._end(lease)

    async def slow_down(self, seconds: float | None) -> None:
        """The server was overrun."""
        self.throttle.slow_down(_PAUSE if seconds is None else seconds)

    async def paid(self) -> list[tuple[str, dict[str, Any]]]:
        """Model and usage of every reply since this was asked last."""
        paid, self._paid = self._paid, []
        return paid

    async def _reserve(self, budget: Budget, params: Mapping[str, Any]) -> Reservation:
        while True:
            try:
                reservation = budget.reserve_all([params], wait="never")
                self._n_reserved += 1
                return reservation
            except SpendLimitReached:
                if not self._n_reserved:  # no request is left that could return money
                    raise
            async with self._changed:
                await self._changed.wait()

    async def _end(self, lease: _Lease) -> None:
        if lease.money is not None:
            lease.money.__exit__()
            self._n_reserved -= 1
        await lease.slot.__aexit__(None, None, None)
        async with self._changed:
            self._changed.notify_all()


Call = Callable[..., Any]


class LimitedClient:
    """A `JudgeClient` that asks the common limits before every request.

    Parameters
    ----------
    client : JudgeClient, or a client of the official SDK
        Async.
    call : callable
        (name of a method of `Limits`, *arguments) -> awaitable of its result.
    holder : str
        Of this worker, as it arrived.
    """

    is_async = True

    def __init__(self, client: Any, call: Call, holder: str) -> None:
        self.client: Any = as_judge_client(client)
        self.endpoint: str | None = getattr(self.client, "endpoint", None)
        self._call = call
        self._holder = holder

    async def asend(self, request: Request) -> Reply:
        """Answer one request when it may be sent; raises `SpendLimitReached` when none may be any more."""
        lease = await self._call("enter", self._holder, dict(request.params))
        if isinstance(lease, str):
            raise SpendLimitReached(lease)
        model, usage = str(request.params["model"]), None
        billed: Literal["no", "unknown"] = "unknown"
        try:
            reply: Reply = await self.client.asend(request)
            model, usage = reply.body.model or model, reply.body.usage.to_dict()
            return reply
        except (RunStopped, InputError):
            billed = "no"
            raise
        except SendError as failure:
            billed = failure.billed
            if failure.status in _OVERRUN:
                await self._call("slow_down", failure.retry_after)
            raise
        finally:
            await self._call("leave", lease, model, usage, billed)

    def send(self, request: Request) -> Reply:
        """Not there: only the SDK's async clients can wait without a thread each."""
        raise NotImplementedError

    async def acount_tokens(self, params: Mapping[str, Any]) -> int | None:
        """The client's own count, where it has one."""
        counter = getattr(self.client, "acount_tokens", None)
        return None if counter is None else await counter(params)
