"""Sentences that head the notes of a study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from calibration.study.facts import row_weights
from calibration.study.join import JoinedPool
from grader.shards.manifest import read_manifest
from grader.verdict.shards import holds_shards
from labels.labelset import LabelSet


def study_notes(labels: LabelSet | None, left_out: Sequence[str]) -> tuple[str, ...]:
    """What heads the notes of a study: whose labels its rates rest on, which graded harms have no rate."""
    if labels is None:
        return ("No labels: these are graders' rates, not harm rates.",)
    n = len(labels.raters)
    notes = ["Harm as labelled by one rater." if n == 1 else f"Harm as labelled by these {n} raters.", *labels.notes]
    if left_out:
        notes.append(f"Graded, but left out here: {', '.join(left_out)}.")
    return tuple(notes)


def chosen_judge(joined: JoinedPool) -> Iterator[str]:
    """Which of several judges makes the strata, where neither the user nor a panel said so."""
    chosen, *others = joined.graders
    judges = [grader.name for grader in others if grader.kind == "judge"]
    if joined.settings.grader is None and chosen.kind == "judge" and judges and "+" not in chosen.name:
        rest = ", ".join(judges)
        yield f"Strata by {chosen.name}, the first of {len(judges) + 1} judges; --grader names another: {rest}."


def counted_notes(joined: JoinedPool) -> Iterator[str]:
    """What a study from counts leaves out."""
    if joined.is_counted:
        n = int(row_weights(joined.verdicts).sum())
        yield f"Counted {n:,} verdicts in shards."
        if any("unlikeness" in usage for usage in joined.verdicts["usage"]):
            yield "How many transcripts are unlike anything labelled was not counted; read the verdicts as one table."


def incomplete_notes(verdicts: Path | str | None) -> Iterator[str]:
    """A sentence when the manifest of a folder of shards names some that have no verdicts."""
    if verdicts is None or not holds_shards(verdicts):
        return
    missing = read_manifest(str(verdicts)).failures
    if missing:
        first, why = min(missing.items())
        yield f"INCOMPLETE: {len(missing)} shards have no verdicts and are in no rate, the first {first} ({why})."
