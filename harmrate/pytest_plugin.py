"""A harm rate as a test: the fixture ``assert_harm_rate`` of pytest, and the function behind it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
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
    refuse_hidden_packages()
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


def refuse_hidden_packages() -> None:
    """Refuse to run where a file of the user's hides one of our packages, as a `labels.py` beside the tests does.

    Raises
    ------
    pytest.UsageError
        Names the file and the package that it hides.
    """
    from importlib.util import find_spec

    for name in ("calibration", "labels", "grader"):
        loaded = sys.modules.get(name)
        spec = find_spec(name) if loaded is None else loaded.__spec__
        if spec is None or spec.submodule_search_locations is None or not _is_ours(spec.submodule_search_locations):
            file = "" if spec is None or spec.origin is None else spec.origin
            # Not `InputError`: `grader` itself may be what is hidden.
            msg = f"{file}: hides the package {name!r} of harmrate: rename the file, or move it out of the import path"
            raise pytest.UsageError(msg)


def _is_ours(locations: Iterable[str]) -> bool:
    """Whether a package is ours: it holds the marker of typed packages."""
    return any((Path(place) / "py.typed").is_file() for place in locations)


@pytest.fixture(name="assert_harm_rate", scope="session")
def assert_harm_rate_fixture() -> Callable[..., tuple[RateFinding, ...]]:
    """`assert_harm_rate`, for tests that take it as an argument."""
    return assert_harm_rate
