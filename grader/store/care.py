"""Care of stores: several joined into one, damage found and named, what is sound saved into a new file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.store.pages import rows_on_pages
from grader.store.store import Store
from grader.store.tables import COLUMNS, SCHEMA_VERSION, Kind, checksum

_BATCH = 1_000
# Of the sentences of SQLite's own check: one broken page makes hundreds.
_MOST_TOLD = 20

# What identifies a row.
_KEYS: dict[Kind, tuple[str, ...]] = {"reply": ("key",), "embedding": ("model_key", "text_hash")}
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What joining stores did.

    Parameters
    ----------
    added : mapping from kind to int
        Entries that were new.
    n_same : int
        Entries that were there already, the same.
    conflicts : tuple of str
        Entries that were there with another content, which was kept: ``FILE: reply KEY``.
    """

    added: Mapping[Kind, int]
    n_same: int
    conflicts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is left of a store.

    Parameters
    ----------
    path : str
    n_sound : mapping from kind to int
        Entries that are as they were put.
    damage : tuple of str
        What is wrong, a sentence each; empty for a sound store. Of a store of version 1, whose rows have no
        checksums, a changed letter cannot be told.
    """

    path: str
    n_sound: Mapping[Kind, int]
    damage: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.damage


@dataclass(slots=True)
class _Salvage:
    """Rows of a table by key, and the keys of those that are known to have been there."""

    sound: dict[Row, Row] = field(default_factory=dict)
    spoilt: set[Row] = field(default_factory=set)


def merge_stores(destination: Path | str, sources: Sequence[Path | str]) -> Merged:
    """Add what is in `sources` to `destination`, which is made when absent; the first answer to a question stays.

    Parameters
    ----------
    destination : path
    sources : sequence of path
        In order of precedence.

    Raises
    ------
    InputError
        A source is no store, is damaged, or is the destination itself. What was added by then stays.
    """
    for source in sources:
        if not Path(source).is_file():
            raise InputError("no such store", file=source)
        if Path(source).resolve() == Path(destination).resolve():
            raise InputError("cannot be merged into itself", file=source)
    added: dict[Kind, int] = {"reply": 0, "embedding": 0}
    n_same, conflicts = 0, list[str]()
    for path in (destination, *sources):
        Store(path).close()  # made, or brought to this version, or told why not
    with closing(sqlite3.connect(destination, timeout=60, isolation_level=None)) as db:
        db.create_function("checksum", -1, checksum, deterministic=True)
        for source in sources:
            db.execute("ATTACH ? AS other", (str(source),))
            try:
                db.execute("BEGIN IMMEDIATE")
                for kind in COLUMNS:
                    same, differing = _compared(db, kind)
                    n_same += same
                    conflicts += [f"{source}: {kind} {key}" for key in differing]
                    added[kind] += db.execute(f"INSERT OR IGNORE INTO {kind} SELECT * FROM other.{kind}").rowcount
                db.execute("COMMIT")
            except sqlite3.DatabaseError as error:
                told = f"{error}; see `harmrate store verify`"
                raise InputError(f"cannot be merged: {told}", file=source) from None
            db.execute("DETACH other")
    return Merged(added=added, n_same=n_same, conflicts=tuple(conflicts))


def _compared(db: sqlite3.Connection, kind: Kind) -> tuple[int, list[str]]:
    """How many entries both stores hold alike, and the names of those they hold differently."""
    columns, keys = COLUMNS[kind], ", ".join(_KEYS[kind])
    for row in db.execute(f"SELECT {keys} FROM other.{kind} WHERE checksum IS NOT checksum({', '.join(columns)})"):
        raise sqlite3.DatabaseError(f"{kind} {' '.join(row)} is damaged")
    content = "reply" if kind == "reply" else "vector"
    both = f"FROM {kind} AS mine JOIN other.{kind} AS theirs USING ({keys})"
    (same,) = db.execute(f"SELECT count(*) {both} WHERE mine.{content} IS theirs.{content}").fetchone()
    differing = db.execute(f"SELECT {keys} {both} WHERE mine.{content} IS NOT theirs.{content} ORDER BY {keys}")
    return same, [" ".join(row) for row in differing]


def verify_store(path: Path | str, *, repair: Path | str | None = None) -> Condition:
    """Look for damage, and put what is sound into a new store. The store itself is only read.

    Parameters
    ----------
    path : path
    repair : path, optional
        Where to write the sound entries, whether or not anything is wrong; must not exist.

    Raises
    ------
    InputError
        There is no such file, it is not a SQLite file at all, or `repair` exists.

    Notes
    -----
    Where the way to a row is lost, all pages are searched for rows with the right checksum. Of a damaged store, entries
    that were pruned may come back.
    """
    if not Path(path).is_file():
        raise InputError("no such store", file=path)
    if repair is not None and Path(repair).exists():
        raise InputError("exists already; name a new file to repair into", file=repair)
    with closing(_connect(path)) as db:
        version = _version(db, path)
        damage = list(_structure(db))
        found = {kind: _salvage(db, kind, version, path) for kind in COLUMNS}
    for kind, salvage in found.items():
        damage += [f"{kind} {' '.join(map(str, key))} is not as it was put" for key in sorted(salvage.spoilt, key=repr)]
    if repair is not None:
        with Store(repair) as out:
            for kind, salvage in found.items():
                rows = list(salvage.sound.values())
                for start in range(0, len(rows), _BATCH):
                    out.put_rows(kind, rows[start : start + _BATCH])
    return Condition(
        path=str(path), n_sound={kind: len(salvage.sound) for kind, salvage in found.items()}, damage=tuple(damage)
    )


def _connect(path: Path | str) -> sqlite3.Connection:
    db = sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")  # a flipped byte must not end the reading
    db.execute("PRAGMA writable_schema = ON")  # else a file that was cut short is refused as a whole
    return db


def _version(db: sqlite3.Connection, path: Path | str) -> int:
    try:
        (version,) = db.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError as error:
        raise InputError(f"cannot be read at all: {error}", file=path) from None
    if not 1 <= version <= SCHEMA_VERSION:
        raise InputError(f"is no store of a known version (schema {version})", file=path)
    return int(version)


def _structure(db: sqlite3.Connection) -> Iterator[str]:
    """What SQLite's own check says, and tables that are gone."""
    try:
        told = [str(row[0]) for row in db.execute(f"PRAGMA integrity_check({_MOST_TOLD})")]
        yield from (f"structure: {' '.join(line.split())}" for line in told if line != "ok")
    except sqlite3.DatabaseError as error:
        yield f"structure: {error}"
    for kind in COLUMNS:
        try:
            db.execute(f"SELECT 1 FROM {kind} LIMIT 0")
        except sqlite3.DatabaseError as error:
            yield f"table {kind}: {error}"


def _salvage(db: sqlite3.Connection, kind: Kind, version: int, path: Path | str) -> _Salvage:
    """Every row that is left; the names of lost ones come from the index, which lies on pages of its own."""
    columns = ", ".join((*COLUMNS[kind], *(("checksum",) if version > 1 else ())))
    found = _Salvage()
    for direction in ("ASC", "DESC"):
        order = ", ".join(f"{name} {direction}" for name in _KEYS[kind])
        if _collect(found, kind, _rows(db, f"SELECT {columns} FROM {kind} ORDER BY {order}")):
            return found
    if version > 1:
        for values in rows_on_pages(path, len(COLUMNS[kind]) + 1):
            row = _as_stored(kind, values)
            if row[-1] == checksum(*row[:-1]):
                _collect(found, kind, iter([row]))
    if kind == "reply":
        for direction in ("ASC", "DESC"):
            named = _rows(db, f"SELECT key FROM reply INDEXED BY reply_age ORDER BY created_at {direction}")
            found.spoilt.update(key for key in named if key is not None and key not in found.sound)
    return found


def _as_stored(kind: Kind, values: Row) -> Row:
    """SQLite keeps a whole number of seconds as an integer."""
    at = COLUMNS[kind].index("created_at")
    return (*values[:at], float(values[at]) if isinstance(values[at], int) else values[at], *values[at + 1 :])


def _collect(found: _Salvage, kind: Kind, rows: Iterator[Row | None]) -> bool:
    """Sort rows into sound and spoilt; False when their reading broke off."""
    for row in rows:
        if row is None:
            return False
        key = _key(kind, row)
        told = row[-1] if len(row) > len(COLUMNS[kind]) else _plausible(kind, row)
        if told == checksum(*row[: len(COLUMNS[kind])]):
            found.sound[key] = (*row[: len(COLUMNS[kind])], told)
            found.spoilt.discard(key)
        else:
            found.spoilt.add(key)
    return True


def _plausible(kind: Kind, row: Row) -> str | None:
    """The checksum that a row of version 1 never had, where it can at least be read."""
    values = dict(zip(COLUMNS[kind], row, strict=True))
    if kind == "reply":
        try:
            if not isinstance(json.loads(values["reply"]), dict) or "\ufffd" in values["reply"]:
                return None
        except (ValueError, TypeError):
            return None
    return checksum(*row)


def _rows(db: sqlite3.Connection, query: str, values: Sequence[Any] = ()) -> Iterator[Row | None]:
    """The rows of a query; None where the reading breaks off."""
    try:
        yield from db.execute(query, values)
    except sqlite3.DatabaseError:
        yield None


def _key(kind: Kind, row: Row) -> Row:
    return row[: len(_KEYS[kind])]
