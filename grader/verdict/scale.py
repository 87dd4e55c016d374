"""Scores on another tool's scale: from 1 to 10, say, with a threshold from which they count as present."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grader.errors import InputError

TRUTH: Mapping[str, bool] = {
    "true": True, "1": True, "1.0": True, "yes": True, "false": False, "0": False, "0.0": False, "no": False,
}  # fmt: skip
# Inspect's letters: correct, partial, incorrect. Its N (no answer) is none of them: nothing was judged.
_LETTERS: Mapping[str, float] = {"c": 1.0, "correct": 1.0, "p": 0.5, "i": 0.0, "incorrect": 0.0}
# Under these keys a verdict's usage tells the scale that its score came from.
RANGE, THRESHOLD = "score_range", "threshold"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreScale:
    """A scale of scores, and from which score on a verdict counts as present.

    Parameters
    ----------
    low, high : float, low < high
        Verdicts hold ``(score - low) / (high - low)``.
    threshold : float in [low, high], optional
        ``score >= threshold`` is present (default: the middle).

    Raises
    ------
    ValueError
        When the numbers break these rules.

    Examples
    --------
    >>> ScoreScale(low=1, high=10, threshold=6).side(7)
    (True, 0.6666666666666666)
    """

    low: float = 0.0
    high: float = 1.0
    threshold: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"low and high must fulfil low < high, got {self.low} and {self.high}.")
        if self.threshold is not None and not self.low <= self.threshold <= self.high:
            raise ValueError(f"threshold must lie from {self.low:g} to {self.high:g}, got {self.threshold}.")

    @property
    def cut(self) -> float:
        """The threshold in use."""
        return (self.low + self.high) / 2 if self.threshold is None else self.threshold

    def side(self, score: float) -> tuple[bool, float]:
        """``present`` and the score in [0, 1] of a score on this scale.

        Raises
        ------
        InputError
            When it lies outside the scale.
        """
        if not self.low <= score <= self.high:
            ask = "give --score-range LOW:HIGH and --threshold"
            raise InputError(f"score {score:g} lies outside {self.low:g} to {self.high:g}: {ask}")
        return score >= self.cut, (score - self.low) / (self.high - self.low)

    def told(self) -> dict[str, Any]:
        """What a verdict's usage says of the scale."""
        return {RANGE: [self.low, self.high], THRESHOLD: self.cut}


def parse_scale(score_range: str | None, threshold: float | None) -> ScoreScale | None:
    """The scale of ``LOW:HIGH`` and a threshold; None when neither is given.

    Raises
    ------
    InputError
        When it does not read so.

    Examples
    --------
    >>> parse_scale("1:10", 6)
    ScoreScale(low=1.0, high=10.0, threshold=6)
    """
    if score_range is None and threshold is None:
        return None
    low, colon, high = (score_range or "0:1").partition(":")
    try:
        if not colon:
            raise ValueError(f"a score range must read LOW:HIGH, got {score_range!r}")
        return ScoreScale(low=float(low), high=float(high), threshold=threshold)
    except ValueError as error:
        raise InputError(str(error)) from None


def read_side(value: Any, scale: ScoreScale | None) -> tuple[bool, float | None] | None:
    """``present`` and score of what another tool wrote as its verdict; None when that is no verdict.

    Parameters
    ----------
    value : any JSON value
        A truth value; a number, on `scale` (without one: in [0, 1], present from 0.5 on); Inspect's letters ``C, P,
        I``; words such as ``yes``. NaN, null, ``N`` (no answer), other texts and lists are no verdicts.
    scale : ScoreScale or None

    Examples
    --------
    >>> read_side("C", None), read_side(0.2, None), read_side(float("nan"), None)
    ((True, 1.0), (False, 0.2), None)
    """
    match value:
        case bool():
            return value, None
        case int() | float():
            number = _number(value)
            return (scale or ScoreScale()).side(number) if math.isfinite(number) else None
        case str():
            word = value.strip().lower()
            if word in _LETTERS:
                return ScoreScale().side(_LETTERS[word])
            return (TRUTH[word], None) if word in TRUTH else None
    return None


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf
