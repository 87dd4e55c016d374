"""Novelty: whether a transcript is unlike anything labelled, by its word pairs and by its embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grader.classifier.bags import Bags, Part
from grader.classifier.encoders import Vectors
from grader.classifier.views import incidence

Float = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

# Distances are means over this many labelled transcripts: a single neighbour may be an outlier.
_NEIGHBOURS = 5
# This share of the labelled transcripts is called unlike the others.
ALPHA = 0.05
_PARTS: tuple[Part, ...] = ("agent", "context", "last")
# Places for hashed word pairs: so many that a few hundred long transcripts leave most of them free.
_N_PLACES = 2**22


@dataclass(frozen=True, slots=True, eq=False)
class Novelty:
    """The labelled transcripts, as far as novelty needs them.

    Parameters
    ----------
    profiles : array of shape (n_labelled, n_parts * n_dimensions)
        Unit vectors of the agent's words, their context and the last message.
    pairs : sorted int array of shape (n_pairs,)
        Hashed word pairs that occur in them.
    unseen, distance : sorted arrays of shape (n_labelled,)
        Share of unseen pairs and distance of each labelled transcript to those outside its fold.
    limit : float
        The combined rank that a share `ALPHA` of them exceeds.
    """

    profiles: Vectors
    pairs: npt.NDArray[np.int64]
    unseen: Float
    distance: Float
    limit: float

    def unlikeness(self, bags: Bags) -> Float:
        """Combined rank as a multiple of the limit, shape (n_transcripts,); above 1 is unlike; nan without text."""
        if not len(bags):
            return np.empty(0)
        held = _pairs(bags)
        unseen = np.array([_share_outside(pairs, self.pairs) for pairs in held])
        distance = _distance(profiles(bags), self.profiles)
        rank = np.maximum(_rank(unseen, self.unseen), _rank(distance, self.distance)) / self.limit
        return np.where([len(rows) > 0 for rows in bags.rows], rank, np.nan)


def learn_novelty(bags: Bags, fold: Ints) -> tuple[Novelty, Float]:
    """The novelty against the transcripts of `bags`, and the unlikeness of each to those outside its fold.

    Parameters
    ----------
    bags : Bags
    fold : int array of shape (n_transcripts,)
        By transcript, not by scenario: leaving whole scenarios out would make far look normal.
    """
    vectors, pairs = profiles(bags), _pairs(bags)
    unseen, distance = np.empty(len(bags)), np.empty(len(bags))
    for k in np.unique(fold):
        rows, others = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        seen = np.unique(np.concatenate([pairs[i] for i in others])) if len(others) else np.empty(0, dtype=np.int64)
        unseen[rows] = [_share_outside(pairs[i], seen) for i in rows]
        distance[rows] = _distance(vectors[rows], vectors[others])
    sorted_unseen, sorted_distance = np.sort(unseen), np.sort(distance)
    rank = np.maximum(_rank(unseen, sorted_unseen), _rank(distance, sorted_distance))
    limit = max(float(np.quantile(rank, 1 - ALPHA)), 1e-6)
    novelty = Novelty(vectors, np.unique(np.concatenate(pairs)), sorted_unseen, sorted_distance, limit)
    return novelty, rank / limit


def profiles(bags: Bags) -> Vectors:
    """Per transcript the directions of the mean vectors of its parts, side by side; zeros without text."""
    size = bags.table.vectors.shape[1]
    table = np.zeros((len(bags), len(_PARTS), size), dtype=np.float32)
    for k, part in enumerate(_PARTS):
        for out, rows in zip(table[:, k], bags.part(part), strict=True):
            if len(rows):
                out[:] = bags.table.vectors[rows].mean(axis=0)
    table /= np.maximum(np.linalg.norm(table, axis=2, keepdims=True), 1e-12)
    return np.asarray(table.reshape(len(bags), -1) / np.sqrt(len(_PARTS)), dtype=np.float32)


def _pairs(bags: Bags) -> list[npt.NDArray[np.int64]]:
    """The distinct hashed word pairs of each transcript."""
    from sklearn.feature_extraction.text import HashingVectorizer

    if not bags.table.texts:
        return [np.empty(0, dtype=np.int64) for _ in bags.rows]
    counter = HashingVectorizer(n_features=_N_PLACES, ngram_range=(2, 2), alternate_sign=False, norm=None)
    counts = (incidence(bags.rows, len(bags.table.texts)) @ counter.transform(bags.table.texts)).tocsr()
    return [counts.indices[a:b].astype(np.int64) for a, b in zip(counts.indptr, counts.indptr[1:], strict=False)]


def _share_outside(pairs: npt.NDArray[np.int64], seen: npt.NDArray[np.int64]) -> float:
    return float(1 - np.isin(pairs, seen).mean()) if len(pairs) else 0.0


def _distance(vectors: Vectors, others: Vectors) -> Float:
    """Mean cosine distance to the nearest of `others`; 1 where there are none."""
    if not len(others):
        return np.ones(len(vectors))
    k = min(_NEIGHBOURS, len(others))
    cosine = np.partition(vectors @ others.T, len(others) - k, axis=1)[:, len(others) - k :]
    return np.asarray(1.0 - cosine.mean(axis=1), dtype=float)


def _rank(value: Float, reference: Float) -> Float:
    """Share of `reference` (sorted) at or below each value, and above 1 in the order of the values beyond all of it."""
    rank = np.searchsorted(reference, value, side="right") / len(reference)
    top = reference[-1]
    return np.asarray(rank + np.maximum(value - top, 0.0) / max(abs(top), 1e-6))
