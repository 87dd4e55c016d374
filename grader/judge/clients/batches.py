"""Requests through the Message Batches API: half the price, an answer within a day, nothing lost by a crash."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal, Self

from grader.judge.clients.batch_api import BatchApi
from grader.judge.clients.batch_journal import Batch, BatchJournal
from grader.judge.clients.protocol import Reply, Request, RunStopped, SendError, SpendLimitReached
from grader.judge.clients.reply_recorder import ReplyRecorder
from grader.judge.clients.sender import Answer
from grader.judge.money.budget import Budget, Reservation
from grader.store.store import Store
from grader.transcript import canonical_json

# The API takes 100,000 requests or 256 MB; smaller batches end earlier and lose less when one fails.
MAX_REQUESTS = 10_000
MAX_BYTES = 200_000_000
# Clocks differ, and may have been set back: a batch of ours may seem to be this much older than our note of it.
_CLOCK_SKEW_SECONDS = 3 * 86_400.0
_PASSING_ERRORS = frozenset({"rate_limit_error", "overloaded_error", "api_error", "timeout_error"})

Result = Mapping[str, Any]


class BatchSender:
    """Sends requests by batch, with the interface of `RequestSender`: `submit` many, then take answers as they come.

    Nothing is sent before the first `next_answer`; what was submitted until then goes into as few batches as the
    limits allow. Requests that expired, or failed for a passing reason, go into a further batch; others are answered
    with a `SendError` that names what happened.

    Parameters
    ----------
    client : Anthropic or AsyncAnthropic
    store : Store
        Keeps the ids of batches, so that a run that was killed finds its batches again instead of sending them twice.
    keeper : ReplyRecorder
        Stores replies before anybody else sees them.
    attempts : int, at least 1
        How often a request is put into a batch.
    budget : Budget, optional
        Reserves what each batch can cost at most before it is sent.
    poll_seconds : (float, float)
        First and longest pause between two looks at the open batches.
    """

    def __init__(
        self,
        client: Any,
        *,
        store: Store,
        keeper: ReplyRecorder,
        attempts: int = 3,
        budget: Budget | None = None,
        max_requests: int = MAX_REQUESTS,
        max_bytes: int = MAX_BYTES,
        poll_seconds: tuple[float, float] = (5.0, 60.0),
    ) -> None:
        self._api = BatchApi(client)
        self._store, self._journal = store, BatchJournal(store)
        self._keeper, self._attempts, self._budget = keeper, attempts, budget
        self._max_requests, self._max_bytes = max_requests, max_bytes
        self._poll_seconds = poll_seconds
        self._asked: dict[str, Request] = {}
        self._tries: Counter[str] = Counter()
        self._to_send: deque[Request] = deque()
        self._ready: deque[Answer] = deque()
        self._open: list[tuple[Batch, Reservation | None]] = []
        # Results of earlier runs' batches that nobody has asked for yet, and how many of them each batch has.
        self._early: dict[str, tuple[Batch, Result]] = {}
        self._unclaimed: Counter[str] = Counter()

    def __enter__(self) -> Self:
        """Find the batches of earlier runs."""
        for batch in list(self._journal.open()):
            found = batch if batch.id is not None else self._find_lost(batch)
            if found is None:
                self._journal.done(batch)
            else:
                self._open.append((found, None))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave open batches to finish by themselves; the next run takes their results."""

    def submit(self, request: Request) -> None:
        """Have `request` answered: by a batch that is out already, or by the next one."""
        self._asked[request.key] = request
        if request.key in self._early:
            batch, result = self._early.pop(request.key)
            self._take(request, result)
            self._claimed(batch)
        elif not any(request.key in batch.keys for batch, _ in self._open):
            self._to_send.append(request)

    def next_answer(self) -> Answer:
        """The next reply or failure, whichever request it belongs to; waits for it, for hours if need be.

        Raises
        ------
        RunStopped
            No further request can succeed, or the limit of the budget is reached.
        """
        pause, longest = self._poll_seconds
        while not self._ready:
            self._send()
            if not self._open and not self._ready:
                raise RuntimeError("next_answer was called although no answer is outstanding")
            ended = [entry for entry in self._open if self._api.state(str(entry[0].id)) in ("ended", "gone")]
            for entry in ended:
                self._open.remove(entry)
                self._fetch(*entry)
            if not ended and not self._ready:
                time.sleep(pause)
                pause = min(2 * pause, longest)
        return self._ready.popleft()

    def count_tokens(self, params: Mapping[str, Any]) -> int | None:
        """The API's own count of a prompt's tokens; None when it has none to give."""
        with suppress(SendError):
            return self._api.count_tokens(params)
        return None

    def _send(self) -> None:
        """Put what waits into batches."""
        while self._to_send:
            chunk = self._next_chunk()
            if not chunk:
                continue
            try:
                reservation = self._reserve(chunk)
            except SpendLimitReached:
                self._to_send.extendleft(reversed(chunk))
                if self._open:  # one of them may turn out cheaper than feared
                    return
                raise
            with ExitStack() as unsent:
                if reservation is not None:
                    unsent.push(reservation)
                self._open.append((self._create(chunk), reservation))
                unsent.pop_all()
            self._tries.update(request.key for request in chunk)

    def _next_chunk(self) -> list[Request]:
        chunk: list[Request] = []
        size = 0
        while self._to_send and len(chunk) < self._max_requests:
            bytes_ = len(canonical_json(self._to_send[0].params).encode("utf-8", "replace"))
            if bytes_ > self._max_bytes:
                request = self._to_send.popleft()
                self._answer(request, SendError("larger than a batch may be", outcome="too_long"))
            elif size + bytes_ > self._max_bytes:
                break
            else:
                chunk.append(self._to_send.popleft())
                size += bytes_
        return chunk

    def _reserve(self, chunk: Sequence[Request]) -> Reservation | None:
        if self._budget is None:
            return None
        return self._budget.reserve_all([r.params for r in chunk], service="batch", wait="never")

    def _create(self, chunk: Sequence[Request]) -> Batch:
        batch = self._journal.intend((r.key for r in chunk), model=str(chunk[0].params["model"]))
        requests = [{"custom_id": r.key, "params": dict(r.params)} for r in chunk]
        for attempt in range(self._attempts):
            try:
                return self._journal.sent(batch, self._api.create(requests))
            except SendError as failure:
                if failure.retry == "never":
                    self._journal.done(batch)
                    raise RunStopped(f"the batch was refused: {failure.reason}") from None
                told = failure.retry_after
                first, longest = self._poll_seconds
                time.sleep(first * 2**attempt if told is None else min(told, longest))
                # Without a status nobody knows whether the batch was taken: look before sending it again.
                if failure.status is None and (found := self._find_lost(batch)) is not None:
                    return found
        self._journal.done(batch)
        raise RunStopped(f"no batch could be sent in {self._attempts} attempts")

    def _find_lost(self, batch: Batch) -> Batch | None:
        """The batch on the server that an intention without an id belongs to, if it was ever taken."""
        known = self._journal.known_ids()
        for found in self._api.recent(since=batch.created_at - _CLOCK_SKEW_SECONDS):
            counts = found.request_counts.model_dump()
            if found.id in known or sum(counts.values()) != len(batch.keys):
                continue
            while (state := self._api.state(found.id)) not in ("ended", "gone"):
                time.sleep(self._poll_seconds[1])
            if state == "ended" and batch.keys == {r["custom_id"] for r in self._api.results(found.id)}:
                return self._journal.sent(batch, found.id)
        return None

    def _fetch(self, batch: Batch, reservation: Reservation | None) -> None:
        """Take the results of a batch that has ended."""
        gone = self._api.state(str(batch.id)) == "gone"
        results: dict[str, Result] = {}
        for found in [] if gone else self._api.results(str(batch.id)):
            if found["custom_id"] in batch.keys:  # none that nobody asked for, and of two the first
                results.setdefault(found["custom_id"], found["result"])
        results = {key: {"type": "expired"} for key in batch.keys} | results
        self._charge(list(results.values()), reservation)
        for key, result in results.items():
            if key in self._asked:
                self._take(self._asked[key], result)
            elif self._store.get_reply(key) is None:
                self._early[key] = batch, result
                self._unclaimed[batch.name] += 1
        if not self._unclaimed[batch.name]:
            self._journal.done(batch)

    def _charge(self, results: Sequence[Result], reservation: Reservation | None) -> None:
        """Enter what a batch cost, also one that an earlier process sent."""
        bodies = [_reply(result).body for result in results if result["type"] == "succeeded"]
        if reservation is not None:
            with reservation:
                reservation.release()
                for body in bodies:
                    reservation.charge(body.model or "", body.usage, share=1 / len(results))
        elif self._budget is not None:
            for body in bodies:
                self._budget.spend(body.model or "", body.usage)

    def _claimed(self, batch: Batch) -> None:
        self._unclaimed[batch.name] -= 1
        if not self._unclaimed[batch.name]:
            self._journal.done(batch)

    def _take(self, request: Request, result: Result) -> None:
        """One result: an answer, or a place in the next batch."""
        again = self._tries[request.key] < self._attempts
        if result["type"] == "succeeded":
            reply = _reply(result)
            self._keeper.count(request, reply)
            read = self._keeper.read(request, reply)
            if again and (read == "unparseable" or (read == "contradictory" and self._tries[request.key] == 1)):
                self._to_send.append(request)
                return
            (in_effect,) = self._keeper.keep([(request, reply, read)])
            self._answer(request, in_effect)
            return
        failure = _failure(result, self._tries[request.key])
        if again and failure.retry == "later":
            self._to_send.append(request)
        else:
            self._answer(request, failure)

    def _answer(self, request: Request, outcome: Reply | SendError) -> None:
        self._asked.pop(request.key, None)
        self._ready.append((request, outcome))


def _reply(result: Result) -> Reply:
    message = result.get("message")
    reply = Reply(message=dict(message) if isinstance(message, Mapping) else {})
    return replace(reply, request_id=reply.body.id)


def _failure(result: Result, tries: int) -> SendError:
    """What an item without a message means.

    Raises
    ------
    SpendLimitReached
        No further request can succeed either.
    """
    if result["type"] != "errored":
        times = f"in each of {tries} batches" if tries > 1 else "in its batch"
        retry: Literal["never", "later"] = "later" if result["type"] == "expired" else "never"
        return SendError(f"the request was {result['type']} {times}", retry=retry)
    error, request_id = result["error"]["error"], result["error"].get("request_id")
    code = (error.get("details") or {}).get("error_code") or ""
    reason = f"{error['type']}: {error['message']}"
    if error["type"] == "billing_error" or code.endswith("spend_limit_reached"):
        raise SpendLimitReached(reason)
    return SendError(
        reason,
        outcome="too_long" if "too long" in reason or error["type"] == "request_too_large" else "api_error",
        request_id=request_id,
        retry="later" if error["type"] in _PASSING_ERRORS else "never",
    )
