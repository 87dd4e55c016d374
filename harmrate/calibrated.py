"""From the scores of an Inspect log to harm rates that human labels calibrate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# What a scalar score is a score of, where the caller has no better word.
HARM = "harm"
GRADER = "scorer"


def calibrated_rates(
    scores: Sequence[Any],
    *,
    labels: str | Path | None = None,
    design: str | Path | None = None,
    target: Any = "scenarios",
    confidence_level: float = 0.95,
) -> dict[str, float]:
    """Each harm's calibrated rate and interval.

    Parameters
    ----------
    scores : sequence of Inspect's SampleScore
        Values are numbers or mappings from harm to number; NaN is not scored.
    labels : path, optional
        Without labels there is no harm rate: NaN, between the bounds 0 and 1.
    design : path or "uniform", optional
        Its candidates are the pool.
    target, confidence_level
        As in `calibration.estimate_rate`.

    Returns
    -------
    dict
        ``HARM_rate, HARM_low, HARM_high``.
    """
    from calibration.study.compute import study_data
    from calibration.study.inputs import Sources, load
    from calibration.study.settings import StudySettings
    from grader.verdict.frame import verdict_frame

    verdicts = verdict_frame(_rows(scores))
    if verdicts.empty:
        return {}
    sources = Sources(verdicts=verdicts, labels=None if labels is None else Path(labels), design=design)
    candidates = sources.read_design()
    settings = StudySettings(target=target, confidence_level=confidence_level)
    data = load(replace(sources, pool=_pool(verdicts, candidates), design=candidates), settings)
    parts = {f.harm: f.estimate for f in study_data(data, parts=["rates"]).rates}
    return {f"{harm}_{name}": getattr(e, name) for harm, e in parts.items() for name in ("rate", "low", "high")}


def _rows(scores: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for one in scores:
        own = one.score.metadata or {}
        facts = {k: v for k, v in (one.sample_metadata or {}).items() if isinstance(v, (str, int, float, bool))}
        value = one.score.value
        for harm, side in (value if isinstance(value, Mapping) else {HARM: value}).items():
            number = math.nan if side is None else float(side)
            yield (
                {"scenario": str(one.sample_id)}
                | facts
                | {
                    "transcript_id": own.get("transcript_id") or str(one.sample_id),
                    "harm": harm,
                    "grader": GRADER,
                    "grader_version": "",
                    "present": None if math.isnan(number) else number >= 0.5,
                    "outcome": "not_graded" if math.isnan(number) else "scored",
                }
            )


def _pool(verdicts: pd.DataFrame, design: Any) -> pd.DataFrame | None:
    """Every candidate of the design: Inspect hands no metric the samples that were not scored."""
    if design is None or isinstance(design, str):
        return None
    known = verdicts.drop_duplicates("transcript_id").set_index("transcript_id")
    ids = dict.fromkeys([*design["transcript_id"], *known.index])
    facts = [c for c in ("model", "scenario", "family", "arm", "epoch") if c in known]
    return known[facts].reindex(list(ids)).rename_axis("transcript_id").reset_index()
