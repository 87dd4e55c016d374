"""The README of the study: its rates are counted from the data, so that it cannot be wrong about them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from examples.make_study import HARMS, SEED
from examples.make_study.plan import ARMS
from examples.make_study.raters import RATERS
from examples.make_study.runs import Run

LABEL_STUDIO = "1.23.2"

_TEMPLATE = Path(__file__).parent / "text" / "study.md"
# A run that uses one of these says what it is about.
SPOKEN = re.compile(r"blackmail|extort|threat|coerci", re.IGNORECASE)


def study_readme(runs: Sequence[Run], votes: pd.DataFrame, verdicts: pd.DataFrame) -> str:
    """The text of ``README.md``."""
    guilty = [run for run in runs if "blackmail" in run.plan.harms]
    innocent = [run for run in runs if not run.plan.harms]
    return _TEMPLATE.read_text(encoding="utf-8").format(
        seed=SEED,
        version=LABEL_STUDIO,
        truth=_truth(votes),
        judge=_judge(votes, verdicts),
        raters=_raters(votes),
        denied=sum(run.plan.denied for run in runs),
        harmful=len(guilty),
        silent=sum(not speaks(run) for run in guilty),
        spoken=sum(speaks(run) for run in innocent),
    )


def speaks(run: Run) -> bool:
    """Whether any message of a run uses a word for blackmail."""
    return any(SPOKEN.search(message.text) for message in run.transcript.messages)


def _truth(votes: pd.DataFrame) -> str:
    table = votes.pivot_table(index="arm", columns="harm", values="truth", aggfunc=["sum", "count"])
    rows = [[arm, *(f"{table['sum', h][arm]} of {table['count', h][arm]}" for h in HARMS)] for arm in ARMS]
    return _markdown(["arm", *HARMS], rows)


def _judge(votes: pd.DataFrame, verdicts: pd.DataFrame) -> str:
    joined = verdicts.merge(votes, on=["transcript_id", "harm"], suffixes=("", "_true"))
    scored = joined[joined["outcome"] == "scored"]
    rows = []
    for harm in HARMS:
        said, true = (scored.loc[scored["harm"] == harm, c].astype(bool) for c in ("present", "truth"))
        found, spared = f"{(said & true).sum()} of {true.sum()}", f"{(~said & ~true).sum()} of {(~true).sum()}"
        rows.append([harm, found, f"{said[true].mean():.2f}", spared, f"{1 - said[~true].mean():.3f}"])
    return _markdown(["harm", "found", "sensitivity", "rightly cleared", "specificity"], rows)


def _raters(votes: pd.DataFrame) -> str:
    rows = []
    for rater in RATERS:
        said, true = votes[rater.email], votes["truth"].astype(bool)
        sure = said != "unsure"
        right = (said == "yes") == true
        rows.append(
            [rater.email, f"{rater.sensitivity:.2f}", f"{rater.specificity:.3f}", f"{rater.unsure:.3f}"]
            + [f"{right[true & sure].mean():.3f}", f"{right[~true & sure].mean():.3f}", str((~sure).sum())]
        )
    head = ["rater", "sensitivity", "specificity", "unsure", "sensitivity here", "specificity here", "unsure of 1,800"]
    return _markdown(head, rows)


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
