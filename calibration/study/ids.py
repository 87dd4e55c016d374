"""Why ids of two inputs do not match: examples of both sides and the likely cause."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

SHOWN = 3

# How people and tools change ids, each with the form under which changed ids are equal again.
_CHANGES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("upper and lower case", str.casefold),
    ("spaces", lambda id_: "".join(id_.split())),
    ("leading zeros", lambda id_: id_.lstrip("0") or "0"),
    ("a decimal point (1.0 for 1)", lambda id_: id_.removesuffix(".0")),
    ("folders before the name", lambda id_: id_.replace("\\", "/").rpartition("/")[2]),
)


def shown(ids: Iterable[str]) -> str:
    """The first three ids.

    Examples
    --------
    >>> shown(["b", "a", "d", "c"])
    "'a', 'b', 'c', ..."
    """
    listed = sorted(set(map(str, ids)))
    return ", ".join(map(repr, listed[:SHOWN])) + (", ..." if len(listed) > SHOWN else "")


def likely_cause(strays: Collection[str], known: Collection[str]) -> str | None:
    """In what most of the `strays` differ from known ids; None when nothing of the usual explains them.

    Examples
    --------
    >>> likely_cause(["T1", "T2"], ["t1", "t2"])
    'they differ in upper and lower case'
    """
    for what, plain in _CHANGES:
        forms = {plain(str(id_)) for id_ in known}
        if 2 * sum(plain(str(id_)) in forms for id_ in strays) > len(strays):
            return f"they differ in {what}"
    return None


def mismatch(strays: Collection[str], known: Collection[str], *, name: str, of: str) -> str:
    """Examples of both sides, and the likely cause, as the end of a sentence.

    Examples
    --------
    >>> mismatch(["T1"], ["t1"], name="labels", of="transcripts")
    "labels have 'T1', transcripts 't1'; they differ in upper and lower case"
    """
    cause = likely_cause(strays, known)
    return f"{name} have {shown(strays)}, {of} {shown(known)}" + (f"; {cause}" if cause else "")
