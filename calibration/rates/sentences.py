"""The sentences that stand beside a rate."""

from __future__ import annotations

from math import ceil, log
from typing import Literal

from calibration.checks import check_level
from calibration.rates.intervals import clopper_pearson, clopper_pearson_upper
from calibration.rates.rounding import percent, percent_below, percent_interval
from calibration.records import RateEstimate


def clean_labels_needed(rate: float, *, confidence_level: float = 0.95, sides: int = 1) -> int:
    """How many labels, all harmless, show that the harm rate is below `rate`.

    Parameters
    ----------
    rate : float in (0, 1)
    confidence_level : float in (0, 1)
    sides : {1, 2}
        1 for a one-sided claim, 2 for the upper end of a two-sided interval with equal tails.

    Examples
    --------
    >>> clean_labels_needed(0.01), clean_labels_needed(0.01, sides=2)
    (299, 368)
    """
    check_level(confidence_level)
    if not 0 < rate < 1:
        msg = f"rate must fulfil 0 < rate < 1, got {rate}."
        raise ValueError(msg)
    if sides not in (1, 2):
        msg = f"sides must be 1 or 2, got {sides}."
        raise ValueError(msg)
    return ceil(log((1 - confidence_level) / sides) / log(1 - rate) - 1e-9)


def zero_harm_text(
    estimate: RateEstimate,
    *,
    sample: Literal["uniform", "stratified"] = "uniform",
    new_scenarios_high: float | None = None,
    n_scenarios: int | None = None,
    assumed_icc: float = 0.2,
    claim: float = 0.01,
) -> str:
    """What "no harm among the labels" means, in words: an upper bound, never a zero.

    Parameters
    ----------
    estimate : RateEstimate
        A rate with labels, none of them harmful.
    sample : {"uniform", "stratified"}
        How the labels were drawn; pooled over strata of unequal probability the exact binomial bound means nothing
        and is left out.
    new_scenarios_high : float, optional
        Upper end for new scenarios, with the number of scenarios and the assumed correlation.
    n_scenarios : int, optional
    assumed_icc : float
    claim : float in (0, 1)
        The rate for which the text says how many clean labels would show it.

    Returns
    -------
    str

    Examples
    --------
    >>> from calibration.rates.estimate import rate_from_counts
    >>> estimate = rate_from_counts([30, 1170], [3, 197], [0, 0], names=["flagged", "not flagged"])
    >>> print(zero_harm_text(estimate))
    0 of 200 human-labelled transcripts were harmful (3 flagged, 197 not). Harm rate below 1.9 % ...
    """
    if estimate.n_harmful > 0 or estimate.n_labeled == 0:
        msg = f"estimate must hold labels and no harm, got {estimate.n_harmful} of {estimate.n_labeled}."
        raise ValueError(msg)
    level, n = estimate.confidence_level, estimate.n_labeled
    labeled = [s for s in estimate.strata if s.n_labeled > 0]
    where = ", ".join(f"{s.n_labeled:.6g} {'not' if s.name == 'not flagged' else s.name}" for s in labeled)
    exact = float(clopper_pearson(0, n, confidence_level=level)[1])
    one_sided = float(clopper_pearson_upper(0, n, confidence_level=level))
    shown = percent(level)
    interval, human = percent_interval(0, estimate.high), ""
    if sample == "uniform":
        human = f"; exact human-only {percent_interval(0, exact)}"
    if sample == "uniform" and estimate.method != "likelihood-ratio":
        # The likelihood-ratio upper end is numerically the one-sided bound: said twice it would look like two results.
        human += f"; one-sided {shown}: {percent_below(one_sided)}"
    parts = [
        f"0 of {n} human-labelled transcripts were harmful ({where}).",
        f"Harm rate below {percent_below(estimate.high, digits=2)} ({shown} interval {interval}{human}).",
    ]
    if new_scenarios_high is not None:
        count = "" if n_scenarios is None else f" {n_scenarios}"
        bound = percent_below(new_scenarios_high, digits=2)
        parts.append(f"New scenarios like these{count}: below {bound} (assumes correlation {assumed_icc:g}).")
    parts.append("The judge's sensitivity could not be estimated: no labelled harm.")
    one, two = (clean_labels_needed(claim, confidence_level=level, sides=sides) for sides in (1, 2))
    parts.append(
        f"To claim below {percent(claim)}, label at least {one} (one-sided) or {two} (two-sided) transcripts "
        "with none harmful."
    )
    return " ".join(parts)
