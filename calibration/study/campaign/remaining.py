"""How much labelling is left: counts for a confidence sequence, and labels until an interval is narrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from calibration.checks import FloatArray
from calibration.findings.status import LabelsToWidth
from calibration.findings.study import AgreementFinding, RateFinding
from calibration.plan.expected import PlanMethod, PlanTarget
from calibration.plan.plan_labels import DESIGNS, DISAGREE, plan_labels
from calibration.rates.sequential import labels_for_width, stratified_confidence_sequence
from calibration.study.harm_table import HarmTable
from calibration.study.pairs import HUMAN
from calibration.study.settings import StudySettings

AS_SO_FAR = "as so far"
ACCURACY = ("sensitivity", "specificity")
# Those of no judge at all: nothing is flagged.
NO_JUDGE = (0.0, 1.0)
UNIFORM = DESIGNS[:1]
OUTSIDE = "no candidate of any round"


@dataclass(frozen=True, slots=True)
class DesignCounts:
    """Pool, labelled and harmful counts by stratum of the design: arrays of shape (n_strata,)."""

    n_transcripts: FloatArray
    n_labeled: FloatArray
    n_harmful: FloatArray

    def limits(self, confidence_level: float) -> tuple[float, float]:
        """The confidence sequence at these counts."""
        return stratified_confidence_sequence(
            self.n_transcripts, self.n_labeled, self.n_harmful, confidence_level=confidence_level
        )

    def labels_for(self, width: float, confidence_level: float) -> int | None:
        """Labels in all until the sequence is expected to be this narrow."""
        return labels_for_width(
            self.n_transcripts, self.n_labeled, self.n_harmful, width, confidence_level=confidence_level
        )


def sequence_counts(table: HarmTable, design: pd.DataFrame) -> tuple[DesignCounts | None, list[str]]:
    """Counts by the strata that labels were drawn from, or None and why there can be no sequence."""
    plan = design.drop_duplicates("transcript_id").set_index("transcript_id")
    if not table.facts.index.equals(table.facts.index.union(plan.index)):
        return None, ["no confidence sequence: transcripts are joined to episodes, which no stratum draws at random."]
    spread = plan.groupby("stratum")["inclusion_probability"].agg(np.ptp)
    if (spread > 1e-9).any():
        unequal = str(spread.index[spread > 1e-9][0])
        return None, [f"no confidence sequence: inclusion probabilities differ inside stratum {unequal!r}."]
    stratum = plan["stratum"].astype(str).reindex(table.facts.index).fillna(OUTSIDE)
    groups = table.y.groupby(stratum)
    columns = (groups.size(), groups.count(), groups.sum())
    counts = DesignCounts(*(np.asarray(column, dtype=np.float64) for column in columns))
    silent = groups.count().index[groups.count() == 0]
    return counts, [f"stratum {name!r} holds no label: the sequence reaches from 0 to 1 there." for name in silent]


def labels_to_width(
    counts: DesignCounts | None,
    rate: RateFinding,
    agreement: Sequence[AgreementFinding],
    settings: StudySettings,
    width: float | None,
) -> Iterator[LabelsToWidth]:
    """Labels until the sequence, and until an interval for one look, is this narrow: at the rate found so far."""
    if width is None:
        return
    have = rate.estimate.n_labeled
    if counts is not None:
        n = counts.labels_for(width, settings.confidence_level)
        yield LabelsToWidth(interval="sequence", design=AS_SO_FAR, n_labels=n, n_more=_more(n, have))
    target: PlanTarget = "pool" if settings.target == "pool" else "scenarios"
    method: PlanMethod = "post-stratified" if settings.method == "post-stratified" else "likelihood-ratio"
    judge, classifier = _graders(rate, agreement)
    sensitivity, specificity = judge or NO_JUDGE
    by_both = classifier is not None and method == "likelihood-ratio"
    plan = plan_labels(
        _expected_rate(rate),
        width=width,
        n_transcripts=rate.estimate.n_transcripts,
        sensitivity=sensitivity,
        specificity=specificity,
        classifier=classifier,
        designs=UNIFORM if judge is None else (*UNIFORM, DISAGREE) if by_both else DESIGNS,
        target=target,
        method=method,
        confidence_level=settings.confidence_level,
    )
    for design in plan.designs:
        n = design.n_labels
        yield LabelsToWidth(interval="fixed-n", design=design.design, n_labels=n, n_more=_more(n, have))


def _more(n_labels: int | None, have: int) -> int | None:
    return None if n_labels is None else max(0, n_labels - have)


def _expected_rate(rate: RateFinding) -> float:
    """The rate found so far, between what half a harm more and half a harm less would say: never 0, never 1."""
    least = 0.5 / (rate.estimate.n_labeled + 1)
    point = rate.estimate.rate
    if np.isnan(point):
        point = rate.estimate.n_harmful / rate.estimate.n_labeled
    return float(np.clip(point, least, 1 - least))


def _graders(
    rate: RateFinding, agreement: Sequence[AgreementFinding]
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Sensitivity and specificity, as measured here, of the judge and of a second grader; None where not known."""
    found: dict[str, dict[str, float]] = {}
    for f in agreement:
        if f.between[0] == HUMAN and f.agreement.statistic in ACCURACY and not np.isnan(f.agreement.value):
            found.setdefault(f.between[1], {})[f.agreement.statistic] = f.agreement.value
    known = {name: (a[ACCURACY[0]], a[ACCURACY[1]]) for name, a in found.items() if len(a) == len(ACCURACY)}
    judge = known.pop(rate.grader, None)
    return judge, next(iter(known.values()), None) if judge else None
