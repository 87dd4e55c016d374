"""What a killed run must know of its batches: which requests were sent, and under which id."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from grader.store.store import Store

_PREFIX = "batch/"


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch as the store remembers it.

    Parameters
    ----------
    name : str
        Its name in the journal.
    keys : frozenset of str
        The requests in it, by `Request.key`, which are their custom ids.
    created_at : float
        Seconds since 1970, just before it was sent.
    id : str or None
        The server's id; None when the run ended before it was known, and the batch may or may not exist.
    """

    name: str
    keys: frozenset[str]
    created_at: float
    id: str | None = None


class BatchJournal:
    """Batches in a `Store`, as entries that are only ever added: intended, sent, done.

    The intention is stored before the batch is sent, so that a batch whose id was lost with the process is still
    looked for, and never sent, and paid for, twice.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def intend(self, keys: Iterable[str], *, model: str) -> Batch:
        """Note that a batch is about to be sent."""
        batch = Batch(_name(keys := frozenset(keys), created := time.time()), keys, created)
        record = {"keys": sorted(batch.keys), "created_at": created}
        self._store.put_reply(f"{batch.name}/intended", record, model=model, outcome="batch")
        return batch

    def sent(self, batch: Batch, id_: str) -> Batch:
        """Note the server's id."""
        self._store.put_reply(f"{batch.name}/sent", {"id": id_}, outcome="batch", request_id=id_)
        return Batch(batch.name, batch.keys, batch.created_at, id_)

    def done(self, batch: Batch) -> None:
        """Note that every reply of the batch is in the store, or can never be."""
        self._store.put_reply(f"{batch.name}/done", {}, outcome="batch", request_id=batch.id)

    def open(self) -> Iterator[Batch]:
        """The batches that were intended or sent and are not done."""
        entries = {entry["key"] for entry in self._store.entries() if entry["key"].startswith(_PREFIX)}
        for key in sorted(entries):
            name, _, state = key.rpartition("/")
            intended = self._store.get_reply(key)
            if state == "intended" and intended is not None and f"{name}/done" not in entries:
                sent = self._store.get_reply(f"{name}/sent") or {}
                yield Batch(name, frozenset(intended["keys"]), intended["created_at"], sent.get("id"))

    def known_ids(self) -> frozenset[str]:
        """The ids of all batches that were ever sent through this store."""
        entries = (entry for entry in self._store.entries() if entry["key"].startswith(_PREFIX))
        return frozenset(entry["request_id"] for entry in entries if entry["request_id"])


def _name(keys: frozenset[str], created_at: float) -> str:
    digest = hashlib.sha256(f"{created_at}{sorted(keys)}".encode()).hexdigest()
    return f"{_PREFIX}{digest[:32]}"
