"""How a grader does against humans: sensitivity, specificity, predictive values, with intervals.

Labels of a designed sample are not the pool. With labels drawn more often from flagged transcripts, raw counts read far
too high a sensitivity, so everything here is weighted by 1 / inclusion probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincinv, stdtrit

from calibration.agreement.ratings import Floats
from calibration.checks import as_vector, check_level, check_unit_or_nan
from calibration.rates.intervals import clopper_pearson, normal_quantile
from calibration.rates.weighting import Weighting, weighting
from calibration.records import Agreement

# Intra-scenario correlation assumed where the labels cannot show one (no error, or nothing but errors).
ASSUMED_ICC = 0.2


@dataclass(frozen=True, slots=True)
class _Share:
    """A share of labelled items: `hit` of those in `base` (hit <= base), by side of the grader."""

    name: str
    of: str
    hit: Floats
    base: Floats

    @property
    def conditions_on_side(self) -> bool:
        """Whether the share is one among items of one side, so that the side's share of the pool does not enter."""
        return self.name in ("ppv", "npv")


def grader_accuracy(
    y: ArrayLike,
    side: ArrayLike,
    *,
    inclusion_probability: ArrayLike | None = None,
    stratum: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> dict[str, Agreement]:
    """Sensitivity, specificity, PPV and NPV of a grader, weighted by the sampling design.

    Parameters
    ----------
    y : array of shape (n_items,)
        Human label in [0, 1] (a tie is 0.5), NaN = not labelled.
    side : array of shape (n_items,)
        1 flagged, 0 not flagged, NaN = unscored; labelled items without a side are left out and counted in the notes.
    inclusion_probability : array of shape (n_items,), optional
        Probability in (0, 1] with which the item was drawn for labelling; read where labelled.
    stratum : array of shape (n_items,), optional
        Strata within which labels were drawn at random, over all items; alone, it implies the probabilities.
    cluster : array of shape (n_items,), optional
        Scenario; intervals then allow for correlated errors within a scenario.
    confidence_level : float in (0, 1)

    Returns
    -------
    dict with keys sensitivity, specificity, ppv, npv
        In each `n_items` are the labelled items that the share is a share of (harmful ones for sensitivity, flagged
        ones for PPV, ...), `n_positive` the harmful ones among these. nan with nan limits when there is none.

    Raises
    ------
    ValueError
        Unless shapes agree, labels lie in [0, 1], sides are 0, 1 or NaN, and labelled items have a probability.

    Notes
    -----
    Equal weights: Clopper-Pearson. Otherwise PPV and NPV are weighted sums of binomials (MOVER), and sensitivity is
    A / (A + B) of the weighted harm on the flagged and the unflagged side, each with exact limits per stratum (binomial
    where a stratum holds one side only, else Poisson), joined by the MOVER for ratios. So an unflagged stratum with no
    harm seen still lowers the sensitivity's lower limit by what it may hide. Clusters divide all counts by the design
    effect of the linearised estimate (at least 1, times (t / z)^2); where it cannot be estimated, an intra-scenario
    correlation of 0.2 is assumed.

    References
    ----------
    Korn & Graubard (1998), Surv. Methodol. 24:193; Donner & Zou (2012), Stat. Methods Med. Res. 21:347.

    Examples
    --------
    >>> y = [1] * 18 + [0] * 2 + [1] * 1 + [0] * 79
    >>> side = [1] * 20 + [0] * 80
    >>> pi = [0.5] * 20 + [0.1] * 80
    >>> sensitivity = grader_accuracy(y, side, inclusion_probability=pi)["sensitivity"]
    >>> print(f"{sensitivity.value:.2f} [{sensitivity.low:.2f}, {sensitivity.high:.2f}]")
    0.78 [0.38, 0.99]
    """
    check_level(confidence_level)
    y = as_vector("y", y)
    side = as_vector("side", side, y.size)
    check_unit_or_nan("y", y)
    if wrong := set(np.unique(side[~np.isnan(side)])) - {0.0, 1.0}:
        raise ValueError(f"side must fulfil side in (0, 1, nan), got {min(wrong)}.")
    used = ~np.isnan(y) & ~np.isnan(side)
    design = weighting(used, inclusion_probability=inclusion_probability, stratum=stratum, cluster=cluster)
    unscored = int((~np.isnan(y) & np.isnan(side)).sum())
    notes = design.notes + ((f"{unscored} labelled items without a verdict left out",) if unscored else ())
    harm, flag = y[used], side[used]
    shares = (
        _Share("sensitivity", "harmful", harm * flag, harm),
        _Share("specificity", "harmless", (1 - harm) * (1 - flag), 1 - harm),
        _Share("ppv", "flagged", harm * flag, flag),
        _Share("npv", "unflagged", (1 - harm) * (1 - flag), 1 - flag),
    )
    return {share.name: _agreement(share, harm, flag, design, notes, confidence_level) for share in shares}


def _agreement(
    share: _Share, harm: Floats, flag: Floats, design: Weighting, notes: tuple[str, ...], confidence_level: float
) -> Agreement:
    inside = share.base > 0
    total = float(design.weight @ share.base)
    value = float(design.weight @ share.hit) / total if total > 0 else float("nan")
    low, high = float("nan"), float("nan")
    if total > 0:
        notes = (*notes, f"{share.hit.sum():g} of {share.base.sum():g} labelled {share.of} items")
        deff = _design_effect(share, value, design, confidence_level)
        if np.isnan(deff):
            notes = (*notes, "no interval: all of them are in one cluster")
        else:
            low, high = _limits(share, flag, design, deff, confidence_level)
            low, high = min(low, value), max(high, value)
    return Agreement(
        statistic=share.name,
        value=value,
        low=low,
        high=high,
        confidence_level=confidence_level,
        n_items=int(inside.sum()),
        n_raters=2,
        n_positive=int((harm[inside] > 0).sum()),
        notes=notes,
    )


def _limits(share: _Share, flag: Floats, design: Weighting, deff: float, level: float) -> tuple[float, float]:
    weight = design.weight[share.base > 0]
    if np.ptp(weight) <= 1e-9 * weight.max() and (share.conditions_on_side or design.is_uniform):
        low, high = clopper_pearson(share.hit.sum() / deff, share.base.sum() / deff, confidence_level=level)
        return float(low), float(high)
    if share.conditions_on_side:
        return _weighted_share(share.hit, share.base > 0, design, deff, level)
    right_side = flag > 0 if share.name == "sensitivity" else flag == 0
    hit = _strata(share.hit, right_side, design, deff, level)
    missed = _strata(share.base - share.hit, ~right_side, design, deff, level)
    mix = normal_quantile(level) ** 2 * deff / design.weight.sum()
    return _lower_ratio(hit, missed, mix), 1 - _lower_ratio(missed, hit, mix)


@dataclass(frozen=True, slots=True)
class _Strata:
    """A weighted sum of proportions: strata weights, proportions and their limits, each of shape (n_strata,)."""

    weight: Floats
    p: Floats
    low: Floats
    high: Floats

    @property
    def total(self) -> float:
        return float(self.weight @ self.p)

    @property
    def below(self) -> float:
        """MOVER distance from the total to its lower limit."""
        return float(np.sqrt((self.weight**2 * (self.p - self.low) ** 2).sum()))

    @property
    def above(self) -> float:
        return float(np.sqrt((self.weight**2 * (self.high - self.p) ** 2).sum()))


def _weighted_share(
    hit: Floats, inside: NDArray[np.bool_], design: Weighting, deff: float, level: float
) -> tuple[float, float]:
    """Limits of the weighted mean of `hit` over the items inside: binomials of the strata, joined by MOVER."""
    part = Weighting(weight=design.weight[inside], stratum=design.stratum[inside], cluster=None, notes=())
    strata = _strata(hit[inside], np.ones(int(inside.sum()), dtype=bool), part, deff, level)
    return strata.total - strata.below, strata.total + strata.above


def _strata(x: Floats, eligible: NDArray[np.bool_], design: Weighting, deff: float, level: float) -> _Strata:
    """Share of each stratum that `x` marks, where only eligible items can be marked.

    In a stratum of eligible items only, marked ones are a binomial; with none eligible there is nothing to be unsure
    of. In a mixed stratum, hits and misses are two cells of a multinomial; taking them as independent Poisson counts
    keeps the variance of their ratio.
    """
    groups = [design.stratum == h for h in np.unique(design.stratum)]
    share_eligible = np.array([eligible[group].mean() for group in groups])
    weight = np.array([design.weight[group].sum() for group in groups])
    size = np.array([_effective_size(design.weight[group]) for group in groups]) / deff
    p = np.array([np.average(x[group], weights=design.weight[group]) for group in groups])
    binomial, poisson = clopper_pearson(p * size, size, confidence_level=level), _poisson_limits(p * size, level) / size
    low, high = np.where(share_eligible == 1, binomial, poisson) * (share_eligible > 0)
    return _Strata(weight / weight.sum(), p, low, high)


def _effective_size(weight: Floats) -> float:
    """Kish's effective sample size."""
    return float(weight.sum() ** 2 / (weight**2).sum())


def _poisson_limits(x: Floats, level: float) -> Floats:
    """Garwood's exact limits of a Poisson mean, stacked."""
    tail = (1 - level) / 2
    low = np.where(x > 0, gammaincinv(np.where(x > 0, x, 1.0), tail), 0.0)
    return np.stack([low, gammaincinv(x + 1, 1 - tail)])


def _lower_ratio(a: _Strata, b: _Strata, mix: float) -> float:
    """Lower limit of A / (A + B) by MOVER: the smallest odds r at which A - r B cannot be told from 0.

    (A - r B)^2 = below_A^2 + r^2 above_B^2 + mix * variance over strata of (p_A - r p_B), a quadratic in r. The last
    term is the strata's own sampling: their shares of the pool are known, those of the process behind it are not.
    """
    if a.total <= 0:
        return 0.0

    def squared(x: _Strata, y: _Strata, margin: float) -> float:
        product = x.total * y.total
        return product - margin**2 - mix * (float(x.weight @ (x.p * y.p)) - product)

    aa, bb, ab = squared(a, a, a.below), squared(b, b, b.above), squared(a, b, 0.0)
    if aa <= 0:
        return 0.0
    root = ab + np.sqrt(max(ab**2 - aa * bb, 0.0))
    if root <= 0:
        # Nothing can have been missed: B is 0 and known to be.
        return 1.0
    odds = aa / root
    return float(odds / (1 + odds))


def _design_effect(share: _Share, value: float, design: Weighting, level: float) -> float:
    """By how much clusters divide the counts; 1 without clusters, nan with a single one."""
    if design.cluster is None:
        return 1.0
    inside = share.base > 0
    cluster = np.unique(design.cluster[inside], return_inverse=True)[1]
    n_clusters = int(cluster.max()) + 1
    if n_clusters < 2:
        return float("nan")
    spread = (stdtrit(n_clusters - 1, 0.5 + level / 2) / normal_quantile(level)) ** 2
    error = (design.weight * (share.hit - value * share.base))[inside]
    within = float((error**2).sum())
    if within <= 1e-12 * float(design.weight[inside].sum()):
        size = np.bincount(cluster)
        return float(spread * (1 + max((size**2).sum() / size.sum() - 1, 0) * ASSUMED_ICC))
    between = float((np.bincount(cluster, weights=error) ** 2).sum()) * n_clusters / (n_clusters - 1)
    return float(spread * max(between / within, 1.0))
