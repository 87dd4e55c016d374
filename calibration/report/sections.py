"""The sections of a report, in the order in which they are read.

A section is `templates/sections/NAME.html.j2` for the page and `NAME.md.j2` for Markdown; either may be missing.
Both see what `_context` of `calibration.report` gives (``report``, and numbers as words). A section whose template
prints nothing is left out, its heading too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import jinja2


class Section(NamedTuple):
    """A part of the report: the name of its templates, and its heading."""

    name: str
    title: str


SECTIONS: tuple[Section, ...] = (
    Section("rates", "Harm rates"),
    Section("comparisons", "Can the groups be told apart?"),
    Section("meaning", "What the numbers mean"),
    Section("agreement", "Who agrees with whom"),
    Section("crosses", "Where graders and humans differ"),
    Section("reliability", "Do scores mean what they say?"),
    Section("thresholds", "What other thresholds would have said"),
    Section("raters", "Each rater alone"),
    Section("judge_card", "Judge card"),
    Section("outcomes", "What was scored, and why not"),
    Section("coverage", "What the labels cover"),
    Section("provenance", "How to do it again"),
)


class Written(NamedTuple):
    """A section with its text, which is not empty."""

    name: str
    title: str
    text: str


def written(
    environment: jinja2.Environment, context: Mapping[str, Any], form: Literal["html", "md"]
) -> Iterator[Written]:
    """The sections that have something to say, as HTML or Markdown."""
    known = set(environment.list_templates())
    for section in SECTIONS:
        template = f"sections/{section.name}.{form}.j2"
        if template not in known:
            continue
        text = environment.get_template(template).render(context)
        if text.strip():
            yield Written(section.name, section.title, text)
