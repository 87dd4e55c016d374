"""Which graders take part, as settings: opened where the work is done, on this machine or another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from grader.judge.keyword_gate import KeywordGate
from grader.judge.setup import JudgeSetup, Through, Watch, open_judges
from grader.rubrics import Rubric
from grader.store.store import Store
from grader.verdict.records import Grader

if TYPE_CHECKING:
    from grader.classifier.bags import EmbeddingStore


@dataclass(frozen=True, slots=True, kw_only=True)
class GraderSetup:
    """Graders that are still to be opened; unlike open ones, this can be sent to another machine.

    Parameters
    ----------
    rubrics : mapping from harm to Rubric
    judge : JudgeSetup, optional
    gate : {"none", "keyword"}
        Whether the public keyword gates take part, to be compared with.
    classifier : path, optional
        Folder of a trained classifier.
    """

    rubrics: Mapping[str, Rubric]
    judge: JudgeSetup | None = None
    gate: Literal["none", "keyword"] = "none"
    classifier: Path | None = None

    def open(
        self,
        *,
        store: Store | None = None,
        embeddings: EmbeddingStore | None = None,
        watch: Watch | None = None,
        through: Through | None = None,
    ) -> list[Grader]:
        """The graders, ready to grade.

        Parameters
        ----------
        store : Store, optional
            Where judges keep their replies.
        embeddings : EmbeddingStore, optional
            Where the classifier keeps its embeddings.
        watch, through
            As `grader.judge.setup.open_judges` takes them.

        Raises
        ------
        InputError
            No credentials, no such classifier, and whatever else keeps a grader from being opened.
        """
        graders: list[Grader] = []
        if self.gate == "keyword":
            graders.append(KeywordGate.among(self.rubrics))
        if self.judge is not None:
            graders.append(open_judges(self.judge, self.rubrics, store=store, watch=watch, through=through))
        if self.classifier is not None:
            from grader.classifier import EmbeddingClassifier

            graders.append(EmbeddingClassifier.load(self.classifier, store=embeddings))
        return graders
