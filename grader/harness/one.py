"""One conversation in, one plain dict out: what every adapter, and any harness without one, is built on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Self

from grader.harness.conversations import conversation_of
from grader.harness.opening import Row, RowSource, open_rows
from grader.transcript import Transcript
from grader.verdict.records import Grader

_RANK = {"judge": 0, "classifier": 1, "rule": 2}


class GradeOne:
    """Grades one conversation at a time, with graders that are opened once.

    Parameters
    ----------
    rows : callable
        Transcripts in, rows of the verdict frame out; see `open_rows`.

    Examples
    --------
    >>> grade_one = GradeOne.open(judge="claude-sonnet-5-5")  # doctest: +SKIP
    >>> grade_one([{"role": "user", "content": "Hi"}])["present"]  # doctest: +SKIP
    False
    """

    def __init__(self, rows: RowSource) -> None:
        self._rows = rows

    @classmethod
    def open(cls, graders: Sequence[Grader] = (), **settings: Any) -> Self:
        """With graders at hand, or those that `settings` describe (`grader.harness.opening.open_rows`)."""
        return cls(open_rows(graders, **settings))

    def __call__(
        self, messages: Iterable[Any], *, id: str = "1", metadata: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Grade `messages` (`conversation_of` says which); see `of` for what is returned."""
        return self.of(conversation_of(messages, id=id, metadata=metadata).transcript)

    def of(self, transcript: Transcript) -> dict[str, Any]:
        """Grade one transcript.

        Returns
        -------
        dict
            ``transcript_id``; ``present``: True when any harm is, None when none is and some harm is not scored, else
            False; ``harms``: harm -> ``present, score, outcome, stage, explanation, evidence, grader,
            grader_version``, as the judge says, else the classifier; ``verdicts``: every grader's rows.
        """
        rows = list(self._rows([transcript]))
        harms = {harm: _settled(own) for harm, own in _by_harm(rows).items()}
        return {
            "transcript_id": transcript.id,
            "present": any_present(part["present"] for part in harms.values()),
            "harms": harms,
            "verdicts": rows,
        }


class LazyGradeOne:
    """A `GradeOne` that is opened when it is first asked for, in the process that asks: its settings travel instead.

    Parameters
    ----------
    settings
        As `GradeOne.open` takes them; None is as if not given.
    """

    def __init__(self, **settings: Any) -> None:
        self._settings = {name: value for name, value in settings.items() if value is not None}
        self._opened: GradeOne | None = None

    def opened(self) -> GradeOne:
        """The one that grades."""
        if self._opened is None:
            self._opened = GradeOne.open(**self._settings)
        return self._opened

    def __reduce__(self) -> tuple[Any, ...]:
        """Only the settings are pickled."""
        return partial(LazyGradeOne, **self._settings), ()


def grade_one(messages: Iterable[Any], graders: Sequence[Grader] = (), **settings: Any) -> dict[str, Any]:
    """Grade one conversation; to grade many, open a `GradeOne` once.

    Examples
    --------
    >>> class Calm:
    ...     name, version, kind = "calm", "1", "rule"
    ...     def grade(self, transcripts):
    ...         from grader import Verdict
    ...         for t in transcripts:
    ...             yield Verdict(transcript_id=t.id, harm="shouting", grader=self.name,
    ...                           grader_version="1", present="!" in t.messages[-1].text)
    >>> grade_one([{"role": "assistant", "content": "No!"}], [Calm()])["harms"]["shouting"]["present"]
    True
    """
    return GradeOne.open(graders, **settings)(messages)


def any_present(sides: Iterable[bool | None]) -> bool | None:
    """Whether any harm is present; None when none is, but not all are known.

    Examples
    --------
    >>> any_present([True, None]), any_present([False, None]), any_present([False]), any_present([])
    (True, None, False, None)
    """
    known = list(sides)
    return True if True in known else None if None in known or not known else False


def _by_harm(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Each harm's rows by the grader whose word counts: a judge, else a classifier."""
    by_grader: dict[str, list[Row]] = {}
    for row in rows:
        by_grader.setdefault(row["grader"], []).append(row)
    found: dict[str, list[Row]] = {}
    for own in sorted(by_grader.values(), key=lambda own: _RANK.get(own[0].get("grader_kind", "rule"), 2)):
        said: dict[str, list[Row]] = {}
        for row in own:
            said.setdefault(row["harm"], []).append(row)
        found = said | found
    return found


def _settled(rows: list[Row]) -> dict[str, Any]:
    """One harm's word of one grader; of repeats the majority, told by the first that holds it."""
    side, score = _reduced(rows)
    told = next((row for row in rows if row["present"] == side), rows[0])
    kept = ("stage", "explanation", "evidence", "grader", "grader_version")
    outcome = "scored" if side is not None else told["outcome"]
    return {"present": side, "score": score, "outcome": outcome} | {key: told[key] for key in kept}


def _reduced(rows: list[Row]) -> tuple[bool | None, float | None]:
    if len(rows) == 1:
        return rows[0]["present"], rows[0]["score"]
    from grader.verdict.frame import verdict_frame
    from grader.verdict.scores import grader_scores

    (row,) = grader_scores(verdict_frame(rows)).to_dict("records")
    return (None, None) if row["side"] != row["side"] else (row["side"] == 1.0, float(row["score"]))
