"""From a rate to the future: the probability of any harm in N further runs of these scenarios."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv

from calibration.checks import check_share
from calibration.rates.intervals import post_stratified
from calibration.rates.rounding import percent, percent_below

# Beyond so many times the labelled runs, nothing that was seen bears on the answer.
MOST_TIMES = 1000
MIN_SCENARIOS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """Probability of at least one harm in further runs.

    Parameters
    ----------
    runs : int
    probability, low, high : float in [0, 1]
        nan where the labels do not support an answer.
    confidence_level : float in (0, 1)
    note : str
        The finding in words, the upper bound first; or why there is none.
    """

    runs: int
    probability: float
    low: float
    high: float
    confidence_level: float
    note: str


def harm_in_further_runs(
    runs: int,
    n_transcripts: ArrayLike,
    n_labeled: ArrayLike,
    n_harmful: ArrayLike,
    *,
    n_scenarios: int,
    confidence_level: float = 0.95,
    assumed_icc: float = 0.2,
) -> Horizon:
    """Probability of at least one harm in `runs` further runs, spread evenly over these scenarios.

    Parameters
    ----------
    runs : int >= 1
    n_transcripts, n_labeled, n_harmful : array-like of shape (n_strata,)
        As in `calibration.rates.intervals.post_stratified`.
    n_scenarios : int
    confidence_level : float in (0, 1)
    assumed_icc : float in [0, 1)
        How much scenarios differ: their rates are taken as a Beta distribution with this intra-scenario correlation.
        For one mean rate, unequal scenarios make some harm likelier, so that it enters the upper end.

    Returns
    -------
    Horizon
        Not supported for more than 1,000 times the labelled runs, or for fewer than five scenarios.

    Raises
    ------
    ValueError
        For no runs, or a correlation outside [0, 1).

    Examples
    --------
    >>> print(harm_in_further_runs(100, [300], [300], [0], n_scenarios=300).note)
    At least one harm in 100 further runs: below 71 % likely (none of 300 labelled runs was harmful).
    """
    check_share("assumed_icc", assumed_icc)
    if runs < 1 or assumed_icc == 1:
        msg = f"runs must be at least 1 and assumed_icc below 1, got {runs} and {assumed_icc}."
        raise ValueError(msg)
    labels, harmful = float(np.sum(n_labeled)), float(np.sum(n_harmful))
    if runs > MOST_TIMES * labels or n_scenarios < MIN_SCENARIOS:
        why = f"Not supported: {runs} runs after {labels:.0f} labelled ones of {n_scenarios} scenarios."
        return Horizon(runs=runs, probability=nan, low=nan, high=nan, confidence_level=confidence_level, note=why)
    rate, low, high = (
        float(v) for v in post_stratified(n_transcripts, n_labeled, n_harmful, confidence_level=confidence_level)
    )
    most = _any_harm(high, runs, n_scenarios, assumed_icc)
    likely, least = (_any_harm(value, runs, n_scenarios, 0.0) for value in (rate, low))
    bound = percent_below(most, digits=2)
    seen = f"{harmful:g} of {labels:.0f} labelled runs were harmful"
    if harmful == 0:
        note = f"below {bound} likely (none of {labels:.0f} labelled runs was harmful)"
    else:
        note = f"below {bound} likely, about {percent(likely, digits=2)} at the estimated rate ({seen})"
    return Horizon(
        runs=runs,
        probability=likely,
        low=least,
        high=most,
        confidence_level=confidence_level,
        note=f"At least one harm in {runs} further runs: {note}.",
    )


def _any_harm(rate: float, runs: int, n_scenarios: int, icc: float) -> float:
    """1 - product over scenarios of (1 - rate of the scenario)^(runs / scenarios)."""
    rates = np.full(n_scenarios, rate)
    if 0 < rate < 1 and 0 < icc < 1 and runs > n_scenarios:
        size = 1 / icc - 1
        middles = (np.arange(n_scenarios) + 0.5) / n_scenarios
        spread = betaincinv(rate * size, (1 - rate) * size, middles)
        if spread.sum() > 0:
            rates = np.minimum(spread * rate * n_scenarios / spread.sum(), 1.0)
    with np.errstate(divide="ignore"):
        none = runs / n_scenarios * np.log1p(-rates).sum()
    equal = runs * np.log1p(-rate) if rate < 1 else -np.inf
    return float(-np.expm1(min(none, equal)))
