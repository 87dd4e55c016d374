"""Where things stand in the page's pictures, in per cent of their width and height.

The pictures themselves are drawn by `templates/plots.html.j2`: lengths in per cent stretch with the page while the
text keeps its size, and colours follow the page's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from calibration.findings.study import ComparisonFinding, RateFinding, ReliabilityFinding
from calibration.records import RateEstimate

_STEPS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)


class Span(NamedTuple):
    """A whisker from `start` to `end`; `beyond` says that it runs out of the picture to the right."""

    start: float
    end: float
    beyond: bool = False


class Tick(NamedTuple):
    """A place on an axis and what stands there."""

    at: float
    text: str


class Row(NamedTuple):
    """One rate in the forest plot; None where there is nothing to draw."""

    finding: RateFinding
    calibrated: float | None
    interval: Span | None
    worst_case: Span | None
    human: float | None
    human_interval: Span | None
    apparent: float | None


class Forest(NamedTuple):
    """The rates of one harm."""

    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]


class Contrast(NamedTuple):
    """One difference of rates with its interval."""

    finding: ComparisonFinding
    difference: float | None
    interval: Span | None
    apart: bool


class Contrasts(NamedTuple):
    """The differences of one harm; `zero` is where the groups are equal."""

    rows: tuple[Contrast, ...]
    ticks: tuple[Tick, ...]
    zero: float


class Point(NamedTuple):
    """One bin of a reliability curve, both axes from 0 to 100; `low` and `high` on the second."""

    score: float
    rate: float
    low: float
    high: float
    n_items: int


def forest(findings: Sequence[RateFinding]) -> Forest:
    """The rates of one harm, one row each, on an axis wide enough for every error bar but the worst case's."""
    values = [v for f in findings for v in (f.estimate.high, f.grader_rates[f.grader])]
    values += [f.human_only.high for f in findings if f.human_only is not None]
    ticks, top = _axis(max((v for v in values if not math.isnan(v)), default=1.0), 5)
    return Forest(rows=tuple(_row(f, top) for f in findings), ticks=ticks)


def contrasts(findings: Sequence[ComparisonFinding]) -> Contrasts:
    """Differences between the groups of one harm, on an axis around zero."""
    ends = [v for f in findings for v in (f.difference.low, f.difference.high) if not math.isnan(v)]
    widest = max((abs(v) for v in ends), default=1.0)
    half, top = _axis(widest, 2)
    # Points, not per cent of anything.
    minus = [Tick(50 - t.at / 2, "-" + t.text.removesuffix(" %")) for t in half[:0:-1]]
    plus = [Tick(50 + t.at / 2, ("+" if t.at else "") + t.text.removesuffix(" %")) for t in half]
    rows = []
    for finding in findings:
        d = finding.difference
        known = not math.isnan(d.difference)
        place = [50 + 50 * v / top for v in (d.difference, d.low, d.high)]
        span = Span(place[1], place[2]) if known else None
        rows.append(Contrast(finding, place[0] if known else None, span, apart=d.low > 0 or d.high < 0))
    return Contrasts(rows=tuple(rows), ticks=(*minus, *plus), zero=50.0)


def curve(finding: ReliabilityFinding) -> tuple[Point, ...]:
    """The reliability curve; the second axis runs downward, as the page's does."""
    return tuple(
        Point(100 * b.score, 100 - 100 * b.rate, 100 - 100 * b.low, 100 - 100 * b.high, b.n_items)
        for b in finding.result.bins
    )


def _row(finding: RateFinding, top: float) -> Row:
    estimate, human = finding.estimate, finding.human_only
    labelled = bool(estimate.n_labeled)
    return Row(
        finding=finding,
        calibrated=_place(estimate.rate, top) if labelled else None,
        interval=_interval(estimate, top) if labelled else None,
        worst_case=_span(*estimate.bounds, top),
        human=None if human is None else _place(human.rate, top),
        human_interval=None if human is None else _interval(human, top),
        apparent=_place(finding.grader_rates[finding.grader], top),
    )


def _interval(estimate: RateEstimate, top: float) -> Span | None:
    return _span(estimate.low, estimate.high, top)


def _span(low: float, high: float, top: float) -> Span | None:
    if math.isnan(low) or math.isnan(high):
        return None
    return Span(min(100.0, 100 * low / top), min(100.0, 100 * high / top), beyond=high > top)


def _place(value: float, top: float) -> float | None:
    return None if math.isnan(value) or value > top else 100 * value / top


def _axis(end: float, most: int) -> tuple[tuple[Tick, ...], float]:
    """At most `most` steps of a round size from 0 to the first one at or above `end`, and that value."""
    step = next((s for s in _STEPS if end / s <= most), _STEPS[-1])
    n = max(1, math.ceil(end / step - 1e-9))
    return tuple(Tick(100 * i / n, _percent(i * step)) for i in range(n + 1)), n * step


def _percent(value: float) -> str:
    return f"{100 * value:.6g} %"
