"""Heads: from a bag of embedded segments to one log-odds per transcript.

A head is one or more views; its log-odds are the mean of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.classifier.bags import Bags
from grader.classifier.views import VIEWS

Float = npt.NDArray[np.float64]
Head = Mapping[str, Any]

# By what the choice among them falls on when they do equally well: the first.
HEADS: dict[str, tuple[str, ...]] = {
    "last+words": ("last", "last-words"),
    "last": ("last",),
    "last-words": ("last-words",),
    "last+all-words": ("last", "last-words", "agent-words"),
    "agent+words": ("agent", "agent-words"),
    "agent": ("agent",),
    "agent-words": ("agent-words",),
    "pooled": ("pooled",),
    "words": ("words",),
    "pooled+words": ("pooled", "words"),
    "top": ("top",),
    "noisy-or": ("noisy-or",),
}
DEFAULT = next(iter(HEADS))


def fit_head(name: str, bags: Bags, y: Float) -> dict[str, Any]:
    """Fit the views of head `name`.

    Parameters
    ----------
    name : key of `HEADS`
    bags : Bags
    y : array of shape (n_transcripts,), 0 or 1, both present

    Returns
    -------
    dict
        View name to fitted scikit-learn estimator.
    """
    return {view: VIEWS[view].fit(bags, y) for view in HEADS[name]}


def log_odds(head: Head, bags: Bags) -> Float:
    """Log-odds of harm, shape (n_transcripts,): the mean over the head's views."""
    if len(bags) == 0:
        return np.empty(0)
    return np.asarray(np.mean([VIEWS[view].log_odds(fitted, bags) for view, fitted in head.items()], axis=0))
