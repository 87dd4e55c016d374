"""One harm's table: the pool of transcripts with what graders and humans said of each.

Frames in, frames out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from calibration.checks import FloatArray
from calibration.study.facts import FREQUENCY, texts


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
    frequency : array of shape (n_rows,) or None
        How many units each row stands for, where equal ones are counted once (`condensed`); None = one each.
    remarks : tuple of str
        What must stand beside every rate of this table.
    """

    harm: str
    facts: pd.DataFrame
    side: pd.DataFrame
    outcome: pd.DataFrame
    y: pd.Series[float]
    inclusion_probability: pd.Series[float] | None
    drawn: pd.Series[bool]
    frequency: FloatArray | None = None
    remarks: tuple[str, ...] = ()

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
            frequency=None if self.frequency is None else self.frequency[keep],
        )

    def condensed(self, keys: Sequence[str]) -> HarmTable:
        """The table with equal rows counted once, and of the facts only `keys`: rates need counts, not rows."""
        columns: dict[str, Any] = {f"fact {key}": self.facts[key].to_numpy() for key in dict.fromkeys(keys)}
        columns |= {f"side {name}": self.side[name].to_numpy() for name in self.graders}
        columns |= {f"outcome {name}": self.outcome[name].to_numpy() for name in self.graders}
        columns |= {"y": self.y.to_numpy(), "drawn": self.drawn.to_numpy()}
        if self.inclusion_probability is not None:
            columns["pi"] = self.inclusion_probability.to_numpy()
        rows = pd.DataFrame(columns)
        rows["frequency"] = self.row_counts()
        cells = rows.groupby(list(columns), dropna=False, sort=False, observed=True)["frequency"].sum().reset_index()

        def part(kind: str) -> pd.DataFrame:
            own = [column for column in columns if column.startswith(f"{kind} ")]
            return cells[own].rename(columns=lambda column: column.removeprefix(f"{kind} "))

        return HarmTable(
            harm=self.harm,
            facts=part("fact"),
            side=part("side"),
            outcome=part("outcome"),
            y=cells["y"],
            inclusion_probability=cells.get("pi"),
            drawn=cells["drawn"].astype(bool),
            frequency=cells["frequency"].to_numpy(dtype=np.float64),
            remarks=self.remarks,
        )

    def row_counts(self) -> FloatArray:
        """How many units each row stands for."""
        return np.ones(len(self.facts)) if self.frequency is None else self.frequency

    @property
    def graders(self) -> list[str]:
        """Names of the graders, the one that makes the strata first."""
        return [str(name) for name in self.side]

    def sides(self, grader: str) -> FloatArray:
        """One grader's sides: 1.0 | 0.0 | NaN."""
        return np.asarray(self.side[grader], dtype=np.float64)

    def undecided(self) -> NDArray[np.bool_]:
        """Which units were drawn and have no definite label, where it is known how they were drawn."""
        if self.inclusion_probability is None:
            return np.zeros(len(self.facts), dtype=bool)
        return (self.drawn & self.y.isna()).to_numpy(dtype=bool) & (self.inclusion_probability > 0).to_numpy()

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
    row = facts.index.get_indexer(pd.Index(scores["transcript_id"]))
    side = _wide(scores, "side", row, facts.index, np.nan)
    outcome = _wide(scores, "outcome", row, facts.index, "not_graded")
    y = labels.set_index("transcript_id")["y"].reindex(facts.index).astype(float)
    table = HarmTable(
        harm=harm,
        facts=facts,
        side=side,
        outcome=outcome,
        y=y,
        inclusion_probability=None,
        drawn=y.notna(),
        frequency=facts[FREQUENCY].to_numpy(dtype=float) if FREQUENCY in facts else None,
    )
    if design is None:
        return table
    plan = design.set_index("transcript_id").reindex(facts.index)
    drawn = plan["drawn"].astype("boolean").fillna(value=False).astype(bool)
    pi = plan["inclusion_probability"].astype(float)
    return replace(table, y=y.where(drawn), inclusion_probability=pi, drawn=drawn)


def group_tables(table: HarmTable, by: Sequence[str]) -> list[tuple[Mapping[str, str], HarmTable]]:
    """Split a table by metadata keys; transcripts without a value form the group ``(none)``."""
    if not by:
        return [({}, table)]
    codes, groups = pd.factorize(pd.MultiIndex.from_frame(group_values(table.facts, by)), sort=True)
    return [
        (dict(zip(by, map(str, group), strict=True)), table.where(codes == code)) for code, group in enumerate(groups)
    ]


def group_values(facts: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """The columns of `facts` that form groups, as groups name their values."""
    return pd.DataFrame({key: texts(facts[key]).fillna("(none)").astype(str) for key in by}, index=facts.index)


def _wide(scores: pd.DataFrame, column: str, row: NDArray[np.int64], index: pd.Index, gap: Any) -> pd.DataFrame:
    """One column per grader; `row` is the place in `index` of each score's transcript, -1 = outside."""
    grader, names = pd.factorize(scores["grader"])
    value = scores[column].to_numpy()
    wide = {}
    for code, name in enumerate(names):
        own = (grader == code) & (row >= 0)
        filled = np.full(len(index), gap, dtype=value.dtype)
        filled[row[own]] = value[own]
        wide[name] = filled
    return pd.DataFrame(wide, index=index)
