"""What is needed to compute a report again."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from calibration.study.settings import StudySettings

_PACKAGES = ("harmrate", "anthropic", "numpy", "scipy", "pandas", "scikit-learn", "sentence-transformers", "torch")


def provenance(
    settings: StudySettings,
    *,
    seed: int,
    command: Sequence[str] = (),
    inputs: Mapping[str, str] | None = None,
    design: str | None = None,
    rubrics: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Seed, settings, versions and hashes, as they go into ``report.json``.

    Parameters
    ----------
    settings : StudySettings
    seed : int
    command : the command line
    inputs : input name to SHA-256 of its file
    design : "uniform" where that was declared
    rubrics : harm to hash of its rubric

    Returns
    -------
    dict
        JSON-able.
    """
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(command),
        "seed": seed,
        "settings": settings.to_dict(),
        "design": design,
        "inputs": dict(inputs or {}),
        "rubrics": dict(rubrics or {}),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that the numbers depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
