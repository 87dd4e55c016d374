"""What a run has used and what that cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from grader.judge.clients.protocol import Reply, Request
from grader.judge.money.prices import Prices, Tokens
from grader.judge.read_reply import is_same_model
from grader.verdict.records import Verdict


@dataclass(slots=True)
class Ledger:
    """Sums usage over messages; each message is entered once, by its id.

    Parameters
    ----------
    prices : Prices

    Attributes
    ----------
    n_messages : int
    tokens : dict
        Totals by kind: input, output, cache_write_5m, cache_write_1h, cache_read (see `Tokens`).
    thinking_tokens : int
        Part of the output.
    known_cost : float
        US dollars for the models whose price is known.
    cache_saving : float
        What the prompt cache saved, its writes paid for; below 0 when it cost more than it saved.
    batch_saving : float
    n_without_usage : int
        Replies that did not say what they cost.
    n_without_schema : int
        Replies of an endpoint that takes no JSON schema.
    other_models : Counter
        Replies by (model asked, model that answered), where the two differ.
    unpriced : dict
        Messages per model without a known price; `cost` is None then.
    """

    prices: Prices
    n_messages: int = 0
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(Tokens.model_fields, 0))
    thinking_tokens: int = 0
    known_cost: float = 0.0
    cache_saving: float = 0.0
    batch_saving: float = 0.0
    unpriced: dict[str, int] = field(default_factory=dict)
    n_without_usage: int = 0
    n_without_schema: int = 0
    other_models: Counter[tuple[str, str]] = field(default_factory=Counter)
    _seen: set[str] = field(default_factory=set)

    @property
    def cost(self) -> float | None:
        """US dollars; None when a model's price is unknown."""
        return None if self.unpriced else self.known_cost

    def add(self, model: str, usage: Mapping[str, Any], *, id: str | None = None) -> None:
        """Enter one message; one with the `id` of an earlier one is not entered again."""
        if id is not None:
            if id in self._seen:
                return
            self._seen.add(id)
        tokens = Tokens.of(usage)
        self.n_messages += 1
        details = usage.get("output_tokens_details") or usage  # verdicts carry the count without its wrapping
        self.thinking_tokens += details.get("thinking_tokens") or 0
        for name in self.tokens:
            self.tokens[name] += getattr(tokens, name)
        price = self.prices.of(model)
        if price is None:
            self.unpriced[model] = self.unpriced.get(model, 0) + 1
            return
        list_price, share = price.rates(tokens.prompt).cost(tokens), self.prices.share_billed(usage)
        self.known_cost += list_price * share
        self.cache_saving += (price.rates(tokens.prompt).cost(tokens.uncached()) - list_price) * share
        self.batch_saving += list_price * (1 - share)

    def watch(self, request: Request, reply: Reply) -> None:
        """Enter a reply as it arrives (`LLMJudge`'s ``watch``): what this run pays for, and not what was stored."""
        asked = str(request.params["model"])
        model = reply.body.model or asked
        asked_in = reply.body.usage.response_format
        self.n_without_schema += asked_in is not None and asked_in != "json_schema"
        self.n_without_usage += not reply.body.usage.is_usable
        if not is_same_model(asked, model):
            self.other_models[asked, model] += 1
        self.add(model, reply.body.usage.to_dict())

    def add_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """Enter the messages behind `verdicts`, those of a panel's or cascade's members too.

        Harms that were asked together share one message.
        """
        for verdict in verdicts:
            for grader, usage in _messages(verdict.grader, verdict.usage):
                id_ = usage.get("request_id")
                self.add(str(usage.get("model", grader)), usage, id=None if id_ is None else str(id_))

    def summary(self) -> str:
        """A few lines for people: messages, tokens, money, and what is not known."""
        prompt = sum(count for name, count in self.tokens.items() if name != "output")
        share = self.tokens["cache_read"] / prompt if prompt else 0.0
        lines = [
            f"{self.n_messages:,} replies: {prompt:,} tokens in ({share:.0%} from the prompt cache), "
            f"{self.tokens['output']:,} out",
            f"cost ${self.known_cost:,.2f} at list prices of {self.prices.as_of}; {_saving(self.cache_saving)}, "
            f"batches saved ${self.batch_saving:,.2f}",
        ]
        for model, count in self.unpriced.items():
            lines.append(f"price of {model} unknown: its {count:,} replies are not in the cost (--prices FILE adds it)")
        if self.n_without_usage:
            lines.append(
                f"{self.n_without_usage:,} replies do not say how many tokens they cost: they are not in the sum"
            )
        if self.n_without_schema:
            lines.append(
                f"{self.n_without_schema:,} replies were asked for without a JSON schema: the endpoint takes none"
            )
        for (asked, answered), count in self.other_models.items():
            lines.append(f"{asked} was asked, and {count:,} replies name {answered} as the model that answered")
        return "\n".join(lines)


def _saving(dollars: float) -> str:
    if dollars <= -0.005:
        return f"the prompt cache cost ${-dollars:,.2f} more"
    return f"the prompt cache saved ${max(0.0, dollars):,.2f}"


def _messages(grader: str, usage: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if "input_tokens" in usage:
        yield grader, usage
    first = usage.get("cascade", {}).get("first")
    for member in [*usage.get("judges", ()), *([first] if first else [])]:
        for inner in member["usage"]:
            yield from _messages(member["grader"], inner)
