"""A small grammar: ``[a|b]`` picks one, ``{slot}`` is looked up, ``{^slot}`` starts with a capital."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

_INNERMOST = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")
_SLOT = re.compile(r"\{(\^?)([a-z_0-9]+)\}")

Slots = Mapping[str, str | Sequence[str]]


def expand(template: str, slots: Slots, rng: np.random.Generator) -> str:
    """`template` with every choice made and every slot filled.

    Parameters
    ----------
    template : str
    slots : mapping from name to text, or to several texts of which one is picked
        A text may hold choices and slots itself.
    rng : numpy Generator

    Raises
    ------
    KeyError
        When a slot has no text.

    Examples
    --------
    >>> expand("{^who} [waits|waits] for {who}.", {"who": "the [ship|ship]"}, np.random.default_rng(1))
    'The ship waits for the ship.'
    """

    def choose(match: re.Match[str]) -> str:
        return pick(match[1].split("|"), rng)

    def fill(match: re.Match[str]) -> str:
        text = expand(pick(slots[match[2]], rng), slots, rng)
        return text[:1].upper() + text[1:] if match[1] else text

    while (chosen := _INNERMOST.sub(choose, template)) != template:
        template = chosen
    return _SLOT.sub(fill, template).strip()


def pick(options: str | Sequence[str], rng: np.random.Generator) -> str:
    """One of `options`, each equally likely; a single text is itself."""
    return options if isinstance(options, str) else options[int(rng.integers(len(options)))]
