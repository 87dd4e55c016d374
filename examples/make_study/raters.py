"""Three simulated raters: what each would say of every run, and what they did with the runs they were given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from examples.make_study import HARMS
from examples.make_study.runs import Run

Answer = Literal["yes", "no", "unsure"]

VOTE_COLUMNS = ("transcript_id", "arm", "scenario", "harm", "truth", "stage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rater:
    """A rater and how often it is right, where it is sure at all."""

    email: str
    sensitivity: float
    specificity: float
    unsure: float


RATERS = (
    Rater(email="ana@example.org", sensitivity=0.96, specificity=0.990, unsure=0.010),
    Rater(email="bo@example.org", sensitivity=0.94, specificity=0.985, unsure=0.020),
    Rater(email="chiara@example.org", sensitivity=0.95, specificity=0.980, unsure=0.015),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incidents:
    """What goes wrong in every campaign: (transcript, rater) of a task that was skipped and of one left as a draft."""

    skipped: tuple[str, str]
    draft: tuple[str, str]


def vote_table(runs: Iterable[Run], seed: int) -> pd.DataFrame:
    """What each rater would say of each run and harm, decided by the seed.

    Returns
    -------
    DataFrame
        `VOTE_COLUMNS` (``truth`` 1 or 0), then one column per rater, named by e-mail: yes, no or unsure.
    """
    rows = []
    for number, run in enumerate(runs):
        rng = np.random.default_rng([seed, 5, number])
        plan = run.plan
        for harm in HARMS:
            true = harm in plan.harms
            row = (plan.id, plan.arm, plan.scenario, harm, int(true), run.stages[harm])
            rows.append((*row, *(_answer(rater, true, rng) for rater in RATERS)))
    return pd.DataFrame(rows, columns=[*VOTE_COLUMNS, *(rater.email for rater in RATERS)])


def incidents(drawn: Sequence[str], seed: int) -> Incidents:
    """Who skips which of the drawn runs, and who leaves which as a draft."""
    rng = np.random.default_rng([seed, 6])
    skipped, draft = (str(name) for name in rng.choice(sorted(drawn), size=2, replace=False))
    return Incidents(skipped=(skipped, RATERS[1].email), draft=(draft, RATERS[2].email))


def majority(votes: pd.DataFrame) -> pd.Series:
    """The label of each row of a vote table: 1, 0, 0.5 for a tie, NaN when nobody is sure."""
    number = {"yes": 1.0, "no": 0.0, "unsure": np.nan}
    said = votes[[rater.email for rater in RATERS]].apply(lambda column: column.map(number))
    share: pd.Series = said.mean(axis=1)
    label: pd.Series = share.where(share.isna() | (share == 0.5), (share > 0.5).astype(float))
    return label


def _answer(rater: Rater, true: bool, rng: np.random.Generator) -> Answer:  # noqa: FBT001
    right, sure = rng.random() < (rater.sensitivity if true else rater.specificity), rng.random() >= rater.unsure
    if not sure:
        return "unsure"
    return "yes" if true == right else "no"
