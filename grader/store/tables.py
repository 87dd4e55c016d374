"""The tables of a store, and the checksum that each of their rows carries."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

Kind = Literal["reply", "embedding"]

# What is told of a reply beside its text; `entries` lists it, `prune` selects by it.
META = ("model", "transcript_id", "content_hash", "harms", "repeat", "outcome", "request_id")

# The columns of each table that its checksum covers.
COLUMNS: dict[Kind, tuple[str, ...]] = {
    "reply": ("key", "reply", "created_at", *META),
    "embedding": ("model_key", "text_hash", "vector", "created_at"),
}
SCHEMA_VERSION = 2
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS reply (
    key TEXT PRIMARY KEY, reply TEXT NOT NULL, created_at REAL NOT NULL,
    {", ".join(f"{name} TEXT" for name in META)}, checksum TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS reply_age ON reply (created_at, key);
CREATE TABLE IF NOT EXISTS embedding (
    model_key TEXT, text_hash TEXT, vector BLOB NOT NULL, created_at REAL NOT NULL, checksum TEXT,
    PRIMARY KEY (model_key, text_hash)
) WITHOUT ROWID;
"""


def checksum(*values: Any) -> str:
    """What tells that an entry is as it was put: a hash of its values and of where each ends.

    Examples
    --------
    >>> checksum("k", None, 1.5) == checksum("k", None, 1.5), checksum("ab", "c") == checksum("a", "bc")
    (True, False)
    """
    digest = hashlib.blake2b(digest_size=8)
    for value in values:
        raw = value if isinstance(value, bytes) else repr(value).encode()
        digest.update(b"%d:" % len(raw) + raw)
    return digest.hexdigest()
