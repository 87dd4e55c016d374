"""What a study found: rates, agreements and comparisons, each with what it is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from calibration.findings.diagnosis import CardFinding
from calibration.findings.ledger import Ledger
from calibration.notebook import grid, interval, share
from calibration.probability import Reliability
from calibration.records import Agreement, RateDifference, RateEstimate

Group = Mapping[str, str]


def group_name(group: Group) -> str:
    """A group in words.

    Examples
    --------
    >>> group_name({"arm": "baseline", "model": "m"}), group_name({})
    ('arm=baseline, model=m', 'all')
    """
    return ", ".join(f"{k}={v}" for k, v in group.items()) or "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class GraderFacts:
    """A grader of the study.

    Parameters
    ----------
    name, version, kind : str
    trained_on : "human", "judge" or None
        Whose labels it learned; None where it learned none, or does not tell.
    uses : mapping of harm to str
        Of a trained classifier: ``grades``, or what the gate decided instead and why.
    """

    name: str
    version: str
    kind: str
    trained_on: str | None = None
    uses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateFinding:
    """One harm's rate in one group.

    Parameters
    ----------
    harm : str
    group : mapping of metadata key to value; empty for the whole pool
    estimate : RateEstimate
        Calibrated by the labels. Without labels its ``rate`` is nan.
    human_only : RateEstimate or None
        What the labels alone would say.
    grader : str
        Whose sides made the strata.
    grader_rates : mapping of grader to its apparent rate among the transcripts that it scored
        A grader's rate, not a harm rate. nan when it scored nothing.
    outcomes : mapping of outcome to count, over the whole group
    n_compared, n_unlike : int
        How many of the group a trained classifier compared with what was labelled, and how many of these are
        unlike anything labelled.
    """

    harm: str
    group: Group
    estimate: RateEstimate
    human_only: RateEstimate | None
    grader: str
    grader_rates: Mapping[str, float]
    outcomes: Mapping[str, int]
    n_compared: int = 0
    n_unlike: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementFinding:
    """One coefficient between two parties; `weighted` tells whether the sampling design entered."""

    harm: str
    between: tuple[str, str]
    agreement: Agreement
    weighted: bool
    group: Group = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsideredFinding:
    """How often one harm was considered and not done in a group, as raters say."""

    harm: str
    group: Group
    estimate: RateEstimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonFinding:
    """The difference of one harm's rates between two groups (first minus second)."""

    harm: str
    first: Group
    second: Group
    difference: RateDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterFinding:
    """One harm's rate under one rater alone, and how the rater fares against the others.

    Parameters
    ----------
    harm, rater : str
    estimate : RateEstimate
        Over the whole pool, this rater's votes instead of the consensus.
    n_votes : int
    sensitivity, specificity : float or nan
        Against the majority of the other raters.
    median_seconds : float or nan
    flags : tuple of str
        Reasons to look: ``chance``, ``outlier``, ``fast``, ``streak``.
    """

    harm: str
    rater: str
    estimate: RateEstimate
    n_votes: int
    sensitivity: float
    specificity: float
    median_seconds: float
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedFinding:
    """A rate that rests on an assumption about the judge, which is the first of the estimate's notes."""

    harm: str
    group: Group
    estimate: RateEstimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityFinding:
    """Whether one grader's scores of one harm mean what they say."""

    harm: str
    grader: str
    result: Reliability


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossRow:
    """How many transcripts the graders see in this one way, by what humans say of them.

    Parameters
    ----------
    sides : tuple of {"yes", "no", "unscored"}
        One per grader of the `CrossFinding`.
    counts : mapping of {"yes", "no", "tie", "not labelled"} to count
    differ : bool
        Whether graders contradict each other, or the labels contradict one of them.
    """

    sides: tuple[str, ...]
    counts: Mapping[str, int]
    differ: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossFinding:
    """One harm: every combination of what graders and humans say, the most common first."""

    harm: str
    graders: tuple[str, ...]
    rows: tuple[CrossRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageFinding:
    """How much of one group the labels of one harm cover.

    Parameters
    ----------
    harm : str
    group : mapping
    n_transcripts, n_drawn, n_labeled : int
        `n_labeled` have a definite label.
    n_scenarios, n_scenarios_labeled : int or None
        Clusters in the group, and those of them with a labelled transcript; None where no cluster is known.
    """

    harm: str
    group: Group
    n_transcripts: int
    n_drawn: int
    n_labeled: int
    n_scenarios: int | None
    n_scenarios_labeled: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroLimit:
    """The rate that `n_labeled` transcripts drawn at random, none of them harmful, cannot exclude."""

    n_labeled: int
    high: float
    confidence_level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibits:
    """Transcripts for the page's browser.

    Parameters
    ----------
    items : tuple of mappings
        ``id``; ``facts``; ``sides`` (per harm and grader: ``harm, grader, side`` and, where they apply, ``score``,
        ``outcome``, ``unverified``); ``human`` (per labelled harm: ``harm, side, how``, ``split`` where raters differ);
        ``verdicts`` and ``labels`` (as graders and raters gave them); ``messages`` (``role, kind, text, name``, or
        None where the text is not known). Evidence counts characters as Python does.
    n_pool : int
        How many transcripts there are in all.
    """

    items: tuple[Mapping[str, Any], ...]
    n_pool: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdFinding:
    """The rates that one threshold of a grader's scores gives on the whole pool; exploratory.

    Parameters
    ----------
    harm, grader : str
    threshold : float
        On the scale that the scores came on; from here on a verdict is present.
    chosen : bool
        Whether it is the one that the rates of the report rest on.
    apparent : float
        The grader's rate, not a harm rate.
    estimate : RateEstimate
    sensitivity, specificity : Agreement
    """

    harm: str
    grader: str
    threshold: float
    chosen: bool
    apparent: float
    estimate: RateEstimate
    sensitivity: Agreement
    specificity: Agreement


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that a study found; `calibration.report.render_report` writes it down.

    Parameters
    ----------
    rates, agreement, comparisons : tuples of findings
    graders : tuple of GraderFacts
    harms : tuple of str
    provenance : mapping
        Seed, versions, hashes, command: what is needed to do it again.
    notes : tuple of str
        What holds for the whole study.
    raters : tuple of RaterFinding
    considered : tuple of ConsideredFinding
        Where raters said how far it went.
    assumed : tuple of AssumedFinding
        Beside the rates, never instead.
    reliability, crosses, coverage : tuples of findings
    zeros : tuple of ZeroLimit
        What seeing no harm at all would mean.
    thresholds : tuple of ThresholdFinding
        For a grader whose scores were cut by a given threshold.
    judge_card : CardFinding, optional
        How easily the judge's verdicts flip; None when it was not probed.
    ledger : Ledger
        What the study read, and what of it entered its numbers.
    """

    rates: tuple[RateFinding, ...]
    agreement: tuple[AgreementFinding, ...]
    comparisons: tuple[ComparisonFinding, ...]
    graders: tuple[GraderFacts, ...]
    harms: tuple[str, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    raters: tuple[RaterFinding, ...] = ()
    considered: tuple[ConsideredFinding, ...] = ()
    assumed: tuple[AssumedFinding, ...] = ()
    reliability: tuple[ReliabilityFinding, ...] = ()
    crosses: tuple[CrossFinding, ...] = ()
    coverage: tuple[CoverageFinding, ...] = ()
    zeros: tuple[ZeroLimit, ...] = ()
    thresholds: tuple[ThresholdFinding, ...] = ()
    judge_card: CardFinding | None = None
    ledger: Ledger = field(default_factory=Ledger)

    def _repr_html_(self) -> str:
        rows = [
            (
                f.harm,
                group_name(f.group),
                share(f.estimate.rate),
                interval(f.estimate.low, f.estimate.high),
                str(f.estimate.n_labeled),
                f"{f.estimate.n_harmful:g}",
            )
            for f in self.rates
        ]
        return grid("Harm rates", ("harm", "group", "rate", "interval", "labelled", "harmful"), rows, self.notes)
