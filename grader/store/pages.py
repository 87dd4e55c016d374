"""Rows of a damaged SQLite file, read page by page: what is sound is found though the way to it is lost.

Every row of a store carries a checksum, so whatever can be read as a row and has the right one was put there.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Pages of the trees that tables without row ids are kept in: leaves, and the nodes above them, which hold rows too.
_LEAF, _INNER = 0x0A, 0x02
_HEADER = 100  # of the file, on its first page
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


def rows_on_pages(path: Path | str, n_columns: int) -> Iterator[tuple[Any, ...]]:
    """Yield whatever can be read as a record of `n_columns` values, wherever in the file it lies.

    Parameters
    ----------
    path : path of a SQLite file, however damaged
    n_columns : int

    Notes
    -----
    Records that were deleted but not yet written over are among them, and so is nonsense: check what you take.

    References
    ----------
    "Database File Format", sqlite.org: sections 1.5 and 1.6 (B-tree pages, overflow), 2.1 (record format).
    """
    with Path(path).open("rb") as file:
        if file.seek(0, 2) < 512:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
            size, reserved = _page_size(raw)
            for start in range(0, len(raw) - size + 1, size):
                for at in _cells(raw, start, size):
                    try:
                        row = _record(_payload(raw, at, size, size - reserved))
                    except (IndexError, ValueError, struct.error):
                        continue
                    if len(row) == n_columns:
                        yield row


def _page_size(raw: mmap.mmap) -> tuple[int, int]:
    """Bytes of a page, and how many of them at its end are not used; the usual where the header makes no sense."""
    told = int.from_bytes(raw[16:18], "big")
    size = 65_536 if told == 1 else told
    if size < 512 or size & (size - 1):
        return 4096, 0
    return size, raw[20] if raw[20] <= size - 480 else 0


def _cells(raw: mmap.mmap, start: int, size: int) -> Iterator[int]:
    """Where the records of a page begin."""
    head = start + (_HEADER if start == 0 else 0)
    kind = raw[head]
    if kind not in (_LEAF, _INNER):
        return
    n_cells = int.from_bytes(raw[head + 3 : head + 5], "big")
    pointers = head + (8 if kind == _LEAF else 12)
    for i in range(min(n_cells, size // 4)):
        offset = int.from_bytes(raw[pointers + 2 * i : pointers + 2 * i + 2], "big")
        if offset < size:
            yield start + offset + (0 if kind == _LEAF else 4)  # an inner cell begins with the page below it


def _payload(raw: mmap.mmap, at: int, size: int, usable: int) -> bytes:
    """A record's bytes, those on overflow pages included."""
    length, at = _varint(raw, at)
    most, least = (usable - 12) * 64 // 255 - 23, (usable - 12) * 32 // 255 - 23
    if length > len(raw):
        raise ValueError("longer than the file")
    if length <= most:
        return raw[at : at + length]
    local = least + (length - least) % (usable - 4)
    local = local if local <= most else least
    parts, missing = [raw[at : at + local]], length - local
    page = int.from_bytes(raw[at + local : at + local + 4], "big")
    while missing > 0:
        there = (page - 1) * size
        if page == 0 or there + size > len(raw):
            raise ValueError("the rest lies outside the file")
        parts.append(raw[there + 4 : there + 4 + min(missing, usable - 4)])
        missing -= usable - 4
        page = int.from_bytes(raw[there : there + 4], "big")
    return b"".join(parts)


def _record(payload: bytes) -> tuple[Any, ...]:
    length, at = _varint(payload, 0)
    kinds = []
    while at < length:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    values, at = [], length
    for kind in kinds:
        value, n_bytes = _value(payload, at, kind)
        values.append(value)
        at += n_bytes
    return tuple(values)


def _value(payload: bytes, at: int, kind: int) -> tuple[Any, int]:
    """A value and how many bytes it takes."""
    if kind == 0:
        return None, 0
    if kind in _INTEGER_BYTES:
        n = _INTEGER_BYTES[kind]
        return int.from_bytes(payload[at : at + n], "big", signed=True), n
    if kind == 7:
        return struct.unpack(">d", payload[at : at + 8])[0], 8
    if kind in (8, 9):
        return kind - 8, 0
    if kind < 12:
        raise ValueError("no such kind of value")
    n = (kind - 12) // 2
    found = payload[at : at + n]
    return (found.decode() if kind % 2 else found), n


def _varint(raw: mmap.mmap | bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where the next thing begins."""
    value = 0
    for i in range(8):
        byte = raw[at + i]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + i + 1
    return value << 8 | raw[at + 8], at + 9
