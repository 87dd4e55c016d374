"""Which strata: from what graders say and how labels were drawn, never from what the labels say.

Four rules. ``frozen`` is that of the reference method: the first grader's side, or both graders' sides where harm is
common and every cell is well labelled. ``sides`` is the first grader's side alone. ``whole-counts`` serves methods that
count: it keeps labels of unequal inclusion probability apart instead of weighting them, and lets a second grader speak
where that was found to pay; ``first-whole-counts`` is the same without the second.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calibration.checks import FloatArray

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
StrataRule = Literal["frozen", "sides", "whole-counts", "first-whole-counts"]
# Code of each transcript, names and flags (1, 0, nan) of the strata.
Strata = tuple[IntArray, NDArray[Any], FloatArray]

UNSCORED = "unscored"
# The frozen rule looks at the graders' sides and at label counts, never at label values.
COMMON_APPARENT_RATE = 0.2
MIN_LABELS_PER_CELL = 20
# Under whole counts a second grader speaks where it agrees with the first by more than chance: Cohen's kappa from here
# on. Below, either harm is rare and the gain small, or one of the two is noise (docs/narrower-intervals.md).
SECOND_SPEAKS_FROM = 0.15
MAX_PROBABILITIES = 4
# Of the pool, in parts that hold no label.
MAX_SILENT_SHARE = 0.05


def strata_of_scores(
    scores: FloatArray | None, labeled: BoolArray, zero: BoolArray, rule: StrataRule, frequency: FloatArray
) -> Strata:
    """Strata by what the graders say.

    Parameters
    ----------
    scores : array of shape (n, n_graders) or None
    labeled, zero : arrays of bool of shape (n,)
        Labelled transcripts, and those that are harmless by definition.
    rule : StrataRule
    frequency : array of shape (n,)
        How many transcripts each row stands for.
    """
    if scores is None:
        return np.zeros(len(labeled), dtype=np.int64), np.array(["all"], dtype=object), np.array([np.nan])
    judge = np.where(np.isnan(scores[:, 0]), 2, np.where(scores[:, 0] >= 0.5, 0, 1)).astype(np.int64)
    alone = judge, np.array(["flagged", "not flagged", UNSCORED], dtype=object), np.array([1.0, 0.0, np.nan])
    if scores.shape[1] == 1 or rule in ("sides", "first-whole-counts"):
        return alone
    # A second grader that says nothing about a transcript is taken to say what the first says.
    second = np.where(np.isnan(scores[:, 1]), judge, np.where(scores[:, 1] >= 0.5, 0, 1))
    scored = ~zero & (judge < 2)
    if rule == "whole-counts":
        speaks = _kappa(judge[scored], second[scored], frequency[scored]) >= SECOND_SPEAKS_FROM
        return _by_agreement(judge, second) if speaks else alone
    apparent = float(np.average(judge[scored] == 0, weights=frequency[scored])) if scored.any() else 0.0
    if apparent < COMMON_APPARENT_RATE:
        return alone
    return _both_sides(judge, second, np.where(labeled, frequency, 0.0))


def _kappa(judge: IntArray, second: IntArray, frequency: FloatArray) -> float:
    """Agreement of two sides beyond chance; 0 where it is not defined."""
    if not judge.size:
        return 0.0
    events = (judge == 0, second == 0, (judge == 0) & (second == 0))
    p, q, both = (float(np.average(event, weights=frequency)) for event in events)
    spread = p + q - 2 * p * q
    return float(2 * (both - p * q) / spread) if spread > 0 else 0.0


def _by_agreement(judge: IntArray, second: IntArray) -> Strata:
    """Three strata: what both graders flag, what one does, the rest."""
    votes = (judge == 0).astype(np.int64) + (second == 0)
    codes = np.where(judge == 2, 3, 2 - votes).astype(np.int64)
    names = ["flagged by both", "flagged by one only", "flagged by neither", UNSCORED]
    return codes, np.array(names, dtype=object), np.array([1.0, np.nan, 0.0, np.nan])


def _both_sides(judge: IntArray, second: IntArray, n_labels: FloatArray) -> Strata:
    """Four strata, if all hold enough labels; else two."""
    cells = np.where(judge == 2, 4, 2 * judge + second).astype(np.int64)
    if np.bincount(cells, n_labels, minlength=5)[:4].min() < MIN_LABELS_PER_CELL:
        return judge, np.array(["flagged", "not flagged", UNSCORED], dtype=object), np.array([1.0, 0.0, np.nan])
    names = [
        "flagged by both",
        "flagged by the first only",
        "flagged by the second only",
        "flagged by neither",
        UNSCORED,
    ]
    return cells, np.array(names, dtype=object), np.array([1.0, 1.0, 0.0, 0.0, np.nan])


def apart_from_never_drawn(strata: Strata, pi: FloatArray, zero: BoolArray) -> Strata:
    """Transcripts that could not be drawn (probability 0) as a stratum without labels: no label speaks for them."""
    codes, names, flagged = strata
    never = (pi == 0) & ~zero
    if not never.any():
        return strata
    return np.where(never, len(names), codes), np.append(names, "never drawn from"), np.append(flagged, np.nan)


def split_by_probability(
    strata: Strata, pi: FloatArray, labeled: BoolArray, zero: BoolArray, frequency: FloatArray
) -> Strata:
    """Split strata inside which inclusion probabilities differ, so that labels of one stratum weigh the same.

    A small part without labels joins the one of nearest probability (weights would let the others speak for it, too); a
    stratum with a large one stays whole. Nothing is split when some probability is not known, or when there are many.
    """
    codes, names, flagged = strata
    counted = ~zero
    if np.isnan(pi[counted]).any():
        return strata
    values, value = np.unique(np.round(pi, 12), return_inverse=True)
    if len(values) > MAX_PROBABILITIES:
        return strata
    new_codes, new_names, new_flagged = codes.copy(), list(names), list(flagged)
    for stratum in range(len(names)):
        inside = counted & (codes == stratum)
        parts = _labelled_parts(value, inside, labeled, values, frequency)
        for part, members in parts[1:]:
            new_codes[members] = len(new_names)
            new_names.append(f"{names[stratum]}, drawn with {values[part]:.3g}")
            new_flagged.append(flagged[stratum])
        if len(parts) > 1:
            new_names[stratum] = f"{names[stratum]}, drawn with {values[parts[0][0]]:.3g}"
    return new_codes, np.array(new_names, dtype=object), np.array(new_flagged)


def _labelled_parts(
    value: IntArray, inside: BoolArray, labeled: BoolArray, values: FloatArray, frequency: FloatArray
) -> list[tuple[int, BoolArray]]:
    """The parts of a stratum by probability, each with labels; one part where it must stay whole."""
    present = np.unique(value[inside])
    counts = np.bincount(value[inside & labeled], minlength=len(values))
    filled = present[counts[present] > 0]
    silent = np.isin(value, present[counts[present] == 0]) & inside
    if len(filled) < 2 or frequency[silent].sum() > MAX_SILENT_SHARE * frequency.sum():
        return [(int(part), inside) for part in present[:1]]
    home = {int(part): int(filled[np.argmin(abs(values[filled] - values[part]))]) for part in present}
    joined = np.array([home.get(v, -1) for v in range(len(values))])[value]
    return [(int(part), inside & (joined == part)) for part in filled]
