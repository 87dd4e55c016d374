"""A limit on what a run may cost, kept before the money is spent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from grader.errors import InputError
from grader.judge.clients.message import Usage
from grader.judge.clients.protocol import Reply, Request, RunStopped, SendError, SpendLimitReached
from grader.judge.clients.sdk import as_judge_client
from grader.judge.money.prices import Price, Prices, Service

CountTokens = Callable[[Mapping[str, Any]], "int | None"]


class Budget:
    """Keeps the sum of what was spent and what is still out below a limit.

    Every request reserves what it can cost at most before it is sent. A reservation that does not fit waits for
    the ones that are out, which mostly turn out cheaper; when none is out and it still does not fit, the run stops.
    The bound takes 2 bytes of prompt for a token; text that is denser (base64, say) can overrun the limit, by no more
    than the requests that are out.

    Parameters
    ----------
    prices : Prices
    max_cost : float
        US dollars.

    Examples
    --------
    >>> from grader.judge.money.prices import load_prices
    >>> budget = Budget(load_prices(), max_cost=0.001)
    >>> with budget.reserve({"model": "claude-sonnet-5-5", "max_tokens": 4096, "messages": []}):
    ...     pass
    Traceback (most recent call last):
    grader...SpendLimitReached: the next request can cost $0.0410, and $0.0010 of --max-cost $0.001 are left
    """

    def __init__(self, prices: Prices, max_cost: float) -> None:
        if not max_cost >= 0:
            raise ValueError(f"max_cost must fulfil max_cost >= 0, got {max_cost}.")
        self.prices = prices
        self.max_cost = max_cost
        self.spent = 0.0
        self._out: dict[int, float] = {}
        self._changed = threading.Condition()

    def reserve(self, params: Mapping[str, Any], *, service: Service = "standard") -> Reservation:
        """Set aside what a request can cost at most; waits for others if that may help.

        Raises
        ------
        SpendLimitReached
            It does not fit.
        InputError
            The model's price is unknown.
        """
        return self.reserve_all([params], service=service)

    def reserve_all(
        self,
        many: Iterable[Mapping[str, Any]],
        *,
        service: Service = "standard",
        wait: Literal["others", "never"] = "others",
    ) -> Reservation:
        """Set aside what several requests, sent together, can cost at most; ``wait="never"`` raises at once."""
        at_most = sum(self._price(params["model"]).at_most(params) for params in many)
        amount = at_most * self.prices.share_billed({"service_tier": service})
        reservation = Reservation(self, amount)
        with self._changed:
            self._changed.wait_for(lambda: wait == "never" or not self._out or self._left() >= amount)
            if self._left() < amount:
                raise SpendLimitReached(
                    f"the next request can cost ${amount:.4f}, and ${self._left():.4f} of --max-cost "
                    f"${self.max_cost:g} are left"
                )
            self._out[id(reservation)] = amount
        return reservation

    def spend(self, model: str, usage: Usage) -> None:
        """Enter a message for which nothing was set aside, because an earlier process asked for it."""
        with self._changed:
            self.spent += self.prices.cost(model, usage.to_dict()) or 0.0

    def _left(self) -> float:
        return self.max_cost - self.spent - sum(self._out.values())

    def _settle(self, reservation: Reservation, spent: float) -> None:
        with self._changed:
            self.spent += spent
            del self._out[id(reservation)]
            self._changed.notify_all()

    def _price(self, model: str) -> Price:
        price = self.prices.of(model)
        if price is None:
            raise InputError(f"--max-cost needs a price, and that of {model} is unknown: give one with --prices FILE")
        return price


class Reservation:
    """Money set aside for requests.

    Leaving the ``with`` block gives back what was not spent. Where nothing is known of the cost (a timeout, an
    unreadable answer), all of it counts as spent; only a provider's own refusal gives it back whole.
    """

    def __init__(self, budget: Budget, amount: float) -> None:
        self._budget = budget
        self.amount = amount
        self._spent: float | None = None

    def charge(self, model: str, usage: Usage, *, share: float = 1.0) -> None:
        """Enter what one message cost: as its usage says, else its `share` of all that was set aside."""
        cost = self._budget.prices.cost(model, usage.to_dict()) if usage.is_usable else None
        self._spent = (self._spent or 0.0) + (self.amount * share if cost is None else cost)

    def release(self) -> None:
        """Nothing more will be billed."""
        self._spent = self._spent or 0.0

    def __enter__(self) -> Reservation:
        return self

    def __exit__(self, kind: object = None, error: BaseException | None = None, at: object = None) -> None:
        refused = isinstance(error, SendError) and error.billed == "no"
        if refused or isinstance(error, (RunStopped, InputError)):
            self.release()
        self._budget._settle(self, self.amount if self._spent is None else self._spent)


class BudgetClient:
    """A `JudgeClient` that stops the run before it can cost more than a limit.

    Parameters
    ----------
    client : JudgeClient, or a client of the official SDK
        Does the work.
    budget : Budget
    """

    def __init__(self, client: Any, budget: Budget) -> None:
        self.client: Any = as_judge_client(client)
        self.endpoint: str | None = getattr(self.client, "endpoint", None)
        self.budget = budget
        self.is_async = bool(getattr(self.client, "is_async", hasattr(self.client, "asend")))

    def send(self, request: Request) -> Reply:
        """Answer one request, or raise `SpendLimitReached` before it is sent."""
        with self.budget.reserve(request.params) as reserved:
            reply: Reply = self.client.send(request)
            reserved.charge(request.params["model"], reply.body.usage)
        return reply

    async def asend(self, request: Request) -> Reply:
        """As `send`, for async clients."""
        try:
            reservation = self.budget.reserve_all([request.params], wait="never")
        except SpendLimitReached:  # unless others give back what they do not need
            reservation = await asyncio.to_thread(self.budget.reserve, request.params)
        with reservation as reserved:
            reply: Reply = await self.client.asend(request)
            reserved.charge(request.params["model"], reply.body.usage)
        return reply

    def count_tokens(self, params: Mapping[str, Any]) -> int | None:
        """The client's own count, where it has one."""
        counter: CountTokens | None = getattr(self.client, "count_tokens", None)
        return None if counter is None else counter(params)

    async def acount_tokens(self, params: Mapping[str, Any]) -> int | None:
        """As `count_tokens`, for async clients."""
        counter = getattr(self.client, "acount_tokens", None)
        return None if counter is None else await counter(params)
