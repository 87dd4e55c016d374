"""Scoring: from bags of segments to probabilities, and from these to verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from grader.classifier.agreement import BatchAgreement
from grader.classifier.bags import Bags
from grader.classifier.explaining import driving_segments
from grader.classifier.probability import sigmoid
from grader.classifier.training import HarmModel
from grader.transcript import Transcript
from grader.verdict.records import Verdict

Float = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
# Whose labels a classifier learned.
Teacher = Literal["human", "judge"]


def probabilities(harms: Mapping[str, HarmModel], bags: Bags, fold: Ints) -> dict[str, Float]:
    """Harm to probabilities of shape (n_transcripts,); NaN for a transcript without any text.

    Parameters
    ----------
    harms : mapping of harm to HarmModel
    bags : Bags
    fold : int array of shape (n_transcripts,)
        The head that scores each transcript.
    """
    empty = np.array([len(rows) == 0 for rows in bags.rows], dtype=bool)
    return {harm: np.where(empty, np.nan, model.probability(bags, fold)) for harm, model in harms.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Transcripts that are scored together.

    Parameters
    ----------
    transcripts : sequence of Transcript
    bags : Bags
    head : int array of shape (n_transcripts,)
        The head that scores each: of a labelled transcript that of its fold.
    labelled : bool array of shape (n_transcripts,)
    unlikeness : array of shape (n_transcripts,)
        Above 1 for a transcript unlike anything labelled; nan without text.
    """

    transcripts: Sequence[Transcript]
    bags: Bags
    head: Ints
    labelled: npt.NDArray[np.bool_]
    unlikeness: Float


class Scorer:
    """Turns chunks of one batch into verdicts, as far as the gate and the batch allow.

    Parameters
    ----------
    name, version : str
        Of the grader.
    harms : mapping of harm to HarmModel
    trained_on : {"human", "judge"}
    """

    def __init__(self, *, name: str, version: str, harms: Mapping[str, HarmModel], trained_on: Teacher) -> None:
        self._name = name
        self._version = version
        self._harms = harms
        self._trained_on = trained_on
        self._batch = {harm: BatchAgreement(model.agreement) for harm, model in harms.items()}

    def verdicts(self, chunk: Chunk) -> Iterator[Verdict]:
        """A verdict per transcript and harm, in order.

        A harm whose gate does not say ``grades`` gets ``cannot_assess`` with the gate's reason, and so do unlabelled
        transcripts of a foreign batch (`BatchAgreement`); the score stays where it may rank. ``usage`` holds the
        ``threshold``; the gate's ``use``; whether the score is ``out_of_fold``; ``unlikeness``; whose labels it was
        ``trained_on``; and for what is present the ``segments`` that drove the score (`driving_segments`).
        """
        scored = {harm: self._score(harm, model, chunk) for harm, model in self._harms.items()}
        for i, transcript in enumerate(chunk.transcripts):
            for harm, row in scored.items():
                yield self._verdict(harm, transcript, chunk, row, i)

    def _score(self, harm: str, model: HarmModel, chunk: Chunk) -> _Scored:
        log_odds = model.view_log_odds(chunk.bags, chunk.head)
        empty = np.array([len(rows) == 0 for rows in chunk.bags.rows], dtype=bool)
        score = np.where(empty, np.nan, sigmoid(log_odds.mean(axis=0), model.slope, model.intercept))
        foreign = self._batch[harm].add(log_odds[:, ~empty & ~chunk.labelled])
        present = np.flatnonzero(score >= model.threshold) if model.gate.use == "grades" else np.empty(0, dtype=np.intp)
        segments = driving_segments(model, chunk.bags, present.tolist(), chunk.head[present])
        return _Scored(score=score, foreign=foreign, segments=dict(zip(present.tolist(), segments, strict=True)))

    def _verdict(self, harm: str, transcript: Transcript, chunk: Chunk, scored: _Scored, i: int) -> Verdict:
        model = self._harms[harm]
        score = float(scored.score[i])
        why = self._why_not(model, score, None if chunk.labelled[i] else scored.foreign)
        usage: dict[str, Any] = {
            "threshold": model.threshold,
            "use": model.gate.use,
            "out_of_fold": bool(chunk.labelled[i]),
            "unlikeness": round(float(chunk.unlikeness[i]), 4),
            "trained_on": self._trained_on,
        }
        if why is None and i in scored.segments:
            usage["segments"] = scored.segments[i]
        return Verdict(
            transcript_id=transcript.id,
            harm=harm,
            grader=self._name,
            grader_version=self._version,
            present=None if why is not None else i in scored.segments,
            score=None if np.isnan(score) or model.gate.use == "not used" else score,
            outcome="scored" if why is None else "cannot_assess",
            explanation=why or "",
            usage={} if np.isnan(score) else usage,
        )

    def _why_not(self, model: HarmModel, score: float, foreign: str | None) -> str | None:
        """Why there is no verdict; None when there is one."""
        if np.isnan(score):
            return "the transcript has no text"
        if model.gate.use != "grades":
            use = "only ranks" if model.gate.use == "ranks only" else "is not used"
            return f"the classifier {use}: {model.gate.reason}"
        return foreign


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """One harm's scores of a chunk, why the batch is foreign, and for what is present the segments behind it."""

    score: Float
    foreign: str | None
    segments: dict[int, list[dict[str, Any]]]
