"""What tokens cost: a dated, overridable price list, and the cost of one message."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from grader.errors import InputError
from grader.transcript import canonical_json

SHIPPED = Path(__file__).with_name("prices.toml")
_MILLION = 1_000_000
_SNAPSHOT = re.compile(r"-\d{8}$")

# English has 3.5 to 4.5; only text like base64 has fewer than this.
_BYTES_PER_TOKEN_AT_LEAST = 2.0

Service = Literal["standard", "batch"]
_Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Rates(BaseModel):
    """US dollars per million tokens of each kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: _Dollars
    output: _Dollars
    cache_write_5m: _Dollars
    cache_write_1h: _Dollars
    cache_read: _Dollars

    def cost(self, tokens: Tokens) -> float:
        """US dollars for `tokens`, before discounts."""
        return (
            tokens.input * self.input
            + tokens.output * self.output
            + tokens.cache_write_5m * self.cache_write_5m
            + tokens.cache_write_1h * self.cache_write_1h
            + tokens.cache_read * self.cache_read
        ) / _MILLION


class LongPrompt(Rates):
    """The rates of a whole request whose prompt has more than `above` tokens, cached ones included."""

    above: int


class Price(Rates):
    """The rates of one model; `long_prompt` where long requests cost more."""

    long_prompt: LongPrompt | None = None

    def at_most(self, params: Mapping[str, Any]) -> float:
        """US dollars that a request with these ``messages.create`` arguments can cost, before discounts.

        Every prompt token is written to the cache, a token has 2 bytes, and the reply is as long as it may be.
        """
        tokens = round(prompt_bytes(params) / _BYTES_PER_TOKEN_AT_LEAST)
        kind = "cache_write_1h" if '"ttl":"1h"' in canonical_json(params) else "cache_write_5m"
        return self.rates(tokens).cost(Tokens(output=params["max_tokens"], **{kind: tokens}))

    def rates(self, prompt_tokens: int) -> Rates:
        """The rates of a request with so many prompt tokens."""
        long = self.long_prompt
        return long if long is not None and prompt_tokens > long.above else self


FREE = Price(input=0, output=0, cache_write_5m=0, cache_write_1h=0, cache_read=0)


class Tokens(BaseModel):
    """Tokens by what they are billed as; `input` leaves out what went into or came from the cache.

    Examples
    --------
    >>> usage = {"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 90, "service_tier": "batch"}
    >>> Tokens.of(usage).prompt
    95
    """

    model_config = ConfigDict(frozen=True)

    input: int = 0
    output: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0

    @classmethod
    def of(cls, usage: Mapping[str, Any]) -> Self:
        """The tokens of a message's ``usage``; what it does not say counts as 0."""
        written = usage.get("cache_creation_input_tokens") or 0
        long_lived = (usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens") or 0
        return cls(
            input=usage.get("input_tokens") or 0,
            output=usage.get("output_tokens") or 0,
            cache_write_5m=max(0, written - long_lived),
            cache_write_1h=long_lived,
            cache_read=usage.get("cache_read_input_tokens") or 0,
        )

    @property
    def prompt(self) -> int:
        """All tokens of the prompt."""
        return self.input + self.cache_write_5m + self.cache_write_1h + self.cache_read

    def uncached(self) -> Tokens:
        """The same request without a prompt cache."""
        return Tokens(input=self.prompt, output=self.output)


class Prices(BaseModel):
    """A price list.

    Examples
    --------
    >>> prices = load_prices()
    >>> usage = {"input_tokens": 1_000_000, "output_tokens": 100_000}
    >>> prices.cost("claude-sonnet-5-5", usage)
    3.0
    >>> print(prices.cost("somebody-elses-model", usage))
    None
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_of: date
    source: str = ""
    batch_discount: Annotated[float, Field(ge=0, le=1)] = 0.5
    models: Mapping[str, Price] = {}

    def of(self, model: str) -> Price | None:
        """The model's price; a dated snapshot has its model's; None when unknown. Models on this machine are free."""
        if model.startswith("local:"):
            return FREE
        return self.models.get(model) or self.models.get(_SNAPSHOT.sub("", model))

    def cost(self, model: str, usage: Mapping[str, Any]) -> float | None:
        """US dollars for one message with this ``usage``, batch discount included; None when the price is unknown."""
        price = self.of(model)
        if price is None:
            return None
        tokens = Tokens.of(usage)
        return price.rates(tokens.prompt).cost(tokens) * self.share_billed(usage)

    def share_billed(self, usage: Mapping[str, Any]) -> float:
        """1, or less for a message that came by batch."""
        return 1 - self.batch_discount if usage.get("service_tier") == "batch" else 1.0


def load_prices(path: Path | str | None = None) -> Prices:
    """The shipped price list, with the models of `path` put over it.

    Parameters
    ----------
    path : path or str, optional
        TOML like the shipped ``prices.toml``: ``as_of``, and a table ``models.ID`` for each model that it prices.

    Raises
    ------
    InputError
        The file cannot be read, or an entry of it is wrong.
    """
    shipped = _read(SHIPPED)
    if path is None:
        return shipped
    own = _read(Path(path))
    return own.model_copy(update={"models": {**shipped.models, **own.models}})


def prompt_bytes(params: Mapping[str, Any]) -> int:
    """Size of a request's prompt, schema included."""
    prompt = [params.get(name) for name in ("system", "tools", "messages", "output_config")]
    return len(canonical_json(prompt).encode("utf-8", "replace"))


def _read(path: Path) -> Prices:
    try:
        return Prices.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(first["msg"], file=path, record=".".join(map(str, first["loc"]))) from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read as TOML: {error}", file=path) from None
