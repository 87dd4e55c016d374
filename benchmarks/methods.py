"""Every method under test: campaigns in, what became of its intervals out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.outcomes import LEVEL, Outcome, likelihood_ratio_outcome, outcome_of_limits
from benchmarks.simulate import Campaigns
from benchmarks.tables import Tables, by_agreement, by_judge, either_flags, frozen_rule, judge_strata, three_strata
from calibration.checks import FloatArray
from calibration.rates import comparators
from calibration.rates.clusters import new_scenarios
from calibration.rates.intervals import Limits, post_stratified
from calibration.rates.strata_rules import IntArray
from calibration.records import Target

Run = Callable[[Campaigns, Target], Outcome]

# Whole likelihood-ratio intervals per cell, for widths: enough for a mean, since coverage takes a test each.
INTERVALS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method under test.

    Parameters
    ----------
    run : callable
    claims : bool
        Whether its coverage is promised; cells below the level are then run again, at length.
    uniform_only, clusters : bool
        Whether it needs labels drawn uniformly, and whether it says anything where scenarios are a sample.
    max_data_sets : int
        Slow methods see only the first data sets of a cell.
    """

    run: Run
    claims: bool = False
    uniform_only: bool = False
    clusters: bool = True
    max_data_sets: int = 1_000_000


def truth_of(campaigns: Campaigns, target: Target) -> FloatArray:
    """What an interval must hold: the pool's own rate, or the rate of the process."""
    return campaigns.pool_rate if target == "pool" else np.full(len(campaigns), campaigns.cell.rate)


def confirmed(limits: Limits, campaigns: Campaigns, target: Target) -> Limits:
    """For target ``pool``, limits cut at what the labels have confirmed, as the library cuts them for every method."""
    if target != "pool":
        return limits
    tables = by_judge(campaigns)
    harmful, harmless = tables.y.sum(1), (tables.n - tables.y).sum(1)
    pool = campaigns.cell.pool
    return Limits(limits.estimate, np.maximum(limits.low, harmful / pool), np.minimum(limits.high, 1 - harmless / pool))


def human_limits(campaigns: Campaigns, target: Target) -> Limits:
    """A uniform sample of labels without any grader: Clopper-Pearson (one stratum), or its cluster envelope."""
    size, n, y = campaigns.size.sum((1, 2))[:, None], campaigns.human_n[:, None], campaigns.human_y[:, None]
    if campaigns.cell.scenarios:
        return _new_scenarios(size, n, y)
    return post_stratified(size.sum(2), n.sum(2), y.sum(2), target=target, confidence_level=LEVEL)


def _new_scenarios(size: IntArray, n: IntArray, y: IntArray) -> Limits:
    """Cluster envelopes of data sets of shape (data_sets, n_strata, scenarios), one by one."""
    rows = [new_scenarios(*table, confidence_level=LEVEL) for table in zip(size, n, y, strict=True)]
    return Limits(*np.array(rows, dtype=np.float64).T)


def _clustered_sides(campaigns: Campaigns) -> tuple[IntArray, IntArray, IntArray]:
    """The judge's sides per scenario; under a uniform design a side without labels is joined to the other."""
    size, n, y = campaigns.size.sum(2), campaigns.n.sum(2), campaigns.y.sum(2)
    if campaigns.cell.flagged_share is None:
        empty = (n.sum(2) == 0)[..., None]
        size = np.where(empty, 0, size + np.where(empty[:, ::-1], size[:, ::-1], 0))
    return size, n, y


def _stratified(cut: Callable[[Campaigns], Tables]) -> Run:
    def run(campaigns: Campaigns, target: Target) -> Outcome:
        if campaigns.cell.scenarios:
            limits = _new_scenarios(*_clustered_sides(campaigns))
        else:
            # A stratum that was joined to another has size 0, and no finite population correction.
            with np.errstate(invalid="ignore"):
                limits = post_stratified(*cut(campaigns), target=target, confidence_level=LEVEL)
            limits = confirmed(limits, campaigns, target)
        return outcome_of_limits(limits, truth_of(campaigns, target))

    return run


def _likelihood_ratio(cut: Callable[[Campaigns], Tables], intervals: int) -> Run:
    def run(campaigns: Campaigns, target: Target) -> Outcome:
        truth = truth_of(campaigns, target)
        return likelihood_ratio_outcome(cut(campaigns), truth, target=target, intervals=intervals)

    return run


def _comparator(formula: Callable[..., Limits], *, tells_designs_apart: bool = False) -> Run:
    """A formula on the judge's two sides; it knows nothing of scenarios."""

    def run(campaigns: Campaigns, target: Target) -> Outcome:
        options = {"uniform": campaigns.cell.flagged_share is None} if tells_designs_apart else {}
        limits = formula(*by_judge(campaigns), confidence_level=LEVEL, **options)
        return outcome_of_limits(confirmed(limits, campaigns, target), truth_of(campaigns, target))

    return run


def _human_only(campaigns: Campaigns, target: Target) -> Outcome:
    """The labels at hand without the judge: weighted where they were not drawn uniformly.

    With clusters there is no weighted form: the uniform sample that widths are compared with stands in.
    """
    if campaigns.cell.flagged_share is None or campaigns.cell.scenarios:
        limits = human_limits(campaigns, target)
    else:
        limits = comparators.human_only_weighted(*by_judge(campaigns), confidence_level=LEVEL)
    return outcome_of_limits(confirmed(limits, campaigns, target), truth_of(campaigns, target))


METHODS: dict[str, Method] = {
    "post-stratified": Method(run=_stratified(judge_strata), claims=True),
    "likelihood-ratio": Method(run=_likelihood_ratio(judge_strata, INTERVALS), claims=True, clusters=False),
    "post-stratified, both graders": Method(run=_stratified(frozen_rule), claims=True, clusters=False),
    "likelihood-ratio, either flags": Method(
        run=_likelihood_ratio(either_flags, INTERVALS), clusters=False, uniform_only=True
    ),
    "likelihood-ratio, three strata": Method(
        run=_likelihood_ratio(three_strata, 50), claims=True, clusters=False, max_data_sets=5_000
    ),
    "likelihood-ratio, both/one/neither": Method(
        run=_likelihood_ratio(by_agreement, 50), claims=True, clusters=False, uniform_only=True, max_data_sets=5_000
    ),
    "human-only": Method(run=_human_only),
    "apparent": Method(run=_comparator(comparators.apparent)),
    "rogan-gladen": Method(run=_comparator(comparators.rogan_gladen, tells_designs_apart=True)),
    "ppi": Method(run=_comparator(comparators.ppi, tells_designs_apart=True)),
    "aipw": Method(run=_comparator(comparators.aipw)),
}
