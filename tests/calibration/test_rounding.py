"""Bounds that people read are rounded outward, whatever they are bounds of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.rates.rounding import decimal_interval, percent, percent_interval, points_interval

shares = st.floats(-1, 1)


@given(shares, shares)
def test_every_printed_interval_contains_the_computed_one(first, second):
    low, high = sorted([first, second])
    for text, scale in ((decimal_interval(low, high), 1), (points_interval(low, high), 100)):
        start, end = (float(part) for part in text.split(" to "))
        assert start <= scale * low + 1e-8
        assert end >= scale * high - 1e-8
        assert end - start <= scale * (high - low) + 0.21


@pytest.mark.parametrize("residue", [1e-12, 3e-17, -1e-14])
def test_what_a_sum_leaves_of_a_zero_is_printed_as_zero(residue):
    assert percent_interval(residue, 0.0123) == "0-1.23 %"
    assert percent(residue) == "0 %"
    assert points_interval(residue, 0.0123) == "+0.0 to +1.3"
    assert decimal_interval(-residue, 0.5) == "0.000 to 0.500"


def test_an_undefined_interval_is_said_to_be_unknown():
    assert decimal_interval(float("nan"), 1.0) == points_interval(0.1, float("nan")) == "not known"
