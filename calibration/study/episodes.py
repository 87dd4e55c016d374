"""Branches of one run joined to an episode: its sides, its label, and the probability that it was drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from calibration.study.facts import FREQUENCY, has_episodes, units
from calibration.study.harm_table import HarmTable
from grader.errors import InputError

# Below this probability branches that were drawn all or none were not drawn one by one.
_BY_CHANCE = 1e-4
# How `labels.sampling.rounds` joins the strata of rounds that stratified differently.
_ROUNDS = " / "


def join_episodes(table: HarmTable, plan: pd.DataFrame | None) -> HarmTable:
    """Join the branches of one run: any harmful branch makes the episode harmful.

    An episode is labelled only when all its branches are: counting partly labelled ones when a label
    happens to be harmful would let outcomes choose the sample. It is scored when all branches are or
    one is positive.

    Parameters
    ----------
    table : HarmTable of transcripts
    plan : DataFrame or None
        One harm's design (`calibration.study.design.harm_design`), in the order of the table.

    Raises
    ------
    InputError
        The probability that all branches were drawn does not follow from the design.
    """
    if not has_episodes(table.facts):
        return table
    unit = units(table.facts).to_numpy()
    first = table.facts.groupby(unit, sort=False).first()
    pi = None if plan is None else episode_probability(plan, unit).reindex(first.index)
    return replace(
        table,
        facts=first,
        side=_any(table.side, unit, first.index),
        outcome=_worst(table.outcome, table.side, unit, first.index),
        y=_all_known(table.y, unit).reindex(first.index),
        inclusion_probability=pi,
        drawn=table.drawn.groupby(unit).all().reindex(first.index),
        frequency=first[FREQUENCY].to_numpy(dtype=float) if FREQUENCY in first else None,
    )


def episode_probability(plan: pd.DataFrame, unit: NDArray[Any]) -> pd.Series[float]:
    """The probability with which all branches of each unit were drawn.

    Branches that were drawn together have that of the draw. Branches that were drawn one by one, as ``n`` of the ``N``
    transcripts of a stratum, are all drawn with ``prod (n - i) / (N - i)``; strata are independent.

    Examples
    --------
    >>> plan = pd.DataFrame({"stratum": "all", "inclusion_probability": 0.5, "drawn": [True, True, False, False],
    ...                      "stratum_size": 4, "stratum_drawn": 2})
    >>> episode_probability(plan, np.array(["e", "e", "f", "g"])).round(3).to_dict()
    {'e': 0.167, 'f': 0.5, 'g': 0.5}
    """
    rows = plan.reset_index(drop=True).assign(unit=unit)
    if (rows.groupby("unit")["unit"].transform("size") == 1).all() or _drawn_together(rows):
        return rows.groupby("unit")["inclusion_probability"].min()
    if "stratum_size" not in rows:
        raise InputError(
            "transcripts are branches of episodes, and the labels tell only with which probability each branch was "
            "drawn: give the design frame (--design)"
        )
    stratum = rows["stratum"].astype(str)
    if stratum.str.contains(_ROUNDS, regex=False).any():
        raise InputError(
            "transcripts are branches of episodes, and rounds drew them from different strata: how likely all branches "
            "of an episode were drawn does not follow; draw the rounds over the same strata"
        )
    before = rows.groupby(["unit", stratum]).cumcount()
    step = (rows["stratum_drawn"] - before) / (rows["stratum_size"] - before)
    step = step.clip(lower=0.0).where(rows["inclusion_probability"] > 0, 0.0)
    return step.groupby(rows["unit"]).prod()


def _drawn_together(rows: pd.DataFrame) -> bool:
    """Whether the branches of an episode were drawn as one: the design says so, or chance cannot explain it."""
    if "episode" in rows and rows["episode"].notna().any():
        return True
    groups = rows.groupby("unit")
    table = groups.agg(n=("drawn", "size"), drawn=("drawn", "sum"), pi=("inclusion_probability", "mean"))
    several = table[table["n"] > 1]
    if not ((several["drawn"] == 0) | (several["drawn"] == several["n"])).all():
        return False
    pi, n = several["pi"].to_numpy(dtype=float), several["n"].to_numpy(dtype=float)
    return float(np.prod(pi**n + (1 - pi) ** n)) < _BY_CHANCE


def _any(side: pd.DataFrame, unit: NDArray[Any], index: pd.Index) -> pd.DataFrame:
    top = side.groupby(unit).max()
    complete = side.notna().groupby(unit).all()
    return top.where(complete | (top == 1.0)).reindex(index)


def _all_known(y: pd.Series[float], unit: NDArray[Any]) -> pd.Series[float]:
    return y.groupby(unit).max().where(y.notna().groupby(unit).all())


def _worst(outcome: pd.DataFrame, side: pd.DataFrame, unit: NDArray[Any], index: pd.Index) -> pd.DataFrame:
    joined = _any(side, unit, index)
    failure = outcome.where(outcome != "scored").groupby(unit).first().reindex(index)
    return failure.where(joined.isna(), "scored").fillna("not_graded")
