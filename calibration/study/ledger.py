"""The ledger of a study: what was read, what of it entered the numbers, and why the rest did not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from calibration.findings.ledger import USED, Ledger, Tally
from calibration.study.design import Design
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
        design=design_tally(joined.design, joined.pool, joined.harms),
    )


def _transcripts(joined: JoinedPool) -> Tally:
    """Transcripts by what became of them: scored on every harm, or the judge's first failure."""
    used = joined.pool.isin(joined.facts.index)
    scores = joined.scores[(joined.scores["grader"] == joined.strata_by) & joined.scores["harm"].isin(joined.harms)]
    outcome = scores.sort_values("outcome", key=lambda column: column.astype(str) == "scored", kind="stable")
    first = outcome.drop_duplicates("transcript_id").set_index("transcript_id")["outcome"].astype(str)
    groups = first.reindex(joined.pool).fillna("not_graded").value_counts().to_dict()
    if "format" in joined.facts:
        formats = joined.facts["format"].dropna().astype(str).value_counts().to_dict()
        groups |= {f"format {name}": n for name, n in formats.items()}
    return Tally.of(np.where(used, USED, OUTSIDE_WHERE), {str(name): int(n) for name, n in groups.items()})


def _verdicts(joined: JoinedPool) -> Tally:
    rows = joined.verdicts[["transcript_id", "harm", "grader"]]
    no_rate, outside = ~rows["harm"].isin(joined.harms), ~rows["transcript_id"].isin(joined.facts.index)
    reason = np.select([no_rate, outside], [NO_RATE, OUTSIDE_WHERE], default=USED)
    groups = rows["grader"].value_counts().head(_LISTED)
    return Tally.of(reason, {f"grader {name}": int(n) for name, n in groups.items()})


def design_tally(design: Design, pool: pd.Index, harms: Sequence[str]) -> Tally:
    """The rows of a design frame; none where the design is a declaration."""
    if not isinstance(design, pd.DataFrame):
        return Tally()
    no_rate = ~design["harm"].isin(harms) if "harm" in design else np.zeros(len(design), dtype=bool)
    reason = np.select([no_rate, ~design["transcript_id"].isin(pool)], [NO_RATE, NOT_IN_POOL], default=USED)
    return Tally.of(reason, {"drawn": int(design["drawn"].astype(bool).sum())})
