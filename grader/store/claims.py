"""Which questions are being asked right now: processes that share a store do not pay for the same answer twice."""

from __future__ import annotations

import os
import secrets
import socket
import time

from grader.store.store import Store

# Longer than a request and its pauses take; a claim is renewed with every attempt.
LEASE_SECONDS = 1_200.0

_TABLE = "CREATE TABLE IF NOT EXISTS claim (key TEXT PRIMARY KEY, holder TEXT, expires_at REAL) WITHOUT ROWID"
_TAKE = """INSERT INTO claim VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE
SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE claim.expires_at < ? OR claim.holder = excluded.holder"""


class Claims:
    """The claims of one run on the questions of a store.

    A claim ends when it is given back, when its lease expires, or when the process that took it (on this machine)
    no longer exists.

    Parameters
    ----------
    store : Store
    seconds : float
        How long a claim holds without being renewed.

    Examples
    --------
    >>> store = Store(":memory:")
    >>> one, two = Claims(store), Claims(store)
    >>> one.take("k"), one.take("k"), two.take("k")
    (True, True, False)
    >>> one.give_back("k")
    >>> two.take("k")
    True
    """

    def __init__(self, store: Store, *, seconds: float = LEASE_SECONDS) -> None:
        self._store, self._seconds = store, seconds
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(6)}"
        store.write(_TABLE)

    def take(self, key: str) -> bool:
        """Claim a question, or renew the claim; False while another run has it."""
        return self._taken(key) or (self._is_abandoned(key) and self._taken(key))

    def give_back(self, key: str) -> None:
        """End the claim on one question."""
        self._store.write("DELETE FROM claim WHERE key = ? AND holder = ?", (key, self.holder))

    def give_all_back(self) -> None:
        """End all claims of this run."""
        self._store.write("DELETE FROM claim WHERE holder = ?", (self.holder,))

    def _taken(self, key: str) -> bool:
        now = time.time()
        return self._store.write(_TAKE, (key, self.holder, now + self._seconds, now)) == 1

    def _is_abandoned(self, key: str) -> bool:
        """Whether the holder's process is gone; its claim is removed then."""
        for (holder,) in self._store.read("SELECT holder FROM claim WHERE key = ?", (key,)):
            host, pid, _ = holder.rsplit(":", 2)
            if host != socket.gethostname() or _is_running(int(pid)):
                return False
            self._store.write("DELETE FROM claim WHERE key = ? AND holder = ?", (key, holder))
        return True


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
