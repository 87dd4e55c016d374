"""Numbers for people: significant digits, percentages, and rounding that keeps bounds true."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

# What floating-point sums leave of a 0: never a bound that labels could show.
NOTHING = 1e-9


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
        A value within 1e-9 of 0, which is what floating-point sums leave of it, becomes 0.

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


def decimal_interval(low: float, high: float, *, decimals: int = 3) -> str:
    """An interval with fixed decimals, rounded outward: ``0.381 to 0.732``; "not known" for nan.

    Examples
    --------
    >>> decimal_interval(-0.2149, 0.38111)
    '-0.215 to 0.382'
    """
    if low != low or high != high:
        return "not known"
    return f"{_fixed(low, decimals, ROUND_FLOOR)} to {_fixed(high, decimals, ROUND_CEILING)}"


def points_interval(low: float, high: float) -> str:
    """An interval of a difference in percentage points, rounded outward: ``-3.4 to +12.2``; "not known" for nan.

    Examples
    --------
    >>> points_interval(-0.03331, 0.1211)
    '-3.4 to +12.2'
    """
    if low != low or high != high:
        return "not known"
    ends = (_fixed(100 * low, 1, ROUND_FLOOR), _fixed(100 * high, 1, ROUND_CEILING))
    return " to ".join(end if end.startswith("-") else f"+{end}" for end in ends)


def percent_below(value: float, *, digits: int = 3) -> str:
    """The upper end of a share that begins at 0, rounded up: ``1.83 %``."""
    return f"{_plain(round_outward(0, 100 * value, digits=digits)[1], digits)} %"


def _fixed(value: float, decimals: int, rounding: str) -> str:
    # Twelve digits first, as in `_round`; a negative zero is printed as 0.
    exact = Decimal(f"{value:.12g}") if abs(value) > NOTHING else Decimal(0)
    return str(exact.quantize(Decimal(1).scaleb(-decimals), rounding=rounding) + 0)


def _plain(value: float, digits: int) -> str:
    if value != value:
        return "nan"
    if abs(value) <= NOTHING:
        return "0"
    # No exponent, no trailing zeros: 0.0012, 5, 12.4.
    text = format(Decimal(f"{value:.{digits}g}"), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _round(value: float, digits: int, rounding: str) -> float:
    if value != value or abs(value) <= NOTHING:
        return value if value != value else 0.0
    # Twelve digits first: 0.1 + 0.2 must not be rounded up to 0.301.
    exact = Decimal(f"{value:.12g}")
    step = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    return float(exact.quantize(step, rounding=rounding))
