"""The ledger of a study: what was read, what of it entered the numbers, and why the rest did not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from calibration.findings.ledger import USED, Ledger, Tally
from calibration.study.design import Design
from calibration.study.facts import row_weights
from calibration.study.join import JoinedPool
from calibration.study.used_labels import NO_RATE, OUTSIDE_WHERE

NOT_IN_POOL = "on transcripts that are not in the pool"
# More graders than this are not listed one by one.
_LISTED = 20


def ledger_of(joined: JoinedPool) -> Ledger:
    """Count every row that a study read."""
    return Ledger(
        transcripts=_transcripts(joined),
        verdicts=_verdicts(joined),
        labels=joined.given.tally(),
        design=design_tally(joined.design, joined.pool.index, joined.harms),
    )


def _transcripts(joined: JoinedPool) -> Tally:
    """Transcripts by what became of them: scored on every harm, or the judge's first failure."""
    used, weights = joined.pool.index.isin(joined.facts.index), row_weights(joined.pool)
    scores = joined.scores[(joined.scores["grader"] == joined.strata_by) & joined.scores["harm"].isin(joined.harms)]
    outcome = scores.sort_values("outcome", key=lambda column: column.astype(str) == "scored", kind="stable")
    first = outcome.drop_duplicates("transcript_id").set_index("transcript_id")["outcome"].astype(str)
    outcomes = first.reindex(joined.pool.index).fillna("not_graded").to_numpy()
    counts = pd.Series(weights).groupby(outcomes).sum().sort_values(ascending=False, kind="stable")
    groups = {str(name): int(n) for name, n in counts.items()}
    if "format" in joined.facts:
        formats = joined.facts["format"].dropna().astype(str).value_counts().to_dict()
        groups |= {f"format {name}": int(n) for name, n in formats.items()}
    return Tally.of(np.where(used, USED, OUTSIDE_WHERE), groups, weights=weights)


def _verdicts(joined: JoinedPool) -> Tally:
    rows = joined.verdict_counts
    no_rate, outside = ~rows["harm"].isin(joined.harms), ~rows["transcript_id"].isin(joined.facts.index)
    reason = np.select([no_rate, outside], [NO_RATE, OUTSIDE_WHERE], default=USED)
    verdicts = joined.verdicts
    totals = pd.Series(row_weights(verdicts)).groupby(verdicts["grader"].astype(str).to_numpy()).sum()
    groups = totals.sort_values(ascending=False, kind="stable").head(_LISTED)
    return Tally.of(reason, {f"grader {name}": int(n) for name, n in groups.items()}, weights=row_weights(rows))


def design_tally(design: Design, pool: pd.Index, harms: Sequence[str]) -> Tally:
    """The rows of a design frame; none where the design is a declaration."""
    if not isinstance(design, pd.DataFrame):
        return Tally()
    no_rate = ~design["harm"].isin(harms) if "harm" in design else np.zeros(len(design), dtype=bool)
    reason = np.select([no_rate, ~design["transcript_id"].isin(pool)], [NO_RATE, NOT_IN_POOL], default=USED)
    weights = row_weights(design)
    return Tally.of(reason, {"drawn": int(weights[design["drawn"].astype(bool)].sum())}, weights=weights)
