"""Which values of which control say that a harm is there, is not there, or cannot be told."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from grader.errors import InputError
from labels.label_studio.answers import Answer, Export
from labels.label_studio.config import Control, shape_of
from labels.meaning import LabelMeaning, Rest
from labels.words import NO, UNSURE, YES, plain

_COMPARISON = re.compile(r"(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_NO_HARM = "none"
_UNSURE = "unsure"
NONE_AND_SOME = "chose 'none' together with"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one control speaks of one harm.

    Parameters
    ----------
    control, harm : str
    present : tuple of str
        Values (or comparisons) that mean yes.
    unsure, absent : frozenset of str
        Values that are no answer, and that mean no; as `labels.words.plain` writes them.
    rest : {"error", "no", "unsure"}
        What any other value means.
    marks : bool
        A control of passages: a submitted annotation without a mark says no, and a mark of another kind says nothing.
    empty_is_no : bool
        Whether a submitted annotation that leaves the control empty says no; else it is not answered.
    """

    control: str
    harm: str
    present: tuple[str, ...]
    unsure: frozenset[str] = frozenset({_UNSURE})
    absent: frozenset[str] = frozenset()
    rest: Rest = "no"
    marks: bool = False
    empty_is_no: bool = False

    def __call__(self, answer: Answer) -> tuple[float, str]:
        """``(label, status)`` of an answer."""
        values = answer.values.get(self.control, ())
        if any(holds(value, wanted) for value in values for wanted in self.present):
            return 1.0, "definite"
        if any(plain(value) in self.unsure for value in values):
            return float("nan"), "unsure"
        if self.rest != "no" and self.unnamed(answer):
            return float("nan"), "unsure"
        if values or (self.empty_is_no and answer.state != "draft"):
            return 0.0, "definite"
        return float("nan"), "skipped"

    def unnamed(self, answer: Answer) -> tuple[str, ...]:
        """The values of an answer that nothing names."""
        if self.marks:
            return ()
        return tuple(value for value in _leaves(answer.values.get(self.control, ())) if not self._names(value))

    def _names(self, value: str) -> bool:
        parts = [value, *value.split("/")] if "/" in value else [value]
        known = self.unsure | self.absent
        if any(plain(part) in known or holds(part, wanted) for part in parts for wanted in self.present):
            return True
        return _is_number(value) and any(_COMPARISON.fullmatch(wanted.strip()) for wanted in self.present)


def holds(value: str, wanted: str) -> bool:
    """Whether a value is the wanted one, or fulfils the comparison.

    Examples
    --------
    >>> holds(" Yes", "yes"), holds("4", ">=3"), holds("high", ">=3")
    (True, True, False)
    """
    if plain(value) == plain(wanted):
        return True
    comparison = _COMPARISON.fullmatch(wanted.strip())
    if comparison is None or not _is_number(value):
        return False
    return _COMPARE[comparison.group(1)](float(value), float(comparison.group(2)))


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _leaves(values: Sequence[str]) -> list[str]:
    """Of a taxonomy's paths and their parts the whole paths; other values as they are."""
    paths = [value for value in values if "/" in value]
    parts = {part for path in paths for part in path.split("/")}
    return [v for v in values if v not in parts and not any(other.startswith(f"{v}/") for other in paths)]


def rules_of(
    export: Export,
    meaning: LabelMeaning,
    values: Mapping[str, Mapping[str, int]],
    config: Mapping[str, Control] | None,
) -> list[Rule]:
    """What each control says of each harm: as the map says, else by the two shapes that need none.

    Parameters
    ----------
    export : Export
    meaning : LabelMeaning
    values : mapping
        Every control and how often it holds each value.
    config : mapping, optional

    Raises
    ------
    InputError
        The map names a harm that is all but the name of a known one.
    """
    if not meaning.control_map:
        if meaning.rest != "error":
            raise InputError("--rest says what other values of a mapped control mean: give --map CONTROL:HARM=VALUE")
        return _unmapped(export, meaning, values, config)
    _refuse_misspelt(meaning)
    kinds = kinds_of(export, config)
    rules = []
    for control, harms in meaning.control_map.items():
        named = [plain(value) for values in harms.values() for value in values]
        kind = kinds.get(control, "")
        for harm, wanted in harms.items():
            if not wanted:
                raise InputError(f"the map of {control!r} to {harm!r} names no value")
            rules.append(
                Rule(
                    control=control,
                    harm=harm,
                    present=tuple(wanted),
                    unsure=frozenset({_UNSURE, *map(plain, (meaning.unsure or {}).get(control, ()))}),
                    absent=frozenset({*named, *NO, _NO_HARM}),
                    rest=meaning.rest,
                    marks=kind.endswith("labels"),
                    empty_is_no=kind.endswith(("labels", "per region")),
                )
            )
    return rules


def kinds_of(export: Export, config: Mapping[str, Control] | None) -> dict[str, str]:
    """The kind of each control; of one that belongs to passages ``... per region``."""
    kinds: dict[str, str] = {}
    for answer in export.answers:
        kinds |= answer.kinds
    for name, control in (config or {}).items():
        region = control.per_region and not control.kind.endswith("labels")
        kinds[name] = f"{control.kind} per region" if region else control.kind
    return kinds


def _refuse_misspelt(meaning: LabelMeaning) -> None:
    for harm in () if meaning.allow_unused else meaning.mapped_harms:
        near = difflib.get_close_matches(harm.casefold(), meaning.known_harms, n=1, cutoff=0.85)
        if near and harm not in meaning.known_harms and not harm.startswith(near[0]):
            raise InputError(f"--map names harm {harm!r}: is it {near[0]!r}? (--allow-unused keeps {harm!r})")


def _unmapped(
    export: Export,
    meaning: LabelMeaning,
    values: Mapping[str, Mapping[str, int]],
    config: Mapping[str, Control] | None,
) -> list[Rule]:
    """The two shapes that need no map.

    A flat export without configuration does not say which of its columns are controls: there only known harms count,
    lest a yes/no field of the task's own data pass for a label.
    """
    known = {harm.casefold(): harm for harm in meaning.known_harms}
    kinds = kinds_of(export, config)
    guessing = export.flat and not config
    rules: list[Rule] = []
    for control, held in values.items():
        if kinds.get(control, "choices") != "choices":
            continue
        declared = config[control].values if config and control in config else ()
        doubts = frozenset(map(plain, (meaning.unsure or {}).get(control, ())))
        told = [value for value in (*held, *declared) if plain(value) not in doubts]
        harm = known.get(control.strip().casefold())
        shape = shape_of(told, tuple(known), named=harm is not None)
        if shape == "answer" and (harm is not None or not guessing):
            rules.append(
                Rule(control=control, harm=harm or control, present=tuple(YES), unsure=frozenset({*UNSURE, *doubts}))
            )
        elif shape == "harms" and (control in kinds or not guessing):
            named = dict.fromkeys(v.strip() for v in (*declared, *sorted(held)) if plain(v) not in (_NO_HARM, _UNSURE))
            rules.extend(
                Rule(control=control, harm=known.get(v.casefold(), v), present=(v,), unsure=doubts | {_UNSURE})
                for v in named
                if plain(v) not in doubts
            )
    return rules
