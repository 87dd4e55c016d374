"""Differences, ratios and differences of differences with intervals from inverting one likelihood-ratio test.

The p-value and the interval come from the same test, so that an interval excludes "no difference" exactly when its
p-value says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf, log, nan, sqrt

from calibration.checks import check_level
from calibration.rates.contrasts import Contrast, ContrastTest, GroupCounts, contrast_test
from calibration.rates.intervals import Limits
from calibration.rates.likelihood_ratio import likelihood_ratio

HALVINGS = 22
# A ratio beyond this is reported as having no upper end.
MOST_RATIO = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class ContrastInterval:
    """A contrast of rates with its interval.

    Parameters
    ----------
    estimate, low, high : float
        A ratio whose second rate may be 0 has no upper end (inf); nan where it is undefined.
    confidence_level : float in (0, 1)
    p_value : float
        Of "no difference" (0, for a ratio 1); at most 1 - confidence_level exactly when the interval excludes it.
    """

    estimate: float
    low: float
    high: float
    confidence_level: float
    p_value: float


def difference_interval(
    first: GroupCounts,
    second: GroupCounts,
    *,
    confidence_level: float = 0.95,
    halvings: int = HALVINGS,
    guess: tuple[float, float] | None = None,
) -> ContrastInterval:
    """Rate of the first group minus that of the second; a guess of the interval saves halvings.

    Examples
    --------
    >>> from calibration.rates.contrasts import group_counts
    >>> a, c = group_counts([30, 70], [5, 15], [4, 0]), group_counts([45, 55], [5, 15], [5, 2])
    >>> d = difference_interval(c, a)
    >>> print(f"{d.estimate:.3f} [{d.low:.2f}, {d.high:.2f}], p {d.p_value:.3f}")
    0.283 [0.04, 0.48], p 0.019
    """
    contrast = Contrast(groups=(first, second), coefficients=(1.0, -1.0))
    return contrast_interval(contrast, confidence_level=confidence_level, halvings=halvings, guess=guess)


def difference_in_differences(
    treated: tuple[GroupCounts, GroupCounts],
    control: tuple[GroupCounts, GroupCounts],
    *,
    confidence_level: float = 0.95,
    halvings: int = 12,
) -> ContrastInterval:
    """(first - second) among the treated minus (first - second) among the controls.

    Parameters
    ----------
    treated, control : pair of GroupCounts
        For "taught to the test": the scenarios trained near, before and after; all others, before and after.
    confidence_level : float in (0, 1)
    halvings : int
        Each halves the error of a limit.

    Notes
    -----
    The likelihood-ratio statistic over all strata; tables of labels are drawn (799, fixed seed) where there are too
    many to enumerate. Coverage .95 to 1.0 in 28 cells, width .77 to .92 of MOVER on four intervals.
    """
    contrast = Contrast(groups=(*treated, *control), coefficients=(1.0, -1.0, -1.0, 1.0))
    return contrast_interval(contrast, confidence_level=confidence_level, halvings=halvings)


def contrast_interval(
    contrast: Contrast, *, confidence_level: float = 0.95, halvings: int, guess: tuple[float, float] | None = None
) -> ContrastInterval:
    """All values of the contrast that the test does not reject, between the outermost ones found by halving."""
    check_level(confidence_level)
    error = 1 - confidence_level
    pairs = list(zip(contrast.coefficients, contrast.groups, strict=True))
    least = sum(c * float(g.weight.sum()) for c, g in pairs if c < 0)
    most = sum(c * float(g.weight.sum()) for c, g in pairs if c > 0)
    none = contrast_test(contrast)

    def at(value: float) -> ContrastTest:
        return contrast_test(contrast, value)

    if guess is not None:
        # A point half as far out again is where the search begins, if the test rejects it.
        starts = [contrast.estimate + 1.5 * (end - contrast.estimate) for end in guess]
        least, most = (
            start if least < start < most and at(start).p_value <= error else end
            for start, end in zip(starts, (least, most), strict=True)
        )
    low, high = _ends(at, contrast.estimate, (least, most), none, error, halvings)
    return ContrastInterval(
        estimate=contrast.estimate, low=low, high=high, confidence_level=confidence_level, p_value=none.p_value
    )


def ratio_interval(
    first: GroupCounts, second: GroupCounts, *, confidence_level: float = 0.95, halvings: int = HALVINGS
) -> ContrastInterval:
    """Rate of the first group over that of the second.

    Returns
    -------
    ContrastInterval
        `high` is inf where the second rate may be 0, and `low` is 0 where the first has no labelled harm; all nan when
        neither has. Say "more than three times" only when `low` is above 3.

    Examples
    --------
    >>> from calibration.rates.contrasts import group_counts
    >>> f, i = group_counts([100, 300], [12, 38], [9, 1]), group_counts([40, 360], [12, 38], [3, 0])
    >>> r = ratio_interval(f, i)
    >>> print(f"{r.estimate:.2f} times [{r.low:.2f}, {r.high:.1f}]")
    8.29 times [2.30, 25.2]
    """
    check_level(confidence_level)
    error = 1 - confidence_level
    a, b = first.rate, second.rate
    if a == 0 and b == 0:
        return ContrastInterval(estimate=nan, low=nan, high=nan, confidence_level=confidence_level, p_value=1.0)

    def at(log_ratio: float) -> ContrastTest:
        return contrast_test(Contrast(groups=(first, second), coefficients=(1.0, -exp(log_ratio))))

    none = at(0.0)
    centre = log(a / b) if a > 0 and b > 0 else (log(MOST_RATIO) if b == 0 else -log(MOST_RATIO))
    reach = log(MOST_RATIO) + abs(centre) + 1.0
    low, high = _ends(at, centre, (-reach, reach), none, error, halvings + 6)
    return ContrastInterval(
        estimate=a / b if b > 0 else inf,
        low=exp(low) if a > 0 else 0.0,
        high=exp(high) if b > 0 and high < log(MOST_RATIO) else inf,
        confidence_level=confidence_level,
        p_value=none.p_value,
    )


def _ends(
    test: Callable[[float], ContrastTest],
    estimate: float,
    reach: tuple[float, float],
    none: ContrastTest,
    error: float,
    halvings: int,
) -> tuple[float, float]:
    """Edges of acceptance below and above the estimate.

    The value of "no difference", 0, is one of the points between which an edge is sought, so that the interval contains
    it exactly when its own test accepts it.
    """
    accepted, anchor = none.p_value > error, 0.0

    def edge(outside: float) -> float:
        inside = estimate
        beyond = (anchor - estimate) * (outside - estimate) > 0
        if beyond and accepted:
            inside = anchor
        elif beyond:
            outside = anchor
        for _ in range(halvings):
            middle = 0.5 * (inside + outside)
            if test(middle).p_value > error:
                inside = middle
            else:
                outside = middle
        # Outward: the last rejected value, except where "no difference" itself is that value.
        return inside if outside == anchor else outside

    return edge(reach[0]), edge(reach[1])


def mover_ratio(first: Limits, second: Limits) -> tuple[float, float]:
    """Limits of a ratio of two rates from their own intervals: a comparator for `ratio_interval`.

    References
    ----------
    Donner & Zou (2012), Stat. Methods Med. Res. 21:347.

    Examples
    --------
    >>> low, high = mover_ratio(Limits(0.2, 0.15, 0.26), Limits(0.05, 0.02, 0.1))
    >>> print(f"{low:.2f} {high:.2f}")
    1.87 10.29
    """
    (a, a_low, a_high), (b, b_low, b_high) = ((float(v) for v in limits) for limits in (first, second))
    if a == 0 and b == 0:
        return nan, nan

    def root(a_end: float, b_end: float, sign: float) -> float:
        inner = max((a * b) ** 2 - a_end * b_end * (2 * a - a_end) * (2 * b - b_end), 0.0)
        return (a * b + sign * sqrt(inner)) / (b_end * (2 * b - b_end))

    low = root(a_low, b_high, -1.0) if 2 * b != b_high else a_low * (2 * a - a_low) / (2 * a * b)
    high = root(a_high, b_low, 1.0) if b_low > 0 else inf
    return max(low, 0.0), high


def own_interval(group: GroupCounts, *, confidence_level: float = 0.95) -> Limits:
    """The likelihood-ratio interval of one group from its own labels."""
    return likelihood_ratio(group.size, group.n, group.y, total=group.total, confidence_level=confidence_level)
