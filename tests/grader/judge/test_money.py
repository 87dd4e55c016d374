"""Prices, the ledger, the estimate and the limit: sums done by hand beside those of the code."""

from __future__ import annotations

import asyncio
import math
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import InputError
from grader.judge.clients.protocol import Reply, Request, SendError, SpendLimitReached
from grader.judge.money.budget import Budget, BudgetClient
from grader.judge.money.estimate import estimate
from grader.judge.money.ledger import Ledger
from grader.judge.money.prices import Prices, Tokens, load_prices
from grader.verdict.records import Verdict

SONNET = "claude-sonnet-5-5"  # $2 in, $10 out, $2.50 and $4 cache writes, $0.10 cache reads per million


def request(text: str = "x", *, model: str = SONNET, max_tokens: int = 1000, cached: str = "", n: int = 0) -> Request:
    blocks: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if cached:
        blocks.insert(0, {"type": "text", "text": cached, "cache_control": {"type": "ephemeral"}})
    params = {"model": model, "max_tokens": max_tokens, "messages": [{"role": "user", "content": blocks}]}
    return Request(key=f"{n:064}", transcript_id="t", content_hash="h", harms=("leaking",), repeat=n, params=params)


# The list of 2026-10-24 at platform.claude.com/docs/en/about-claude/pricing, read separately from prices.toml.
@pytest.mark.parametrize(
    ("model", "usage", "dollars"),
    [
        (SONNET, {"input_tokens": 10**6}, 2.0),
        (SONNET, {"output_tokens": 10**6}, 10.0),
        (SONNET, {"cache_read_input_tokens": 10**6}, 0.10),
        (SONNET, {"cache_creation_input_tokens": 10**6}, 2.50),
        (
            SONNET,
            {"cache_creation_input_tokens": 10**6, "cache_creation": {"ephemeral_1h_input_tokens": 4 * 10**5}},
            0.6 * 2.50 + 0.4 * 4.0,
        ),
        (SONNET, {"input_tokens": 10**6, "output_tokens": 10**6, "service_tier": "batch"}, 6.0),
        ("claude-haiku-5-5", {"input_tokens": 100_000, "output_tokens": 1000}, 0.01 + 0.0005),
        ("claude-haiku-5-5", {"input_tokens": 100_001, "output_tokens": 1000}, 100_001 * 0.5e-6 + 1000 * 2.5e-6),
        ("claude-haiku-5-5", {"input_tokens": 1, "cache_read_input_tokens": 100_000}, 0.5e-6 + 100_000 * 0.05e-6),
        ("claude-haiku-4-5-20251001", {"input_tokens": 10**6}, 1.0),
        ("claude-opus-5-5", {"cache_read_input_tokens": 10**6}, 0.20),
        ("claude-fable-5-1", {"output_tokens": 10**6}, 50.0),
        ("local:SmolLM2@0", {"input_tokens": 10**6}, 0.0),
    ],
)
def test_cost_of_one_message(model: str, usage: dict[str, Any], dollars: float) -> None:
    assert load_prices().cost(model, usage) == pytest.approx(dollars)


def test_unknown_price_is_not_guessed() -> None:
    prices = load_prices()
    assert prices.cost("claude-sonnet-9", {"input_tokens": 1}) is None
    assert prices.cost("us.anthropic.claude-sonnet-5-5-v1:0", {"input_tokens": 1}) is None


@pytest.mark.parametrize("model", sorted(load_prices().models))
def test_shipped_list_keeps_the_published_multiples(model: str) -> None:
    price = load_prices().models[model]
    for rates in (price, price.long_prompt) if price.long_prompt else (price,):
        assert rates.output == pytest.approx(5 * rates.input) or price.long_prompt is rates
        assert rates.cache_write_5m == pytest.approx(1.25 * rates.input)
        assert rates.cache_write_1h == pytest.approx(2 * rates.input)
        assert rates.cache_read <= 0.1 * rates.input + 1e-12


def own_list(folder: Path, text: str) -> Path:
    file = folder / "prices.toml"
    file.write_text(text)
    return file


def test_own_list_wins_model_by_model(tmp_path: Path) -> None:
    mine = own_list(
        tmp_path,
        f"as_of = 2026-11-01\n[models.{SONNET}]\ninput=1\noutput=2\ncache_write_5m=3\ncache_write_1h=4\ncache_read=5\n",
    )
    prices = load_prices(mine)
    assert prices.as_of == date(2026, 11, 1)
    assert prices.cost(SONNET, {"output_tokens": 10**6}) == 2.0
    assert prices.cost("claude-opus-5-5", {"output_tokens": 10**6}) == 20.0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("models = 3", "models|as_of"),
        ("as_of = 2026-11-01\n[models.a]\ninput = 1", "models.a.output"),
        (
            "as_of = 2026-11-01\n[models.a]\ninput=-1\noutput=2\ncache_write_5m=3\ncache_write_1h=4\ncache_read=5",
            r"models.a.input: .*greater than or equal to 0",
        ),
        ("as_of = [", "cannot be read as TOML"),
    ],
)
def test_bad_lists_are_named_in_one_line(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as raised:
        load_prices(own_list(tmp_path, text))
    assert "\n" not in str(raised.value)


counts = st.integers(0, 10**6)


@given(counts, counts, counts, counts)
def test_no_token_is_lost_between_kinds(plain: int, written: int, long_lived: int, read: int) -> None:
    usage = {
        "input_tokens": plain,
        "cache_creation_input_tokens": written + long_lived,
        "cache_creation": {"ephemeral_1h_input_tokens": long_lived},
        "cache_read_input_tokens": read,
        "output_tokens": None,
    }
    tokens = Tokens.of(usage)
    assert tokens.prompt == plain + written + long_lived + read == tokens.uncached().input
    assert (tokens.cache_write_5m, tokens.cache_write_1h, tokens.output) == (written, long_lived, 0)


def test_ledger_adds_up_and_knows_what_the_cache_saved() -> None:
    ledger = Ledger(load_prices())
    ledger.add(SONNET, {"input_tokens": 100, "cache_creation_input_tokens": 10_000, "output_tokens": 500}, id="a")
    ledger.add(SONNET, {"input_tokens": 100, "cache_read_input_tokens": 10_000, "output_tokens": 500}, id="b")
    ledger.add(SONNET, {"input_tokens": 100, "cache_read_input_tokens": 10_000, "output_tokens": 500}, id="b")
    dollars = (200 * 2 + 10_000 * 2.5 + 10_000 * 0.1 + 1000 * 10) / 1e6
    without_cache = (20_200 * 2 + 1000 * 10) / 1e6
    assert ledger.n_messages == 2
    assert ledger.cost == pytest.approx(dollars)
    assert ledger.cache_saving == pytest.approx(without_cache - dollars)
    assert "50% from the prompt cache" in ledger.summary()
    assert f"${dollars:,.2f}" in ledger.summary()


def test_ledger_says_which_prices_it_lacks() -> None:
    ledger = Ledger(load_prices())
    ledger.add(SONNET, {"input_tokens": 10**6})
    ledger.add("someone-else", {"input_tokens": 10**6})
    assert ledger.cost is None and ledger.known_cost == pytest.approx(2.0)
    assert "price of someone-else unknown: its 1 replies are not in the cost" in ledger.summary()


def test_ledger_counts_harms_of_one_message_once() -> None:
    def verdict(harm: str, request_id: str, **more: Any) -> Verdict:
        usage = {"input_tokens": 10, "output_tokens": 1, "request_id": request_id, "model": SONNET} | more
        return Verdict(transcript_id="t", harm=harm, grader="j", grader_version="1", present=False, usage=usage)

    no_usage = Verdict(transcript_id="t", harm="x", grader="gate", grader_version="1", present=True)
    ledger = Ledger(load_prices())
    ledger.add_verdicts([verdict("a", "r1"), verdict("b", "r1"), verdict("a", "r2", service_tier="batch"), no_usage])
    assert (ledger.n_messages, ledger.tokens["input"], ledger.unpriced) == (2, 20, {})
    assert ledger.batch_saving == pytest.approx((10 * 2 + 1 * 10) / 1e6 / 2)


def test_estimate_by_hand() -> None:
    asked = estimate([request("x" * 38_000, max_tokens=300)], load_prices(), n_stored=7)
    assert (asked.n_requests, asked.n_stored, asked.output_tokens) == (1, 7, 300)
    assert asked.input_tokens == pytest.approx(10_000, rel=0.01)
    assert asked.cost is not None and asked.cost == pytest.approx((10_000 * 2 + 300 * 10) / 1e6, rel=0.01)
    assert asked.cost_at_most is not None and asked.cost_at_most > asked.cost
    assert asked.counted == "estimated" and "the endpoint was not asked" in asked.notes[0]
    half = estimate([request("x" * 38_000, max_tokens=300)], load_prices(), service="batch")
    assert half.cost is not None and half.cost == pytest.approx(asked.cost / 2)


def test_estimate_uses_the_endpoints_count_and_the_cache() -> None:
    requests = [request(f"question {n}", cached="t" * 40_000, n=n) for n in range(4)]
    asked = estimate(requests, load_prices(), count_tokens=lambda params: 20_000, sample=2)
    assert asked.counted == "endpoint" and asked.notes == ()
    assert asked.input_tokens == pytest.approx(80_000, rel=0.01)
    assert asked.cached_tokens == pytest.approx(60_000, rel=0.01), "three of four find the transcript in the cache"
    expected = (20_000 * 2.5 + 60_000 * 0.10 + 4 * 450 * 10) / 1e6
    assert asked.cost == pytest.approx(expected, rel=0.02)


def test_estimate_of_nothing_and_of_unknown_prices() -> None:
    assert estimate([], load_prices()).cost == 0.0
    asked = estimate([request(model="mine")], load_prices())
    assert asked.cost is None and asked.cost_at_most is None
    assert "price of mine unknown" in asked.notes[0]


class Costly:
    """Bills a fixed output for every request, slowly, and remembers how much it billed."""

    def __init__(self, output_tokens: int) -> None:
        self.output_tokens = output_tokens
        self.n = 0
        self.lock = threading.Lock()

    def send(self, request: Request) -> Reply:
        threading.Event().wait(0.002)
        with self.lock:
            self.n += 1
        return Reply(message={"usage": {"input_tokens": 0, "output_tokens": self.output_tokens}})


@pytest.mark.parametrize(("output_tokens", "expected"), [(1000, 9), (100, 90)])
def test_limit_holds_with_many_at_once_and_is_used(output_tokens: int, expected: int) -> None:
    inner = Costly(output_tokens)
    budget = Budget(load_prices(), max_cost=0.1)  # a request reserves $0.0103 and really costs $0.01 or $0.001
    client = BudgetClient(inner, budget)
    stopped = 0
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(client.send, request(n=n)) for n in range(120)]
    for future in futures:
        stopped += isinstance(future.exception(), SpendLimitReached)
    assert inner.n + stopped == 120
    assert budget.spent == pytest.approx(inner.n * output_tokens * 10 / 1e6)
    assert budget.spent <= 0.1
    assert inner.n == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(("billed", "spent"), [("no", 0.0), ("unknown", 5 * 0.0103)])
def test_only_the_provider_gives_a_reservation_back(billed: Any, spent: float) -> None:
    class Failing:
        def send(self, request: Request) -> Reply:
            raise SendError("no", billed=billed)

    budget = Budget(load_prices(), max_cost=1)
    for _ in range(5):
        with pytest.raises(SendError):
            BudgetClient(Failing(), budget).send(request())
    assert budget.spent == pytest.approx(spent, rel=0.05)


def test_a_reply_without_usage_costs_what_was_set_aside() -> None:
    class Silent:
        def send(self, request: Request) -> Reply:
            return Reply(message={"content": [], "usage": {"output_tokens": "many"}})

    budget = Budget(load_prices(), max_cost=1)
    BudgetClient(Silent(), budget).send(request())
    assert budget.spent == pytest.approx(0.0103, rel=0.05)


def test_limit_without_a_price_is_refused_before_anything_is_sent() -> None:
    inner = Costly(1)
    with pytest.raises(InputError, match="price, and that of mine is unknown"):
        BudgetClient(inner, Budget(load_prices(), 1.0)).send(request(model="mine"))
    assert inner.n == 0


@pytest.mark.parametrize("max_cost", [-1.0, math.nan])
def test_limit_must_be_a_sum_of_money(max_cost: float) -> None:
    with pytest.raises(ValueError, match=re.escape("max_cost must fulfil max_cost >= 0")):
        Budget(Prices(as_of=date(2026, 1, 1)), max_cost)


def test_token_counts_pass_through() -> None:
    class Counting(Costly):
        def count_tokens(self, params: Any) -> int:
            return 42

    assert BudgetClient(Counting(1), Budget(load_prices(), 1)).count_tokens({}) == 42
    assert BudgetClient(Costly(1), Budget(load_prices(), 1)).count_tokens({}) is None


def test_limit_holds_for_async_clients_too() -> None:
    class Async:
        is_async = True

        def __init__(self) -> None:
            self.n = 0

        async def asend(self, request: Request) -> Reply:
            await asyncio.sleep(0.002)
            self.n += 1
            return Reply(message={"usage": {"input_tokens": 0, "output_tokens": 100}})

    async def run(client: BudgetClient) -> int:
        answers = await asyncio.gather(*(client.asend(request(n=n)) for n in range(120)), return_exceptions=True)
        return sum(isinstance(answer, SpendLimitReached) for answer in answers)

    inner, budget = Async(), Budget(load_prices(), max_cost=0.1)
    client = BudgetClient(inner, budget)
    assert client.is_async
    stopped = asyncio.run(run(client))
    assert inner.n + stopped == 120
    assert inner.n == pytest.approx(90, abs=1)
    assert budget.spent <= 0.1
