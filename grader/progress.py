"""How long work is followed: the library says what it goes through, the caller shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Track(Protocol):
    """Yields the items it is given and shows how far it is."""

    def __call__(self, items: Iterable[Item], what: str, total: int | None = None, /) -> Iterator[Item]:
        """Yield `items`; `what` names the work, `total` how many there will be, where that is known."""
        ...


def untracked(items: Iterable[Item], what: str, total: int | None = None, /) -> Iterator[Item]:
    """Show nothing.

    Examples
    --------
    >>> list(untracked("ab", "letters", 2))
    ['a', 'b']
    """
    return iter(items)
