"""Sentences that head the notes of a study."""

from __future__ import annotations

from collections.abc import Sequence

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
