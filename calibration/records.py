"""The three answers of this package: an agreement, a rate, a difference of rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from calibration.notebook import card, p_value, share
from calibration.notebook import interval as percent_limits
from calibration.rates.rounding import decimal_interval, points_interval

Target = Literal["pool", "scenarios", "new-scenarios"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far raters or graders agree, with an interval.

    Parameters
    ----------
    statistic : str
        ``alpha``, ``kappa``, ``ac1``, ``sensitivity``, ...
    value, low, high : float
        nan where undefined (only one value used, nothing labelled); never a made-up 0 or 1.
    confidence_level : float in (0, 1)
    n_items, n_raters, n_positive : int
        Items that entered, raters, and items with a positive vote (for sensitivity and its kin see
        `calibration.agreement.statistics.grader_accuracy`).
    notes : tuple of str
        What a reader must know to use the number, e.g. "valid only for this sample".
    """

    statistic: str
    value: float
    low: float
    high: float
    confidence_level: float
    n_items: int
    n_raters: int
    n_positive: int
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        items = f"{self.n_items} items, {self.n_positive} positive, {self.n_raters} raters"
        level = share(self.confidence_level)
        facts = {
            "value": f"{self.value:.3f}",
            f"{level} interval": decimal_interval(self.low, self.high),
            "from": items,
        }
        return card(self.statistic, facts, self.notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """One stratum of a rate: transcripts in the pool, labelled ones, harmful ones among these.

    `n_labeled` and `n_harmful` are effective counts (fractions) under unequal inclusion
    probabilities or soft labels.
    """

    name: str
    n_transcripts: int
    n_labeled: float
    n_harmful: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RateEstimate:
    """A harm rate with its error bar.

    Parameters
    ----------
    rate : float in [0, 1] or nan
        nan when more than 5 % of the pool lies in strata without a label.
    low, high : float in [0, 1]
    confidence_level : float in (0, 1)
    target : {"pool", "scenarios", "new-scenarios"}
        What the rate is a rate of.
    method : str
    n_transcripts, n_scored, n_labeled : int
    n_harmful : float
        Labelled harmful; fractional under soft labels.
    strata : tuple of Stratum
    bounds : (float, float)
        Worst case: unscored (unlabelled) transcripts all harmless, all harmful.
    notes : tuple of str
    """

    rate: float
    low: float
    high: float
    confidence_level: float
    target: Target
    method: str
    n_transcripts: int
    n_scored: int
    n_labeled: int
    n_harmful: float
    strata: tuple[Stratum, ...] = ()
    bounds: tuple[float, float] = (0.0, 1.0)
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        labels = f"{self.n_labeled} labelled, {self.n_harmful:g} harmful, of {self.n_transcripts} transcripts"
        facts = {
            "rate": share(self.rate),
            f"{share(self.confidence_level)} interval": percent_limits(self.low, self.high),
            "target": self.target,
            "method": self.method,
            "from": f"{labels}; scored {self.n_scored}",
        }
        return card("Harm rate", facts, self.notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateDifference:
    """A difference of two rates (first minus second) with its interval.

    Parameters
    ----------
    difference, low, high : float in [-1, 1]
    confidence_level : float in (0, 1)
    p_value : float in [0, 1] or nan
    method : str
    n_paired : int
        Scenarios or items that both sides share; 0 for independent groups.
    notes : tuple of str
    """

    difference: float
    low: float
    high: float
    confidence_level: float
    p_value: float
    method: str
    n_paired: int
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        facts = {
            "difference": f"{100 * self.difference:+.1f} points",
            f"{share(self.confidence_level)} interval": f"{points_interval(self.low, self.high)} points",
            "p": p_value(self.p_value),
            "method": self.method,
        }
        return card("Difference of rates", facts, self.notes)
