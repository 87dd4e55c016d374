"""How a study is computed: what its file, its command line and its report agree on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from calibration.rates.methods import Method
from calibration.records import Target

Pairing = Literal["independent", "scenario"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySettings:
    """What `run_study` takes beside data; see there.

    Examples
    --------
    >>> StudySettings(by=("arm",)).to_dict()["by"]
    ['arm']
    """

    by: tuple[str, ...] = ()
    cluster: str = "scenario"
    where: Mapping[str, str] = field(default_factory=dict)
    harms: tuple[str, ...] | None = None
    grader: str | None = None
    target: Target = "scenarios"
    method: Method = "likelihood-ratio"
    confidence_level: float = 0.95
    assumed_icc: float = 0.2
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pairing: Pairing = "independent"

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-able data, as a report records them."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> StudySettings:
        """The inverse of `to_dict`; what is missing takes its default."""
        known: dict[str, Any] = {}
        for name in cls.__dataclass_fields__:
            if (value := record.get(name)) is not None:
                known[name] = tuple(value) if isinstance(value, list) else value
        return cls(**known)
