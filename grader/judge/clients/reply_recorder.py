"""Replies are counted and stored as they arrive, before anything reads a verdict from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grader.judge.clients.protocol import Reply, Request
from grader.judge.read_reply import ReplyOutcome, reply_outcome
from grader.store.claims import Claims
from grader.store.store import Store

# A request, its reply, and one word for what the reply is (`reply_outcome`).
Kept = tuple[Request, Reply, ReplyOutcome]

# Answers that a second attempt may mend.
ASK_AGAIN: frozenset[ReplyOutcome] = frozenset({"unparseable", "contradictory"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRecorder:
    """Keeps the replies of one judge.

    Parameters
    ----------
    model : str
        Recorded with every reply.
    store : Store, optional
    claims : Claims, optional
        Keeps other processes on the same store from asking what this one is asking.
    watch : callable, optional
        Called with every (request, reply) that arrives; may raise `RunStopped`.
    """

    model: str
    store: Store | None = None
    claims: Claims | None = None
    watch: Callable[[Request, Reply], None] | None = None

    def read(self, request: Request, reply: Reply) -> ReplyOutcome:
        """One word for what a reply is; a question may be asked again when the word is in `ASK_AGAIN`."""
        return reply_outcome(reply, request.harms)

    def count(self, request: Request, reply: Reply) -> None:
        """Enter a reply into the books, also one whose question will be asked again: it was paid for."""
        if self.watch is not None:
            self.watch(request, reply)

    def stored(self, request: Request) -> Reply | None:
        """The reply that is in the store by now, perhaps from another process."""
        record = None if self.store is None else self.store.get_reply(request.key)
        return None if record is None else Reply.from_dict(record)

    def claim(self, request: Request) -> bool:
        """Whether the request may be sent; False while another run has it in flight."""
        return self.claims is None or self.claims.take(request.key)

    def give_back(self, request: Request | None = None) -> None:
        """End the claim on one request, or all of this run."""
        if self.claims is None:
            return
        if request is None:
            self.claims.give_all_back()
        else:
            self.claims.give_back(request.key)

    def keep(self, replies: Sequence[Kept]) -> list[Reply]:
        """Store `replies`, together; what is stored then, which may be what another process stored before."""
        if self.store is None:
            return [reply for _, reply, _ in replies]
        with self.store.transaction():
            in_effect = [self._put(self.store, *kept) for kept in replies]
            for request, _, _ in replies:
                self.give_back(request)
        return in_effect

    def _put(self, store: Store, request: Request, reply: Reply, outcome: ReplyOutcome) -> Reply:
        is_new = store.put_reply(
            request.key,
            reply.to_dict(),
            model=self.model,
            transcript_id=request.transcript_id,
            content_hash=request.content_hash,
            harms=request.harms,
            repeat=request.repeat,
            outcome=outcome,
            request_id=reply.request_id,
        )
        earlier = None if is_new else self.stored(request)
        return reply if earlier is None else earlier
