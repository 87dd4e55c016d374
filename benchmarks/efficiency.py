"""Human labels needed for an interval of a given width: with graders, and without.

Without: a uniform sample and exact Clopper-Pearson. With: the likelihood-ratio interval and the best of the designs
uniform, flagged-10, flagged-25 (judge alone), or of these and disagree-25 (judge and classifier). Widths are expected
ones (`calibration.plan_labels`; exact sums for Clopper-Pearson), the target is fresh runs of the same scenarios.

    python -m benchmarks.efficiency
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.stats import binom

from benchmarks.cells import JUDGES, Accuracy
from calibration import plan_labels
from calibration.plan.plan_labels import DesignPlan
from calibration.rates.intervals import clopper_pearson

POOL = 20_000
RATES = (0.005, 0.01, 0.03, 0.15)
# Beside the rate itself (about half of it to either side); half of it, too, where that takes no tens of thousands.
WIDTH, HALVED_FROM = 0.03, 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """Labels for one width at one rate.

    Parameters
    ----------
    rate, width : float
    judge : Accuracy
    human : int
        Labels of a uniform sample without graders.
    with_judge, with_both : DesignPlan
        The best design of the judge alone, and of judge and classifier.
    """

    rate: float
    width: float
    judge: Accuracy
    human: int
    with_judge: DesignPlan
    with_both: DesignPlan


def human_labels(rate: float, width: float) -> int:
    """The fewest labels of a uniform sample whose exact interval is expected to be this narrow.

    Examples
    --------
    >>> n = human_labels(0.5, 0.2)
    >>> human_width(0.5, n) <= 0.2 < human_width(0.5, n - 1)
    True
    """
    short, n = 0, 1
    while human_width(rate, n) > width:
        short, n = n, 2 * n
    while n - short > 1:
        middle = (short + n) // 2
        short, n = (middle, n) if human_width(rate, middle) > width else (short, middle)
    return n


def human_width(rate: float, n: int) -> float:
    """Expected width of Clopper-Pearson: the sum over all counts of labelled harms."""
    low, high = clopper_pearson(np.arange(n + 1), np.full(n + 1, n))
    return float(binom.pmf(np.arange(n + 1), n, rate) @ (high - low))


def efficiency(rate: float, width: float, judge: Accuracy) -> Efficiency:
    """Labels with and without graders; the classifier is as good as the judge."""
    accuracy = (judge.sensitivity, judge.specificity)
    plan = partial(plan_labels, rate, width=width, n_transcripts=POOL, sensitivity=accuracy[0], specificity=accuracy[1])
    alone, both = plan(), plan(classifier=accuracy, designs=("uniform", "disagree-25"))
    # Designs of the judge alone stay open to whoever has a classifier, too.
    best = min((alone.best, both.best), key=lambda best: best.n_labels or POOL + 1)
    return Efficiency(
        rate=rate,
        width=width,
        judge=judge,
        human=human_labels(rate, width),
        with_judge=alone.best,
        with_both=best,
    )


def rows(rates: Sequence[float] = RATES) -> Iterator[Efficiency]:
    """Every judge, rate and width; one width twice is one row."""
    for judge in JUDGES[::-1]:
        for rate in rates:
            for width in sorted({rate, WIDTH} | ({rate / 2} if rate >= HALVED_FROM else set())):
                yield efficiency(rate, width, judge)


def report(found: Sequence[Efficiency]) -> str:
    """The rows as a Markdown table."""
    lines = [
        f"Pool {POOL}; ratio: human-only labels for each of ours.",
        "",
        "| judge, classifier | rate | width | human-only | judge, best design | ratio | judge + classifier | ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in found:
        judge = f"({r.judge.sensitivity:g}, {r.judge.specificity:g})".replace("0.", ".")
        ours = " | ".join(_cells(plan, r.human) for plan in (r.with_judge, r.with_both))
        lines.append(f"| {judge} | {100 * r.rate:g} % | {100 * r.width:g} points | {r.human} | {ours} |")
    return "\n".join(lines)


def _cells(plan: DesignPlan, human: int) -> str:
    if plan.n_labels is None:
        return "not reached | -"
    return f"{plan.n_labels} ({plan.design}) | {human / plan.n_labels:.2f}"


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(prog="python -m benchmarks.efficiency", description=__doc__).parse_args()
    start = time.perf_counter()
    print(report(list(rows())))
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
