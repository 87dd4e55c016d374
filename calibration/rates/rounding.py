"""Numbers for people: significant digits, percentages, and rounding that keeps bounds true."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal


def round_outward(low: float, high: float, *, digits: int = 3) -> tuple[float, float]:
    """Round an interval to significant digits so that it only grows.

    Parameters
    ----------
    low, high : float
        nan stays nan.
    digits : int >= 1
        Significant digits.

    Returns
    -------
    (low, high) : floats; the first never above, the second never below what was given

    Examples
    --------
    >>> round_outward(0.011085, 0.018207)
    (0.011, 0.0183)
    """
    if digits < 1:
        msg = f"digits must fulfil digits >= 1, got {digits}."
        raise ValueError(msg)
    return _round(low, digits, ROUND_FLOOR), _round(high, digits, ROUND_CEILING)


def percent(value: float, *, digits: int = 3) -> str:
    """A share as a percentage with significant digits, without outward rounding: ``1.83 %``."""
    return f"{_plain(100 * value, digits)} %"


def percent_interval(low: float, high: float, *, digits: int = 3) -> str:
    """An interval in percent, rounded outward: ``0-1.83 %``."""
    lower, upper = round_outward(100 * low, 100 * high, digits=digits)
    return f"{_plain(lower, digits)}-{_plain(upper, digits)} %"


def percent_below(value: float, *, digits: int = 3) -> str:
    """The upper end of a share that begins at 0, rounded up: ``1.83 %``."""
    return f"{_plain(round_outward(0, 100 * value, digits=digits)[1], digits)} %"


def _plain(value: float, digits: int) -> str:
    if value != value:
        return "nan"
    # No exponent, no trailing zeros: 0.0012, 5, 12.4.
    text = format(Decimal(f"{value:.{digits}g}"), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _round(value: float, digits: int, rounding: str) -> float:
    if value != value or value == 0:
        return value
    # Twelve digits first: 0.1 + 0.2 must not be rounded up to 0.301.
    exact = Decimal(f"{value:.12g}")
    step = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    return float(exact.quantize(step, rounding=rounding))
