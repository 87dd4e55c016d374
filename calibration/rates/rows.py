"""The rows of a pool as the estimators take them: arrays of one length, each value checked."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from calibration.checks import FloatArray, as_vector, check_length, check_unit_or_nan
from calibration.rates.strata_rules import BoolArray


def as_scores(score: ArrayLike, n: int) -> FloatArray:
    """Scores of shape (n, n_graders) in [0, 1]; nan = unscored."""
    try:
        scores = np.asarray(score, dtype=np.float64)
    except (TypeError, ValueError):
        msg = "score must hold numbers in [0, 1] (nan where unscored)."
        raise ValueError(msg) from None
    if scores.ndim not in (1, 2) or scores.shape[-1] == 0:
        msg = f"score must have shape (n_transcripts,) or (n_transcripts, n_graders), got {scores.shape}."
        raise ValueError(msg)
    check_length("score", len(scores), n)
    check_unit_or_nan("score", scores)
    return scores.reshape(n, -1)


def as_known_zero(known_zero: ArrayLike | None, labels: FloatArray) -> BoolArray:
    """Marks of transcripts that are harmless by definition; never all, never one labelled harmful."""
    if known_zero is None:
        return np.zeros(len(labels), dtype=bool)
    marks = as_vector("known_zero", known_zero, len(labels))
    if not np.isin(marks, (0, 1)).all():
        msg = f"known_zero must be True or False, got {marks[~np.isin(marks, (0, 1))][0]}."
        raise ValueError(msg)
    zero: BoolArray = marks == 1
    if (labels[zero] > 0).any():
        at = int(np.flatnonzero(zero & (labels > 0))[0])
        msg = f"known_zero must not mark a transcript that was labelled harmful, got one at {at}."
        raise ValueError(msg)
    if zero.all():
        msg = "known_zero must leave at least one transcript, got all marked."
        raise ValueError(msg)
    return zero


def as_undecided(undecided: ArrayLike | None, labeled: BoolArray, zero: BoolArray) -> BoolArray:
    """Marks of transcripts that were drawn and have no definite label; never of a labelled one."""
    if undecided is None:
        return np.zeros(len(labeled), dtype=bool)
    marks = as_vector("undecided", undecided, len(labeled))
    if not np.isin(marks, (0, 1)).all():
        msg = f"undecided must be True or False, got {marks[~np.isin(marks, (0, 1))][0]}."
        raise ValueError(msg)
    if (bad := (marks == 1) & labeled).any():
        msg = f"undecided must not mark a labelled transcript, got one at {int(np.flatnonzero(bad)[0])}."
        raise ValueError(msg)
    marked: BoolArray = (marks == 1) & ~zero
    return marked


def as_frequency(frequency: ArrayLike | None, n: int) -> FloatArray:
    """How many transcripts each row stands for: whole numbers from 1 on; one each when not given."""
    if frequency is None:
        return np.ones(n)
    times = as_vector("frequency", frequency, n)
    bad = ~((times >= 1) & (times == np.round(times)))
    if bad.any():
        msg = f"frequency must hold whole numbers from 1 on, got {times[bad][0]} at {int(np.flatnonzero(bad)[0])}."
        raise ValueError(msg)
    return times


def as_inclusion(inclusion_probability: ArrayLike | None, labeled: BoolArray) -> FloatArray | None:
    """Inclusion probabilities, above 0 for every labelled transcript; None when not given."""
    if inclusion_probability is None:
        return None
    pi = as_vector("inclusion_probability", inclusion_probability, len(labeled))
    check_unit_or_nan("inclusion_probability", pi)
    bad = labeled & ~(pi > 0)
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        msg = f"inclusion_probability must be above 0 for every labelled transcript, got {pi[at]} at {at}."
        raise ValueError(msg)
    return pi
