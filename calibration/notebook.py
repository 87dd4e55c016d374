"""How answers show in a notebook: one small table each, text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import isnan

from calibration.rates.rounding import percent_interval


def card(title: str, facts: Mapping[str, str], notes: Iterable[str] = ()) -> str:
    """HTML of one answer: its title, a table of facts, its notes.

    Examples
    --------
    >>> card("rate", {"interval": "1 % to 2 %"})
    '<table><caption>rate</caption><tbody><tr><th>interval</th><td>1 % to 2 %</td></tr></tbody></table>'
    """
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items())
    return f"<table><caption>{escape(title)}</caption><tbody>{rows}</tbody></table>{_notes(notes)}"


def grid(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], notes: Iterable[str] = ()) -> str:
    """HTML of several answers: a row each."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    table = f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return table + _notes(notes)


def share(value: float) -> str:
    """A share in per cent, or that there is none."""
    return "not known" if isnan(value) else f"{100 * value:.3g} %"


def interval(low: float, high: float) -> str:
    """An interval of shares in per cent, rounded outward, or that there is none.

    Examples
    --------
    >>> interval(0.12346, 0.30001)
    '12.3-30.1 %'
    """
    return "not known" if isnan(low) or isnan(high) else percent_interval(low, high)


def p_value(value: float) -> str:
    """A p-value to two digits; "?" for nan.

    Examples
    --------
    >>> p_value(0.0344), p_value(1.0), p_value(3e-9), p_value(float("nan"))
    ('0.034', '1', '< 0.0001', '?')
    """
    if isnan(value):
        return "?"
    return "< 0.0001" if value < 0.0001 else f"{value:.2g}"


def _notes(notes: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<ul>{items}</ul>" if items else ""
