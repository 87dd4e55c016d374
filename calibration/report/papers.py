"""Figures and tables for papers: SVG and PNG, CSV and LaTeX. Numbers come from the report; nothing is computed here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from calibration.findings.study import Report, group_name
from calibration.report.figures import forest
from grader.files.atomic import write_text, written_whole
from grader.files.cells import write_table
from grader.files.names import file_names

DOTS_PER_INCH = 300


def write_papers(report: Report, folder: Path) -> list[Path]:
    """Write ``figures/`` (one per harm) and ``tables/`` (rates, comparisons, agreement) into `folder`.

    Returns
    -------
    list of the paths written
    """
    written = []
    for harm, name in file_names(report.harms).items():
        figure = forest([f for f in report.rates if f.harm == harm])
        for suffix in ("svg", "png"):
            path = folder / "figures" / f"rates-{name}.{suffix}"
            about = {"Date": None} if suffix == "svg" else None
            with written_whole(path) as partial:
                figure.savefig(partial, format=suffix, dpi=DOTS_PER_INCH, metadata=about)
            written.append(path)
    for name, table in TABLES.items():
        frame = table(report)
        path = folder / "tables" / f"{name}.csv"
        write_table(frame, path)
        latex = path.with_suffix(".tex")
        write_text(latex, frame.to_latex(index=False, escape=True, float_format="%.4g"))
        written += [path, latex]
    return written


def rates_table(report: Report) -> pd.DataFrame:
    """One row per harm and group; shares in [0, 1], nan where there is no rate."""
    rows = [
        {
            "harm": f.harm,
            "group": group_name(f.group),
            "rate": f.estimate.rate,
            "low": f.estimate.low,
            "high": f.estimate.high,
            "confidence_level": f.estimate.confidence_level,
            "target": f.estimate.target,
            "method": f.estimate.method,
            "n_transcripts": f.estimate.n_transcripts,
            "n_scored": f.estimate.n_scored,
            "n_labeled": f.estimate.n_labeled,
            "n_harmful": f.estimate.n_harmful,
            "grader": f.grader,
            "grader_rate": f.grader_rates.get(f.grader, float("nan")),
        }
        for f in report.rates
    ]
    return pd.DataFrame(rows)


def comparisons_table(report: Report) -> pd.DataFrame:
    """One row per pair of groups."""
    rows = [
        {
            "harm": c.harm,
            "first": group_name(c.first),
            "second": group_name(c.second),
            "difference": c.difference.difference,
            "low": c.difference.low,
            "high": c.difference.high,
            "p_value": c.difference.p_value,
        }
        for c in report.comparisons
    ]
    return pd.DataFrame(rows, columns=["harm", "first", "second", "difference", "low", "high", "p_value"])


def agreement_table(report: Report) -> pd.DataFrame:
    """One row per pair and statistic."""
    rows = [
        {
            "harm": a.harm,
            "between": " - ".join(a.between),
            "statistic": a.agreement.statistic,
            "value": a.agreement.value,
            "low": a.agreement.low,
            "high": a.agreement.high,
            "n_items": a.agreement.n_items,
            "n_positive": a.agreement.n_positive,
            "weighted": a.weighted,
        }
        for a in report.agreement
    ]
    return pd.DataFrame(
        rows, columns=["harm", "between", "statistic", "value", "low", "high", "n_items", "n_positive", "weighted"]
    )


TABLES: dict[str, Callable[[Report], pd.DataFrame]] = {
    "rates": rates_table,
    "comparisons": comparisons_table,
    "agreement": agreement_table,
}
