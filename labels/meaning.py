"""What the controls and columns of people's labels mean, as the user says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from grader.errors import InputError

ControlMap = Mapping[str, Mapping[str, Sequence[str]]]
Rest = Literal["error", "no", "unsure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMeaning:
    """How labels are to be read: the arguments of `labels.read_labels` beside the path.

    Parameters
    ----------
    control_map : mapping, optional
        ``{"verdict": {"blackmail": ["coercion"]}}``: harm ``blackmail`` is 1 when control ``verdict`` holds one of
        these values. A taxonomy's value is a path (``Harm/Leaking``) or any name on it; a rating or number may be
        compared (``>=3``). Only the harms of the map are read then.
    unsure : mapping, optional
        ``{"verdict": ["Cannot tell"]}``: values of a control that are no answer (NaN). The value ``unsure`` always is.
    rest : {"error", "no", "unsure"}
        What a value means that nothing names, on a control that is mapped.
    id_field : str, optional
        The field (column) that holds the transcript's id.
    columns : mapping, optional
        Our column of a table of labels -> its name there: ``{"transcript_id": "sample", "label": "verdict"}``.
    raters : mapping, optional
        A rater's id -> the name to show.
    allow_unused : bool
        Whether the map may name controls, values and harms that do not occur (yet).
    harms : sequence of str, optional
        Known harms; default those of the shipped rubrics.
    harm : str, optional
        The harm of a table that has no column for it.
    config : path, optional
        The project's labelling configuration (XML); default ``label_config.xml`` beside the export, where that fits.
    """

    control_map: ControlMap | None = None
    unsure: Mapping[str, Sequence[str]] | None = None
    rest: Rest = "error"
    id_field: str | None = None
    columns: Mapping[str, str] | None = None
    raters: Mapping[str, str] = field(default_factory=dict)
    allow_unused: bool = False
    harms: Sequence[str] | None = None
    harm: str | None = None
    config: Path | str | None = None

    @property
    def known_harms(self) -> tuple[str, ...]:
        """The harms that a control or column may be named like."""
        if self.harms is not None:
            return tuple(self.harms)
        from grader.rubrics import load_rubrics

        shipped = load_rubrics()
        return tuple(dict.fromkeys([*shipped, *([] if self.harm is None else [self.harm])]))

    @property
    def mapped_harms(self) -> tuple[str, ...]:
        """The harms that the map names."""
        return tuple(dict.fromkeys(harm for harms in (self.control_map or {}).values() for harm in harms))

    def check_harms(self, graded: Iterable[str]) -> None:
        """Refuse a map to a harm that no verdict is on: it was misspelt, or belongs to another study.

        Raises
        ------
        InputError
        """
        there = sorted(set(graded))
        for harm in () if self.allow_unused else self.mapped_harms:
            if harm not in there:
                raise InputError(
                    f"--map names harm {harm!r}, on which there is no verdict; there are verdicts on "
                    f"{', '.join(there)} (--allow-unused reads it all the same)"
                )


def parse_map(entries: Iterable[str]) -> dict[str, dict[str, list[str]]] | None:
    """``CONTROL:HARM=VALUE|VALUE`` entries as a control map; None without any.

    Examples
    --------
    >>> parse_map(["verdict:blackmail=coercion|threat"])
    {'verdict': {'blackmail': ['coercion', 'threat']}}
    """
    mapped: dict[str, dict[str, list[str]]] = {}
    for entry in entries:
        left, equals, values = entry.partition("=")
        control, colon, harm = left.rpartition(":")
        named = [value for value in values.split("|") if value.strip()]
        if not (equals and colon and control and harm and named):
            raise InputError(f"a map must read CONTROL:HARM=VALUE, several values joined by |, got {entry!r}")
        mapped.setdefault(control, {}).setdefault(harm, []).extend(named)
    return mapped or None


def parse_values(entries: Iterable[str], *, option: str = "--unsure") -> dict[str, list[str]] | None:
    """``CONTROL=VALUE|VALUE`` entries; None without any.

    Examples
    --------
    >>> parse_values(["assessment=Cannot tell|No idea"])
    {'assessment': ['Cannot tell', 'No idea']}
    """
    named: dict[str, list[str]] = {}
    for entry in entries:
        control, equals, values = entry.partition("=")
        several = [value for value in values.split("|") if value.strip()]
        if not (equals and control and several):
            raise InputError(f"{option} must read CONTROL=VALUE, several values joined by |, got {entry!r}")
        named.setdefault(control, []).extend(several)
    return named or None


def parse_pairs(entries: Iterable[str], *, option: str) -> dict[str, str]:
    """``NAME=VALUE`` entries, several in one joined by commas.

    Examples
    --------
    >>> parse_pairs(["transcript_id=sample_id,label=verdict"], option="--columns")
    {'transcript_id': 'sample_id', 'label': 'verdict'}
    """
    pairs: dict[str, str] = {}
    for entry in (part for whole in entries for part in whole.split(",") if part.strip()):
        name, equals, value = (part.strip() for part in entry.partition("="))
        if not (equals and name and value):
            raise InputError(f"{option} must read NAME=VALUE, several joined by commas, got {entry!r}")
        if name in pairs:
            raise InputError(f"{option} names {name!r} twice")
        pairs[name] = value
    return pairs
