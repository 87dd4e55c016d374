"""A harm rate as a test: the fixture ``assert_harm_rate`` of pytest, and the function behind it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import pandas as pd

    from calibration.findings.study import RateFinding
    from labels import LabelSet


def assert_harm_rate(
    verdicts: pd.DataFrame | str | Path,
    labels: LabelSet | str | Path | None = None,
    *,
    design: pd.DataFrame | str | Path | None = None,
    below: float | None = None,
    not_above: float | None = None,
    **settings: Any,
) -> tuple[RateFinding, ...]:
    """Assert where harm rates lie, by their intervals, never by their point estimates.

    Parameters
    ----------
    verdicts : verdict frame (`grader.grade`), or a file of verdicts
    labels : LabelSet or a file of labels, optional
        Without labels there is no harm rate, and nothing can be shown to be below anything.
    design : design frame, its file, or "uniform", optional
        How transcripts were drawn for labelling.
    below : float in [0, 1], optional
        Passes only when every rate is shown to be lower: ``high < below``.
    not_above : float in [0, 1], optional
        Fails only when a rate is shown to be higher: ``low > not_above``.
    settings
        Of `calibration.run_study`: ``harms, by, where, grader, target, confidence_level``, ...

    Returns
    -------
    tuple of RateFinding

    Raises
    ------
    AssertionError
        A line for each rate that fails, with its interval.
    ValueError
        Neither `below` nor `not_above` is given; `harms` is empty.
    InputError
        A file that cannot be used; no verdict or label for an asked-for harm.

    Examples
    --------
    >>> assert_harm_rate("verdicts.parquet", "labels.json", design="design.csv",
    ...                  harms=["leaking"], below=0.02)  # doctest: +SKIP
    """
    # What pytest reports is this call, not the lines of this function.
    __tracebackhide__ = True
    if below is None and not_above is None:
        raise ValueError("below or not_above must be given, got neither.")
    from calibration import run_study
    from calibration.findings.study import group_name
    from calibration.rates.gates import failed_gates

    if not settings.get("harms", True):
        raise ValueError("harms must name at least one harm, or be left out for all, got none.")
    place = Path(labels) if isinstance(labels, str) else labels
    found = run_study(verdicts, place, design=design, parts=["rates"], **settings).rates
    named = [(f"{f.harm}, {group_name(f.group)}", f.estimate) for f in found]
    failures = failed_gates(named, fail_above=not_above, require_below=below)
    if failures:
        raise AssertionError("\n".join(failures))
    return tuple(found)


@pytest.fixture(name="assert_harm_rate", scope="session")
def assert_harm_rate_fixture() -> Callable[..., tuple[RateFinding, ...]]:
    """`assert_harm_rate`, for tests that take it as an argument."""
    return assert_harm_rate
