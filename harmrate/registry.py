"""The entry point ``inspect_ai``: Inspect and Scout load it, and what it imports registers itself."""

from __future__ import annotations

from contextlib import suppress

from grader.errors import InputError
from harmrate.inspect import calibrated_rate, clustered_stderr, harm_judge

__all__ = ["calibrated_rate", "clustered_stderr", "harm_judge"]

with suppress(InputError):  # Inspect without Scout
    from harmrate.scout import harms

    __all__ += ["harms"]
