"""Shortcuts: one word or word pair that tells harmful from harmless labels, and so may be all that was learned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.classifier.bags import Bags
from grader.classifier.metrics import auroc
from grader.classifier.views import incidence

Float = npt.NDArray[np.float64]

# From this AUROC of a single phrase on, a classifier is taken to have learned the phrase.
ALARM = 0.85
# Labels are shuffled this often: among thousands of phrases one separates a few labels by chance.
_SHUFFLES = 200
_NULL_QUANTILE = 0.95
# Two transcripts with this cosine of their word counts are near-copies.
_NEAR_COPY = 0.95
_BLOCK = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcut:
    """The phrase that best tells the labels apart.

    Parameters
    ----------
    phrase : str
        A word or two; empty where no phrase is in two transcripts.
    auroc : float
        Of its presence or absence, whichever is above one half.
    chance : float
        What the best phrase reaches in 95 % of shuffles of the labels.
    beyond : float
        AUROC of the classifier on pairs that the phrase leaves tied; nan where it leaves none.
    share_left : float
        Share of the pairs of a harmful and a harmless transcript that it leaves tied.
    near_copies : float
        Share of the transcripts whose words are nearly those of another.
    """

    phrase: str
    auroc: float
    chance: float
    beyond: float
    share_left: float
    near_copies: float

    @property
    def alarm(self) -> bool:
        """Whether the phrase alone is as good as a classifier: .85 or more, and more than chance gives."""
        return self.auroc >= ALARM and self.auroc > self.chance

    def sentence(self) -> str:
        """What it does, for people."""
        left = f"the {self.share_left:.0%} of pairs that it leaves"
        skill = "" if math.isnan(self.beyond) else f"; the classifier's AUROC on {left} is {self.beyond:.2f}"
        return f"one phrase, {self.phrase!r}, alone has AUROC {self.auroc:.2f} on these labels{skill}"


def find_shortcut(bags: Bags, y: Float, score: Float, rng: np.random.Generator) -> Shortcut:
    """Find the best single word or word pair.

    Parameters
    ----------
    bags : Bags
    y : array of shape (n_transcripts,), 0 or 1, both present
    score : array of shape (n_transcripts,)
        Out of fold.
    rng : numpy Generator
        Shuffles labels.
    """
    near_copies = _near_copies(bags)
    present, phrases = _presence(bags)
    if not phrases:
        nan = float("nan")
        return Shortcut(phrase="", auroc=0.5, chance=0.5, beyond=nan, share_left=1.0, near_copies=near_copies)
    shuffled = np.stack([y, *(rng.permutation(y) for _ in range(_SHUFFLES))], axis=1)
    quality = _presence_auroc(present, shuffled)
    best = int(quality[:, 0].argmax())
    has = np.asarray(present[:, [best]].toarray())[:, 0] > 0
    beyond, share_left = _on_tied_pairs(has, y, score)
    return Shortcut(
        phrase=phrases[best],
        auroc=float(quality[best, 0]),
        chance=float(np.quantile(quality[:, 1:].max(axis=0), _NULL_QUANTILE)),
        beyond=beyond,
        share_left=share_left,
        near_copies=near_copies,
    )


def _presence(bags: Bags) -> tuple[Any, list[str]]:
    """Which transcript holds which word or word pair, sparse 0 and 1; phrases of a single transcript left out."""
    from sklearn.feature_extraction.text import CountVectorizer

    texts = ["\n".join(bags.table.texts[i] for i in rows) for rows in bags.rows]
    counter = CountVectorizer(ngram_range=(1, 2), binary=True, min_df=2, dtype=np.float64)
    try:
        present = counter.fit_transform(texts)
    except ValueError:  # no word at all, or none in two transcripts
        return None, []
    return present, counter.get_feature_names_out().tolist()


def _presence_auroc(present: Any, y: Float) -> Float:
    """AUROC of each phrase for each column of labels, shape (n_phrases, n_columns), at least one half."""
    n_positive = y.sum(axis=0)
    with_phrase = np.asarray(present.sum(axis=0)).reshape(-1, 1)
    hit = np.asarray(present.T @ y)
    rate = hit / n_positive - (with_phrase - hit) / (len(y) - n_positive)
    return np.asarray(0.5 + np.abs(rate) / 2)


def _on_tied_pairs(has: npt.NDArray[np.bool_], y: Float, score: Float) -> tuple[float, float]:
    """The score's AUROC on pairs that both have the phrase or both lack it, and the share of such pairs."""
    sizes, values = [], []
    for rows in (has, ~has):
        sizes.append(float((y[rows] == 1).sum() * (y[rows] == 0).sum()))
        values.append(float(auroc(score[rows], y[rows], np.ones((1, int(rows.sum()))))[0]) if sizes[-1] else 0.0)
    left = sum(sizes)
    every = float((y == 1).sum() * (y == 0).sum())
    return (float(np.dot(sizes, values) / left) if left else float("nan")), left / every


def _near_copies(bags: Bags) -> float:
    """Share of the transcripts with another whose word counts point the same way."""
    from sklearn.preprocessing import normalize

    n = len(bags)
    table = normalize((incidence(bags.rows, len(bags.table.texts)) @ bags.table.words).tocsr())
    copies = 0
    for start in range(0, n, _BLOCK):
        cosine = (table[start : start + _BLOCK] @ table.T).toarray()
        cosine[np.arange(len(cosine)), np.arange(start, start + len(cosine))] = 0.0
        copies += int((cosine.max(axis=1, initial=0.0) >= _NEAR_COPY).sum())
    return copies / n if n else 0.0
