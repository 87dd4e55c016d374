"""The one JSON object in a judge's text: out of prose, code fences and think tags, and never one of two."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

# Thinking before the answer, whose opening tag some chat templates leave out.
_THINKING = re.compile(r"\A\s*(?:<(think|thinking|reasoning)>.*?</\1>|[^{]*?</think>)", re.DOTALL)
# A brace that opens an object with at least one key; any other brace is prose.
_OPENS = re.compile(r'\{\s*"')


def only_object(text: str) -> dict[str, Any]:
    """The one JSON object in `text`.

    Parameters
    ----------
    text : str
        Raw line breaks inside strings are allowed.

    Raises
    ------
    ValueError
        There is no object, more than one, or one that cannot be read or names a key twice.

    Examples
    --------
    >>> only_object('<think>hm {maybe}</think> Here it is: ```json {"a": 1} ``` I hope this helps.')
    {'a': 1}
    >>> only_object('{"a": 1} {"a": 2}')
    Traceback (most recent call last):
    ValueError: 2 JSON objects, and only one can be the answer
    """
    text = text.lstrip("\ufeff")
    while (thinking := _THINKING.match(text)) is not None:
        text = text[thinking.end() :]
    objects = list(_objects(text))
    if not objects:
        raise ValueError("no JSON object")
    if len(objects) > 1:
        raise ValueError(f"{len(objects)} JSON objects, and only one can be the answer")
    return objects[0]


def without_doubled_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An ``object_pairs_hook`` for `json` that refuses an object in which a key appears twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} appears twice in one object")
    return found


def _objects(text: str) -> Iterator[dict[str, Any]]:
    start = 0
    while (opening := _OPENS.search(text, start)) is not None:
        try:
            value, start = _DECODER.raw_decode(text, opening.start())
        except RecursionError:
            raise ValueError("objects lie too deep in each other") from None
        yield value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=without_doubled_keys, parse_constant=_refuse_constant)
