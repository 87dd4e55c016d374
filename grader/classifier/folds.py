"""Folds: which transcripts are held out together."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from grader.transcript import Transcript

Labels = Mapping[str, npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Folds:
    """An assignment of transcripts to folds.

    Parameters
    ----------
    fold : int array of shape (n_transcripts,)
        0 .. n_folds - 1.
    n_folds : int
    grouping : {"scenario", "transcript"}
        ``transcript`` when too few scenarios hold the harm (or its absence) to leave any of them out:
        then only equal texts and branches of one episode stay together.
    group : int array of shape (n_transcripts,)
        What was held out together, and is resampled together.
    """

    fold: npt.NDArray[np.intp]
    n_folds: int
    grouping: Literal["scenario", "transcript"]
    group: npt.NDArray[np.intp]


def assign_folds(
    transcripts: Sequence[Transcript],
    y: Labels,
    groups: Sequence[Any] | npt.NDArray[Any] | None,
    *,
    n_folds: int = 5,
    rng: np.random.Generator,
) -> Folds:
    """Assign transcripts to folds so that what belongs together is held out together.

    Transcripts of one scenario, of one episode, or with the same text share a fold; folds are alike in
    how many transcripts and how many positives of each harm they hold, as far as groups allow.

    Parameters
    ----------
    transcripts : sequence of Transcript
    y : mapping of harm to array of shape (n_transcripts,)
        Labels in [0, 1], NaN = none.
    groups : sequence of length n_transcripts, optional
        The scenario of each; None or NaN stands for a scenario of its own.
    n_folds : int
        At most; fewer when there are fewer groups.
    rng : numpy Generator
        Breaks ties between equal groups.
    """
    alike = [("text", t.content_hash) for t in transcripts]
    episode = [_tag("episode", t.metadata.get("episode")) for t in transcripts]
    scenario = [_tag("scenario", g) for g in groups] if groups is not None else [None] * len(transcripts)
    together = _components([alike, episode, scenario])
    counts = _counts(y, len(transcripts))
    grouping: Literal["scenario", "transcript"] = "scenario"
    if not _can_hold_out(together, counts):
        together, grouping = _components([alike, episode]), "transcript"
    n_folds = max(2, min(n_folds, int(together.max(initial=0)) + 1))
    return Folds(_spread(together, counts, n_folds, rng)[together], n_folds, grouping, together)


def drawn_fold(content_hash: str, seed: int, n_folds: int) -> int:
    """The fold model of a transcript that was not labelled, drawn by its content: the same in every batch.

    Examples
    --------
    >>> sorted({drawn_fold(f"{i:x}", 0, 5) for i in range(100)})
    [0, 1, 2, 3, 4]
    """
    return int(hashlib.sha256(f"{seed}:{content_hash}".encode()).hexdigest()[:12], 16) % n_folds


def _tag(kind: str, value: Any) -> Hashable | None:
    return None if value is None or value != value else (kind, str(value))


def _components(keys: Sequence[Sequence[Hashable | None]]) -> npt.NDArray[np.intp]:
    """Number the sets of items that are linked, directly or in steps, by an equal key."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(keys[0])
    node: dict[Hashable, int] = {}
    links = [
        (i, node.setdefault(key, n + len(node))) for column in keys for i, key in enumerate(column) if key is not None
    ]
    a, b = np.array(links, dtype=np.intp).reshape(-1, 2).T
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(n + len(node),) * 2)
    _, number = connected_components(graph, directed=False)
    return np.unique(number[:n], return_inverse=True)[1].astype(np.intp)


def _counts(y: Labels, n: int) -> npt.NDArray[np.float64]:
    """Columns: one, then for each harm the positives and the negatives."""
    sides = [side for label in y.values() for side in (np.asarray(label) >= 0.5, np.asarray(label) < 0.5)]
    return np.column_stack([np.ones(n), *sides]).astype(float)


def _can_hold_out(together: npt.NDArray[np.intp], counts: npt.NDArray[np.float64]) -> bool:
    """Whether leaving any one group out leaves both sides of every harm that has both."""
    totals = counts.sum(axis=0)
    per_group = np.zeros((int(together.max(initial=0)) + 1, counts.shape[1]))
    np.add.at(per_group, together, counts)
    needed = totals > 0
    return len(per_group) > 1 and bool(((totals - per_group)[:, needed] > 0).all())


def _spread(
    together: npt.NDArray[np.intp], counts: npt.NDArray[np.float64], n_folds: int, rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """Fold of each group: largest group first, into the fold that it unbalances least."""
    per_group = np.zeros((int(together.max(initial=0)) + 1, counts.shape[1]))
    np.add.at(per_group, together, counts)
    share = per_group / np.maximum(counts.sum(axis=0), 1.0)
    order = rng.permutation(len(share))
    order = order[np.argsort(-share[order].max(axis=1), kind="stable")]
    fold = np.zeros(len(share), dtype=np.intp)
    load = np.zeros((n_folds, counts.shape[1]))
    for group in order:
        worse = ((load + share[group]) ** 2 - load**2).sum(axis=1)
        fold[group] = int(np.argmin(worse))
        load[fold[group]] += share[group]
    return fold
