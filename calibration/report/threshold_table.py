"""The sweep of a score's threshold as words: the same cells for every form of the report. No arithmetic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from calibration.findings.study import ThresholdFinding
from calibration.rates.rounding import decimal_interval
from calibration.records import Agreement
from calibration.report.wording import percent, percent_interval

COLUMNS = ("harm", "grader", "present from", "grader's own", "rate", "interval", "sensitivity", "specificity")
EXPLORATORY = (
    "Exploratory: every threshold is seen with the same labels, so the one that looks best looks better than it is. An "
    "interval holds for a threshold that was chosen before the labels were seen; * marks the one in use."
)


class ThresholdTable(NamedTuple):
    """The sweep as cells of words, and what must be said beside it."""

    exploratory: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def threshold_table(findings: Iterable[ThresholdFinding]) -> ThresholdTable:
    """The sweep as the report shows it, a row per harm and threshold."""
    return ThresholdTable(EXPLORATORY, COLUMNS, tuple(_cells(finding) for finding in findings))


def _cells(finding: ThresholdFinding) -> tuple[str, ...]:
    """One row, a cell per column of `COLUMNS`."""
    e = finding.estimate
    return (
        finding.harm,
        finding.grader,
        f"{finding.threshold:g}{' *' if finding.chosen else ''}",
        percent(finding.apparent),
        percent(e.rate) if e.n_labeled else "not known",
        percent_interval(e.low, e.high),
        _share(finding.sensitivity),
        _share(finding.specificity),
    )


def _share(found: Agreement) -> str:
    if found.value != found.value:
        return "-"
    return f"{found.value:.2f} ({decimal_interval(found.low, found.high, decimals=2)})"
