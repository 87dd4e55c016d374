"""A plan of labels on a terminal and as plain data."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from calibration.report.console import print_line, print_table
from calibration.report.plain import plain
from calibration.report.wording import percent, percent_interval

if TYPE_CHECKING:
    from rich.console import Console

    from calibration.plan.plan_labels import LabelPlan


def plan_json(plan: LabelPlan) -> str:
    """The plan as JSON text, nan as null."""
    return json.dumps(plain(asdict(plan) | {"best": plan.best.design}), indent=1, allow_nan=False)


def print_plan(console: Console, plan: LabelPlan) -> None:
    """Print each design with its labels and the interval to expect, then what a claim of absence takes."""
    graders = [("judge", (plan.sensitivity, plan.specificity)), ("classifier", plan.classifier)]
    graders_in_words = [
        f"{name}: sensitivity {good[0]:g}, specificity {good[1]:g}" for name, good in graders if good is not None
    ]
    title = (
        f"Labels for a rate of {percent(plan.rate)} among {plan.n_transcripts:,} transcripts "
        f"({'; '.join((*graders_in_words, plan.method))})"
    )
    rows = []
    for d in plan.designs:
        best = "fewest" if d == plan.best else ""
        if d.n_labels is None:
            rows.append((d.design, "not reached", "", "", "", best))
            continue
        interval = percent_interval(max(d.low, 0.0), d.high)
        rows.append((d.design, str(d.n_labels), str(d.n_flagged), interval, f"{100 * d.width:.2f} points", best))
    columns = ("design", "labels", "on flagged", "expected interval", "width", "")
    print_table(console, title, columns, rows)
    if plan.clean_labels is not None:
        one, two = plan.clean_labels
        print_line(
            console,
            f"To claim below {percent(plan.rate)}, label at least {one} (one-sided) or {two} (two-sided) transcripts "
            "with none harmful.",
        )
