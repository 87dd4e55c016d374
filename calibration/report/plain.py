"""A report as plain data: the contents of ``report.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from calibration.findings.study import AgreementFinding, ComparisonFinding, RateFinding, Report
from calibration.records import RateEstimate

SCHEMA = 1


def report_dict(report: Report) -> dict[str, Any]:
    """The report as JSON-able data, nan as None.

    Returns
    -------
    dict
        ``schema``, then one key per field of `Report`, in its order; see docs for each.
    """
    data = {
        "schema": SCHEMA,
        "rates": [_rate(f) for f in report.rates],
        "agreement": [_agreement(f) for f in report.agreement],
        "comparisons": [_comparison(f) for f in report.comparisons],
        "graders": [asdict(g) for g in report.graders],
        "harms": list(report.harms),
        "notes": list(report.notes),
        "raters": [asdict(f) for f in report.raters],
        "considered": [asdict(f) | {"group": dict(f.group)} for f in report.considered],
        "assumed": [asdict(f) | {"group": dict(f.group)} for f in report.assumed],
        "reliability": [asdict(f) for f in report.reliability],
        "crosses": [asdict(f) for f in report.crosses],
        "coverage": [asdict(f) | {"group": dict(f.group)} for f in report.coverage],
        "zeros": [asdict(f) for f in report.zeros],
        "thresholds": [asdict(f) for f in report.thresholds],
        "judge_card": None if report.judge_card is None else asdict(report.judge_card),
        "ledger": report.ledger.to_dict(),
        "provenance": dict(report.provenance),
    }
    found: dict[str, Any] = plain(data)
    return found


def report_json(report: Report, parts: Collection[str] | None = None) -> str:
    """The report as JSON text.

    Parameters
    ----------
    report : Report
    parts : which of ``rates``, ``agreement`` and ``comparisons`` to keep; default all
    """
    data = report_dict(report)
    left_out = set() if parts is None else {"rates", "agreement", "comparisons"} - set(parts)
    kept = {name: value for name, value in data.items() if name not in left_out}
    return json.dumps(kept, indent=1, ensure_ascii=False, allow_nan=False)


def _rate(finding: RateFinding) -> dict[str, Any]:
    return {
        "harm": finding.harm,
        "group": dict(finding.group),
        **_estimate(finding.estimate),
        "outcomes": dict(finding.outcomes),
        "grader": finding.grader,
        "grader_rates": dict(finding.grader_rates),
        "n_compared": finding.n_compared,
        "n_unlike": finding.n_unlike,
        "human_only": None if finding.human_only is None else _estimate(finding.human_only),
    }


def _estimate(estimate: RateEstimate) -> dict[str, Any]:
    return asdict(estimate)


def _agreement(finding: AgreementFinding) -> dict[str, Any]:
    return {
        "harm": finding.harm,
        **({"group": dict(finding.group)} if finding.group else {}),
        "between": list(finding.between),
        **asdict(finding.agreement),
        "weighted": finding.weighted,
    }


def _comparison(finding: ComparisonFinding) -> dict[str, Any]:
    return {
        "harm": finding.harm,
        "first": dict(finding.first),
        "second": dict(finding.second),
        **asdict(finding.difference),
    }


def plain(value: Any) -> Any:
    """JSON-able data: keys as text, tuples as lists, numbers of numpy as Python's, nan as None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
