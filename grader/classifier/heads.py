"""Heads: from a bag of embedded segments to one log-odds per transcript.

A head is one or more views, each a way of turning bags into a table and a scikit-learn pipeline on
it; the head's log-odds are the mean of its views'. Nothing in a head is a type of ours, so that it
is saved and loaded with scikit-learn's types alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from grader.classifier.bags import Bags

Float = npt.NDArray[np.float64]
HeadName = Literal["pooled"]


def pooled(bags: Bags) -> Float:
    """Mean and maximum over a transcript's segments, and its last one, side by side; zeros when it has none."""
    table = np.zeros((len(bags), 3 * bags.vectors.shape[1]))
    for out, rows in zip(table, bags.rows, strict=True):
        if len(rows):
            vectors = bags.vectors[rows]
            out[:] = np.concatenate([vectors.mean(axis=0), vectors.max(axis=0), vectors[-1]])
    return table


def _linear(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    # Classes weigh equally, so that rare harms are not drowned; probabilities are calibrated later.
    return LogisticRegression(C=strength, class_weight="balanced", max_iter=2_000)


# View: (table of a bag, pipeline to fit on it).
VIEWS: dict[str, tuple[Callable[[Bags], Any], Callable[[], Any]]] = {
    "pooled": (pooled, lambda: _linear(10.0)),
}
HEADS: dict[str, tuple[str, ...]] = {"pooled": ("pooled",)}


def fit_head(name: str, bags: Bags, y: Float) -> dict[str, Any]:
    """Fit the pipelines of head `name`.

    Parameters
    ----------
    name : key of `HEADS`
    bags : Bags
    y : array of shape (n_transcripts,), 0 or 1, both present

    Returns
    -------
    dict
        View name to fitted scikit-learn pipeline.
    """
    return {view: VIEWS[view][1]().fit(VIEWS[view][0](bags), y) for view in HEADS[name]}


def log_odds(head: Mapping[str, Any], bags: Bags) -> Float:
    """Log-odds of harm, shape (n_transcripts,): the mean over the head's views."""
    if len(bags) == 0:
        return np.empty(0)
    views = [pipeline.decision_function(VIEWS[view][0](bags)) for view, pipeline in head.items()]
    return np.asarray(np.mean(views, axis=0), dtype=float)
