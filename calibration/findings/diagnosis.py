"""What a look at data, judge and environment found: whether the numbers to come can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from calibration.records import RateDifference

Level = Literal["fine", "note", "warning", "cannot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    level : {"fine", "note", "warning", "cannot"}
        ``cannot``: something that these data, or this machine, do not support at all.
    topic : str
        What was looked at, in a word or two.
    told : str
        One sentence.
    advice : str
        What to do next; empty where nothing is to be done.
    """

    level: Level
    topic: str
    told: str
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipRate:
    """How often a verdict on one harm flips under one probe.

    Parameters
    ----------
    probe, harm : str
    n : int
        Transcripts that could flip.
    n_to_present, n_to_absent : int
        Those that did, by direction.
    n_lost : int
        Transcripts scored without the probe and not under it; not in `n`.
    rate, low, high : float in [0, 1]
        Exact binomial over transcripts, each one unit; nan when `n` is 0.
    """

    probe: str
    harm: str
    n: int
    n_to_present: int
    n_to_absent: int
    n_lost: int
    rate: float
    low: float
    high: float

    @property
    def n_flipped(self) -> int:
        """Those that flipped, in either direction."""
        return self.n_to_present + self.n_to_absent


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseRate:
    """How likely two repeats of one question differ.

    Parameters
    ----------
    grader, grader_version, harm : str
    n_transcripts : int
        Those with at least two scored repeats, each of the same weight.
    n_repeats : int
        The most repeats that any of them has.
    n_flipped : int
        Transcripts whose repeats do not all agree.
    rate, low, high : float in [0, 1]
        The mean over transcripts of the share of their pairs of repeats that differ; interval: exact binomial over
        transcripts (which is wider than need be where there are more than two repeats). nan without transcripts.
    """

    grader: str
    grader_version: str
    harm: str
    n_transcripts: int
    n_repeats: int
    n_flipped: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFinding:
    """What a new version of a judge changed on frozen anchors, for one harm.

    Parameters
    ----------
    harm, before_version, after_version : str
    n_scored, n_changed : int
        Anchors that both versions scored, and those whose side changed.
    rate, low, high : float in [0, 1]
        Share changed, exact binomial; nan when `n_scored` is 0.
    n_lost, n_gained : int
        Anchors that only the earlier, only the new version scored.
    n_right_before, n_right_after : int
        Of the labelled ones that both scored.
    accuracy : RateDifference
        Accuracy after minus before, over the same labelled anchors.
    """

    harm: str
    before_version: str
    after_version: str
    n_scored: int
    n_changed: int
    rate: float
    low: float
    high: float
    n_lost: int
    n_gained: int
    n_right_before: int
    n_right_after: int
    accuracy: RateDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFinding:
    """A judge's card: how easily its verdicts flip on the user's own transcripts.

    Parameters
    ----------
    judge, judge_version : str
    n_transcripts, n_scenarios : int
        The sample probed, and how many scenarios it comes from (0: not known).
    confidence_level : float
    flips : tuple of FlipRate
    noise : tuple of NoiseRate
    drift : tuple of DriftFinding
        Empty where no anchors were given.
    """

    judge: str
    judge_version: str
    n_transcripts: int
    n_scenarios: int
    confidence_level: float
    flips: tuple[FlipRate, ...] = ()
    noise: tuple[NoiseRate, ...] = ()
    drift: tuple[DriftFinding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All that was looked at; `card` is None where no judge was probed."""

    environment: tuple[Check, ...] = ()
    data: tuple[Check, ...] = ()
    classifier: tuple[Check, ...] = ()
    card: CardFinding | None = None
