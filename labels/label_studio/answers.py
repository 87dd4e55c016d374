"""One kind of record for exports of every shape: what one rater submitted for one task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["submitted", "skipped", "draft", "rejected"]

ADJUDICATION = "adjudication"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One annotation, draft or prediction: who said what of which task."""

    task: str
    transcript_id: str
    rater: str
    rater_email: str | None = None
    rater_name: str | None = None
    state: State = "submitted"
    source: str = "annotation"
    round: int = 1
    annotation: str = ""
    created_at: str | None = None
    updated_at: str | None = None
    updated_by: str | None = None
    seconds: float | None = None
    content_hash: str | None = None
    prelabelled: bool = False
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    spans: tuple[Mapping[str, Any], ...] = ()
    result: Any = None

    @property
    def kind(self) -> Literal["annotation", "draft", "prediction"]:
        """What it is on the server, where each kind has numbers of its own."""
        if self.state == "draft":
            return "draft"
        return "prediction" if self.source == "prediction" else "annotation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """All answers of an export; `flat` when task data and controls cannot be told apart by its format."""

    answers: tuple[Answer, ...]
    n_tasks: int
    flat: bool
    notes: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
