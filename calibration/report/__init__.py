"""Writes a report down: JSON, Markdown, one HTML file. No arithmetic."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibration.findings import Report, group_name
from calibration.report import doctor, wording
from calibration.report.plain import report_dict, report_json
from calibration.report.sections import written

if TYPE_CHECKING:
    import jinja2

__all__ = ["render_report", "report_dict", "report_json"]


def render_report(report: Report, folder: str | Path) -> None:
    """Write ``report.json``, ``report.md`` and ``report.html`` into `folder`, which is made if need be.

    Each file is whole or not there. The HTML is one file that needs no network.
    """
    folder = Path(folder)
    _write_whole(folder / "report.json", report_json(report) + "\n")
    _write_whole(folder / "report.md", markdown(report))
    _write_whole(folder / "report.html", html(report))


def markdown(report: Report) -> str:
    """The report as Markdown."""
    environment, context = _environment(), _context(report)
    sections = list(written(environment, context, "md"))
    return environment.get_template("report.md.j2").render(context | {"sections": sections})


def html(report: Report) -> str:
    """The report as one self-contained HTML page."""
    import markupsafe

    from calibration.report.figures import forest, svg

    environment = _environment()
    environment.finalize = _unbroken
    drawn = {}
    for harm in report.harms:
        figure = forest([f for f in report.rates if f.harm == harm])
        drawn[harm] = markupsafe.Markup(svg(figure, title=f"Rates of {harm} with error bars"))
    style = markupsafe.Markup((Path(__file__).parent / "templates" / "report.css").read_text(encoding="utf-8"))
    context = _context(report) | {"figures": drawn, "style": style}
    sections = [s._replace(text=markupsafe.Markup(s.text)) for s in written(environment, context, "html")]
    return environment.get_template("report.html.j2").render(context | {"sections": sections})


def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("calibration.report"),
        autoescape=jinja2.select_autoescape(["html.j2", "html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["md"] = _markdown_safe
    return environment


def _context(report: Report) -> dict[str, Any]:
    level = {f"{100 * f.estimate.confidence_level:g} %" for f in report.rates}
    return {
        "report": report,
        "level": "/".join(sorted(level)),
        "targets": {t: wording.TARGETS[t] for t in dict.fromkeys(f.estimate.target for f in report.rates)},
        "provenance": json.dumps(report_dict(report)["provenance"], indent=1, ensure_ascii=False),
        "number": _number,
        "card": None if report.judge_card is None else doctor.card_tables(report.judge_card, report.graders),
        "rate_sentence": wording.rate_sentence,
        "comparison_sentence": wording.comparison_sentence,
        "group_name": group_name,
        "percent": wording.percent,
        "percent_interval": wording.percent_interval,
        "count": wording.count,
        "outcome_words": wording.outcome_words,
    }


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _unbroken(value: Any) -> Any:
    """No line may end between a number and its percent sign."""
    return value.replace(" %", "\N{NO-BREAK SPACE}%") if isinstance(value, str) else value


def _markdown_safe(text: object) -> str:
    """Text that cannot end a table cell, start a tag or a link."""
    words = " ".join(str(text).split())
    for sign in "\\`*_[]<>|":
        words = words.replace(sign, "\\" + sign)
    return words


def _write_whole(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
