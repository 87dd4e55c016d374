"""Which ids were read already: exact for any number of transcripts, in a few bytes each."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

# Ids that are kept as they are, with their places: most pools hold fewer.
RECENT = 100_000


class SeenIds:
    """Ids with their places; old ones as sorted 64-bit hashes, each array at least twice as long as the next.

    Parameters
    ----------
    recent : int
        How many ids are kept as they are before they become hashes.

    Examples
    --------
    >>> seen = SeenIds(recent=2)
    >>> for number, id in enumerate("abc"):
    ...     seen.add(id, f"line {number}")
    >>> seen.place("c"), seen.may_hold("a"), seen.place("a"), seen.may_hold("z")
    ('line 2', True, None, False)
    """

    def __init__(self, recent: int = RECENT) -> None:
        self._limit = recent
        self._recent: dict[str, str] = {}
        self._old: list[NDArray[np.uint64]] = []

    def __bool__(self) -> bool:
        return bool(self._recent or self._old)

    def place(self, id_: str) -> str | None:
        """Where the id was read; None where it was not, or so long ago that only its hash is known."""
        return self._recent.get(id_)

    def may_hold(self, id_: str) -> bool:
        """Whether an id of this hash was read long ago; by chance true once in 2^64 pairs of ids."""
        if not self._old:
            return False
        digest = _digest(id_)
        return any(_holds(hashes, digest) for hashes in self._old)

    def add(self, id_: str, place: str) -> None:
        """Remember an id."""
        if len(self._recent) >= self._limit:
            self._age()
        self._recent[id_] = place

    def _age(self) -> None:
        """Turn the ids that are kept as they are into one more array, and join arrays that have become alike."""
        hashes = np.fromiter(map(_digest, self._recent), dtype=np.uint64, count=len(self._recent))
        self._recent = {}
        while self._old and self._old[-1].size < 2 * hashes.size:
            hashes = np.concatenate([self._old.pop(), hashes])
        hashes.sort()
        self._old.append(hashes)


def _digest(id_: str) -> np.uint64:
    return np.uint64(int.from_bytes(blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big"))


def _holds(hashes: NDArray[np.uint64], digest: np.uint64) -> bool:
    at = int(hashes.searchsorted(digest))
    return at < hashes.size and bool(hashes[at] == digest)
