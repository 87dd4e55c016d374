"""Likeness: how far a transcript is from everything that was labelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grader.classifier.bags import Bags
from grader.classifier.encoders import Vectors

Float = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

# Mean distance to this many labelled transcripts: one alone may be a freak.
_NEIGHBOURS = 5
# This share of the labelled transcripts is at most as far from those of other scenarios as the limit.
_USUAL = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """What labelled transcripts look like.

    Parameters
    ----------
    profiles : array of shape (n_labelled, n_dimensions)
        Unit vectors.
    fold : int array of shape (n_labelled,)
    limit : float
        Distance beyond which a transcript is unlike anything labelled: 95 % of the labelled ones are nearer to
        the labelled ones outside their fold.
    """

    profiles: Vectors
    fold: Ints
    limit: float

    def unlikeness(self, bags: Bags, fold: Ints) -> Float:
        """Distance as a multiple of the limit, shape (n_transcripts,); above 1 is unlike anything labelled.

        A labelled transcript (`fold` 0 or more) is compared with those outside its fold. nan without text.
        """
        own = profiles(bags)
        result = np.empty(len(bags))
        for k in np.unique(fold):
            rows = np.flatnonzero(fold == k)
            result[rows] = _distance(own[rows], self.profiles[self.fold != k]) / self.limit
        return np.where([len(rows) > 0 for rows in bags.rows], result, np.nan)


def learn_likeness(bags: Bags, fold: Ints) -> Likeness:
    """The likeness to the transcripts of `bags`."""
    own = profiles(bags)
    distance = np.empty(len(bags))
    for k in np.unique(fold):
        distance[fold == k] = _distance(own[fold == k], own[fold != k])
    return Likeness(own, fold, max(float(np.quantile(distance, _USUAL)), 1e-6))


def profiles(bags: Bags) -> Vectors:
    """The direction of each transcript's mean vector over the agent's own segments; zeros without text."""
    table = np.zeros((len(bags), bags.table.vectors.shape[1]), dtype=np.float32)
    for out, rows in zip(table, bags.part("agent"), strict=True):
        if len(rows):
            out[:] = bags.table.vectors[rows].mean(axis=0)
    return np.asarray(table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def _distance(own: Vectors, others: Vectors) -> Float:
    """Mean cosine distance to the nearest of `others`; 1 where there are none."""
    if not len(others):
        return np.ones(len(own))
    k = min(_NEIGHBOURS, len(others))
    cosine = np.partition(own @ others.T, len(others) - k, axis=1)[:, len(others) - k :]
    return np.asarray(1.0 - cosine.mean(axis=1), dtype=float)
