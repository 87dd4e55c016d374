"""From what raters filled in to labels of harms."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from grader.errors import InputError
from labels.label_studio.answers import Answer, Export
from labels.label_studio.config import CONFIDENCE, NOTE, STAGES, Control
from labels.label_studio.fields import number_of
from labels.label_studio.rules import Rule, holds, rules_of
from labels.meaning import LabelMeaning
from labels.words import plain

_SHOWN = 8
REJECTED = "rejected in review"

_COLUMNS = [
    "transcript_id", "harm", "rater", "label", "status", "round", "created_at", "seconds", "source", "rater_email",
    "rater_name", "task", "annotation", "updated_at", "updated_by", "content_hash", "result", "kind", "prelabelled",
    "note", "stage", "confidence", "spans",
]  # fmt: skip

Values = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRows:
    """The rows of a LabelSet's frame, what a person should know, and what was left out for which reason."""

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    dropped: Mapping[str, int]
    is_flat: bool = False


def label_rows(export: Export, meaning: LabelMeaning, config: Mapping[str, Control] | None = None) -> LabelRows:
    """Labels of harms from all answers of an export.

    Parameters
    ----------
    export : Export
    meaning : LabelMeaning
    config : mapping, optional
        The controls of the labelling configuration, where it is known.

    Raises
    ------
    InputError
        No control speaks of a harm; the map names a control or value that does not occur; a value that nothing names.
        The message lists controls and values.
    """
    values = _values(export, config)
    notes = _unused(meaning, values, config)
    rules = rules_of(export, meaning, values, config)
    if not rules:
        raise InputError(f"no control speaks of a harm; give a map (--map CONTROL:HARM=VALUE). {_listing(values)}")
    if meaning.rest == "error":
        _refuse_unnamed(export, rules, config)
    noted = NOTE in (config or {}) and (config or {})[NOTE].kind == "textarea"
    voting = [answer for answer in export.answers if answer.state != "rejected"]
    rows = [
        row | {"note": _note(answer, declared=noted)} | _beside(answer, row["harm"], rules)
        for answer in voting
        for row in _rows(answer, rules)
    ]
    n_rejected = len(export.answers) - len(voting)
    dropped = dict(export.dropped)
    if n_rejected:
        dropped[REJECTED] = n_rejected * len({rule.harm for rule in rules})
        notes = (*notes, f"{n_rejected} annotations were rejected in review: they do not vote.")
    return LabelRows(
        frame=pd.DataFrame(rows, columns=_COLUMNS), notes=(*export.notes, *notes), dropped=dropped, is_flat=export.flat
    )


def _rows(answer: Answer, rules: Sequence[Rule]) -> Iterable[dict[str, Any]]:
    votes_on: dict[str, list[tuple[float, str]]] = {}
    for rule in rules:
        votes_on.setdefault(rule.harm, []).append(rule(answer))
    _refuse_none_and_some(answer, rules)
    for harm, votes in votes_on.items():
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


def _beside(answer: Answer, harm: str, rules: Sequence[Rule]) -> dict[str, Any]:
    """What our labelling page asks beside the answer: how far it went, how sure one is, and where it stands."""
    stage = next((plain(value) for value in answer.values.get(f"{harm}_stage", ()) if plain(value) in STAGES), None)
    sure = next(iter(answer.values.get(CONFIDENCE, ())), None)
    marking = {rule.control: rule.present for rule in rules if rule.harm == harm and rule.marks}
    spans = [
        {name: part for name, part in span.items() if name not in ("control", "labels")}
        for span in answer.spans
        if any(holds(label, wanted) for label in span["labels"] for wanted in marking.get(span["control"], (harm,)))
    ]
    return {
        "stage": stage,
        "confidence": None if sure is None else number_of(sure),
        "spans": json.dumps(spans) if spans else None,
    }


def _joined(votes: list[tuple[float, str]]) -> tuple[float, str]:
    """Several controls of one harm: any yes is yes; else any doubt is doubt; else no."""
    for wanted in ((1.0, "definite"), "unsure", (0.0, "definite")):
        for vote in votes:
            if wanted in (vote, vote[1]):
                return vote
    return votes[0]


def _refuse_none_and_some(answer: Answer, rules: Sequence[Rule]) -> None:
    for rule in rules:
        values = [plain(value) for value in answer.values.get(rule.control, ())]
        named_like_harm = rule.present == (rule.harm,)
        if "none" in values and named_like_harm and len(set(values) - {"none", "unsure"}) > 0:
            raise InputError(
                f"rater {answer.rater!r} chose 'none' together with {', '.join(v for v in values if v != 'none')}",
                record=f"task {answer.task}",
            )


# ---- What the controls hold -----------------------------------------------------------------------------------------


def _values(export: Export, config: Mapping[str, Control] | None) -> dict[str, Counter[str]]:
    """Every control and how often it holds each value; without configuration any column of a flat export may be one."""
    values: dict[str, Counter[str]] = {name: Counter() for name in config or {}}
    for answer in export.answers:
        for control, chosen in answer.values.items():
            if not (export.flat and config) or control in config:
                values.setdefault(control, Counter()).update(chosen)
    return values


def _refuse_unnamed(export: Export, rules: Sequence[Rule], config: Mapping[str, Control] | None) -> None:
    """Refuse values that neither map nor `unsure` names: each may mean no, or no answer."""
    for rule in rules:
        others = Counter(
            value
            for answer in export.answers
            if answer.state == "submitted" and answer.source != "prediction"
            for value in rule.unnamed(answer)
        )
        if rule.rest == "error" and others:
            counts = ", ".join(f"{value[:40]} ({n})" for value, n in others.most_common(_SHOWN))
            raise InputError(
                f"control {rule.control!r} holds values that nothing names: {counts}. Add --unsure "
                f"'{rule.control}=VALUE|VALUE' for those that are no answer, and --rest no if all others mean that "
                f"{rule.harm!r} is absent (--rest unsure if they are no answer either)"
            )


def _unused(meaning: LabelMeaning, values: Values, config: Mapping[str, Control] | None) -> tuple[str, ...]:
    """Refuse controls and values that the options name and that do not occur; notes where they may.

    A value that the labelling configuration declares may be one that nobody chose yet.
    """
    named = [
        ("--map", control, value)
        for control, harms in (meaning.control_map or {}).items()
        for wanted in harms.values()
        for value in wanted
    ]
    named += [("--unsure", control, value) for control, doubts in (meaning.unsure or {}).items() for value in doubts]
    notes: dict[str, None] = {}
    for option, control, value in named:
        if control not in values:
            reason = f"there is no control {control!r} ({option}). {_listing(values)}"
        else:
            declared = config[control].values if config and control in config else ()
            paths = {part for path in declared for part in (path, *path.split("/"))}
            if any(holds(there, value) for there in (*values[control], *paths)) or _may_come(values[control], value):
                continue
            held = _listing({control: values[control]})
            reason = f"control {control!r} never holds {value!r} ({option}). {held}"
        if not meaning.allow_unused:
            raise InputError(f"{reason}; correct it, or say --allow-unused where labelling has just begun")
        notes[reason] = None
    return tuple(notes)


def _may_come(held: Mapping[str, int], wanted: str) -> bool:
    """A comparison is no typing error where the control holds numbers."""
    return wanted.strip()[:1] in "<>" and any(number_of(value) is not None for value in held)


def _listing(values: Values) -> str:
    if not values:
        return "Nobody filled in any control."
    parts = []
    for control, held in values.items():
        shown = ", ".join(f"{value if len(value) <= 40 else value[:37] + '...'}" for value in list(held)[:_SHOWN])
        parts.append(f"{control}: {shown or '(nothing)'}" + (", ..." if len(held) > _SHOWN else ""))
    return "Found " + "; ".join(part.replace("\n", " ") for part in parts)
