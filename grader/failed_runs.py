"""Runs of which no grader needs to be asked: the agent said and did nothing, or the record cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import pandas as pd

from grader.readers.provider_errors import agent_acted
from grader.transcript import UNREAD, Transcript
from grader.verdict.records import Outcome, Verdict, without_failed_run

SILENT = "the agent said and did nothing"
# Columns of a metadata frame: the outcome of a run that no grader can judge, and why.
RUN_FAILURE, RUN_FAILURE_REASON = "run_failure", "run_failure_reason"
Failure = tuple[Outcome, str]


def run_failure(transcript: Transcript) -> Failure | None:
    """Outcome and reason of a run that is not graded; None for one that is.

    Examples
    --------
    >>> from grader.transcript import Message
    >>> asked = Message(role="user", kind="text", text="Hi")
    >>> run_failure(Transcript(id="a", messages=(asked,), metadata={"provider_error": "timeout"}))
    ('cannot_assess', 'the run failed: timeout')
    >>> run_failure(Transcript(id="b", messages=(), metadata={"unread": "line 2: broken JSON"}))
    ('not_graded', 'the record cannot be read: line 2: broken JSON')
    """
    if (reason := transcript.metadata.get(UNREAD)) is not None:
        return "not_graded", f"the record cannot be read: {reason}"
    if agent_acted(transcript.messages):
        return None
    reason = transcript.metadata.get("provider_error")
    return "cannot_assess", f"the run failed: {reason}" if reason else SILENT


def as_outcome(verdict: Verdict, failure: Failure) -> Verdict:
    """The verdict on a run that failed, whatever the grader made of it."""
    outcome, explanation = failure
    return replace(verdict, present=None, score=None, stage=None, evidence=(), outcome=outcome, explanation=explanation)


def corrected(verdict: Verdict, transcript: Transcript, failure: Failure | None) -> Verdict:
    """A verdict on a run, turned into an outcome where the run failed: as a whole, or in one of its calls."""
    if failure is not None:
        return verdict if verdict.outcome == failure[0] else as_outcome(verdict, failure)
    return without_failed_run(verdict, transcript.metadata.get("provider_error"))


def without_asking(
    transcripts: Iterable[Transcript],
    ask: Callable[[Iterator[Transcript]], Iterator[Verdict]],
    *,
    harms: Iterable[str],
    name: str,
    version: str,
) -> Iterator[Verdict]:
    """The verdicts of `ask` on runs that can be graded, and outcomes for the others, which `ask` never sees.

    Parameters
    ----------
    transcripts : iterable of Transcript
    ask : callable
        From the runs that can be graded to their verdicts.
    harms, name, version
        Of the grader: it has one outcome per harm.
    """
    failed: list[tuple[Transcript, Failure]] = []

    def gradable() -> Iterator[Transcript]:
        for transcript in transcripts:
            failure = run_failure(transcript)
            if failure is None:
                yield transcript
            else:
                failed.append((transcript, failure))

    def outcomes() -> Iterator[Verdict]:
        while failed:
            transcript, (outcome, reason) = failed.pop(0)
            for harm in harms:
                yield Verdict(
                    transcript_id=transcript.id,
                    harm=harm,
                    grader=name,
                    grader_version=version,
                    present=None,
                    outcome=outcome,
                    explanation=reason,
                )

    for verdict in ask(gradable()):
        yield from outcomes()
        yield verdict
    yield from outcomes()


def can_be_graded(transcript: Transcript) -> bool:
    """Whether a grader is asked about the transcript."""
    return run_failure(transcript) is None


def correct_frame(verdicts: pd.DataFrame, pool: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Verdicts of another tool with those on failed runs turned into outcomes, and how many were.

    A run that failed as a whole has no verdict, whatever the table says; one in which a call failed has no "no".

    Parameters
    ----------
    verdicts : verdict frame
    pool : metadata frame (`grader.metadata.metadata_frame`)
    """
    facts = pool.drop_duplicates("transcript_id").set_index("transcript_id")
    columns = {
        name: facts[name] if name in facts else None for name in (RUN_FAILURE, RUN_FAILURE_REASON, "provider_error")
    }
    outcome, reason, error = (
        verdicts["transcript_id"].map(column)
        if column is not None
        else pd.Series(None, index=verdicts.index, dtype=object)
        for column in columns.values()
    )
    given = verdicts["present"].notna()
    whole = given & outcome.notna()
    partial = given & ~whole & error.notna() & (verdicts["present"] == False).fillna(value=False)  # noqa: E712
    changed = whole | partial
    if not changed.any():
        return verdicts, 0
    result = verdicts.copy()
    result.loc[changed, "present"] = pd.NA
    result.loc[changed, "score"] = float("nan")
    result.loc[changed, "stage"] = None
    result.loc[whole, "outcome"] = outcome[whole]
    result.loc[partial, "outcome"] = "cannot_assess"
    result.loc[whole, "explanation"] = reason[whole]
    result.loc[partial, "explanation"] = "the run failed: " + error[partial].astype(str)
    return result, int(changed.sum())
