"""One limit for judges in many processes: what it lets through, and what becomes of those that are lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from grader.judge.clients.protocol import Reply, Request, SendError, SpendLimitReached
from grader.judge.money.prices import load_prices
from grader.shards.shared_limits import LimitedClient, Limits

MODEL = "claude-haiku-5-5"
PARAMS: dict[str, Any] = {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": "Hi"}]}
USAGE = {"input_tokens": 100, "output_tokens": 10}
LIMIT = 0.01


def cost(usage: dict[str, int]) -> float:
    found = load_prices().cost(MODEL, usage)
    assert found is not None
    return found


class Server:
    """Counts requests in flight; fails as told."""

    is_async = True

    def __init__(self, failures: list[SendError] | None = None) -> None:
        self.now = self.most = self.n = 0
        self.failures = failures or []

    async def asend(self, request: Request) -> Reply:
        self.now += 1
        self.most = max(self.most, self.now)
        self.n += 1
        try:
            await asyncio.sleep(0.01)
            if self.failures:
                raise self.failures.pop()
            return Reply(message={"model": MODEL, "usage": USAGE, "content": []})
        finally:
            self.now -= 1


def client(server: Server, limits: Limits, holder: str) -> LimitedClient:
    async def call(name: str, *given: Any) -> Any:
        return await getattr(limits, name)(*given)

    return LimitedClient(server, call, holder)


def request() -> Request:
    return Request(key="k", transcript_id="t", content_hash="h", harms=("x",), repeat=0, params=PARAMS)


def test_all_workers_together_keep_to_one_number_of_requests() -> None:
    async def ask() -> tuple[Server, list[Any]]:
        server, limits = Server(), Limits(3, load_prices())
        workers = [client(server, limits, f"w{i}") for i in range(4)]
        await asyncio.gather(*(worker.asend(request()) for worker in workers for _ in range(10)))
        return server, await limits.paid()

    server, paid = asyncio.run(ask())
    assert (server.n, server.most) == (40, 3)
    assert paid == [(MODEL, USAGE)] * 40


def test_all_workers_together_spend_no_more_than_they_may() -> None:
    async def ask() -> list[Any]:
        limits = Limits(16, load_prices(), max_cost=LIMIT)
        workers = [client(Server(), limits, f"w{i}") for i in range(4)]
        asked = [worker.asend(request()) for worker in workers for _ in range(200)]
        return await asyncio.gather(*asked, return_exceptions=True)

    found = asyncio.run(ask())
    refused = [answer for answer in found if isinstance(answer, SpendLimitReached)]
    answered = [answer for answer in found if isinstance(answer, Reply)]
    assert len(refused) + len(answered) == 800 and refused
    assert f"of --max-cost ${LIMIT:g} are left" in str(refused[0])
    spent = len(answered) * cost(USAGE)
    at_most = cost({"input_tokens": 100, "output_tokens": 1000})
    assert LIMIT - 2 * at_most < spent <= LIMIT, "and what was set aside and not needed was given back"


def test_money_set_aside_by_one_who_waits_for_a_slot_may_come_back_too() -> None:
    async def ask() -> list[Any]:
        one = load_prices().cost(MODEL, {"input_tokens": 0, "output_tokens": 1000})
        assert one is not None
        limits = Limits(1, load_prices(), max_cost=1.5 * one)
        await limits.slow_down(0.05)  # nobody is sent anything for a while
        both = [asyncio.create_task(limits.enter(holder, PARAMS)) for holder in ("a", "b")]
        leases = []
        for task in both:
            lease = await asyncio.wait_for(task, 1)
            leases.append(lease)
            if isinstance(lease, int):
                await limits.leave(lease, MODEL, {"input_tokens": 1, "output_tokens": 1})
        return leases

    assert all(isinstance(lease, int) for lease in asyncio.run(ask()))


def test_requests_of_a_lost_worker_are_let_go_and_their_money_is_not() -> None:
    async def ask() -> float:
        limits = Limits(1, load_prices(), max_cost=1.0)
        await limits.arrive("place", "first")
        assert isinstance(await limits.enter("first", PARAMS), int)
        waiting = asyncio.create_task(limits.enter("first", PARAMS))  # of the lost one, too
        other = asyncio.create_task(limits.enter("other", PARAMS))
        await asyncio.sleep(0.01)
        assert not waiting.done() and not other.done()
        await limits.arrive("place", "second")
        assert await asyncio.wait_for(waiting, 1) == "this worker was replaced"
        lease = await asyncio.wait_for(other, 1)
        assert isinstance(lease, int)
        await limits.leave(lease, MODEL, USAGE)
        assert limits.throttle.in_flight == 0 and limits.budget is not None
        return limits.budget.spent

    assert asyncio.run(ask()) > cost(USAGE) + cost({"input_tokens": 0, "output_tokens": 1000})


@pytest.mark.parametrize("status", [429, 529, 400])
def test_a_server_that_is_overrun_slows_all_workers(status: int) -> None:
    async def ask() -> float:
        limits = Limits(8, load_prices())
        server = Server([SendError("no", status=status, retry_after=0.05)])
        with pytest.raises(SendError):
            await client(server, limits, "a").asend(request())
        before = asyncio.get_running_loop().time()
        await client(Server(), limits, "b").asend(request())
        assert limits.throttle.n_slowed == (status != 400)
        return asyncio.get_running_loop().time() - before

    assert (asyncio.run(ask()) >= 0.05) == (status != 400)


def test_without_a_price_no_request_is_sent_under_a_limit_of_money() -> None:
    async def ask() -> None:
        server = Server()
        limited = client(server, Limits(2, load_prices(), max_cost=1.0), "a")
        unknown = Request(
            key="k", transcript_id="t", content_hash="h", harms=(), repeat=0, params=PARAMS | {"model": "unheard-of"}
        )
        with pytest.raises(SpendLimitReached, match="that of unheard-of is unknown"):
            await limited.asend(unknown)
        assert server.n == 0

    asyncio.run(ask())
