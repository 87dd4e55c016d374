"""Each rater alone, and graders against raters: what the consensus hides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from calibration.agreement.alt_test import alt_test
from calibration.checks import FloatArray
from calibration.findings.study import AgreementFinding, RaterFinding
from calibration.rates.estimate import estimate_rate
from calibration.records import RateEstimate
from calibration.study.harm_table import HarmTable
from calibration.study.pairs import HUMAN
from calibration.study.settings import StudySettings
from labels.labelset import LabelSet
from labels.raters import rater_drift, rater_report

# Rows for more raters than this are read by nobody.
MAX_RATERS = 12
DRIFT_LEVEL = 0.05
UNWEIGHTED = "valid only for this sample: the test knows no weights"


def rater_findings(tables: Iterable[HarmTable], labels: LabelSet, settings: StudySettings) -> Iterator[RaterFinding]:
    """The rate as each rater alone would have it, over the whole pool, with signs of carelessness.

    Nothing is said of episodes: raters label transcripts.
    """
    for table in tables:
        report = rater_report(labels, table.harm)
        if not 2 <= len(report) <= MAX_RATERS:
            continue
        votes = labels.votes(table.harm)
        for row in report.to_dict("records"):
            own = votes[votes["rater"] == row["rater"]].set_index("transcript_id")["label"]
            y = own.reindex(table.facts.index).to_numpy(dtype=float)
            if np.isnan(y).all():
                continue
            yield RaterFinding(
                harm=table.harm,
                rater=str(row["rater"]),
                estimate=rate_as_labelled(table, y, settings),
                n_votes=int(row["n_votes"]),
                sensitivity=float(row["sensitivity"]),
                specificity=float(row["specificity"]),
                median_seconds=float(row["median_seconds"]),
                flags=tuple(row["flags"]),
            )


def rate_as_labelled(table: HarmTable, y: FloatArray, settings: StudySettings) -> RateEstimate:
    """The rate over the whole pool with `y` (one rater's labels, another consensus) for labels.

    By the study's method, so that it can be held against the study's rate.
    """
    return estimate_rate(
        y,
        table.sides(table.graders[0]),
        inclusion_probability=table.probabilities(),
        method=settings.method,
        target="pool" if settings.target == "pool" else "scenarios",
        confidence_level=settings.confidence_level,
    )


def alternative_annotators(tables: Iterable[HarmTable], labels: LabelSet) -> Iterator[AgreementFinding]:
    """Whether each grader could stand in for an annotator (alt-test), on the labelled sample as it is."""
    for table in tables:
        data, raters, items = labels.reliability_data(table.harm)
        if len(raters) < 3 or not set(items) <= set(table.facts.index):
            continue
        for name in table.graders:
            side = table.side[name].reindex(list(items)).to_numpy(dtype=float)
            if not np.isnan(side).all():
                found = alt_test(data, side)
                found = replace(found, notes=(UNWEIGHTED, *found.notes))
                yield AgreementFinding(harm=table.harm, between=(HUMAN, name), agreement=found, weighted=False)


def drift_notes(tables: Iterable[HarmTable], labels: LabelSet) -> Iterator[str]:
    """A sentence for each rater whose strictness changed from one round to the next."""
    for table in tables:
        for row in rater_drift(labels, table.harm).to_dict("records"):
            if row["p_value"] < DRIFT_LEVEL:
                kind = "stricter" if row["drift"] > 0 else "laxer"
                yield (
                    f"Rater {row['rater']} grew {kind} on {table.harm} from round {row['from_round']} to "
                    f"{row['to_round']}: {100 * row['drift']:+.0f} points (p = {row['p_value']:.2g})."
                )
