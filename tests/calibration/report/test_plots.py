"""Marks stand where their numbers say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.findings.study import ComparisonFinding, RateFinding
from calibration.records import RateDifference, RateEstimate
from calibration.report import plots

NAN = float("nan")
SHARE = st.floats(0, 1)


def finding(rate, low, high, apparent, bounds=(0.0, 1.0), n_labeled=10, human=None):
    def estimate(rate, low, high):
        return RateEstimate(
            rate=rate, low=low, high=high, confidence_level=0.95, target="scenarios", method="m", n_transcripts=20,
            n_scored=20, n_labeled=n_labeled, n_harmful=1.0, bounds=bounds,
        )  # fmt: skip

    return RateFinding(
        harm="h", group={}, estimate=estimate(rate, low, high), human_only=human and estimate(*human), grader="j",
        grader_rates={"j": apparent}, outcomes={"scored": 20},
    )  # fmt: skip


@given(st.lists(SHARE, min_size=3, max_size=3).map(sorted), SHARE)
def test_every_mark_stands_at_its_number_on_the_axis(limits, apparent):
    low, rate, high = limits
    forest = plots.forest([finding(rate, low, high, apparent)])
    top = float(forest.ticks[-1].text.removesuffix(" %")) / 100
    (row,) = forest.rows
    assert row.calibrated == pytest.approx(100 * rate / top)
    assert row.apparent == pytest.approx(100 * apparent / top)
    assert row.interval[:2] == pytest.approx((100 * low / top, 100 * high / top))
    assert max(high, apparent) <= top * (1 + 1e-9) and not row.interval.beyond


@given(st.floats(1e-4, 1))
def test_ticks_are_few_and_evenly_spread(high):
    ticks = plots.forest([finding(high / 2, 0.0, high, 0.0)]).ticks
    assert 2 <= len(ticks) <= 6
    steps = {round(b.at - a.at, 6) for a, b in zip(ticks, ticks[1:], strict=False)}
    assert len(steps) == 1 and ticks[0].at == 0 and ticks[-1].at == pytest.approx(100)


def test_a_worst_case_runs_out_of_the_picture_and_what_is_not_known_is_not_drawn():
    (row,) = plots.forest([finding(0.1, 0.05, 0.2, NAN, bounds=(0.1, 0.9))]).rows
    assert row.worst_case == (50.0, 100.0, True)
    assert row.apparent is None
    (row,) = plots.forest([finding(NAN, NAN, NAN, 0.3, n_labeled=0)]).rows
    assert row.calibrated is None and row.interval is None and row.apparent == pytest.approx(100)


def test_a_difference_stands_right_of_zero_when_the_first_group_does_more_harm():
    def compared(difference, low, high):
        return ComparisonFinding(
            harm="h", first={"arm": "a"}, second={"arm": "b"},
            difference=RateDifference(
                difference=difference, low=low, high=high, confidence_level=0.95, p_value=0.5, method="m", n_paired=0
            ),
        )  # fmt: skip

    drawn = plots.contrasts([compared(0.1, 0.05, 0.2), compared(-0.1, -0.15, 0.02), compared(NAN, NAN, NAN)])
    assert [t.text for t in drawn.ticks] == ["-20", "-10", "0", "+10", "+20"]
    first, second, third = drawn.rows
    assert (first.difference, first.interval) == (75.0, (62.5, 100.0, False)) and first.apart
    assert second.difference == pytest.approx(25.0) and not second.apart
    assert third.difference is None and third.interval is None and drawn.zero == 50.0
