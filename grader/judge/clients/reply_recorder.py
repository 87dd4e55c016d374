"""What becomes of a reply before anybody reads it: it is stored, for it is paid for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from grader.judge.clients.protocol import Reply, Request
from grader.judge.read_reply import reply_outcome
from grader.store.store import Store

# A request, its reply, and one word for what the reply is: ``scored``, or why it is no answer.
Kept = tuple[Request, Reply, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Keeps the replies of one judge.

    Parameters
    ----------
    model : str
        Recorded with every reply.
    store : Store, optional
    watch : callable, optional
        Called with every (request, reply) after it is stored; may raise `RunStopped`.
    """

    model: str
    store: Store | None = None
    watch: Callable[[Request, Reply], None] | None = None

    def read(self, request: Request, reply: Reply) -> str:
        """One word for what a reply is; the same question may be asked again when it is ``unparseable``."""
        return reply_outcome(reply, request.harms)

    def keep(self, replies: Sequence[Kept]) -> None:
        """Store `replies`, together."""
        if self.store is not None:
            self._put(self.store, replies)
        if self.watch is not None:
            for request, reply, _ in replies:
                self.watch(request, reply)

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
