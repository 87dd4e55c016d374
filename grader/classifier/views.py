"""Views: ways of turning bags of segments into the log-odds of a label, each a linear model on some table.

Nothing that a view learns is a type of ours, so that it is saved and loaded with scikit-learn's types alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from grader.classifier.bags import Bags, Part, Rows
from grader.classifier.encoders import Vectors

Float = npt.NDArray[np.float64]


class View(Protocol):
    """One way of looking at bags."""

    def fit(self, bags: Bags, y: Float) -> Any:
        """A scikit-learn estimator fitted on labels of shape (n_transcripts,), 0 and 1, both present."""
        ...

    def log_odds(self, estimator: Any, bags: Bags) -> Float:
        """What that estimator says, shape (n_transcripts,)."""
        ...


@dataclass(frozen=True, slots=True)
class Pooled:
    """Transcripts as vectors: statistics over the embeddings of a part's segments, then logistic regression."""

    part: Part
    statistics: tuple[Callable[[Vectors], Vectors], ...]
    strength: float

    def fit(self, bags: Bags, y: Float) -> Any:
        """See `View`."""
        return _logistic(self.strength).fit(self._table(bags), y)

    def log_odds(self, estimator: Any, bags: Bags) -> Float:
        """See `View`."""
        return np.asarray(estimator.decision_function(self._table(bags)), dtype=float)

    def _table(self, bags: Bags) -> Vectors:
        vectors = bags.table.vectors
        table = np.zeros((len(bags), len(self.statistics) * vectors.shape[1]), dtype=np.float32)
        for out, rows in zip(table, bags.part(self.part), strict=True):
            if len(rows):
                out[:] = np.concatenate([statistic(vectors[rows]) for statistic in self.statistics])
        return table


@dataclass(frozen=True, slots=True)
class Words:
    """Words and word pairs of a part's segments, weighted by TF-IDF, then logistic regression.

    Only those in at least two of the transcripts that it is fitted on: ``columns`` of the hashed counts.
    """

    part: Part
    strength: float

    def fit(self, bags: Bags, y: Float) -> Any:
        """See `View`."""
        from sklearn.feature_extraction.text import TfidfTransformer
        from sklearn.pipeline import make_pipeline

        counts = self._counts(bags)
        n_holding = np.bincount(counts.indices, minlength=counts.shape[1])
        columns = np.flatnonzero(n_holding >= min(2, n_holding.max(initial=0)))
        model = make_pipeline(TfidfTransformer(sublinear_tf=True), _logistic(self.strength))
        return {"columns": columns, "model": model.fit(counts[:, columns], y)}

    def log_odds(self, estimator: Any, bags: Bags) -> Float:
        """See `View`."""
        counts = self._counts(bags)[:, estimator["columns"]]
        return np.asarray(estimator["model"].decision_function(counts), dtype=float)

    def _counts(self, bags: Bags) -> Any:
        return incidence(bags.part(self.part), len(bags.table.texts)) @ bags.table.words


def incidence(rows: Sequence[Rows], n_texts: int) -> Any:
    """Sparse counts of shape (n_transcripts, n_texts): how often a transcript holds a text.

    Examples
    --------
    >>> incidence([np.array([0, 1, 1]), np.array([], dtype=int)], 2).toarray().tolist()
    [[1.0, 2.0], [0.0, 0.0]]
    """
    from scipy.sparse import csr_array

    # 32-bit places: liblinear takes no others.
    ends = np.cumsum([0, *map(len, rows)]).astype(np.int32)
    places = np.concatenate([*rows, np.empty(0, dtype=np.intp)]).astype(np.int32)
    counts = csr_array((np.ones(len(places)), places, ends), shape=(len(rows), n_texts))
    counts.sum_duplicates()
    return counts


def _logistic(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    # Classes weigh equally, so that rare harms are not drowned; probabilities are calibrated later. Of scikit-learn's
    # solvers this one is ten times faster on tables with more columns than rows.
    return LogisticRegression(C=strength, class_weight="balanced", max_iter=2_000, solver="liblinear")


def mean(vectors: Vectors) -> Vectors:
    """Mean over segments."""
    return np.asarray(vectors.mean(axis=0))


def largest(vectors: Vectors) -> Vectors:
    """Largest value of each dimension over segments."""
    return np.asarray(vectors.max(axis=0))


def last(vectors: Vectors) -> Vectors:
    """The last segment."""
    return np.asarray(vectors[-1])


# The views of embeddings, then those of words. A score is the mean of all five: choosing among views on a few hundred
# labels adds variance, not skill.
EMBEDDING_VIEWS = ("last", "agent")
WORD_VIEWS = ("words", "agent-words", "last-words")
VIEWS: dict[str, View] = {
    "last": Pooled("last", (mean,), 3.0),
    "agent": Pooled("agent", (mean, largest, last), 3.0),
    "words": Words("all", 10.0),
    "agent-words": Words("agent", 10.0),
    "last-words": Words("last", 10.0),
}
