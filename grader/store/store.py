"""Content-addressed store of what was paid for: replies and embeddings, in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from grader.errors import InputError
from grader.files.atomic import written_whole
from grader.store.tables import COLUMNS, META, SCHEMA, SCHEMA_VERSION, Kind, checksum

__all__ = ["META", "Store", "open_store"]

# SQLite allows at most 32,766 placeholders in one statement.
_CHUNK = 5_000


class Store:
    """Replies and embeddings by content key; several threads and processes may share one file.

    Every entry is committed as it is put, so that a killed process loses nothing it was given.
    Entries are never overwritten: the first answer to a question stays its answer.

    Parameters
    ----------
    path : path or str
        Made with its folder when absent. ``":memory:"`` keeps nothing.

    Raises
    ------
    InputError
        The file is not such a store, was written by a newer version, or cannot be opened; a reply that is asked for
        is damaged (every entry carries a checksum; `grader.store.care` finds and mends).

    Examples
    --------
    >>> store = Store(":memory:")
    >>> store.put_reply("k", {"stop_reason": "end_turn"}, model="m")
    True
    >>> store.get_reply("k"), store.get_reply("other")
    ({'stop_reason': 'end_turn'}, None)
    """

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        self._lock = threading.RLock()
        try:
            if self.path != ":memory:":
                Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
            self._open()
        except (sqlite3.Error, OSError) as error:
            if "malformed" in str(error):
                raise self._damaged(str(error)) from None
            raise InputError(f"cannot be used as a store: {error}", file=self.path) from None

    def _open(self) -> None:
        # Two processes that open a new file at once can trip over each other's change of journal.
        for pause in (0.1, 0.5, 1.0):
            try:
                return self._prepare()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                time.sleep(pause)
        self._prepare()

    def _prepare(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise InputError(f"was written by a newer version (schema {version})", file=self.path)
        # A write-ahead log survives the death of the process at any moment; only a power cut can
        # take the last commits, and never the file.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        if version < SCHEMA_VERSION:
            self._upgrade()

    def _upgrade(self) -> None:
        """Make the tables, or give those of version 1 their checksums."""
        self._db.create_function("checksum", -1, checksum, deterministic=True)
        with self.transaction():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 1:
                for kind, columns in COLUMNS.items():
                    self._db.execute(f"ALTER TABLE {kind} ADD COLUMN checksum TEXT")
                    self._db.execute(f"UPDATE {kind} SET checksum = checksum({', '.join(columns)})")
            for statement in SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def __reduce__(self) -> tuple[type[Store], tuple[str]]:
        return Store, (self.path,)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Nothing is lost by not calling this."""
        with self._lock:
            self._db.close()

    def get_reply(self, key: str) -> dict[str, Any] | None:
        """The reply put under `key`, or None."""
        rows = self.read(f"SELECT {', '.join(COLUMNS['reply'])}, checksum FROM reply WHERE key = ?", (key,))
        if not rows:
            return None
        *values, told = rows[0]
        if checksum(*values) != told:
            raise self._damaged(f"reply {key} is not what was put")
        return self._parsed(key, values[1])

    def put_reply(self, key: str, reply: Mapping[str, Any], **meta: Any) -> bool:
        """Keep `reply` under `key`, unless there is one already; whether it was kept.

        Parameters
        ----------
        key : str
        reply : mapping, JSON-able
        **meta
            Any of `META`, for listing and pruning; others are refused.

        Raises
        ------
        ValueError
            A name in `meta` is not in `META`.
        """
        unknown = set(meta) - set(META)
        if unknown:
            raise ValueError(f"meta must be among {META}, got {sorted(unknown)}.")
        told = [None if meta.get(name) is None else _as_text(meta[name]) for name in META]
        row = (key, json.dumps(reply, separators=(",", ":")), time.time(), *told)
        return self.put_rows("reply", [(*row, checksum(*row))]) == 1

    def get_embeddings(self, model_key: str, text_hashes: Iterable[str]) -> dict[str, npt.NDArray[np.float32]]:
        """The sound vectors there are: a dict from text hash to float32 array (n_dimensions,)."""
        wanted = list(dict.fromkeys(text_hashes))
        found: dict[str, npt.NDArray[np.float32]] = {}
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            marks = ", ".join("?" * len(chunk))
            query = f"SELECT {', '.join(COLUMNS['embedding'])}, checksum FROM embedding"
            rows = self.read(f"{query} WHERE model_key = ? AND text_hash IN ({marks})", (model_key, *chunk))
            sound = (row for row in rows if checksum(*row[:-1]) == row[-1])
            found.update((name, np.frombuffer(vector, dtype=np.float32)) for _, name, vector, *_ in sound)
        return found

    def put_embeddings(self, model_key: str, vectors: Mapping[str, npt.ArrayLike]) -> None:
        """Keep `vectors` (text hash -> array of shape (n_dimensions,)) of one model in one transaction."""
        now = time.time()
        rows = [(model_key, name, np.asarray(v, dtype=np.float32).tobytes(), now) for name, v in vectors.items()]
        with self.transaction():
            self.put_rows("embedding", [(*row, checksum(*row)) for row in rows])

    def put_rows(self, kind: Kind, rows: Sequence[Sequence[Any]]) -> int:
        """Keep rows as they are in another store (`COLUMNS`, then the checksum); how many were not there yet."""
        marks = ", ".join("?" * (len(COLUMNS[kind]) + 1))
        with self._lock:
            try:
                return self._db.executemany(f"INSERT OR IGNORE INTO {kind} VALUES ({marks})", rows).rowcount
            except sqlite3.DatabaseError as error:
                raise self._unwritable(error) from None

    def entries(self, *, with_reply: bool = False) -> Iterator[dict[str, Any]]:
        """Yield the replies' keys, times (seconds since 1970) and `META`, oldest first, a page at a time."""
        columns = ("key", "created_at", *META, *(("reply",) if with_reply else ()))
        last: tuple[float, str] = (float("-inf"), "")
        query = f"SELECT {', '.join(columns)} FROM reply WHERE (created_at, key) > (?, ?)"
        query += " ORDER BY created_at, key LIMIT 500"
        while True:
            rows = self.read(query, last)
            if not rows:
                return
            for row in rows:
                entry = dict(zip(columns, row, strict=True))
                if with_reply:
                    entry["reply"] = self._parsed(entry["key"], entry["reply"])
                yield entry
            last = (rows[-1][1], rows[-1][0])

    def counts(self) -> dict[Kind, int]:
        """How many entries there are of each kind."""
        found: dict[Kind, int] = {kind: self.read(f"SELECT count(*) FROM {kind}")[0][0] for kind in COLUMNS}
        return found

    def export(self, path: Path | str) -> int:
        """Write all replies as JSON Lines, an entry with its reply a line, whole or not at all; how many."""
        n = 0
        with written_whole(Path(path)) as partial, partial.open("w", encoding="utf-8") as file:
            for entry in self.entries(with_reply=True):
                file.write(json.dumps(entry) + "\n")
                n += 1
        return n

    def prune(self, kind: Kind = "reply", *, before: float | None = None, **meta: str) -> int:
        """Delete entries and give the space back.

        Parameters
        ----------
        kind : {"reply", "embedding"}
        before : float, optional
            Only entries older than this time (seconds since 1970).
        **meta
            Only replies with these `META` values, e.g. ``outcome="refused"``; for embeddings ``model_key``.

        Returns
        -------
        int
            How many were deleted.
        """
        known = META if kind == "reply" else ("model_key",)
        unknown = set(meta) - set(known)
        if unknown:
            raise ValueError(f"prune must select among {known}, got {sorted(unknown)}.")
        where = [f"{name} = ?" for name in meta] + ([] if before is None else ["created_at < ?"])
        values = [*meta.values(), *([] if before is None else [before])]
        query = f"DELETE FROM {kind}" + (f" WHERE {' AND '.join(where)}" if where else "")
        deleted = self.write(query, values)
        if deleted:
            self._shrink()
        return deleted

    def write(self, query: str, values: Sequence[Any] = ()) -> int:
        """Run a statement that writes; how many rows it changed."""
        with self._lock:
            try:
                return self._db.execute(query, values).rowcount
            except sqlite3.DatabaseError as error:
                raise self._unwritable(error) from None

    def read(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """The rows of a query."""
        with self._lock:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise self._damaged(str(error)) from None

    def _parsed(self, key: str, text: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(text)
        except (ValueError, RecursionError) as error:  # somebody else's store: its checksum may be right
            raise self._damaged(f"reply {key} is no JSON: {error}") from None
        return found

    def _damaged(self, reason: str) -> InputError:
        told = f"is damaged ({reason}); see `harmrate store verify --store {self.path}`"
        return InputError(told, file=self.path)

    def _unwritable(self, error: sqlite3.DatabaseError) -> InputError:
        if isinstance(error, sqlite3.OperationalError):  # the disk is full, the file read-only
            return InputError(f"cannot be written: {error}", file=self.path)
        return self._damaged(str(error))

    def _shrink(self) -> None:
        with self._lock, suppress(sqlite3.OperationalError):  # another process reads: the space stays, to be used again
            self._db.execute("VACUUM")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is there after it, or none of it."""
        with self._lock:
            self.write("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self.write("COMMIT")


def open_store(path: Path | str) -> Store:
    """A store that is there already; `Store` makes one where there is none.

    Raises
    ------
    InputError
        There is no such file.
    """
    if not Path(path).is_file():
        raise InputError("no such store", file=path)
    return Store(path)


def _as_text(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return text.encode("utf-8", "replace").decode()  # logs do contain lone surrogates, which SQLite refuses
