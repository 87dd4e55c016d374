"""Writes a report down: JSON, Markdown, one HTML file. No arithmetic."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from calibration.findings.study import AgreementFinding, CrossFinding, CrossRow, Exhibits, Report, group_name
from calibration.notebook import p_value
from calibration.rates import rounding
from calibration.report import doctor_console as doctor
from calibration.report import plots, wording
from calibration.report.plain import report_dict, report_json
from calibration.report.sections import written
from calibration.report.threshold_table import threshold_table
from grader.files.atomic import write_text

if TYPE_CHECKING:
    import jinja2

# The coefficients shown first; all others are one click away.
HEADLINE = ("sensitivity", "specificity", "positive_agreement", "kappa", "alpha")
HUMANS = ("yes", "no", "tie", "not labelled")
# The hyphen of an interval of percentages.
_INTERVAL = re.compile(r"(?<=\d)-(?=[\d.]+\N{NO-BREAK SPACE}%)")


def render_report(
    report: Report, folder: str | Path, *, exhibits: Exhibits | None = None, redact: bool = False
) -> None:
    """Write ``report.json``, ``report.md`` and ``report.html`` into `folder`, which is made if need be.

    Each file is whole or not there. The HTML is one file that needs no network.

    Parameters
    ----------
    report : Report
    folder : path
    exhibits : Exhibits, optional
        What the page's transcript browser shows (`calibration.study.browser_items`); without it there is none.
    redact : bool
        Leave texts, quotes, explanations and notes out of the page, so that it can be shared.
    """
    folder = Path(folder)
    write_text(folder / "report.json", report_json(report) + "\n")
    write_text(folder / "report.md", markdown(report))
    write_text(folder / "report.html", html(report, exhibits, redact=redact))


def markdown(report: Report) -> str:
    """The report as Markdown."""
    environment, context = _environment(), _context(report)
    sections = list(written(environment, context, "md"))
    return environment.get_template("report.md.j2").render(context | {"sections": sections})


def html(report: Report, exhibits: Exhibits | None = None, *, redact: bool = False) -> str:
    """The report as one self-contained HTML page; parameters as in `render_report`."""
    import markupsafe

    from calibration.report.browser import packed

    environment = _environment()
    environment.finalize = _unbroken
    listed = 0 if exhibits is None else len(exhibits.items)
    context = _context(report) | {
        "forests": {harm: plots.forest([f for f in report.rates if f.harm == harm]) for harm in report.harms},
        "contrasts": {
            harm: plots.contrasts([c for c in report.comparisons if c.harm == harm]) for harm in report.harms
        },
        "curves": [plots.curve(f) for f in report.reliability],
        "listed": listed,
        "packed": packed(exhibits, report, redact=redact) if exhibits is not None and listed else None,
        "style": markupsafe.Markup(_asset("report.css")),
        "script": markupsafe.Markup(_asset("browser.js")),
    }
    sections = [s._replace(text=markupsafe.Markup(s.text)) for s in written(environment, context, "html")]
    return environment.get_template("report.html.j2").render(context | {"sections": sections})


def _asset(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("calibration.report"),
        autoescape=jinja2.select_autoescape(["html.j2", "html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {"md": _markdown_safe, "place": "{:.3f}%".format, "digest": _digest}
    return environment


def _context(report: Report) -> dict[str, Any]:
    level = {f"{100 * f.estimate.confidence_level:g} %" for f in report.rates}
    return {
        "report": report,
        "level": "/".join(sorted(level)),
        "targets": {t: wording.TARGETS[t] for t in dict.fromkeys(f.estimate.target for f in report.rates)},
        "provenance": json.dumps(report_dict(report)["provenance"], indent=1, ensure_ascii=False),
        "made": str(report.provenance.get("created_at") or "")[:10],
        "command": _command(report.provenance.get("command") or ()),
        "number": _number,
        "points": wording.points,
        "p_value": p_value,
        "rate_words": wording.rate_words,
        "headline": HEADLINE,
        "pairs": {harm: _pairs(report, harm) for harm in report.harms},
        "humans": [h for h in HUMANS if any(h in row.counts for cross in report.crosses for row in cross.rows)],
        "query": _query(report),
        "listed": 0,
        "card": None
        if report.judge_card is None
        else doctor.card_tables(report.judge_card, report.graders, report.agreement),
        "thresholds": threshold_table(report.thresholds),
        "rate_sentence": wording.rate_sentence,
        "comparison_sentence": wording.comparison_sentence,
        "group_name": group_name,
        "percent": wording.percent,
        "percent_interval": wording.percent_interval,
        "decimal_interval": rounding.decimal_interval,
        "points_interval": rounding.points_interval,
        "count": wording.count,
        "outcome_words": wording.outcome_words,
    }


def _command(words: Sequence[str]) -> str:
    """The command line as a user types it."""
    return shlex.join([Path(words[0]).name, *words[1:]]) if words else ""


def _pairs(report: Report, harm: str) -> dict[str, dict[str, AgreementFinding]]:
    """Coefficients by who is compared, of those pairs that have one worth a headline."""
    found: dict[str, dict[str, AgreementFinding]] = {}
    for finding in report.agreement:
        if finding.harm == harm and finding.agreement.statistic in HEADLINE:
            found.setdefault(" - ".join(finding.between), {})[finding.agreement.statistic] = finding
    return found


def _query(report: Report) -> Callable[[CrossFinding, CrossRow, str], str]:
    """How the browser's address names the transcripts in one cell of a cross table."""
    number = {g.name: n for n, g in enumerate(report.graders)}

    def query(cross: CrossFinding, row: CrossRow, human: str) -> str:
        sides = {f"g{number[name]}": side for name, side in zip(cross.graders, row.sides, strict=True)}
        return urlencode({"harm": cross.harm, "human": human} | sides, quote_via=quote)

    return query


def _digest(text: str) -> str:
    """The hash by which a content security policy allows a script or style."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _unbroken(value: Any) -> Any:
    """No line may end inside a percentage or an interval of them; what is markup already stays as it is."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return _INTERVAL.sub("\N{NON-BREAKING HYPHEN}", value.replace(" %", "\N{NO-BREAK SPACE}%"))


def _markdown_safe(text: object) -> str:
    """Text that cannot end a table cell, start a tag or a link."""
    words = " ".join(str(text).split())
    for sign in "\\`*_[]<>|":
        words = words.replace(sign, "\\" + sign)
    return words
