"""Figures for papers: every rate with its error bar. Numbers come from the report; nothing is computed here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from calibration.findings.study import RateFinding, group_name
from grader.files.terminal import escape_control_chars

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, CALIBRATED, APPARENT, HUMAN = "#1a1a1b", "#b9bcc4", "#1f6f8b", "#c8553d", "#7d8597"
_LANES = {"calibrated": -0.22, "human": 0.04, "apparent": 0.28}


def forest(findings: Sequence[RateFinding]) -> Figure:
    """Draw the rates of one harm: calibrated, from labels alone, and the grader's own.

    Parameters
    ----------
    findings : the rates of one harm, one row each, top to bottom

    Returns
    -------
    matplotlib Figure
        Not attached to any screen; faint whiskers are the worst-case bounds.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 0.9 + 0.62 * len(findings)), layout="constrained")
    axes = figure.add_subplot()
    for row, finding in enumerate(findings):
        _draw_row(axes, row, finding)
    names = [escape_control_chars(group_name(f.group)) for f in findings]  # names, no formulas: a $ is a $
    axes.set_yticks(range(len(findings)), names, color=INK, parse_math=False)
    axes.set_ylim(len(findings) - 0.4, -0.6)
    axes.set_xlim(0, _right_edge(findings))
    axes.xaxis.set_major_formatter(lambda x, _: f"{100 * x:g} %")
    axes.tick_params(colors=INK, length=3)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=FAINT, linewidth=0.4)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(FAINT)
    return figure


def _draw_row(axes: Axes, row: int, finding: RateFinding) -> None:
    estimate = finding.estimate
    if estimate.n_labeled:
        _whisker(axes, row + _LANES["calibrated"], estimate.bounds, color=FAINT, linewidth=1.0)
        limits = (estimate.low, estimate.high)
        _whisker(axes, row + _LANES["calibrated"], limits, color=CALIBRATED, linewidth=2.6)
        _dot(axes, row + _LANES["calibrated"], estimate.rate, color=CALIBRATED, marker="o", markersize=6.5)
    if finding.human_only is not None:
        limits = (finding.human_only.low, finding.human_only.high)
        _whisker(axes, row + _LANES["human"], limits, color=HUMAN, linewidth=1.3)
        _dot(axes, row + _LANES["human"], finding.human_only.rate, color=HUMAN, marker="s", markersize=4)
    apparent = finding.grader_rates[finding.grader]
    _dot(axes, row + _LANES["apparent"], apparent, color=APPARENT, marker="D", markersize=5)


def _whisker(axes: Axes, y: float, limits: tuple[float, float], **style: Any) -> None:
    if not any(map(math.isnan, limits)):
        axes.plot(limits, (y, y), solid_capstyle="butt", **style)


def _dot(axes: Axes, y: float, value: float, **style: Any) -> None:
    if not math.isnan(value):
        axes.plot([value], [y], linestyle="none", **style)


def _right_edge(findings: Sequence[RateFinding]) -> float:
    """Wide enough for every error bar; a worst-case whisker may run out of the picture."""
    values = [v for f in findings for v in (f.estimate.high, f.grader_rates[f.grader])]
    values += [f.human_only.high for f in findings if f.human_only is not None]
    top = max([v for v in values if not math.isnan(v)], default=1.0)
    return min(1.0, top * 1.08 + 0.005)
