"""Replies are counted and stored as they arrive, before anything reads a verdict from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from grader.judge.clients.protocol import Reply, Request
from grader.judge.read_reply import ReplyOutcome, reply_outcome
from grader.store.store import Store

# A request, its reply, and one word for what the reply is (`reply_outcome`).
Kept = tuple[Request, Reply, ReplyOutcome]

# Answers that a second attempt may mend.
ASK_AGAIN: frozenset[ReplyOutcome] = frozenset({"unparseable", "contradictory"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Keeps the replies of one judge.

    Parameters
    ----------
    model : str
        Recorded with every reply.
    store : Store, optional
    watch : callable, optional
        Called with every (request, reply) that arrives; may raise `RunStopped`.
    """

    model: str
    store: Store | None = None
    watch: Callable[[Request, Reply], None] | None = None

    def read(self, request: Request, reply: Reply) -> ReplyOutcome:
        """One word for what a reply is; a question may be asked again when the word is in `ASK_AGAIN`."""
        return reply_outcome(reply, request.harms)

    def count(self, request: Request, reply: Reply) -> None:
        """Enter a reply into the books, also one whose question will be asked again: it was paid for."""
        if self.watch is not None:
            self.watch(request, reply)

    def keep(self, replies: Sequence[Kept]) -> None:
        """Store `replies`, together."""
        if self.store is not None:
            self._put(self.store, replies)

    def _put(self, store: Store, replies: Iterable[Kept]) -> None:
        with store.transaction():
            for request, reply, outcome in replies:
                store.put_reply(
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
