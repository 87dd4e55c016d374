"""What a run will ask and cost, before the first request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from grader.judge.clients.protocol import Request
from grader.judge.money.prices import Prices, Service, Tokens, prompt_bytes
from grader.transcript import canonical_json

CountTokens = Callable[[Mapping[str, Any]], "int | None"]

# English runs at 3.5 to 4.5 bytes a token; where the endpoint counts, its count of a sample replaces this.
_BYTES_PER_TOKEN = 3.5
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

    def summary(self) -> str:
        """A few lines for people."""
        money = (
            "cost unknown" if self.cost is None else f"${self.cost:,.2f} expected, ${self.cost_at_most:,.2f} at most"
        )
        lines = [
            f"{self.n_requests:,} requests, {self.input_tokens:,} tokens in ({self.cached_tokens:,} from the prompt "
            f"cache), {self.output_tokens:,} out ({self.counted}): {money}",
            *self.notes,
        ]
        return "\n".join(lines)


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
        size = prompt_bytes(params)
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
        share = self.prices.share_billed({"service_tier": self.service})
        self.expected += price.rates(tokens).cost(expected) * share
        self.at_most += price.at_most(params) * share

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
