"""Heads: from bags of embedded segments to the log-odds of harm, the mean over five fixed views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.classifier.bags import Bags
from grader.classifier.views import EMBEDDING_VIEWS, VIEWS, WORD_VIEWS

Float = npt.NDArray[np.float64]
Head = Mapping[str, Any]


def fit_head(bags: Bags, y: Float) -> dict[str, Any]:
    """Fit every view.

    Parameters
    ----------
    bags : Bags
    y : array of shape (n_transcripts,), 0 or 1, both present

    Returns
    -------
    dict
        View name to fitted scikit-learn estimator.
    """
    return {name: view.fit(bags, y) for name, view in VIEWS.items()}


def view_log_odds(head: Head, bags: Bags) -> Float:
    """Log-odds by each view, shape (n_views, n_transcripts), in the order of `VIEWS`."""
    if len(bags) == 0:
        return np.empty((len(VIEWS), 0))
    return np.stack([view.log_odds(head[name], bags) for name, view in VIEWS.items()])


def by_embeddings_and_words(log_odds: Float) -> tuple[Float, Float]:
    """The mean log-odds of the embedding views and of the word views.

    Parameters
    ----------
    log_odds : array of shape (n_views, n_transcripts)
    """
    names = list(VIEWS)
    embeddings, words = (
        log_odds[[names.index(name) for name in group]].mean(axis=0) for group in (EMBEDDING_VIEWS, WORD_VIEWS)
    )
    return embeddings, words
