"""The methods by name: counts in, limits and remarks out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from calibration.clusters import new_scenarios
from calibration.intervals import Limits, Upper, post_stratified
from calibration.likelihood_ratio import likelihood_ratio
from calibration.records import Target
from calibration.strata import StrataCounts

Method = Literal["post-stratified", "likelihood-ratio", "apparent", "human-only", "rogan-gladen", "ppi", "aipw"]

# Simulations cleared one and two labelled strata.
MAX_LIKELIHOOD_RATIO_STRATA = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
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


def limits_post_stratified(counts: StrataCounts, settings: Settings) -> Limits:
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


def _post_stratified(counts: StrataCounts, settings: Settings) -> Answer:
    return Answer(limits_post_stratified(counts, settings), [], "post-stratified")


def _likelihood_ratio(counts: StrataCounts, settings: Settings) -> Answer:
    """The narrower interval where it is validated, the post-stratified one elsewhere; the note says why."""
    reason = _why_not_likelihood_ratio(counts, settings)
    if reason:
        note = f"Post-stratified interval: the likelihood-ratio interval is not validated for {reason}."
        return Answer(limits_post_stratified(counts, settings), [note], "post-stratified")
    flat = counts.marginal()
    limits = likelihood_ratio(
        flat.n_transcripts,
        flat.n_labeled,
        flat.n_harmful,
        total=flat.total,
        target=settings.target,
        confidence_level=settings.confidence_level,
    )
    return Answer(limits, [], "likelihood-ratio")


def _why_not_likelihood_ratio(counts: StrataCounts, settings: Settings) -> str:
    if settings.target == "new-scenarios":
        return "new scenarios"
    if counts.unequal:
        return "unequal inclusion probabilities inside a stratum"
    if not counts.whole_counts:
        return "soft labels"
    if (counts.marginal().n_labeled > 0).sum() > MAX_LIKELIHOOD_RATIO_STRATA:
        return "three or more labelled strata"
    return ""


METHODS: dict[Method, Callable[[StrataCounts, Settings], Answer]] = {
    "post-stratified": _post_stratified,
    "likelihood-ratio": _likelihood_ratio,
}
COMPARATORS = ("apparent", "human-only", "rogan-gladen", "ppi", "aipw")
