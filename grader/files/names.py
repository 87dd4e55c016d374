"""Names of files made from names of things."""

from __future__ import annotations

import re
from collections.abc import Iterable

# A file system takes some 255 bytes.
_LONGEST_NAME = 60


def file_names(names: Iterable[str]) -> dict[str, str]:
    """A file name for each name: not a path, not too long, and no two alike.

    Examples
    --------
    >>> file_names(["a", "../b", "_b", "_b"])
    {'a': 'a', '../b': '_b', '_b': '_b-2'}
    """
    given: dict[str, str] = {}
    for name in dict.fromkeys(names):
        safe = re.sub(r"[^\w-]+", "_", name)[:_LONGEST_NAME]
        number = next(n for n in range(1, len(given) + 2) if _numbered(safe, n) not in given.values())
        given[name] = _numbered(safe, number)
    return given


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"
