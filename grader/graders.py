"""Which graders take part, and the only place that opens them: on this machine, on a cluster, in a service."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from grader.errors import InputError
from grader.judge.keyword_gate import KeywordGate
from grader.judge.setup import JudgeSetup, Through, Watch, open_judges
from grader.rubrics import Rubric
from grader.store.store import Store
from grader.verdict.records import Grader

if TYPE_CHECKING:
    from grader.classifier.bags import EmbeddingStore

Gate = Literal["none", "keyword"]

# Settings of a judge that say which judge to ask; all others only say how.
NAMES_A_JUDGE = frozenset({"judge", "provider", "region", "base_url", "replies"})


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
    gate: Gate = "none"
    classifier: Path | None = None

    def open(
        self,
        *,
        store: Store | None = None,
        embeddings: EmbeddingStore | None = None,
        harms: Collection[str] | None = None,
        watch: Watch | None = None,
        through: Through | None = None,
    ) -> list[Grader]:
        """The graders, ready to grade: judges first, then the classifier, then the keyword gates.

        Parameters
        ----------
        store : Store, optional
            Where judges keep their replies, and the classifier its embeddings unless `embeddings` is given.
        embeddings : EmbeddingStore, optional
            Where the classifier keeps its embeddings.
        harms : collection of str, optional
            Harms that the labels are about; the classifier reports those that it was not trained on.
        watch, through
            As `grader.judge.setup.open_judges` takes them.

        Raises
        ------
        InputError
            A grader cannot be opened: no credentials, no such classifier, no keyword gate for a harm.
        """
        graders: list[Grader] = []
        if self.judge is not None:
            graders.append(open_judges(self.judge, self.rubrics, store=store, watch=watch, through=through))
        if self.classifier is not None:
            from grader.classifier import EmbeddingClassifier

            kept = store if embeddings is None else embeddings
            graders.append(EmbeddingClassifier.load(self.classifier, store=kept, harms=harms))
        if self.gate == "keyword":
            graders.append(KeywordGate.among(self.rubrics))
        return graders


def choose_graders(
    rubrics: Mapping[str, Rubric],
    *,
    judge: JudgeSetup,
    given: Mapping[str, str],
    gate: Gate = "none",
    classifier: Path | None = None,
    unnamed: Literal["default judge", "no judge"] = "default judge",
) -> GraderSetup:
    """Decide whether a judge is asked.

    A judge is asked when a setting says which one (`NAMES_A_JUDGE`), and otherwise only when there is no other
    grader.

    Parameters
    ----------
    rubrics : mapping from harm to Rubric
    judge : JudgeSetup
        As the settings describe it, with defaults for the rest.
    given : mapping from str to str
        The settings of the judge that the user gave, and how the user spells each (``--base-url``).
    gate, classifier
        See `GraderSetup`.
    unnamed : {"default judge", "no judge"}
        What happens when no grader is named at all; "no judge" where verdicts come from elsewhere.

    Raises
    ------
    InputError
        A setting says how to ask a judge, and no judge is asked.

    Examples
    --------
    >>> choose_graders({}, judge=JudgeSetup(), given={}).judge.model
    'claude-sonnet-5-5'
    >>> choose_graders({}, judge=JudgeSetup(), given={}, gate="keyword").judge
    >>> choose_graders({}, judge=JudgeSetup(), given={"repeats": "--repeats"}, gate="keyword")
    Traceback (most recent call last):
    grader.errors.InputError: --repeats is a setting of the judge, and no judge is asked: name one with --judge, ...
    """
    has_other = gate != "none" or classifier is not None
    is_asked = bool(NAMES_A_JUDGE & given.keys()) or (unnamed == "default judge" and not has_other)
    if given and not is_asked:
        option = next(iter(given.values()))
        judge_option = "--judge" if option.startswith("--") else "judge"
        raise InputError(
            f"{option} is a setting of the judge, and no judge is asked: name one with {judge_option}, or leave "
            f"{option} out"
        )
    return GraderSetup(rubrics=rubrics, judge=judge if is_asked else None, gate=gate, classifier=classifier)
