"""A score's threshold, swept: what each would have said, for graders whose scores were cut by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from calibration.agreement.accuracy import grader_accuracy
from calibration.checks import FloatArray
from calibration.findings.study import ThresholdFinding
from calibration.study.harm_table import HarmTable
from calibration.study.rate_findings import rate_findings
from calibration.study.settings import StudySettings
from grader.verdict import scale

# More thresholds make more rows than anybody reads: of a finer scale, this many, evenly over its ranks.
MOST = 12
# Joins one harm's rows of such scores with labels and design.
Join = Callable[[str, pd.DataFrame], HarmTable]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """The scale that a grader's scores came from."""

    low: float
    high: float
    threshold: float

    def raw(self, score: float) -> float:
        """A score in [0, 1] on the original scale, without the dust of the division."""
        return round(self.low + score * (self.high - self.low), 9)


def swept_thresholds(
    harm: str, grader: str, verdicts: pd.DataFrame, scores: pd.DataFrame, join: Join, settings: StudySettings
) -> Iterator[ThresholdFinding]:
    """Yield what each threshold would have said of a pool, where a grader's scores came on a scale that was cut.

    Every threshold is seen with the same labels, so the one that looks best looks better than it is: an interval holds
    for a threshold that was chosen beforehand.

    Parameters
    ----------
    harm, grader : str
    verdicts : verdict frame
        Its ``usage`` tells the scale; verdicts that came without one are not swept.
    scores : frame of `grader.verdict.scores.grader_scores`
    join : function of a harm and such a frame
    settings : StudySettings
    """
    scale = _scale(verdicts, harm, grader)
    own = (scores["harm"] == harm) & (scores["grader"] == grader) & scores["score"].notna()
    if scale is None or (scores.loc[own, "n_repeats"] > 1).any():  # with repeats, a score is a share of votes
        return
    known = np.unique(scores.loc[own, "score"].to_numpy(dtype=np.float64))
    for cut in _cuts(known, scale):
        side = scores["side"].mask(own, (scores["score"] >= cut).astype(float))
        table = join(harm, scores.assign(side=side))
        (found,) = rate_findings(table, grader, replace(settings, by=()))
        accuracy = grader_accuracy(
            table.y.to_numpy(dtype=float),
            table.sides(grader),
            inclusion_probability=table.probabilities(),
            confidence_level=settings.confidence_level,
        )
        yield ThresholdFinding(
            harm=harm,
            grader=grader,
            threshold=scale.raw(cut),
            chosen=cut == _in_use(known, scale),
            apparent=found.grader_rates[grader],
            estimate=found.estimate,
            sensitivity=accuracy["sensitivity"],
            specificity=accuracy["specificity"],
        )


def _scale(verdicts: pd.DataFrame, harm: str, grader: str) -> _Scale | None:
    own = verdicts[(verdicts["harm"] == harm) & (verdicts["grader"] == grader)]
    for usage in own["usage"]:
        match usage:
            case {scale.RANGE: [low, high], scale.THRESHOLD: threshold}:
                return _Scale(low=float(low), high=float(high), threshold=float(threshold))
    return None


def _in_use(scores: FloatArray, scale: _Scale) -> float:
    """The lowest score that counts as present: thresholds between two scores are one."""
    above = [score for score in scores if scale.raw(score) >= scale.threshold]
    return float(min(above)) if above else float("nan")


def _cuts(scores: FloatArray, scale: _Scale) -> list[float]:
    """Every score but the lowest (all would be present), thinned out; the one in use is among them."""
    higher = scores[1:]
    if len(higher) > MOST:
        higher = higher[np.unique(np.linspace(0, len(higher) - 1, MOST).round().astype(int))]
    in_use = _in_use(scores, scale)
    return sorted({*map(float, higher)} | ({in_use} if in_use == in_use else set()))
