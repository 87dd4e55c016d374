"""The methods by name: counts in, limits and remarks out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from calibration.clusters import new_scenarios
from calibration.intervals import Limits, Upper, post_stratified
from calibration.records import Target
from calibration.strata import StrataCounts

Method = Literal["post-stratified", "likelihood-ratio", "apparent", "human-only", "rogan-gladen", "ppi", "aipw"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What to estimate and how; the same for every method."""

    target: Target = "scenarios"
    confidence_level: float = 0.95
    assumed_icc: float = 0.2
    upper: Upper = "guarded"


def limits_post_stratified(counts: StrataCounts, settings: Settings) -> tuple[Limits, list[str]]:
    """Guarded MOVER interval; the cluster envelope where scenarios are a sample."""
    if settings.target == "new-scenarios":
        limits = new_scenarios(
            counts.n_transcripts,
            counts.n_labeled,
            counts.n_harmful,
            known_zero=counts.known_zero,
            confidence_level=settings.confidence_level,
            assumed_icc=settings.assumed_icc,
            upper=settings.upper,
        )
        return limits, []
    flat = counts.marginal()
    limits = post_stratified(
        flat.n_transcripts,
        flat.n_labeled,
        flat.n_harmful,
        total=flat.total,
        target=settings.target,
        confidence_level=settings.confidence_level,
        upper=settings.upper,
    )
    return limits, []


METHODS: dict[str, Callable[[StrataCounts, Settings], tuple[Limits, list[str]]]] = {
    "post-stratified": limits_post_stratified,
}
COMPARATORS = ("apparent", "human-only", "rogan-gladen", "ppi", "aipw")
