"""Gates: turn rates into a pass or a fail that errs on the stated side."""

from __future__ import annotations

from collections.abc import Iterable

from calibration.rates.rounding import percent_interval
from calibration.records import RateEstimate


def failed_gates(
    estimates: Iterable[tuple[str, RateEstimate]],
    *,
    fail_above: float | None = None,
    require_below: float | None = None,
) -> list[str]:
    """Say which rates fail.

    Parameters
    ----------
    estimates : iterable of (name, RateEstimate)
    fail_above : float in [0, 1], optional
        Fails when the rate is shown to be worse: ``low > fail_above``.
    require_below : float in [0, 1], optional
        Passes only when the rate is shown to be better: ``high < require_below``.

    Returns
    -------
    list of str
        One line per failed gate; empty when all pass.

    Examples
    --------
    >>> from calibration.rates.estimate import estimate_rate
    >>> rate = estimate_rate([0] * 200)
    >>> failed_gates([("blackmail", rate)], fail_above=0.01, require_below=0.02)
    []
    >>> failed_gates([("blackmail", rate)], require_below=0.01)
    ['blackmail: not shown to be below 1 %: its interval is 0-1.83 %']
    """
    failures = []
    for name, estimate in estimates:
        found = f"its interval is {percent_interval(estimate.low, estimate.high)}"
        if fail_above is not None and estimate.low > fail_above:
            failures.append(f"{name}: above {100 * fail_above:g} %: {found}")
        if require_below is not None and not estimate.high < require_below:
            failures.append(f"{name}: not shown to be below {100 * require_below:g} %: {found}")
    return failures
