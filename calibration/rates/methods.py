"""The methods by name: counts in, limits and remarks out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple

import numpy as np

from calibration.checks import FloatArray
from calibration.rates.clusters import new_scenarios
from calibration.rates.comparators import aipw, apparent, human_only_weighted, ppi, rogan_gladen
from calibration.rates.intervals import Limits, Upper, post_stratified
from calibration.rates.likelihood_ratio import likelihood_ratio
from calibration.rates.pool_interval import MAX_POOL, pool_likelihood_ratio
from calibration.rates.soft_labels import soft_likelihood_ratio
from calibration.rates.strata import StrataCounts
from calibration.rates.strata_rules import StrataRule
from calibration.records import Target

Method = Literal["post-stratified", "likelihood-ratio", "apparent", "human-only", "rogan-gladen", "ppi", "aipw"]

COMPARATOR_FORMULAS: dict[Method, Callable[..., Limits]] = {
    "apparent": apparent,
    "rogan-gladen": rogan_gladen,
    "ppi": ppi,
    "aipw": aipw,
}
WARNINGS: dict[Method, str] = {
    "apparent": "This is the grader's rate, not a harm rate: its mistakes are not corrected, and in simulations at "
    "rates up to 3 % its interval held the truth in at most 10 % of campaigns.",
    "rogan-gladen": "Not to be trusted with few labelled harms: a normal approximation that fell to .36 coverage "
    "in simulations.",
    "ppi": "Not to be trusted with few labelled harms: a normal approximation that held a rate of 0.2 % in "
    ".08 / .32 / .64 of simulated campaigns with 50 / 200 / 500 labels.",
    "aipw": "Not to be trusted with few labelled harms: a normal approximation that collapses to zero width in 9 of 10 "
    "simulated campaigns at 0.2 %.",
}
KISH_WARNING = (
    "Labels were drawn with unequal probability: the exact interval is taken at the Kish size, an approximation."
)
POOL_WARNING = (
    "Method 'post-stratified' claims too much below the estimate for target 'pool': the exact coverage of its interval "
    "falls to .75 where few harms were found. Method 'likelihood-ratio' holds."
)
# Below this many labels of either kind normal approximations of a proportion fail.
FEW_OUTCOMES = 10
NOTHING = Limits(np.asarray(np.nan), np.asarray(0.0), np.asarray(1.0))
# Simulations cleared up to five labelled strata (docs/narrower-intervals.md). The method enumerates the labels of all
# but the two largest: beyond so many tables it takes seconds, and beyond so many labels the gain is 2 to 3 %.
MAX_LIKELIHOOD_RATIO_STRATA = 5
MAX_TABLES = 2000
MANY_LABELS = 1000
MAX_TIED_STRATA = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSettings:
    """What to estimate and how; the same for every method."""

    target: Target = "scenarios"
    confidence_level: float = 0.95
    assumed_icc: float = 0.2
    upper: Upper = "guarded"


class Answer(NamedTuple):
    """Limits, what must be said about them, and the method that really made them."""

    limits: Limits
    notes: list[str]
    method: Method


def limits_post_stratified(counts: StrataCounts, settings: RateSettings) -> Limits:
    """Guarded MOVER interval; the cluster envelope where scenarios are a sample."""
    if settings.target == "new-scenarios":
        return new_scenarios(
            counts.n_transcripts,
            counts.n_labeled,
            counts.n_harmful,
            known_zero=counts.known_zero,
            confidence_level=settings.confidence_level,
            assumed_icc=settings.assumed_icc,
            upper=settings.upper,
        )
    flat = counts.marginal()
    return post_stratified(
        flat.n_transcripts,
        flat.n_labeled,
        flat.n_harmful,
        total=flat.total,
        target=settings.target,
        confidence_level=settings.confidence_level,
        upper=settings.upper,
    )


def _post_stratified(counts: StrataCounts, settings: RateSettings) -> Answer:
    notes = [POOL_WARNING] if settings.target == "pool" and 0 < counts.labels < counts.total else []
    return Answer(limits_post_stratified(counts, settings), notes, "post-stratified")


def _fallback(counts: StrataCounts, settings: RateSettings) -> Limits:
    """The post-stratified limits; for the pool, the lower end without a finite population correction.

    Below the estimate that correction is wrong: what the labels confirmed is a wall, not the end of a tail.
    """
    limits = limits_post_stratified(counts, settings)
    if settings.target != "pool":
        return limits
    flat = counts.marginal()
    without = post_stratified(
        flat.n_transcripts,
        flat.n_labeled,
        flat.n_harmful,
        total=flat.total,
        confidence_level=settings.confidence_level,
        mix_factor=0.0,
    )
    return limits._replace(low=without.low)


def _likelihood_ratio(counts: StrataCounts, settings: RateSettings) -> Answer:
    """The narrower interval where it is validated, the post-stratified one elsewhere; the note says why."""
    reason = why_not_likelihood_ratio(counts, settings)
    if reason:
        note = f"Post-stratified interval: the likelihood-ratio interval is not validated for {reason}."
        return Answer(_fallback(counts, settings), [note], "post-stratified")
    flat = counts.marginal()
    tables = [flat.n_transcripts, flat.n_labeled, flat.n_harmful]
    interval: Callable[..., Limits] = pool_likelihood_ratio if settings.target == "pool" else likelihood_ratio
    if not counts.whole_counts or flat.n_tied.any():
        interval = soft_likelihood_ratio
        tables.append(flat.n_tied)
    limits = interval(*tables, total=flat.total, confidence_level=settings.confidence_level)
    return Answer(limits, [], "likelihood-ratio")


def why_not_likelihood_ratio(counts: StrataCounts, settings: RateSettings) -> str:
    """What the likelihood-ratio interval is not validated for; empty when it serves."""
    if settings.target == "new-scenarios":
        return "new scenarios"
    if counts.unequal:
        return "unequal inclusion probabilities inside a stratum"
    tied = counts.marginal().n_tied
    if np.isnan(tied).any():
        return "soft labels other than ties (1/2)"
    if tied.any():
        return _too_many_ties(counts.marginal().n_labeled, settings)
    if settings.target == "pool" and counts.total > MAX_POOL:
        return f"pools above {MAX_POOL:,} transcripts"
    return too_many_labels(counts.marginal().n_labeled)


def _too_many_ties(n: FloatArray, settings: RateSettings) -> str:
    if settings.target == "pool":
        return "soft labels and target pool"
    if int((n > 0).sum()) > MAX_TIED_STRATA:
        return f"soft labels in more than {MAX_TIED_STRATA} labelled strata"
    return too_many_labels(2 * n)


def too_many_labels(n: FloatArray) -> str:
    """Why the likelihood-ratio interval does not take these labels per stratum; empty when it does."""
    n_strata = int((n > 0).sum())
    if n_strata > MAX_LIKELIHOOD_RATIO_STRATA:
        return f"more than {MAX_LIKELIHOOD_RATIO_STRATA} labelled strata"
    if np.prod(np.sort(n[n > 0])[:-2] + 1) > MAX_TABLES:
        return "so many labels in so many strata"
    if n_strata > 2 and n.sum() > MANY_LABELS:
        return f"more than {MANY_LABELS} labels in three or more strata"
    return ""


def _human_only(counts: StrataCounts, settings: RateSettings) -> Answer:
    """The labels without any grader; a single stratum in the uniform design, a weighted mean in others."""
    if counts.design != "stratified":
        single = replace(
            counts,
            names=("all",),
            n_transcripts=counts.n_transcripts.sum(0, keepdims=True),
            n_labeled=counts.n_labeled.sum(0, keepdims=True),
            n_harmful=counts.n_harmful.sum(0, keepdims=True),
            n_tied=counts.n_tied.sum(0, keepdims=True),
            flagged=np.array([np.nan]),
        )
        limits = limits_post_stratified(single, settings)
        return Answer(limits if counts.labels else NOTHING, [], "human-only")
    if settings.target == "new-scenarios":
        _refuse_new_scenarios("human-only")
    flat = counts.marginal()
    if flat.labels == 0:
        return Answer(NOTHING, [], "human-only")
    limits = human_only_weighted(
        flat.n_transcripts, flat.n_labeled, flat.n_harmful, confidence_level=settings.confidence_level
    )
    zeros = float(flat.known_zero)
    share = 1 - zeros / flat.total
    return Answer(Limits(*(v * share for v in limits)), [KISH_WARNING], "human-only")


def _compared(counts: StrataCounts, settings: RateSettings, *, method: Method) -> Answer:
    """A two-sided formula: scored transcripts only, limits cut at [0, 1], the warning in the notes."""
    if settings.target == "new-scenarios":
        _refuse_new_scenarios(method)
    flat = counts.marginal()
    sides = [np.flatnonzero(flat.flagged == side) for side in (1, 0)]
    if not any(len(side) for side in sides):
        msg = f"score must be given, with at least one transcript scored, for method {method!r}, got none."
        raise ValueError(msg)
    # Shape (2,): what the judge flagged, what it did not.
    size, n, y = (
        np.array([a[side].sum() for side in sides]) for a in (flat.n_transcripts, flat.n_labeled, flat.n_harmful)
    )
    if method != "apparent" and n.sum() == 0:
        return Answer(NOTHING, [WARNINGS[method]], method)
    options = {"uniform": flat.design != "stratified"} if method in ("ppi", "rogan-gladen") else {}
    raw = COMPARATOR_FORMULAS[method](size, n, y, confidence_level=settings.confidence_level, **options)
    return Answer(Limits(*(np.clip(v, 0, 1) for v in raw)), _comparator_notes(method, raw, flat), method)


def _comparator_notes(method: Method, raw: Limits, flat: StrataCounts) -> list[str]:
    notes = []
    if method == "apparent" or min(flat.harmful, flat.harmless) < FEW_OUTCOMES:
        notes.append(WARNINGS[method])
    if method == "rogan-gladen" and np.isnan(raw.low):
        notes.append("No answer: both classes must be labelled and the judge must do better than chance.")
    elif raw.high <= raw.low:
        notes.append("An interval of width 0 is an artefact of the formula, not certainty.")
    elif raw.low < 0 or raw.high > 1 or not 0 <= raw.estimate <= 1:
        notes.append(f"The formula gave {raw.estimate:.4g} ({raw.low:.4g} to {raw.high:.4g}), cut at 0 and 1.")
    unscored = flat.total - flat.n_scored
    if unscored:
        notes.append(f"{unscored} of {flat.total} transcripts have no verdict and are left out, as this method does.")
    return notes


def _refuse_new_scenarios(method: str) -> None:
    msg = f"target must be 'scenarios' or 'pool' for method {method!r}, got 'new-scenarios'."
    raise ValueError(msg)


METHODS: dict[Method, Callable[[StrataCounts, RateSettings], Answer]] = {
    "post-stratified": _post_stratified,
    "likelihood-ratio": _likelihood_ratio,
    "human-only": _human_only,
    **{method: partial(_compared, method=method) for method in COMPARATOR_FORMULAS},
}
COMPARATORS: tuple[Method, ...] = ("human-only", *COMPARATOR_FORMULAS)


def rules_of(method: Method) -> tuple[StrataRule, ...]:
    """How scores become strata; where there are several, the first that the method can use."""
    if method == "likelihood-ratio":
        return "whole-counts", "first-whole-counts", "frozen"
    return ("sides",) if method in COMPARATORS else ("frozen",)
