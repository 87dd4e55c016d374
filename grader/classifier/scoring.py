"""Scoring: from bags of segments to probabilities, and from these to verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from grader.classifier.bags import Bags
from grader.classifier.explaining import driving_segments
from grader.classifier.novelty import Likeness
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
        The fold of a labelled transcript, else -1.
    """
    empty = np.array([len(rows) == 0 for rows in bags.rows], dtype=bool)
    return {harm: np.where(empty, np.nan, model.probability(bags, fold)) for harm, model in harms.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """What turns bags into verdicts.

    Parameters
    ----------
    name, version : str
        Of the grader.
    harms : mapping of harm to HarmModel
    likeness : Likeness
    trained_on : {"human", "judge"}
    """

    name: str
    version: str
    harms: Mapping[str, HarmModel]
    likeness: Likeness
    trained_on: Teacher

    def verdicts(self, transcripts: Sequence[Transcript], bags: Bags, fold: Ints) -> Iterator[Verdict]:
        """A verdict per transcript and harm, in order.

        ``usage`` holds the ``threshold``; whether the score is ``out_of_fold``; ``unlikeness``, above 1 where the
        transcript is unlike anything labelled (`Likeness`); whose labels it was ``trained_on``; and for what is
        present the ``segments`` that drove the score (`driving_segments`).
        """
        scores, unlike = probabilities(self.harms, bags, fold), self.likeness.unlikeness(bags, fold)
        drove = {harm: self._drove(harm, scores[harm], bags, fold) for harm in self.harms}
        for i, transcript in enumerate(transcripts):
            for harm, model in self.harms.items():
                verdict = self._silent(transcript, harm)
                score = float(scores[harm][i])
                if np.isnan(score):
                    yield verdict
                    continue
                present = i in drove[harm]
                usage = {
                    "threshold": model.threshold,
                    "out_of_fold": bool(fold[i] >= 0),
                    "unlikeness": round(float(unlike[i]), 4),
                    "trained_on": self.trained_on,
                } | ({"segments": drove[harm][i]} if present else {})
                yield replace(verdict, present=present, score=score, outcome="scored", explanation="", usage=usage)

    def _drove(self, harm: str, score: Float, bags: Bags, fold: Ints) -> dict[int, list[dict[str, Any]]]:
        """What drove the score, for each transcript that holds the harm: its place to its segments."""
        model = self.harms[harm]
        present = np.flatnonzero(score >= model.threshold)
        return dict(zip(present.tolist(), driving_segments(model, bags, present.tolist(), fold[present]), strict=True))

    def _silent(self, transcript: Transcript, harm: str) -> Verdict:
        return Verdict(
            transcript_id=transcript.id,
            harm=harm,
            grader=self.name,
            grader_version=self.version,
            present=None,
            outcome="cannot_assess",
            explanation="the transcript has no text",
        )
