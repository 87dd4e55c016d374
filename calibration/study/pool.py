"""One harm's table: the pool of transcripts with what graders and humans said of each.

Everything here is frames in, frames out; what a verdict or a label is, `calibration.study` knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from calibration.checks import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmTable:
    """The pool for one harm; all frames share the index of unit ids (transcripts, or episodes).

    Parameters
    ----------
    harm : str
    facts : DataFrame
        The pool's metadata, one row per unit.
    side, outcome : DataFrames with one column per grader
        1.0 | 0.0 | NaN, and why NaN.
    y : Series
        Human consensus in [0, 1]; NaN = not labelled.
    inclusion_probability : Series or None
        Of being drawn for labelling; None when the design is not known.
    drawn : Series of bool
        Drawn for labelling, whether or not a definite label came back.
    """

    harm: str
    facts: pd.DataFrame
    side: pd.DataFrame
    outcome: pd.DataFrame
    y: pd.Series[float]
    inclusion_probability: pd.Series[float] | None
    drawn: pd.Series[bool]

    def where(self, rows: FloatArray | pd.Series[bool]) -> HarmTable:
        """The part of the table that `rows` (booleans) selects."""
        keep = np.asarray(rows, dtype=bool)
        pi = self.inclusion_probability
        return replace(
            self,
            facts=self.facts[keep],
            side=self.side[keep],
            outcome=self.outcome[keep],
            y=self.y[keep],
            inclusion_probability=None if pi is None else pi[keep],
            drawn=self.drawn[keep],
        )

    @property
    def graders(self) -> list[str]:
        """Names of the graders, the one that makes the strata first."""
        return [str(name) for name in self.side]

    def sides(self, grader: str) -> FloatArray:
        """One grader's sides: 1.0 | 0.0 | NaN."""
        return np.asarray(self.side[grader], dtype=np.float64)

    def probabilities(self) -> FloatArray | None:
        """Inclusion probabilities as the estimators take them."""
        pi = self.inclusion_probability
        return None if pi is None else np.asarray(pi, dtype=np.float64)


def harm_table(
    harm: str, facts: pd.DataFrame, scores: pd.DataFrame, labels: pd.DataFrame, design: pd.DataFrame | None
) -> HarmTable:
    """Join one harm's scores, labels and design to the pool.

    Parameters
    ----------
    harm : str
    facts : DataFrame indexed by transcript id
    scores : DataFrame with ``transcript_id, grader, side, outcome``
    labels : DataFrame with ``transcript_id, y``
    design : DataFrame with ``transcript_id, inclusion_probability, drawn``, or None
        A label outside the design (not drawn) is set aside: nobody knows how it came to be.
    """
    side = _wide(scores, "side", facts.index).astype(float)
    outcome = _wide(scores, "outcome", facts.index).fillna("not_graded")
    y = labels.set_index("transcript_id")["y"].reindex(facts.index).astype(float)
    if design is None:
        return HarmTable(
            harm=harm, facts=facts, side=side, outcome=outcome, y=y, inclusion_probability=None, drawn=y.notna()
        )
    plan = design.set_index("transcript_id").reindex(facts.index)
    drawn = plan["drawn"].astype("boolean").fillna(value=False).astype(bool)
    return HarmTable(
        harm=harm,
        facts=facts,
        side=side,
        outcome=outcome,
        y=y.where(drawn),
        inclusion_probability=plan["inclusion_probability"].astype(float),
        drawn=drawn,
    )


def join_episodes(table: HarmTable) -> HarmTable:
    """Join the branches of one run: any harmful branch makes the episode harmful.

    An episode is labelled only when all its branches are: counting partly labelled ones when a label
    happens to be harmful would let outcomes choose the sample. It is scored when all branches are or
    one is positive; its inclusion probability is the smallest of its branches'.
    """
    if "episode" not in table.facts or table.facts["episode"].isna().all():
        return table
    unit = table.facts["episode"].fillna(pd.Series(table.facts.index, index=table.facts.index)).to_numpy()
    first = table.facts.groupby(unit, sort=False).first()
    pi = table.inclusion_probability
    return HarmTable(
        harm=table.harm,
        facts=first,
        side=_any(table.side, unit, first.index),
        outcome=_worst(table.outcome, table.side, unit, first.index),
        y=_all_known(table.y, unit).reindex(first.index),
        inclusion_probability=None if pi is None else pi.groupby(unit).min().reindex(first.index),
        drawn=table.drawn.groupby(unit).all().reindex(first.index),
    )


def group_tables(table: HarmTable, by: Sequence[str]) -> list[tuple[Mapping[str, str], HarmTable]]:
    """Split a table by metadata keys; transcripts without a value form the group ``(none)``."""
    if not by:
        return [({}, table)]
    keys = table.facts[list(by)].astype(object).where(table.facts[list(by)].notna(), "(none)").astype(str)
    codes, groups = pd.factorize(pd.MultiIndex.from_frame(keys), sort=True)
    return [
        (dict(zip(by, map(str, group), strict=True)), table.where(codes == code)) for code, group in enumerate(groups)
    ]


def _wide(scores: pd.DataFrame, column: str, index: pd.Index) -> pd.DataFrame:
    wide = scores.pivot(index="transcript_id", columns="grader", values=column).reindex(index)
    return wide[list(dict.fromkeys(scores["grader"]))]


def _any(side: pd.DataFrame, unit: FloatArray, index: pd.Index) -> pd.DataFrame:
    top = side.groupby(unit).max()
    complete = side.notna().groupby(unit).all()
    return top.where(complete | (top == 1.0)).reindex(index)


def _all_known(y: pd.Series[float], unit: FloatArray) -> pd.Series[float]:
    return y.groupby(unit).max().where(y.notna().groupby(unit).all())


def _worst(outcome: pd.DataFrame, side: pd.DataFrame, unit: FloatArray, index: pd.Index) -> pd.DataFrame:
    joined = _any(side, unit, index)
    failure = outcome.where(outcome != "scored").groupby(unit).first().reindex(index)
    return failure.where(joined.isna(), "scored").fillna("not_graded")
