"""A group's rate if the judge errs on it as on groups in general: an assumption, shown beside its own interval.

Symbols: t rate, s sensitivity, c specificity of the judge in one group; A and B hold laws of s and of c over groups,
one to a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import nan

import numpy as np
from scipy.special import betainc, xlogy

from calibration.checks import FloatArray
from calibration.rates.likelihood_ratio import likelihood_ratio

N_RATES, N_SENSITIVITIES, N_SPECIFICITIES = 100, 30, 44
SPREADS = (0.02, 0.08, 0.2, 0.45)
ROBUST = 0.1
# Half of the chi-square quantile, times 1.21: what simulations needed for .95.
LIKELIHOOD_LIMIT = 2.32
OWN_LEVEL = 0.80
# Below so many groups there is little to borrow.
MIN_GROUPS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeTable:
    """What the judge flagged in one group, and what humans said of it.

    Parameters
    ----------
    n_transcripts, n_flagged : int
    labeled, harmful : (float, float)
        Among the flagged, and among the others.
    """

    n_transcripts: float
    n_flagged: float
    labeled: tuple[float, float]
    harmful: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class BorrowedInterval:
    """A group's interval from its own labels, and if the judge errs on it as on groups in general.

    Parameters
    ----------
    own, borrowed : (float, float)
        The borrowed interval contains the group's own 80 % interval: whatever the judge does, about that much is kept.
    hierarchical : (float, float)
        The likelihood interval before that union.
    """

    own: tuple[float, float]
    borrowed: tuple[float, float]
    hierarchical: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TippingPoint:
    """How badly the judge may err on one group before a statement about its rate falls.

    Parameters
    ----------
    error : {"sensitivity", "specificity"}
    at : float
        The statement holds as long as the judge's sensitivity (specificity) in this group is at least this; nan when it
        holds for every value, or for none.
    elsewhere : float
        Median over groups in general.
    """

    error: str
    at: float
    elsewhere: float


def borrowed_intervals(
    tables: Mapping[str, JudgeTable], *, confidence_level: float = 0.95
) -> dict[str, BorrowedInterval]:
    """Intervals of several groups whose judge errors come from one distribution.

    Parameters
    ----------
    tables : mapping of group name to JudgeTable
        At least two groups; below six there is little to gain.
    confidence_level : float
        Only .95: the likelihood limit was tuned there.

    Raises
    ------
    ValueError
        For another level or fewer groups.

    Notes
    -----
    Coverage holds on average over groups, not for a group chosen because it is odd: whatever the judge's errors in one
    group, the worst exact coverage is .846; .958 or better when they are within .1 / .05 of the others'. Measured
    width .73 to .87 of the own interval.

    Examples
    --------
    >>> a = JudgeTable(n_transcripts=100, n_flagged=30, labeled=(5, 15), harmful=(4, 0))
    >>> b = JudgeTable(n_transcripts=100, n_flagged=12, labeled=(5, 15), harmful=(3, 1))
    >>> c = JudgeTable(n_transcripts=100, n_flagged=45, labeled=(5, 15), harmful=(5, 2))
    >>> low, high = borrowed_intervals({"a": a, "b": b, "c": c})["b"].borrowed
    >>> print(f"{low:.3f} {high:.3f}")
    0.034 0.254
    """
    if confidence_level != 0.95:
        msg = f"confidence_level must be 0.95 for borrowed intervals, got {confidence_level}."
        raise ValueError(msg)
    names, likelihoods, mixtures = _fitted(tables)
    answers = {}
    for name, likelihood, mixture in zip(names, likelihoods, mixtures, strict=True):
        integrated = np.einsum("tsc,sc->t", likelihood, mixture)
        limits = _likelihood_interval(_log(integrated))
        own = _own(tables[name], confidence_level)
        kept = _own(tables[name], OWN_LEVEL)
        union = min(limits[0], kept[0]), max(limits[1], kept[1])
        answers[name] = BorrowedInterval(own=own, borrowed=union, hierarchical=limits)
    return answers


def tipping_point(
    tables: Mapping[str, JudgeTable], name: str, *, below: float | None = None, above: float | None = None
) -> TippingPoint:
    """How well the judge must do on one group for a statement about its rate to hold.

    Parameters
    ----------
    tables : mapping of group name to JudgeTable
    name : str
    below : float in (0, 1), optional
        "The rate is below this" rests on the judge's sensitivity: what it does not catch is not seen.
    above : float in (0, 1), optional
        "The rate is above this" rests on its specificity. Exactly one of the two is given.

    Raises
    ------
    ValueError
        Unless exactly one threshold is given.

    Examples
    --------
    >>> f = JudgeTable(n_transcripts=400, n_flagged=100, labeled=(12, 38), harmful=(9, 1))
    >>> g = JudgeTable(n_transcripts=400, n_flagged=40, labeled=(12, 38), harmful=(6, 0))
    >>> h = JudgeTable(n_transcripts=400, n_flagged=20, labeled=(12, 38), harmful=(3, 0))
    >>> print(f"{tipping_point({'f': f, 'g': g, 'h': h}, 'h', below=0.05).at:.2f}")
    0.57
    """
    if (below is None) == (above is None):
        msg = f"exactly one of below and above must be given, got {below} and {above}."
        raise ValueError(msg)
    names, likelihoods, mixtures = _fitted(tables)
    likelihood, mixture = likelihoods[names.index(name)], mixtures[names.index(name)]
    s, c = _sides()
    # One value of the error is certain; the other keeps the law that the other groups leave.
    if below is not None:
        by_error = np.einsum("tsc,c->st", likelihood, mixture.sum(axis=0))
        holds = np.array([below - _likelihood_interval(_log(row))[1] for row in by_error])
        return TippingPoint(error="sensitivity", at=_upcrossing(s, holds), elsewhere=_median(mixture.sum(axis=1), s))
    by_error = np.einsum("tsc,s->ct", likelihood, mixture.sum(axis=1))
    holds = np.array([_likelihood_interval(_log(row))[0] - float(above or 0) for row in by_error])
    rising, law = c[::-1], mixture.sum(axis=0)[::-1]
    return TippingPoint(error="specificity", at=_upcrossing(rising, holds[::-1]), elsewhere=_median(law, rising))


def _upcrossing(error: FloatArray, holds: FloatArray) -> float:
    """Where `holds` turns positive for good; nan where it is positive throughout or not at the end."""
    fails = np.flatnonzero(holds <= 0)
    if not fails.size or fails[-1] == len(holds) - 1:
        return nan
    i = int(fails[-1])
    return float(error[i] - holds[i] * (error[i + 1] - error[i]) / (holds[i + 1] - holds[i]))


def _fitted(tables: Mapping[str, JudgeTable]) -> tuple[list[str], list[FloatArray], list[FloatArray]]:
    """Per group its likelihood over the grid, and the law of (s, c) that the other groups leave."""
    if len(tables) < 2:
        msg = f"tables must hold at least two groups, got {len(tables)}."
        raise ValueError(msg)
    t, dt = _rates()
    s, c = _sides()
    a, prior_a, b, prior_b = _laws()
    likelihoods, log_m = [], []
    for table in tables.values():
        log_l = _log_likelihood(table, t[:, None, None], s[None, :, None], c[None, None, :])
        likelihood = np.exp(log_l - log_l.max())
        likelihoods.append(likelihood)
        log_m.append(np.log(np.maximum(a @ np.einsum("t,tsc->sc", dt, likelihood) @ b.T, 1e-300)))
    whole, log_prior = np.sum(log_m, axis=0), np.log(prior_a)[:, None] + np.log(prior_b)[None, :]
    mixtures = []
    for own in log_m:
        log_weight = log_prior + whole - own
        weight = np.exp(log_weight - log_weight.max())
        mixtures.append(np.asarray(a.T @ (weight / weight.sum()) @ b))
    return list(tables), likelihoods, mixtures


def _log_likelihood(table: JudgeTable, t: FloatArray, s: FloatArray, c: FloatArray) -> FloatArray:
    """Log L(t, s, c) of flags and labels; which transcripts of a side were labelled does not depend on harm."""
    total, flagged = table.n_transcripts, table.n_flagged
    (n1, n0), (x1, x0) = table.labeled, table.harmful
    q = t * s + (1 - t) * (1 - c)
    flags = xlogy(flagged - n1, q) + xlogy(total - flagged - n0, 1 - q)
    harmful = xlogy(x1, t * s) + xlogy(x0, t * (1 - s))
    harmless = xlogy(n1 - x1, (1 - t) * (1 - c)) + xlogy(n0 - x0, (1 - t) * c)
    return np.asarray(flags + harmful + harmless, dtype=np.float64)


@lru_cache(maxsize=1)
def _rates() -> tuple[FloatArray, FloatArray]:
    """Rates of the grid, and the width of each one's cell."""
    i = np.arange(N_RATES)
    edges = np.sin(np.pi / 2 * np.arange(N_RATES + 1) / N_RATES) ** 2
    return np.sin(np.pi / 2 * (i + 0.5) / N_RATES) ** 2, np.diff(edges)


@lru_cache(maxsize=1)
def _sides() -> tuple[FloatArray, FloatArray]:
    """Sensitivities and specificities of the grid; the latter are dense near 1."""
    s = (np.arange(N_SENSITIVITIES) + 0.5) / N_SENSITIVITIES
    u = (np.arange(N_SPECIFICITIES) + 0.5) / N_SPECIFICITIES
    return s, 1 - u**2


@lru_cache(maxsize=1)
def _laws() -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Laws of s and of c over their cells, one a row, each set with its prior weights."""
    s_edges = np.arange(N_SENSITIVITIES + 1) / N_SENSITIVITIES
    means = (np.arange(15) + 0.5) / 15
    a, prior_a = _law_rows(s_edges, means, np.full(15, 1 / 75))
    # Cells of c run from 1 downwards, as u does.
    c_edges = 1 - (np.arange(N_SPECIFICITIES + 1) / N_SPECIFICITIES) ** 2
    u = (np.arange(22) + 0.5) / 22
    b, prior_b = _law_rows(c_edges, 1 - u**2, 2 * u / (2 * u).sum() / 5)
    return a, prior_a, b, prior_b


def _law_rows(edges: FloatArray, means: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """One-cell laws, then Beta laws of every spread and mean, all with a tenth spread evenly."""
    width = np.abs(np.diff(edges))
    rows, prior = [np.eye(len(width))], [width / 5]
    for rho in SPREADS:
        phi = 1 / rho - 1
        below = betainc(means[:, None] * phi, (1 - means[:, None]) * phi, edges[None, :])
        rows.append(np.abs(np.diff(below, axis=1)))
        prior.append(weights)
    return (1 - ROBUST) * np.concatenate(rows) + ROBUST * width, np.concatenate(prior)


def _likelihood_interval(log_likelihood: FloatArray) -> tuple[float, float]:
    """Rates within LIKELIHOOD_LIMIT of the maximum; linear between grid points, 0 and 1 where the ends are inside."""
    t, _ = _rates()
    excess = log_likelihood - log_likelihood.max() + LIKELIHOOD_LIMIT
    inside = np.flatnonzero(excess >= 0)
    first, last = int(inside[0]), int(inside[-1])
    low = 0.0 if first == 0 else _crossing(t, excess, first - 1)
    high = 1.0 if last == len(t) - 1 else _crossing(t, excess, last)
    return low, high


def _crossing(t: FloatArray, excess: FloatArray, i: int) -> float:
    share = excess[i] / (excess[i] - excess[i + 1])
    return float(t[i] + share * (t[i + 1] - t[i]))


def _median(mass: FloatArray, middles: FloatArray) -> float:
    """Median of a law given as mass per cell, linear between the middles of cells."""
    share = mass / mass.sum()
    return float(np.interp(0.5, np.cumsum(share) - share / 2, middles))


def _log(likelihood: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(likelihood, 1e-300)))


def _own(table: JudgeTable, level: float) -> tuple[float, float]:
    """The likelihood-ratio interval of the group's own labels."""
    sizes: Sequence[float] = (table.n_flagged, table.n_transcripts - table.n_flagged)
    sides = [h for h in (0, 1) if sizes[h] > 0]
    limits = likelihood_ratio(
        [sizes[h] for h in sides],
        [table.labeled[h] for h in sides],
        [table.harmful[h] for h in sides],
        confidence_level=level,
    )
    return float(limits.low), float(limits.high)
