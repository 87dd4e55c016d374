"""Labelling configuration: made from the rubrics, and read back to know what the controls mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol
from xml.etree import ElementTree

from grader.errors import InputError
from labels.label_studio.definitions import rubric_parts
from labels.words import plain, side_of

ANSWERS = ("yes", "no", "unsure")
STAGES = ("none", "considered", "attempted", "completed")
DIALOGUE = "dialogue"
# The control into which raters write what they want to say beside their answers.
NOTE = "note"
CONFIDENCE = "confidence"

# Label Studio shows a dialogue without line breaks, with times of an audio file, and names in pale colours: for
# agents' mail and tool results lines have to stay. Messages are numbered as everywhere else; spans are not moved by it.
_STYLE = """
.lsf-paragraphs { counter-reset: message; }
.lsf-paragraphs [data-testid^="phrase:"] { counter-increment: message; }
.lsf-paragraphs [class^="titleWrapper"]::before { content: "M" counter(message); opacity: 0.6; margin-right: 8px; }
.lsf-paragraphs [class^="dialoguename"] { color: inherit !important; font-weight: 600; flex: 1; }
.lsf-paragraphs [class^="dialoguetext"] { white-space: pre-wrap; overflow-wrap: anywhere; }
.lsf-paragraphs [class^="time--"] { display: none; }
.harmrate-marking { position: sticky; top: 0; z-index: 2; padding: 4px 0; background: var(--color-neutral-background); }
[data-testid="textarea-instruction"], [data-testid="textarea-counts"] { display: none; }
"""

_PLAIN = "font-weight: normal; margin: 2px 0;"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Titled(Protocol):
    """What a rubric must offer here: its harm's name and a title; with a ``text``, its definition is shown."""

    @property
    def name(self) -> str:
        """The harm."""
        ...

    @property
    def title(self) -> str:
        """What people read."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One control of a labelling configuration: what a rater can fill in."""

    name: str
    kind: str
    values: tuple[str, ...] = ()
    several: bool = False
    per_region: bool = False


def label_config(rubrics: Iterable[Titled] | Mapping[str, Titled]) -> str:
    """The labelling configuration for `rubrics`, as XML for a Label Studio project.

    Parameters
    ----------
    rubrics : iterable of Rubric, or mapping of name to Rubric
        One per harm, e.g. ``load_rubrics()``.

    Returns
    -------
    str
        The transcript as a dialogue (data field ``dialogue``: a list of ``{"role", "text"}``), evidence spans per
        harm on its text; per harm its rubric's definition (folded), one required choice named like it (yes / no /
        unsure) and, once answered, a stage; confidence (1-5 stars) and a note.

    Raises
    ------
    ValueError
        When there is no rubric, a name is no identifier or is taken by another control.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> xml = label_config([SimpleNamespace(name="sabotage", title="Sabotage")])
    >>> [c.name for c in read_config(xml).values()]
    ['evidence', 'sabotage', 'sabotage_stage', 'confidence', 'note']
    """
    harms = list(rubrics.values()) if isinstance(rubrics, Mapping) else list(rubrics)
    _check_names(harms)
    view = ElementTree.Element("View", style="display: flex; gap: 24px; align-items: flex-start;")
    ElementTree.SubElement(view, "Style").text = _STYLE
    reading = ElementTree.SubElement(view, "View", style="flex: 3 1 0; min-width: 0;")
    # In reach wherever one reads: else every span costs a way up to its label and back.
    marking = ElementTree.SubElement(reading, "View", className="harmrate-marking")
    evidence = ElementTree.SubElement(marking, "ParagraphLabels", name="evidence", toName=DIALOGUE)
    for harm in harms:
        ElementTree.SubElement(evidence, "Label", value=harm.name)
    ElementTree.SubElement(
        reading, "Paragraphs", name=DIALOGUE, value=f"${DIALOGUE}", layout="dialogue", nameKey="role", textKey="text"
    )
    asking = ElementTree.SubElement(view, "View", style="flex: 1 1 0; min-width: 280px; position: sticky; top: 0;")
    for harm in harms:
        _ask(asking, harm)
    _header(asking, "How sure are you?")
    ElementTree.SubElement(asking, "Rating", name=CONFIDENCE, toName=DIALOGUE, maxRating="5")
    _header(asking, "Note")
    ElementTree.SubElement(asking, "TextArea", name=NOTE, toName=DIALOGUE, rows="2", maxSubmissions="1")
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def _ask(parent: ElementTree.Element, harm: Titled) -> None:
    _header(parent, harm.title)
    _define(parent, harm)
    answer = _choices(parent, harm.name, ANSWERS, choice="single", required="true", showInline="true")
    answer.set("requiredMessage", f"Please answer for {harm.title}: yes, no or unsure.")
    # After a no as well: harm that was considered and not done is a no.
    when = {"visibleWhen": "choice-selected", "whenTagName": harm.name}
    stage = ElementTree.SubElement(parent, "View", when)
    _header(stage, "How far did it go?", size="6")
    _choices(stage, f"{harm.name}_stage", STAGES, choice="single", showInline="true")


def _define(parent: ElementTree.Element, harm: Titled) -> None:
    """The rubric's definition, folded: raters open it where they need it."""
    parts = rubric_parts(getattr(harm, "text", ""))
    if not any(part.lines for part in parts):
        return
    panel = ElementTree.SubElement(ElementTree.SubElement(parent, "Collapse"), "Panel", value="What counts")
    for part in parts:
        if part.heading:
            _header(panel, part.heading, size="6")
        for line in part.lines:
            # Label Studio would take a dollar sign at the start for a field of the task.
            ElementTree.SubElement(
                panel,
                "Header",
                value=line.replace("$", "\uff04", 1) if line[0] == "$" else line,
                size="6",
                style=_PLAIN,
            )


def _header(parent: ElementTree.Element, text: str, size: str = "5") -> None:
    ElementTree.SubElement(parent, "Header", value=text, size=size)


def _choices(parent: ElementTree.Element, name: str, values: Iterable[str], **options: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, "Choices", {"name": name, "toName": DIALOGUE} | options)
    for value in values:
        ElementTree.SubElement(element, "Choice", value=value)
    return element


def _check_names(harms: list[Titled]) -> None:
    if not harms:
        raise ValueError("rubrics must hold at least one rubric, got none.")
    names = [harm.name for harm in harms]
    taken = {DIALOGUE, "evidence", CONFIDENCE, NOTE} | {f"{name}_stage" for name in names}
    for i, name in enumerate(names):
        if not _NAME.fullmatch(name) or name in taken or name in names[:i]:
            raise ValueError(f"a harm's name must be a free identifier, got {name!r}.")
        if harms[i].title.startswith("$"):  # Label Studio would look for a field of the task
            raise ValueError(f"a harm's title must not start with a dollar sign, got {harms[i].title!r}.")


def read_config(xml: str, *, file: Path | str | None = None) -> dict[str, Control]:
    """The controls of a labelling configuration, by name, in order.

    Raises
    ------
    InputError
        When it is no XML, has no ``View`` root, or two controls share a name.
    """
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise InputError("a labelling configuration holds no document type or entities", file=file)
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise InputError(f"the labelling configuration is not XML: {error}", file=file) from None
    if root.tag != "View":
        raise InputError(f"a labelling configuration starts with <View>, not <{root.tag}>", file=file)
    controls: dict[str, Control] = {}
    for element in root.iter():
        if element.get("toName") and element.get("name"):
            try:
                control = _control(element)
            except RecursionError:
                raise InputError("the labelling configuration is nested too deeply", file=file) from None
            if control.name in controls:
                raise InputError(f"two controls are named {control.name!r}", file=file)
            controls[control.name] = control
    return controls


def _control(element: ElementTree.Element) -> Control:
    leaves: list[str] = []
    for child in element:
        _values(child, (), leaves)
    kind = element.tag.lower()
    several = kind == "taxonomy" or kind.endswith("labels") or element.get("choice") == "multiple"
    return Control(
        name=element.get("name", ""),
        kind=kind,
        values=tuple(leaves),
        several=several,
        per_region=element.get("perRegion", "").lower() == "true" or kind.endswith("labels"),
    )


def _values(element: ElementTree.Element, path: tuple[str, ...], into: list[str]) -> None:
    """Every value that can be chosen; a taxonomy's as a path (``Harm/Deception``) and, below, each of its names."""
    value = element.get("alias") or element.get("value")
    if value is None:
        return
    here = (*path, value)
    into.append("/".join(here))
    for child in element:
        _values(child, here, into)


Shape = Literal["answer", "harms"]


def shape_of(values: Iterable[str], harms: Iterable[str], *, named: bool = False) -> Shape | None:
    """Which of the two shapes that need no map these values are: yes / no / unsure, names of harms, or neither.

    A control that is `named` like a harm may say yes and no in any words (`labels.words`).

    Examples
    --------
    >>> shape_of(["Yes", "no"], []), shape_of(["ja", "nein"], []), shape_of(["ja", "nein"], [], named=True)
    ('answer', None, 'answer')
    """
    words = {plain(value) for value in values}
    if words & {"yes", "no"} and words <= set(ANSWERS):
        return "answer"
    if named and {side_of(word) for word in words} & {"yes", "no"} and all(side_of(word) for word in words):
        return "answer"
    harmful = words - {"none", "unsure"}
    if harmful and harmful <= {harm.casefold() for harm in harms}:
        return "harms"
    return None
