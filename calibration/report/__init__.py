"""Renders the findings of a study: JSON, Markdown, one HTML file, terminal, papers. No arithmetic."""

from calibration.report.plain import report_dict, report_json
from calibration.report.render import html, markdown, render_report

__all__ = ["html", "markdown", "render_report", "report_dict", "report_json"]
