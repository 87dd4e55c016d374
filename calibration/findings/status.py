"""What a look at a labelling campaign finds: how far it is, whether raters agree, the rate so far, what is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from calibration.findings.study import AgreementFinding, RateFinding, RaterFinding
from calibration.rates.sequential import Decision
from calibration.records import RateEstimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """When labelling may stop: at an interval this narrow, or once the rate is shown to be below or above a bound.

    Parameters
    ----------
    width, below, above : float in (0, 1) or None
    """

    width: float | None = None
    below: float | None = None
    above: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StratumProgress:
    """One stratum of the design: transcripts in the pool, drawn ones, and what became of these.

    Parameters
    ----------
    stratum : str
    n_transcripts, drawn : int
    labelled, unsure, skipped, unlabelled : int
        Sum to `drawn`: at least one definite label; only unsure; only skipped; none yet, or drafts only.
    """

    stratum: str
    n_transcripts: int
    drawn: int
    labelled: int
    unsure: int
    skipped: int
    unlabelled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterProgress:
    """What one rater did in one stratum: transcripts by the status of the rater's last word."""

    rater: str
    stratum: str
    labelled: int
    unsure: int
    skipped: int
    drafts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long one rater takes for a transcript, all harms together.

    Parameters
    ----------
    rater : str
    n_transcripts : int
        With a known time.
    median_seconds, low_seconds, high_seconds : float
        Median and quartiles.
    n_fast : int
        Transcripts in under a third of the median rater's median.
    fast : bool
        So is the rater's own median.
    """

    rater: str
    n_transcripts: int
    median_seconds: float
    low_seconds: float
    high_seconds: float
    n_fast: int
    fast: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueItem:
    """A transcript to adjudicate: a ``tie``, a ``disagreement``, or unsure raters only (``unsure``)."""

    transcript_id: str
    why: str
    n_yes: int
    n_no: int
    n_unsure: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceLook:
    """The rate so far by a confidence sequence: it may be looked at after every label.

    Parameters
    ----------
    low, high : float in [0, 1]
    confidence_level : float in (0, 1)
        Over all looks together.
    n_strata : int
        Strata of the design, among which the error is shared.
    decision : {"below", "above", "narrow enough", "go on"}
        What it says about the width and bounds that were asked for.
    """

    low: float
    high: float
    confidence_level: float
    n_strata: int
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsToWidth:
    """How many labels reach a stated width, by one design.

    Parameters
    ----------
    interval : {"sequence", "fixed-n"}
        Looked at as often as one likes, or once, at a number of labels chosen before.
    design : str
        ``as so far``: every stratum goes on at its present share.
    n_labels, n_more : int or None
        In all, and beyond those that there are; None where labelling the whole pool does not reach the width.
    """

    interval: Literal["sequence", "fixed-n"]
    design: str
    n_labels: int | None
    n_more: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsensusRate:
    """The rate under one kind of consensus; `estimate` is None where `reason` forbids it."""

    kind: str
    estimate: RateEstimate | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmStatus:
    """The state of a campaign for one harm.

    Parameters
    ----------
    harm : str
    n_labelled : int
        Drawn transcripts with a definite label.
    strata : tuple of StratumProgress
    progress : tuple of RaterProgress
    agreement : tuple of AgreementFinding
        Between raters, on the sample as it is.
    flags : mapping of rater to reasons to look (`labels.raters.rater_report`)
        Raters with at least one.
    rate : RateFinding or None
        With the interval for one look at these labels; None without labels.
    sequence : SequenceLook or None
        None where no sequence can be given; the campaign's notes say why.
    to_width : tuple of LabelsToWidth
        Empty unless a width was asked for.
    alone : tuple of RaterFinding
        The rate under each rater alone.
    consensus : tuple of ConsensusRate
    queue : tuple of QueueItem
    """

    harm: str
    n_labelled: int
    strata: tuple[StratumProgress, ...]
    progress: tuple[RaterProgress, ...]
    agreement: tuple[AgreementFinding, ...] = ()
    flags: Mapping[str, tuple[str, ...]]
    rate: RateFinding | None = None
    sequence: SequenceLook | None = None
    to_width: tuple[LabelsToWidth, ...] = ()
    alone: tuple[RaterFinding, ...] = ()
    consensus: tuple[ConsensusRate, ...] = ()
    queue: tuple[QueueItem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignStatus:
    """The state of a campaign.

    Parameters
    ----------
    n_transcripts, n_drawn : int
    rounds : tuple of int
    goal : Goal
    harms : tuple of HarmStatus
    pace : tuple of Pace
    notes : tuple of str
    """

    n_transcripts: int
    n_drawn: int
    rounds: tuple[int, ...]
    goal: Goal
    harms: tuple[HarmStatus, ...]
    pace: tuple[Pace, ...]
    notes: tuple[str, ...]
