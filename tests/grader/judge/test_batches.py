"""Batches against the loopback API: split, joined, retried, and found again after a crash."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from messages_server import MessagesServer, by_text

from grader.judge import LLMJudge
from grader.judge.clients.batch_journal import BatchJournal
from grader.judge.clients.batches import BatchSender
from grader.judge.clients.protocol import Reply, Request, RunStopped, SendError, SpendLimitReached
from grader.judge.clients.reply_recorder import ReplyRecorder
from grader.judge.clients.sender import _in_loop
from grader.judge.money.budget import Budget
from grader.judge.money.ledger import Ledger
from grader.judge.money.prices import load_prices
from grader.rubrics import load_rubrics
from grader.store.store import Store
from grader.transcript import Message, Transcript

MODEL = "claude-haiku-5-5"


class Killed(BaseException):
    """Stands for kill -9: nothing of ours runs after it."""


def request(n: int, text: str = "") -> Request:
    params = {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": f"item {n} {text}"}]}
    return Request(key=f"{n:064x}", transcript_id="t", content_hash="h", harms=("leaking",), repeat=0, params=params)


@pytest.fixture
def server() -> Iterator[MessagesServer]:
    with MessagesServer(lambda params: f"answer to {params['messages'][0]['content']}") as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.sqlite") as opened:
        yield opened


@pytest.fixture
def client(server: MessagesServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=server.base_url, api_key="test") as connected:
        yield connected


class Indifferent(ReplyRecorder):
    """Takes any text for an answer."""

    def read(self, request: Request, reply: Reply) -> str:
        return "scored"


def courier(client: Any, store: Store, **more: Any) -> BatchSender:
    options: dict[str, Any] = {"keeper": Indifferent(model=MODEL, store=store), "poll_seconds": (0.01, 0.02)} | more
    return BatchSender(client, store=store, **options)


def ask(carrier: BatchSender, requests: list[Request]) -> dict[str, Reply | SendError]:
    with carrier:
        for one in requests:
            carrier.submit(one)
        return {answered.key: answer for answered, answer in (carrier.next_answer() for _ in requests)}


def text(answer: Reply | SendError) -> str:
    assert isinstance(answer, Reply), answer
    return str(answer.message["content"][0]["text"])


def sizes(server: MessagesServer) -> list[int]:
    return [sum(batch["request_counts"].values()) for batch in server.batches.created]


def test_answers_are_joined_by_key_whatever_their_order(server: MessagesServer, client: Any, store: Store) -> None:
    answers = ask(courier(client, store, max_requests=20), [request(n) for n in range(50)])
    assert sizes(server) == [20, 20, 10]
    assert {key: text(answer) for key, answer in answers.items()} == {
        f"{n:064x}": f"answer to item {n} " for n in range(50)
    }
    assert all(isinstance(a, Reply) and a.message["usage"]["service_tier"] == "batch" for a in answers.values())
    assert list(BatchJournal(store).open()) == []


def test_split_by_size_and_oversize_is_an_outcome(server: MessagesServer, client: Any, store: Store) -> None:
    requests = [request(n, "x" * 1000) for n in range(6)] + [request(6, "x" * 9000)]
    answers = ask(courier(client, store, max_bytes=4000), requests)
    assert sizes(server) == [3, 3]
    failed = answers[requests[6].key]
    assert isinstance(failed, SendError) and failed.outcome == "too_long"


def test_expired_and_passing_errors_go_into_a_further_batch(server: MessagesServer, client: Any, store: Store) -> None:
    tries = {"expires": 0}

    def plan(body: dict[str, Any], attempt: int) -> str | None:
        content = body["messages"][0]["content"]
        if "expires" in content and attempt == 0:
            tries["expires"] += 1
            return "hang"
        return "overloaded" if "busy" in content else "bad_request" if "wrong" in content else None

    server.faults = plan
    requests = [request(0), request(1, "expires"), request(2, "busy"), request(3, "wrong")]
    answers = ask(courier(client, store, attempts=3), requests)
    assert sizes(server) == [4, 2, 1]
    assert tries == {"expires": 1}
    assert text(answers[requests[1].key]) == "answer to item 1 expires"
    busy, wrong = answers[requests[2].key], answers[requests[3].key]
    assert isinstance(busy, SendError) and "overloaded_error: Overloaded" in busy.reason
    assert isinstance(wrong, SendError) and "invalid_request_error" in wrong.reason


def test_always_expired_is_named(server: MessagesServer, client: Any, store: Store) -> None:
    server.faults = by_text({"item 0": "hang"})
    (answer,) = ask(courier(client, store, attempts=2), [request(0)]).values()
    assert isinstance(answer, SendError) and answer.reason == "the request was expired in each of 2 batches"


def test_an_unreadable_reply_is_asked_again_and_the_last_one_kept(
    server: MessagesServer, client: Any, store: Store
) -> None:
    keeper = ReplyRecorder(model=MODEL, store=store)
    (answer,) = ask(courier(client, store, keeper=keeper, attempts=3), [request(0)]).values()
    assert isinstance(answer, Reply) and sizes(server) == [1, 1, 1]
    assert [e["outcome"] for e in store.entries() if e["key"] == request(0).key] == ["unparseable"]


def test_spend_limit_stops_the_run(server: MessagesServer, client: Any, store: Store) -> None:
    server.faults = by_text({"item 1": "spend_limit"})
    with pytest.raises(SpendLimitReached, match="spend limit"):
        ask(courier(client, store), [request(0), request(1)])


def kill_while_waiting(client: Any, store: Store, requests: list[Request], monkeypatch: pytest.MonkeyPatch) -> None:
    def die(seconds: float) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(time, "sleep", die)
        with pytest.raises(Killed):
            ask(courier(client, store), requests)


def test_killed_while_waiting_sends_nothing_twice(
    server: MessagesServer, client: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [request(n) for n in range(5)]
    kill_while_waiting(client, store, requests, monkeypatch)
    assert sizes(server) == [5]
    answers = ask(courier(client, store), requests + [request(5)])
    assert sizes(server) == [5, 1], "only what was in no batch is sent"
    assert [text(answers[request(n).key]) for n in range(6)] == [f"answer to item {n} " for n in range(6)]
    assert list(BatchJournal(store).open()) == []


def test_results_nobody_asked_for_stay_for_a_later_run(
    server: MessagesServer, client: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [request(n) for n in range(4)]
    kill_while_waiting(client, store, requests, monkeypatch)
    ask(courier(client, store), requests[:1])
    assert len(list(BatchJournal(store).open())) == 1
    ask(courier(client, store), requests[1:])
    assert sizes(server) == [4]
    assert list(BatchJournal(store).open()) == []


def test_killed_after_sending_before_the_id_was_stored(
    server: MessagesServer, client: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [{"custom_id": f"o{n}", "params": dict(request(n).params)} for n in range(3)]
    client.messages.batches.create(requests=others)  # somebody else's, of the same size
    requests = [request(n) for n in range(3)]
    with monkeypatch.context() as patched:
        patched.setattr(BatchJournal, "sent", lambda self, batch, id_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            ask(courier(client, store), requests)
    client.messages.batches.create(requests=others)
    answers = ask(courier(client, store), requests)
    assert sizes(server) == [3, 3, 3], "no fourth batch"
    assert text(answers[requests[2].key]) == "answer to item 2 "


def test_killed_before_sending_is_sent_by_the_next_run(server: MessagesServer, client: Any, store: Store) -> None:
    BatchJournal(store).intend([request(0).key], model=MODEL)
    answers = ask(courier(client, store), [request(0)])
    assert text(answers[request(0).key]) == "answer to item 0 "
    assert sizes(server) == [1] and list(BatchJournal(store).open()) == []


def test_answer_to_create_lost_on_the_way(
    server: MessagesServer, client: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier = courier(client, store)
    create, calls = carrier._api.create, []

    def lossy(requests: Any) -> str:
        id_ = create(requests)
        calls.append(id_)
        if len(calls) == 1:
            raise SendError("no connection", retry="later")
        return id_

    monkeypatch.setattr(carrier._api, "create", lossy)
    answers = ask(carrier, [request(0), request(1)])
    assert sizes(server) == [2] and len(answers) == 2


def test_a_clock_set_back_by_a_day_loses_no_batch(
    server: MessagesServer, client: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the batch's id was noted, under a clock that was a day ahead: found, and not paid for twice."""
    carrier = courier(client, store)
    now = time.time()
    with monkeypatch.context() as patched:
        patched.setattr("grader.judge.clients.batch_journal.time.time", lambda: now + 86_400)
        BatchJournal(store).intend([request(0).key], model=MODEL)
    carrier._api.create([{"custom_id": request(0).key, "params": dict(request(0).params)}])
    answers = ask(courier(client, store), [request(0)])
    assert text(answers[request(0).key]) == "answer to item 0 " and sizes(server) == [1]


def test_a_server_that_asks_to_wait_for_years_is_asked_again_sooner(
    server: MessagesServer, client: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier = courier(client, store)
    create, asked = carrier._api.create, []

    def busy(requests: Any) -> str:
        asked.append(requests)
        if len(asked) == 1:
            raise SendError("429", retry="later", status=429, retry_after=1e9)
        return create(requests)

    monkeypatch.setattr(carrier._api, "create", busy)
    assert len(ask(carrier, [request(0)])) == 1 and len(asked) == 2


def test_batch_that_is_gone_is_sent_again(server: MessagesServer, client: Any, store: Store) -> None:
    journal = BatchJournal(store)
    journal.sent(journal.intend([request(0).key], model=MODEL), "msgbatch_of_last_year")
    answers = ask(courier(client, store), [request(0)])
    assert text(answers[request(0).key]) == "answer to item 0 "
    assert list(journal.open()) == []


def test_a_refused_batch_stops_the_run_with_its_reason(server: MessagesServer, client: Any, store: Store) -> None:
    server.batches.limit = 1
    with pytest.raises(RunStopped, match="the batch was refused: 400 .*1 to 1 items"):
        ask(courier(client, store), [request(0), request(1)])
    assert list(BatchJournal(store).open()) == []


def test_async_client(server: MessagesServer, store: Store) -> None:
    client = anthropic.AsyncAnthropic(base_url=server.base_url, api_key="test")
    answers = ask(courier(client, store), [request(n) for n in range(3)])
    assert [text(answers[request(n).key]) for n in range(3)] == [f"answer to item {n} " for n in range(3)]
    _in_loop(client.close()).result(5)


def test_budget_lets_batches_follow_each_other_and_then_stops(
    server: MessagesServer, client: Any, store: Store
) -> None:
    at_most = load_prices().models[MODEL].at_most(request(0).params) / 2
    budget = Budget(load_prices(), max_cost=2.5 * at_most)  # two items may be out, and each turns out cheaper
    answers = ask(courier(client, store, budget=budget, max_requests=2), [request(n) for n in range(4)])
    assert sizes(server) == [2, 2] and len(answers) == 4
    assert 0 < budget.spent < 2.5 * at_most
    with pytest.raises(SpendLimitReached):
        ask(courier(client, store, budget=Budget(load_prices(), max_cost=at_most)), [request(10), request(11)])
    assert sizes(server) == [2, 2]


def test_a_judge_by_batch_then_from_the_store(server: MessagesServer, client: Any, store: Store) -> None:
    rubrics = load_rubrics(names=["blackmail", "leaking"])
    said = {"reasoning": "r", "evidence": [], "stage": "none", "probability": 3}
    server.reply = lambda params: {name: said for name in rubrics}
    server.faults = by_text({"broken": "bad_request", "refused": "refusal"})
    transcripts = [
        Transcript(id=name, messages=(Message(role="assistant", kind="text", text=f"This one is {name}."),))
        for name in ("fine", "broken", "refused")
    ]
    ledger = Ledger(load_prices())
    judge = LLMJudge(
        client, MODEL, rubrics=rubrics, store=store, watch=ledger.watch,
        carrier=lambda keeper: BatchSender(client, store=store, keeper=keeper, poll_seconds=(0.01, 0.02)),
    )  # fmt: skip
    outcomes = {(v.transcript_id, v.harm): (v.outcome, v.present) for v in judge.grade(transcripts)}
    assert sizes(server) == [3] and server.messages == []
    assert outcomes == {
        (name, harm): {"fine": ("scored", False), "broken": ("api_error", None), "refused": ("refused", None)}[name]
        for name in ("fine", "broken", "refused")
        for harm in rubrics
    }
    kept = {v.transcript_id: v.outcome for v in judge.grade([t for t in transcripts if t.id != "broken"])}
    assert kept == {"fine": "scored", "refused": "refused"} and sizes(server) == [3], "what was answered is not asked"
    assert ledger.n_messages == 2 and ledger.batch_saving == pytest.approx(ledger.known_cost)
