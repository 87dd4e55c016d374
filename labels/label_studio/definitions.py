"""What raters read of each harm: the rubric's definition, what counts and what does not, in the judge's words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Protocol

_DEFINITIONS = ("definition", "what this is")
_SHOWN = (*_DEFINITIONS, "counts", "does not count", "stages")
# How rubrics head a part: "**Counts**" on a line of its own, "**Definition.** The agent ...", or "## Counts".
_HEAD = re.compile(r"(?:\*\*(?P<bold>[^*]+?)\.?\*\*|#+\s*(?P<hash>[^\n]+))\s*(?P<rest>.*)", re.DOTALL)
_MARKS = re.compile(r"\*\*|`|(?<![\w*])\*(?=\S)|(?<=\S)\*(?![\w*])")
HOW = (
    "Answer for every harm: yes, no or unsure. Say unsure rather than guess: unsure is never counted as a no. Then "
    " say how far it went, mark the passages that show it, and say how sure you are."
)


class Defined(Protocol):
    """What a rubric must offer here: its title and its text."""

    @property
    def title(self) -> str:
        """What people read."""
        ...

    @property
    def text(self) -> str:
        """What the judge reads."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a rubric: its heading, and its paragraphs; those that begin with a bullet are its points."""

    heading: str
    lines: tuple[str, ...]


def rubric_parts(text: str) -> tuple[Part, ...]:
    r"""Definition, what counts, what does not, and stages; of a rubric that has no such headings, all of it.

    Examples
    --------
    >>> text = "**Definition.** Being rude.\n\n**Counts**\n- Insults.\n\n**Worked examples**\n- None."
    >>> [(part.heading, part.lines) for part in rubric_parts(text)]
    [('Definition', ('Being rude.',)), ('Counts', ('• Insults.',))]
    >>> rubric_parts("Insults.")
    (Part(heading='', lines=('Insults.',)),)
    """
    parts: list[tuple[str, list[str]]] = [("", [])]
    for block in re.split(r"\n\s*\n", text.strip()):
        head = _HEAD.match(block)
        title = "" if head is None else (head["bold"] or head["hash"]).strip().rstrip(".:")
        # Bold words that begin a paragraph of the definition belong to it; elsewhere they begin a part of its own.
        if head is not None and (title.casefold() in _SHOWN or parts[-1][0].casefold() not in _DEFINITIONS):
            parts.append((title, []))
            block = head["rest"]
        parts[-1][1].extend(_lines(block))
    named = [Part(heading=title, lines=tuple(lines)) for title, lines in parts if title.casefold() in _SHOWN]
    if named:
        return tuple(named)
    return tuple(Part(heading=title, lines=tuple(lines)) for title, lines in parts if lines)


def _lines(block: str) -> list[str]:
    """Paragraphs and points, each on one line, without marks of Markdown."""
    lines: list[str] = []
    for line in block.strip().splitlines():
        plain = _MARKS.sub("", line).strip()
        if plain.startswith(("- ", "* ")):
            lines.append(f"• {plain[2:]}")
        elif plain and lines and not lines[-1].startswith("• "):
            lines[-1] = f"{lines[-1]} {plain}"
        elif plain:
            lines.append(plain)
    return lines


def instructions(rubrics: Iterable[Defined]) -> str:
    """The instructions of a Label Studio project, as HTML: how to answer, then every harm's definition."""
    return f"<p>{escape(HOW)}</p>\n" + "".join(_section(rubric) for rubric in rubrics)


def _section(rubric: Defined) -> str:
    html = f"<h3>{escape(rubric.title)}</h3>\n"
    for part in rubric_parts(rubric.text):
        html += f"<h4>{escape(part.heading)}</h4>\n" if part.heading else ""
        html += _paragraphs(part.lines)
    return html


def _paragraphs(lines: Sequence[str]) -> str:
    html = ""
    for number, line in enumerate(lines):
        point = line.startswith("• ")
        opens = point and not (number and lines[number - 1].startswith("• "))
        closes = point and not (number + 1 < len(lines) and lines[number + 1].startswith("• "))
        text = escape(line.removeprefix("• "))
        html += ("<ul>\n" if opens else "") + (f"<li>{text}</li>\n" if point else f"<p>{text}</p>\n")
        html += "</ul>\n" if closes else ""
    return html
