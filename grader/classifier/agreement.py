"""Whether two ways of looking at transcripts, by embeddings and by words, rank them alike.

On transcripts like the labelled ones they do; on a foreign batch the correlation falls, mostly below half of what it
was out of fold. It needs no label.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from grader.classifier.heads import by_embeddings_and_words

Float = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

# A batch of fewer transcripts has too noisy a correlation.
LEAST_BATCH = 50
# A batch whose correlation is below this share of the out-of-fold one is foreign.
LEAST_SHARE = 0.5


def rank_correlation(a: Float, b: Float) -> float:
    """Spearman's rank correlation; nan for fewer than three values or a constant.

    Examples
    --------
    >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 90.0]))
    1.0
    """
    from scipy.stats import rankdata

    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.round(np.corrcoef(rankdata(a), rankdata(b))[0, 1], 12))


def view_agreement(log_odds: Float, fold: Ints) -> float:
    """Mean over folds of the rank correlation between embedding views and word views; nan when no fold has one.

    Parameters
    ----------
    log_odds : array of shape (n_views, n_transcripts), out of fold
    fold : int array of shape (n_transcripts,)
    """
    embeddings, words = by_embeddings_and_words(log_odds)
    values = np.array([rank_correlation(embeddings[fold == k], words[fold == k]) for k in np.unique(fold)])
    return float(np.nanmean(values)) if (~np.isnan(values)).any() else float("nan")


class BatchAgreement:
    """Follows the agreement of views over a batch that arrives in chunks.

    Parameters
    ----------
    expected : float
        The agreement out of fold; nan never raises an alarm.
    """

    def __init__(self, expected: float) -> None:
        self._expected = expected
        self._pairs: list[Float] = []

    def add(self, log_odds: Float) -> str | None:
        """Add the log-odds (n_views, n) of unlabelled transcripts; why the batch is foreign, or None.

        The decision rests on everything added so far, and is None until `LEAST_BATCH` transcripts were.
        """
        self._pairs.append(np.stack(by_embeddings_and_words(log_odds)))
        embeddings, words = np.concatenate(self._pairs, axis=1)
        if len(words) < LEAST_BATCH or np.isnan(self._expected):
            return None
        value = rank_correlation(embeddings, words)
        if value >= LEAST_SHARE * self._expected:
            return None
        return (
            f"this batch is unlike the labelled transcripts: embeddings and words rank it differently "
            f"(correlation {value:.2f}, {self._expected:.2f} on labelled ones)"
        )
