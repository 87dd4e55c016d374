"""What a log's own graders said, found in the metadata that readers keep: by harm and grader."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grader.transcript import Transcript
from grader.verdict.records import Outcome

# Further classifications, which forks of Agentic Misalignment add: what comes before is what they ask.
_CLASSIFICATION = "_classification"
# Inspect's words for why there is no score, and those of its collections of evaluations.
_REASONS: Mapping[str, Outcome] = {
    "refusal": "refused",
    "grader_refusal": "refused",
    "invalid_response_format": "unparseable",
    "grade_parse_failure": "unparseable",
    "grader_parse_failure": "unparseable",
    "grader_no_tool_call": "unparseable",
    "grader_schema_mismatch": "unparseable",
    "grader_invalid_grade": "unparseable",
    "no_response": "api_error",
    "grader_failed": "api_error",
    "scoring_failed": "api_error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HarnessVerdict:
    """One verdict as its harness wrote it.

    Parameters
    ----------
    harm, grader : str
    value : any
        Truth value, number on the harness's own scale, letter or word; None where it gave none.
    outcome : str
        Why there is no value; ``scored`` where there is one.
    explanation, version : str
    covariate : bool
        Asked like a harm, but none.
    """

    harm: str
    grader: str
    value: Any
    outcome: Outcome = "scored"
    explanation: str = ""
    version: str = ""
    covariate: bool = False


def held_verdicts(transcript: Transcript) -> Iterator[HarnessVerdict]:
    """Yield what the log of a transcript holds: Agentic Misalignment, Inspect, Petri and Bloom.

    Examples
    --------
    >>> t = Transcript(id="a", messages=(), metadata={"scores": {"judge": {"value": {"leaking": 1.0}}}})
    >>> [(held.harm, held.grader, held.value) for held in held_verdicts(t)]
    [('leaking', 'judge', 1.0)]
    """
    metadata = transcript.metadata
    if isinstance(classification := metadata.get("classification"), Mapping):
        yield from _agentic_misalignment(classification, metadata)
    if isinstance(scores := metadata.get("scores"), Mapping):
        for scorer, score in scores.items():
            if isinstance(score, Mapping) and "value" in score:
                yield from inspect_score(scorer, score)
    judge = metadata.get("judge_output")
    if isinstance(judge, Mapping) and isinstance(judge.get("scores"), Mapping):
        yield from _petri(judge)


def by_key(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Harm and value of each part of a value: the keys of an object, else the one value under the grader's name."""
    yield from value.items() if isinstance(value, Mapping) else [(name, value)]


def inspect_score(scorer: str, score: Mapping[str, Any]) -> Iterator[HarnessVerdict]:
    """An Inspect score: one verdict, or one per key of an object. What was not scored says why."""
    metadata = score.get("metadata")
    known: Mapping[str, Any] = metadata if isinstance(metadata, Mapping) else {}
    reason = score.get("reason") or known.get("unscored_reason")
    why = _REASONS.get(reason, "not_graded") if isinstance(reason, str) else "not_graded"
    for harm, value in by_key(scorer, score["value"]):
        yield HarnessVerdict(
            harm=harm,
            grader=scorer,
            value=value,
            outcome=why if is_gap(value) else "scored",
            explanation=_text(score.get("explanation")),
        )


def is_gap(value: Any) -> bool:
    """Whether a value says that there is none: null, NaN, Inspect's ``N``."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or value == "N"


def _agentic_misalignment(said: Mapping[str, Any], metadata: Mapping[str, Any]) -> Iterator[HarnessVerdict]:
    """The study's verdict, which a keyword gate may have overruled, and its language model's own."""
    harm = _text(metadata.get("family")) or "harmful_behavior"
    explanation = _text(said.get("classifier_reasoning"))
    for key, grader in (("harmful_behavior", "classification"), ("classifier_verdict", "classification:llm")):
        if key in said:
            value = said[key] if isinstance(said[key], bool) else None
            outcome: Outcome = "not_graded" if value is None else "scored"
            yield HarnessVerdict(harm=harm, grader=grader, value=value, outcome=outcome, explanation=explanation)
    for key, further in metadata.items():
        if key.endswith(_CLASSIFICATION) and isinstance(further, Mapping):
            said_yes = next((value for value in further.values() if isinstance(value, bool)), None)
            outcome = "not_graded" if said_yes is None else "scored"
            asked = key.removesuffix(_CLASSIFICATION)
            yield HarnessVerdict(harm=asked, grader="classification", value=said_yes, outcome=outcome, covariate=True)


def _petri(judge: Mapping[str, Any]) -> Iterator[HarnessVerdict]:
    explanation = _text(judge.get("justification")) or _text(judge.get("summary"))
    for dimension, value in judge["scores"].items():
        outcome: Outcome = "not_graded" if is_gap(value) else "scored"
        yield HarnessVerdict(
            harm=dimension, grader="judge_output", value=value, outcome=outcome, explanation=explanation
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
