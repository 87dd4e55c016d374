"""From what raters filled in to labels of harms."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from grader.errors import InputError
from labels.label_studio.answers import Answer, Export
from labels.label_studio.config import NOTE, Control, shape_of

ControlMap = Mapping[str, Mapping[str, Sequence[str]]]

_SHOWN = 8
_COMPARISON = re.compile(r"(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one control says one harm: present when it holds one of `present`; `otherwise` says what silence means."""

    control: str
    harm: str
    present: tuple[str, ...]
    absent_when_empty: bool = False

    def __call__(self, answer: Answer) -> tuple[float, str]:
        """``(label, status)`` of an answer."""
        values = answer.values.get(self.control, ())
        if any(_holds(value, wanted) for value in values for wanted in self.present):
            return 1.0, "definite"
        if any(value.strip().lower() == "unsure" for value in values):
            return float("nan"), "unsure"
        if values or (self.absent_when_empty and answer.values):
            return 0.0, "definite"
        return float("nan"), "skipped"


def label_rows(
    export: Export,
    *,
    control_map: ControlMap | None = None,
    harms: Iterable[str] = (),
    config: Mapping[str, Control] | None = None,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows of a LabelSet's frame, and notes.

    Parameters
    ----------
    export : Export
    control_map : mapping, optional
        Harm ``h`` is 1 when control ``c`` holds one of ``control_map[c][h]``, NaN for ``unsure``, else 0. A value
        like ``>=3`` compares a rating or number. When given, only the harms it names are read.
    harms : iterable of str
        Known harms, for the shapes that need no map.
    config : mapping, optional
        The controls of the labelling configuration, where it is known.

    Raises
    ------
    InputError
        When no control speaks of a harm; the message lists controls and values.
    """
    found = _found(export, config)
    if control_map:
        rules = _mapped(control_map, found, config)
    else:
        rules = _unmapped(export, found, tuple(harms), config)
    if not rules:
        raise InputError(f"no control speaks of a harm; give a map (--map CONTROL:HARM=VALUE). {_listing(found)}")
    noted = NOTE in (config or {}) and (config or {})[NOTE].kind == "textarea"
    rows = [row | {"note": _note(answer, declared=noted)} for answer in export.answers for row in _rows(answer, rules)]
    return pd.DataFrame(rows, columns=_COLUMNS), _never_chosen(rules, found, config)


_COLUMNS = [
    "transcript_id", "harm", "rater", "label", "status", "round", "created_at", "seconds", "source", "rater_email",
    "task", "annotation", "updated_at", "updated_by", "content_hash", "result", "kind", "prelabelled", "note",
]  # fmt: skip


def _rows(answer: Answer, rules: Sequence[Rule]) -> Iterable[dict[str, Any]]:
    said: dict[str, list[tuple[float, str]]] = {}
    for rule in rules:
        said.setdefault(rule.harm, []).append(rule(answer))
    _refuse_none_and_some(answer, rules)
    for harm, votes in said.items():
        label, status = _joined(votes)
        if answer.state != "submitted":
            label, status = (float("nan") if answer.state == "skipped" else label), answer.state
        elif answer.source == "prediction" and status == "skipped":
            continue  # a machine that says nothing of this harm
        yield {name: getattr(answer, name) for name in _COLUMNS if hasattr(answer, name)} | {
            "harm": harm,
            "label": label,
            "status": status,
        }


def _note(answer: Answer, *, declared: bool) -> str | None:
    """What a rater wrote into the note of our labelling page; another control of that name is none."""
    kind = answer.kinds.get(NOTE, "textarea" if declared else None)
    return "\n".join(answer.values.get(NOTE, ())) or None if kind == "textarea" else None


def _joined(votes: list[tuple[float, str]]) -> tuple[float, str]:
    """Several controls of one harm: any yes is yes; else any doubt is doubt; else no."""
    for wanted in ((1.0, "definite"), "unsure", (0.0, "definite")):
        for vote in votes:
            if wanted in (vote, vote[1]):
                return vote
    return votes[0]


def _refuse_none_and_some(answer: Answer, rules: Sequence[Rule]) -> None:
    for rule in rules:
        values = [value.strip().lower() for value in answer.values.get(rule.control, ())]
        if "none" in values and rule.present == (rule.harm,) and len(set(values) - {"none", "unsure"}) > 0:
            raise InputError(
                f"rater {answer.rater!r} chose 'none' together with {', '.join(v for v in values if v != 'none')}",
                record=f"task {answer.task}",
            )


def _holds(value: str, wanted: str) -> bool:
    if value.strip().lower() == wanted.strip().lower():
        return True
    comparison = _COMPARISON.fullmatch(wanted.strip())
    if comparison is None:
        return False
    try:
        return _COMPARE[comparison.group(1)](float(value), float(comparison.group(2)))
    except ValueError:
        return False


# ---- Which controls there are ---------------------------------------------------------------------------------------


def _found(export: Export, config: Mapping[str, Control] | None) -> dict[str, dict[str, None]]:
    """Every control and the values seen in it; without configuration any column of a flat export may be one."""
    found: dict[str, dict[str, None]] = {name: {} for name in config or {}}
    for answer in export.answers:
        for control, values in answer.values.items():
            if not (export.flat and config) or control in config:
                found.setdefault(control, {}).update(dict.fromkeys(values))
    return found


def _mapped(
    control_map: ControlMap, found: Mapping[str, Mapping[str, None]], config: Mapping[str, Control] | None
) -> list[Rule]:
    rules = []
    for control, harms in control_map.items():
        if control not in found:
            raise InputError(f"there is no control {control!r}. {_listing(found)}")
        regions = (config or {}).get(control)
        for harm, values in harms.items():
            if not values:
                raise InputError(f"the map of {control!r} to {harm!r} names no value")
            empty = regions is not None and regions.kind.endswith("labels")
            rules.append(Rule(control=control, harm=harm, present=tuple(values), absent_when_empty=empty))
    return rules


def _unmapped(
    export: Export,
    found: Mapping[str, Mapping[str, None]],
    harms: tuple[str, ...],
    config: Mapping[str, Control] | None,
) -> list[Rule]:
    """The two shapes that need no map.

    A flat export without configuration does not say which of its columns are controls: there only known harms count,
    lest a yes/no field of the task's own data pass for a label.
    """
    rules: list[Rule] = []
    kinds = {name: kind for answer in export.answers for name, kind in answer.kinds.items()}
    kinds |= {name: "per region" if control.per_region else control.kind for name, control in (config or {}).items()}
    guessing = export.flat and not config
    for control, values in found.items():
        if kinds.get(control, "choices") != "choices":
            continue
        declared = config[control].values if config and control in config else ()
        shape = shape_of([*values, *declared], harms)
        if shape == "answer" and (control in harms or not guessing):
            rules.append(Rule(control=control, harm=control, present=("yes",)))
        elif shape == "harms" and (control in kinds or not guessing):
            named = dict.fromkeys(v.strip() for v in (*declared, *sorted(values)) if v.strip().lower() not in _OTHER)
            rules.extend(Rule(control=control, harm=harm, present=(harm,)) for harm in named)
    return rules


_OTHER = frozenset({"none", "unsure"})


def _never_chosen(
    rules: Sequence[Rule], found: Mapping[str, Mapping[str, None]], config: Mapping[str, Control] | None
) -> tuple[str, ...]:
    """A mapped value that nobody chose is a rare harm or a typing error: a person should look."""
    notes = []
    for rule in rules:
        declared = config[rule.control].values if config and rule.control in config else ()
        known = [*found[rule.control], *declared]
        if not any(_holds(value, wanted) for value in known for wanted in rule.present):
            notes.append(f"control {rule.control!r} never held {' or '.join(rule.present)} (harm {rule.harm!r})")
    return tuple(notes)


def _listing(found: Mapping[str, Mapping[str, None]]) -> str:
    if not found:
        return "Nobody filled in any control."
    parts = []
    for control, values in found.items():
        shown = ", ".join(value if len(value) <= 40 else value[:37] + "..." for value in list(values)[:_SHOWN])
        parts.append(f"{control}: {shown or '(nothing)'}" + (", ..." if len(values) > _SHOWN else ""))
    return "Found " + "; ".join(part.replace("\n", " ") for part in parts)
