"""Text that cannot command the terminal it is shown on: names, quotes and messages may be hostile."""

from __future__ import annotations

from unicodedata import category

# Control (but line break and tab), format (which turns the reading direction), halves of characters, line separators.
_COMMANDING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def escape_control_chars(text: str) -> str:
    r"""Spell out what would command a terminal or turn the reading direction.

    Examples
    --------
    >>> print(escape_control_chars("a\x1b[2Jb\u202e"))
    a\x1b[2Jb\u202e
    """
    return "".join(ascii(c)[1:-1] if _commands(c) else c for c in text)


def escape_control_chars_json(text: str) -> str:
    r"""The same JSON, with what would command a terminal spelled as JSON spells it: it can stand in strings only.

    Examples
    --------
    >>> print(escape_control_chars_json('{"quote": "a\x9b2Jb"}'))
    {"quote": "a\u009b2Jb"}
    """
    return "".join(_escaped(c) if _commands(c) else c for c in text)


def _commands(character: str) -> bool:
    return character not in "\n\t" and category(character) in _COMMANDING


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
