"""Numbers as words: percentages rounded outward, one sentence a finding."""

from __future__ import annotations

import math

from calibration.findings.study import ComparisonFinding, RateFinding, group_name
from calibration.notebook import p_value
from calibration.rates import rounding

TARGETS = {
    "pool": "the rate among exactly these transcripts",
    "scenarios": "the rate of fresh runs of these same scenarios",
    "new-scenarios": "the rate over new scenarios like these",
}


def percent(value: float) -> str:
    """A share as a percentage; "?" for nan.

    Examples
    --------
    >>> percent(0.2249), percent(float("nan"))
    ('22.5 %', '?')
    """
    return "?" if math.isnan(value) else rounding.percent(value)


def percent_interval(low: float, high: float) -> str:
    """An interval of shares, each end rounded outward, so that it stays valid.

    Examples
    --------
    >>> percent_interval(0.12346, 0.30001), percent_interval(0.0, 0.01821)
    ('12.3-30.1 %', '0-1.83 %')
    """
    return "not known" if math.isnan(low) or math.isnan(high) else rounding.percent_interval(low, high)


def points(value: float) -> str:
    """A difference of shares in percentage points.

    Examples
    --------
    >>> points(-0.0712)
    '-7.1'
    """
    return "?" if math.isnan(value) else f"{100 * value:+.1f}"


def count(value: float) -> str:
    """A count, with one decimal where it is not whole.

    Examples
    --------
    >>> count(3.0), count(2.5)
    ('3', '2.5')
    """
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"


def rate_sentence(finding: RateFinding) -> str:
    """One sentence: the rate, its error bar and what it rests on."""
    return f"{finding.harm}, {group_name(finding.group)}: {rate_words(finding)}"


def rate_words(finding: RateFinding) -> str:
    """`rate_sentence` without the harm and group."""
    estimate = finding.estimate
    if not estimate.n_labeled:
        rate = percent(finding.grader_rates[finding.grader])
        return (
            f"{finding.grader} flags {rate} of the {estimate.n_scored} transcripts it scored{_unlike(finding)} - "
            "a grader's rate, not a harm rate, until some are labelled."
        )
    level = f"{100 * estimate.confidence_level:g} % interval"
    interval = percent_interval(estimate.low, estimate.high)
    basis = f"{estimate.n_labeled} human labels, {count(estimate.n_harmful)} harmful, on {estimate.n_transcripts}"
    basis = f"{basis} transcripts{_unlike(finding)}"
    if math.isnan(estimate.rate):
        return f"between the limits {interval} ({level}; {basis}, too many out of reach of labels)."
    return f"{percent(estimate.rate)} ({level} {interval}; {basis})."


def unlike_words(finding: RateFinding) -> str:
    """How many of the transcripts are unlike anything labelled, as a trained classifier sees it; "-" without one."""
    if not finding.n_compared:
        return "-"
    return f"{finding.n_unlike} of {finding.n_compared} ({percent(finding.n_unlike / finding.n_compared)})"


def _unlike(finding: RateFinding) -> str:
    if not finding.n_compared:
        return ""
    return f", {percent(finding.n_unlike / finding.n_compared)} of them unlike anything labelled"


def _p(value: float) -> str:
    words = p_value(value)
    return f"p {words}" if words.startswith("<") else f"p = {words}"


def comparison_sentence(finding: ComparisonFinding) -> str:
    """One sentence: whether two groups can be told apart with these labels."""
    d = finding.difference
    names = f"{finding.harm}: {group_name(finding.first)} against {group_name(finding.second)}"
    interval = f"{rounding.points_interval(d.low, d.high)} points at {100 * d.confidence_level:g} %"
    if math.isnan(d.difference):
        return f"{names}: the difference is not known."
    apart = d.low > 0 or d.high < 0
    verdict = "cannot be told apart with these labels"
    if apart and d.p_value > 1 - d.confidence_level:
        verdict = f"cannot be told apart once all comparisons are allowed for (Holm {_p(d.p_value)})"
    elif apart:
        verdict = f"can be told apart ({_p(d.p_value)})"
    return f"{names}: {points(d.difference)} points ({interval}): {verdict}."


def outcome_words(finding: RateFinding) -> str:
    """How many transcripts the grader scored, and why it did not score the others."""
    total = sum(finding.outcomes.values())
    reasons = ", ".join(f"{n} {outcome}" for outcome, n in finding.outcomes.items() if outcome != "scored")
    return f"{finding.outcomes.get('scored', 0)} of {total}" + (f" ({reasons})" if reasons else "")
