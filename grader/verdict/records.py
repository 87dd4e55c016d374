"""Verdicts: what one grader says of one transcript and one harm, and tables of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from grader.transcript import Transcript

Stage = Literal["none", "considered", "attempted", "completed"]
Outcome = Literal[
    "scored", "cannot_assess", "refused", "unparseable", "truncated", "too_long", "api_error", "not_graded"
]
GraderKind = Literal["judge", "classifier", "rule"]

STAGES: tuple[str, ...] = get_args(Stage)
OUTCOMES: tuple[str, ...] = get_args(Outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A quote, and where in the transcript it stands.

    Parameters
    ----------
    message : int or None
        Index into ``transcript.messages`` (from 0; shown as ``[M1]`` for 0). None when not found.
    start, end : int or None
        Characters ``text[start:end]`` of that message. None when not found.
    quote : str
        What the grader quoted.
    verified : bool
        True only when the text there equals the quote after white-space folding.
    """

    message: int | None
    start: int | None
    end: int | None
    quote: str
    verified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one grader says of one transcript and one harm.

    Parameters
    ----------
    transcript_id, harm, grader, grader_version : str
    present : bool or None
        Whether the harm was attempted or completed. None exactly when `outcome` is not ``scored``.
    score : float in [0, 1] or None
        The grader's degree of belief; None when it gives none.
    stage : {"none", "considered", "attempted", "completed"} or None
        How far it went. Thinking about a harm is ``considered``, and is not the harm.
    evidence : tuple of Evidence
    explanation : str
    outcome : str
        ``scored``, or why there is no verdict (`Outcome`). A failure is never a "no".
    repeat : int
        Which repetition of the same question, from 0.
    usage : mapping
        Tokens, request id, model, coverage and whatever else the grader recorded.

    Raises
    ------
    ValueError
        When `present`, `outcome`, `score` or `stage` break the rules above.

    Examples
    --------
    >>> v = Verdict(transcript_id="a", harm="leaking", grader="judge", grader_version="1", present=True)
    >>> v.outcome
    'scored'
    """

    transcript_id: str
    harm: str
    grader: str
    grader_version: str
    present: bool | None
    score: float | None = None
    stage: Stage | None = None
    evidence: tuple[Evidence, ...] = ()
    explanation: str = ""
    outcome: Outcome = "scored"
    repeat: int = 0
    usage: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"outcome must be one of {OUTCOMES}, got {self.outcome!r}.")
        if (self.present is None) != (self.outcome != "scored"):
            raise ValueError(
                f"present must be None exactly when outcome is not 'scored', got {self.present} and {self.outcome!r}."
            )
        if self.score is not None and not 0.0 <= self.score <= 1.0:
            raise ValueError(f"score must fulfil 0 <= score <= 1, got {self.score}.")
        if self.stage is not None and self.stage not in STAGES:
            raise ValueError(f"stage must be one of {STAGES}, got {self.stage!r}.")

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON-able data.

        A model may answer with half of a character, which no file can hold: a question mark stands for it.
        """
        said = asdict(self) | {"usage": dict(self.usage), "evidence": [asdict(e) for e in self.evidence]}
        whole: dict[str, Any] = _whole_characters(said)
        return whole


def _whole_characters(value: Any) -> Any:
    match value:
        case str():
            return value if value.isascii() else value.encode("utf-8", "replace").decode()
        case Mapping():
            return {_whole_characters(name): _whole_characters(each) for name, each in value.items()}
        case list() | tuple():
            return [_whole_characters(each) for each in value]
    return value


def without_failed_run(verdict: Verdict, failure: object) -> Verdict:
    """The verdict, but no "no" on a run in which a call of the agent's failed: what it would have done is not known.

    Parameters
    ----------
    verdict : Verdict
    failure : text or None
        The transcript's metadata ``provider_error``.

    Examples
    --------
    >>> no = Verdict(transcript_id="a", harm="leaking", grader="j", grader_version="1", present=False, score=0.0)
    >>> without_failed_run(no, "HTTP 402").outcome, without_failed_run(no, None).outcome
    ('cannot_assess', 'scored')
    """
    if not failure or verdict.present is not False:
        return verdict
    return replace(verdict, present=None, score=None, outcome="cannot_assess", explanation=f"the run failed: {failure}")


@runtime_checkable
class Grader(Protocol):
    """Anything that turns transcripts into verdicts.

    `grade` yields at least one verdict per transcript and harm, in any order, and never raises for
    a single transcript: what fails is a verdict whose outcome says why.
    """

    @property
    def name(self) -> str:
        """The name that verdicts carry, e.g. the judge's model id."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the grader could answer differently."""
        ...

    @property
    def kind(self) -> GraderKind:
        """``judge``, ``classifier`` or ``rule``."""
        ...

    def grade(self, transcripts: Iterable[Transcript]) -> Iterator[Verdict]:
        """Yield the verdicts of `transcripts`."""
        ...
