"""Stores of several machines: each writes its own file, and none opens another's while it is written."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal

from grader.store.care import merge_stores
from grader.store.store import Store


class WorkerStore(Store):
    """A machine's own store, plus a read-only snapshot of the first machine's store from when the run began.

    Parameters
    ----------
    path : path
        Its own.
    seen : path, optional
        A `snapshot` of the other; where it is not to be seen from here, only its own counts.
    """

    def __init__(self, path: Path | str, seen: Path | None) -> None:
        super().__init__(path)
        self._seen: sqlite3.Connection | None = None
        if seen is not None and seen.is_file():  # read-only, so no lock is needed: network disks have none
            address = f"{seen.resolve().as_uri()}?immutable=1"
            self._seen = sqlite3.connect(address, uri=True, check_same_thread=False)

    def get_reply(self, key: str) -> dict[str, Any] | None:
        """The reply put under `key`, or None."""
        found = super().get_reply(key)
        if found is not None or self._seen is None:
            return found
        with self._lock:
            row = self._seen.execute("SELECT reply FROM reply WHERE key = ?", (key,)).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def close(self) -> None:
        """Close the files."""
        super().close()
        if self._seen is not None:
            self._seen.close()


@contextmanager
def snapshot(store: Path, how: Literal["made", "not needed"]) -> Iterator[Path | None]:
    """A copy of a store beside it, for other machines to read while the ``with`` block runs."""
    if how == "not needed" or not store.is_file():
        yield None
        return
    copy = store.resolve().with_name(f".{store.name}.seen")
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(store)) as db:
        db.execute("VACUUM INTO ?", (str(copy),))
    try:
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def store_of(store: Path, host: str) -> Path:
    """The store of another machine.

    Examples
    --------
    >>> store_of(Path("s/store.sqlite"), "node7").as_posix()
    's/store.worker-node7.sqlite'
    """
    return store.with_name(f"{store.stem}.worker-{host}{store.suffix}")


def join_stores(store: Path) -> None:
    """Add to a store what other machines keep beside it, on a disk that they share."""
    others = sorted(store.parent.glob(f"{store.stem}.worker-*{store.suffix}"))
    if others:
        merge_stores(store, others)
