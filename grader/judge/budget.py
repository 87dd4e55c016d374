"""Money before it is spent: an estimate for a dry run, and a limit that holds."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from grader.errors import InputError
from grader.judge.client import JudgeClient, Reply, Request, SpendLimitReached
from grader.judge.prices import Price, Prices, Tokens
from grader.transcript import canonical_json

Service = Literal["standard", "batch"]
CountTokens = Callable[[Mapping[str, Any]], "int | None"]

# English is 3.5 to 4.5 bytes a token; numbers, code and other scripts fewer. The bound is for the limit, which must
# hold; the expectation is for the estimate, and is replaced where the endpoint counts.
_BYTES_PER_TOKEN = 3.5
_BYTES_PER_TOKEN_AT_LEAST = 2.0
# A reply for one harm: some sentences, two or three quotes, and as much again for thinking.
_OUTPUT_PER_HARM = 450


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run will ask and cost.

    Parameters
    ----------
    n_requests : int
        Requests that would be sent.
    n_stored : int
        Replies that are stored already, and cost nothing.
    input_tokens, cached_tokens, output_tokens : int
        Expected; `cached_tokens` is the part of the input that the prompt cache is expected to serve.
    counted : {"endpoint", "estimated"}
        Whether the endpoint counted a sample of the prompts, or their bytes did.
    cost, cost_at_most : float or None
        US dollars: expected, and with every reply as long as ``max_tokens`` allows and nothing cached. None when the
        price is unknown.
    notes : tuple of str
    """

    n_requests: int
    n_stored: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    counted: Literal["endpoint", "estimated"]
    cost: float | None
    cost_at_most: float | None
    notes: tuple[str, ...] = ()


class _Tally:
    """Running sums of an estimate, so that requests need not be held."""

    def __init__(self, prices: Prices, service: Service, count_tokens: CountTokens | None, sample: int) -> None:
        self.prices, self.service = prices, service
        self.count_tokens, self.sample = count_tokens, sample
        self.n = self.input = self.cached = self.output = 0
        self.expected = self.at_most = 0.0
        self.ratio: list[tuple[int, int]] = []
        self.unknown: set[str] = set()
        self._last_prefix = ""

    def add(self, request: Request) -> None:
        params = request.params
        size = _prompt_bytes(params)
        if self.count_tokens is not None and len(self.ratio) < self.sample:
            counted = self.count_tokens(params)
            if counted is not None:
                self.ratio.append((counted, size))
        tokens = round(size / self.bytes_per_token)
        prefix, prefix_size = _cached_prefix(params)
        hit = prefix is not None and prefix == self._last_prefix
        shared = round(prefix_size / self.bytes_per_token)
        self._last_prefix = prefix or ""
        output = min(params["max_tokens"], _OUTPUT_PER_HARM * len(request.harms))
        self.n += 1
        self.input += tokens
        self.cached += shared if hit else 0
        self.output += output
        self._price(params, tokens, shared, output, served="read" if hit else "written")

    def _price(
        self, params: Mapping[str, Any], tokens: int, shared: int, output: int, *, served: Literal["read", "written"]
    ) -> None:
        price = self.prices.of(params["model"])
        if price is None:
            self.unknown.add(params["model"])
            return
        part = {"cache_read": shared} if served == "read" else {"cache_write_5m": shared}
        expected = Tokens(input=tokens - shared, output=output, **part)
        share = 1 - self.prices.batch_discount if self.service == "batch" else 1.0
        self.expected += price.rates(tokens).cost(expected) * share
        self.at_most += _cost_at_most(params, price) * share

    @property
    def bytes_per_token(self) -> float:
        counted, size = map(sum, zip(*self.ratio, strict=True)) if self.ratio else (0, 0)
        return size / counted if counted else _BYTES_PER_TOKEN


def estimate(
    requests: Iterable[Request],
    prices: Prices,
    *,
    n_stored: int = 0,
    service: Service = "standard",
    count_tokens: CountTokens | None = None,
    sample: int = 20,
) -> Estimate:
    """What `requests` will cost.

    Parameters
    ----------
    requests : iterable of Request
        Those that would be sent; consumed one at a time, requests of one transcript next to each other.
    prices : Prices
    n_stored : int
        Replies that need not be requested.
    service : {"standard", "batch"}
    count_tokens : callable, optional
        The client's own count; asked for the first `sample` prompts, whose bytes per token then serve for all.

    Returns
    -------
    Estimate
    """
    tally = _Tally(prices, service, count_tokens, sample)
    for request in requests:
        tally.add(request)
    notes = [f"price of {model} unknown: give one with --prices FILE" for model in sorted(tally.unknown)]
    if not tally.ratio and tally.n:
        notes.append(f"tokens estimated from {_BYTES_PER_TOKEN:g} bytes each; the endpoint was not asked")
    return Estimate(
        n_requests=tally.n,
        n_stored=n_stored,
        input_tokens=tally.input,
        cached_tokens=tally.cached,
        output_tokens=tally.output,
        counted="endpoint" if tally.ratio else "estimated",
        cost=None if tally.unknown else tally.expected,
        cost_at_most=None if tally.unknown else tally.at_most,
        notes=tuple(notes),
    )


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
    >>> from grader.judge.prices import load_prices
    >>> budget = Budget(load_prices(), max_cost=0.001)
    >>> with budget.reserve({"model": "claude-sonnet-5-5", "max_tokens": 4096, "messages": []}):
    ...     pass
    Traceback (most recent call last):
    grader.judge.client.SpendLimitReached: the next request can cost $0.0410, and $0.0010 of --max-cost $0.001 are left
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

    def reserve_all(self, many: Iterable[Mapping[str, Any]], *, service: Service = "standard") -> Reservation:
        """Set aside what several requests, sent together, can cost at most."""
        share = 1 - self.prices.batch_discount if service == "batch" else 1.0
        amount = sum(_cost_at_most(params, self._price(params["model"])) for params in many) * share
        reservation = Reservation(self, amount)
        with self._changed:
            self._changed.wait_for(lambda: not self._out or self._left() >= amount)
            if self._left() < amount:
                raise SpendLimitReached(
                    f"the next request can cost ${amount:.4f}, and ${self._left():.4f} of --max-cost "
                    f"${self.max_cost:g} are left"
                )
            self._out[id(reservation)] = amount
        return reservation

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
    """Money set aside; leaving the ``with`` block gives back what was not spent."""

    def __init__(self, budget: Budget, amount: float) -> None:
        self._budget = budget
        self.amount = amount
        self._spent = 0.0

    def charge(self, model: str, usage: Mapping[str, Any]) -> None:
        """Enter what one message really cost."""
        self._spent += self._budget.prices.cost(model, usage) or 0.0

    def __enter__(self) -> Reservation:
        return self

    def __exit__(self, *exc: object) -> None:
        self._budget._settle(self, self._spent)


class BudgetClient:
    """A `JudgeClient` that stops the run before it can cost more than a limit.

    Parameters
    ----------
    client : JudgeClient
        Does the work.
    budget : Budget

    Notes
    -----
    A request that fails without a message is taken to cost nothing. A request that times out may be billed all the
    same; then its cost is not seen here.
    """

    def __init__(self, client: JudgeClient, budget: Budget) -> None:
        self.client = client
        self.budget = budget

    def send(self, request: Request) -> Reply:
        """Answer one request, or raise `SpendLimitReached` before it is sent."""
        with self.budget.reserve(request.params) as reserved:
            reply = self.client.send(request)
            reserved.charge(request.params["model"], reply.message.get("usage", {}))
        return reply

    def count_tokens(self, params: Mapping[str, Any]) -> int | None:
        """The client's own count, where it has one."""
        counter: CountTokens | None = getattr(self.client, "count_tokens", None)
        return None if counter is None else counter(params)


def _cost_at_most(params: Mapping[str, Any], price: Price) -> float:
    """With every prompt token written to the cache, few bytes a token, and the longest reply."""
    tokens = round(_prompt_bytes(params) / _BYTES_PER_TOKEN_AT_LEAST)
    kind = "cache_write_1h" if '"ttl":"1h"' in canonical_json(params) else "cache_write_5m"
    return price.rates(tokens).cost(Tokens(output=params["max_tokens"], **{kind: tokens}))


def _prompt_bytes(params: Mapping[str, Any]) -> int:
    prompt = [params.get(name) for name in ("system", "tools", "messages", "output_config")]
    return len(canonical_json(prompt).encode("utf-8", "replace"))


def _cached_prefix(params: Mapping[str, Any]) -> tuple[str | None, int]:
    """A name for the prompt up to its last cache breakpoint, and its bytes; (None, 0) without one."""
    blocks = list(_blocks(params.get("system")))
    for message in params["messages"]:
        blocks += _blocks(message["content"])
    marked = [i for i, block in enumerate(blocks) if "cache_control" in block]
    if not marked:
        return None, 0
    prefix = canonical_json(blocks[: marked[-1] + 1]).encode("utf-8", "replace")
    return hashlib.sha256(prefix).hexdigest(), len(prefix)


def _blocks(content: Any) -> Iterable[Mapping[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []
