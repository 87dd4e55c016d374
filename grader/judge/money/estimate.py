"""What a run will ask and cost, before the first request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from grader.judge.clients.protocol import Request
from grader.judge.money.prices import Prices, Service, Tokens, prompt_bytes
from grader.transcript import canonical_json

CountTokens = Callable[[Mapping[str, Any]], "int | None"]

# English runs at 3.5 to 4.5 bytes a token; where the endpoint counts, its count of a sample replaces this.
_BYTES_PER_TOKEN = 3.8
# A reply for one harm: some sentences, two or three quotes, and as much again for thinking.
_OUTPUT_PER_HARM = 450
# Prompts in the cache that the estimate keeps in mind at once.
_REMEMBERED = 64


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
        # Prompts up to a breakpoint, by hash: those of system prompts stay, those of records serve one transcript.
        self._cached: dict[str, int] = {}

    def add(self, request: Request) -> None:
        params = request.params
        size = prompt_bytes({name: value for name, value in params.items() if name != "output_config"})
        if self.count_tokens is not None and len(self.ratio) < self.sample:
            counted = self.count_tokens(params)
            if counted is not None:
                self.ratio.append((counted, size))
        tokens = round(size / self.bytes_per_token)
        read, written = self._from_cache(params)
        output = min(params["max_tokens"], _OUTPUT_PER_HARM * len(request.harms))
        self.n += 1
        self.input += tokens
        self.cached += read
        self.output += output
        self._price(
            params, Tokens(input=tokens - read - written, cache_read=read, cache_write_5m=written, output=output)
        )

    def _from_cache(self, params: Mapping[str, Any]) -> tuple[int, int]:
        """Tokens that the prompt cache serves, and those that it takes in."""
        read = written = 0
        for prefix, size in _cacheable_prefixes(params):
            tokens = round(size / self.bytes_per_token)
            if prefix in self._cached:
                read = tokens
            else:
                written = tokens - read
            self._cached[prefix] = self.n
        if len(self._cached) > _REMEMBERED:
            del self._cached[min(self._cached, key=lambda prefix: self._cached[prefix])]
        return read, written

    def _price(self, params: Mapping[str, Any], expected: Tokens) -> None:
        price = self.prices.of(params["model"])
        if price is None:
            self.unknown.add(params["model"])
            return
        share = self.prices.share_billed({"service_tier": self.service})
        self.expected += price.rates(expected.prompt).cost(expected) * share
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


def _cacheable_prefixes(params: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """A name for the prompt up to each cache breakpoint, and its bytes, shortest first."""
    blocks = list(_blocks(params.get("system")))
    for message in params["messages"]:
        blocks += _blocks(message["content"])
    digest, size = hashlib.sha256(str(params["model"]).encode()), 0
    for block in blocks:
        raw = canonical_json(block).encode("utf-8", "replace")
        digest.update(raw)
        size += len(raw)
        if "cache_control" in block:
            yield digest.hexdigest(), size


def _blocks(content: Any) -> Iterable[Mapping[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []
