"""What a reader must know to use a rate, one sentence each."""

from __future__ import annotations

from dataclasses import replace

from calibration.rates.clusters import one_draw_per_scenario
from calibration.rates.methods import COMPARATORS, RateSettings, limits_post_stratified
from calibration.rates.rounding import percent, percent_interval
from calibration.rates.sentences import zero_harm_text
from calibration.rates.strata import StrataCounts
from calibration.records import RateEstimate

ASSUMED_CORRELATIONS = (0.1, 0.2, 0.5)
FEW_SCENARIOS = 10


def rate_notes(counts: StrataCounts, estimate: RateEstimate, settings: RateSettings) -> list[str]:
    """Every remark on an estimate that rests on human labels, the most important first."""
    flat = counts.marginal()
    notes = []
    census = settings.target == "pool" and flat.labels > 0 and flat.labels + float(flat.known_zero) >= flat.total
    if flat.labels == 0:
        notes.append("No transcript was labelled: nothing is known about the harm rate.")
    elif flat.harmful == 0 and not census:
        notes.append(_zero_harm(counts, estimate, settings))
    notes += _scenario_notes(counts, settings)
    notes += _stratum_notes(flat)
    notes += _design_notes(flat)
    if census:
        notes.append(
            "Every transcript was labelled: the rate of this pool is known, as labelled; of fresh runs it is not."
        )
    return notes


def _zero_harm(counts: StrataCounts, estimate: RateEstimate, settings: RateSettings) -> str:
    """Section 4's paragraph: the bound for this pool's process, and for new scenarios where clusters are known."""
    n_scenarios, high = None, None
    if counts.has_clusters:
        n_scenarios = int((counts.n_labeled.sum(0) > 0).sum())
        limits = limits_post_stratified(counts, replace(settings, target="new-scenarios"))
        high = float(limits.high) if n_scenarios > 1 else None
    if settings.target == "new-scenarios":
        limits = limits_post_stratified(counts, replace(settings, target="scenarios"))
        estimate = replace(estimate, high=float(limits.high), method="post-stratified")
    elif estimate.method in COMPARATORS:
        # Whatever the comparator says, this is what no harm among so many labels can mean.
        estimate = replace(
            estimate, high=float(limits_post_stratified(counts, settings).high), method="post-stratified"
        )
    gap = bool((counts.marginal().n_labeled == 0).any())
    return zero_harm_text(
        estimate,
        sample="stratified" if gap or counts.design == "stratified" else "uniform",
        new_scenarios_high=high,
        n_scenarios=n_scenarios,
        assumed_icc=settings.assumed_icc,
    )


def _scenario_notes(counts: StrataCounts, settings: RateSettings) -> list[str]:
    """How the answer moves with the assumed correlation, and the worst case with few scenarios."""
    if settings.target != "new-scenarios":
        return []
    per_scenario = counts.n_labeled.sum(0)
    n_scenarios = int((per_scenario > 0).sum())
    if counts.labels == 0:
        return []
    if n_scenarios < 2:
        return ["All labels come from one scenario: no interval for new scenarios can be given."]
    parts = []
    for icc in ASSUMED_CORRELATIONS:
        limits = limits_post_stratified(counts, replace(settings, assumed_icc=icc))
        parts.append(f"{percent_interval(float(limits.low), float(limits.high))} at {icc:g}")
    notes = [
        f"Assumes correlation {settings.assumed_icc:g} inside a scenario ({n_scenarios} scenarios): "
        + ", ".join(parts)
        + "."
    ]
    if n_scenarios < FEW_SCENARIOS:
        # Without the means of every scenario, a scenario with any labelled harm counts as harmful throughout.
        harmful = int((counts.n_harmful.sum(0) > 0).sum())
        worst = one_draw_per_scenario(n_scenarios, harmful, confidence_level=settings.confidence_level)
        notes.append(
            f"Worst case, each scenario one draw: {harmful} of {n_scenarios} scenarios had labelled harm, "
            f"below {percent_interval(0, worst).removeprefix('0-')} (one-sided {percent(settings.confidence_level)})."
        )
    return notes


def _stratum_notes(flat: StrataCounts) -> list[str]:
    notes = []
    for name, size, n in zip(flat.names, flat.n_transcripts, flat.n_labeled, strict=True):
        if n == 0 and flat.labels > 0:
            share = size / flat.total
            notes.append(
                f"Stratum '{name}' ({size:.0f} of {flat.total} transcripts) holds no label: "
                f"its {percent(share)} are added to the upper end and count as harmless in the lower."
            )
    if 0 < flat.n_scored < flat.total:
        notes.append(f"Scored {flat.n_scored} of {flat.total} transcripts.")
    if float(flat.known_zero):
        notes.append(f"{float(flat.known_zero):.0f} of {flat.total} transcripts are harmless by definition.")
    return notes


def _design_notes(flat: StrataCounts) -> list[str]:
    notes = []
    if flat.design == "undeclared" and flat.labels:
        notes.append("No sampling design was declared: valid only if labels were drawn at random from this pool.")
    if flat.unequal:
        notes.append("Inclusion probabilities differ inside a stratum: weighted means with effective counts.")
    return notes
