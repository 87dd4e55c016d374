"""A table of labels that only grows: every version that was ever pulled, and the present state of it."""

from __future__ import annotations

import pandas as pd

# What one version of one label is; a second pull of the same version adds nothing.
VERSION = ["project", "annotation", "harm", "label", "status", "source", "updated_at"]
# What a label is, over all its versions.
IDENTITY = ["project", "annotation", "harm"]


def current(history: pd.DataFrame) -> pd.DataFrame:
    """The last pulled version of every label; what vanished from the server stays as it was."""
    return history.drop_duplicates(IDENTITY, keep="last").reset_index(drop=True)
