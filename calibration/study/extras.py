"""What a report shows beside rates: where graders and humans differ, what labels cover, what zero means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from calibration.findings.study import CoverageFinding, CrossFinding, CrossRow, ReliabilityFinding, ZeroLimit
from calibration.probability import reliability
from calibration.rates.intervals import clopper_pearson
from calibration.study.harm_table import HarmTable, group_tables
from calibration.study.settings import StudySettings

# Sizes of a labelled sample that people ask about.
_SIZES = (30, 100, 300, 1000, 3000)
# Fewer different scores are sides, not probabilities.
_SCORES = 3


def extra_findings(
    tables: Sequence[HarmTable], scores: pd.DataFrame, settings: StudySettings, rng: np.random.Generator
) -> dict[str, Any]:
    """The fields of a `Report` that this module fills."""
    level = settings.confidence_level
    return {
        "reliability": tuple(reliabilities(tables, scores, level, rng)),
        "crosses": tuple(crosses(tables)),
        "coverage": tuple(coverage(tables, settings.by, settings.cluster)),
        "zeros": zero_limits(level),
    }


def crosses(tables: Iterable[HarmTable]) -> Iterator[CrossFinding]:
    """Per harm, how many units graders and humans see in each combination of ways."""
    for table in tables:
        words = {name: pd.Series(table.sides(name)).map({1.0: "yes", 0.0: "no"}) for name in table.graders}
        rows = pd.DataFrame({name: column.fillna("unscored") for name, column in words.items()})
        human = table.y.reset_index(drop=True).map(_human_word)
        count = rows.assign(human=human, n=table.row_counts()).groupby([*rows.columns, "human"], sort=True)["n"].sum()
        wide = count.unstack("human", fill_value=0)
        wide = wide.loc[wide.sum(axis=1).sort_values(ascending=False, kind="stable").index]
        found = []
        for sides, row in wide.iterrows():
            said = sides if isinstance(sides, tuple) else (sides,)
            counts = {str(name): round(n) for name, n in row.items() if n}
            found.append(CrossRow(sides=tuple(map(str, said)), counts=counts, differ=_differ(said, counts)))
        yield CrossFinding(harm=table.harm, graders=tuple(table.graders), rows=tuple(found))


def coverage(tables: Iterable[HarmTable], by: Sequence[str], cluster: str) -> Iterator[CoverageFinding]:
    """Per harm and group, how many transcripts and scenarios have a label."""
    for table in tables:
        for group, part in group_tables(table, by):
            labelled = part.y.notna().to_numpy()
            times = part.row_counts()
            scenario = part.facts.get(cluster)
            known = scenario is not None and scenario.notna().any()
            yield CoverageFinding(
                harm=table.harm,
                group=group,
                n_transcripts=round(times.sum()),
                n_drawn=round(times[part.drawn.to_numpy()].sum()),
                n_labeled=round(times[labelled].sum()),
                n_scenarios=scenario.nunique() if known and scenario is not None else None,
                n_scenarios_labeled=scenario[labelled].nunique() if known and scenario is not None else None,
            )


def reliabilities(
    tables: Iterable[HarmTable], scores: pd.DataFrame, confidence_level: float, rng: np.random.Generator
) -> Iterator[ReliabilityFinding]:
    """Whether scores serve as probabilities, for every grader that gives some.

    Branches of one run are joined into episodes by their sides; an episode has no score and is left out.
    """
    for table in tables:
        own = scores[scores["harm"] == table.harm]
        for name in table.graders:
            mine = own[own["grader"] == name].drop_duplicates("transcript_id").set_index("transcript_id")["score"]
            score = mine.reindex(table.facts.index).astype(float)
            if score[table.y.notna()].nunique() < _SCORES:
                continue
            result = reliability(
                table.y.to_numpy(dtype=float),
                score.to_numpy(),
                inclusion_probability=table.probabilities(),
                confidence_level=confidence_level,
                rng=rng,
            )
            yield ReliabilityFinding(harm=table.harm, grader=name, result=result)


def zero_limits(confidence_level: float) -> tuple[ZeroLimit, ...]:
    """What no harm in samples of usual sizes leaves possible.

    Examples
    --------
    >>> [(z.n_labeled, round(z.high, 4)) for z in zero_limits(0.95)][:2]
    [(30, 0.1157), (100, 0.0362)]
    """
    return tuple(
        ZeroLimit(n_labeled=n, high=float(clopper_pearson(0, n, confidence_level=confidence_level)[1]),
                  confidence_level=confidence_level)
        for n in _SIZES
    )  # fmt: skip


def _human_word(y: float) -> str:
    return "not labelled" if np.isnan(y) else {1.0: "yes", 0.0: "no"}.get(y, "tie")


def _differ(sides: Iterable[Any], counts: dict[str, int]) -> bool:
    said = {side for side in sides if side != "unscored"}
    return len(said) > 1 or any(human not in said for human in ("yes", "no") if human in counts and said)
