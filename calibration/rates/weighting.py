"""What a sampling design says about each labelled item: its weight and its stratum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.agreement.ratings import Floats, Ints

SAMPLE_ONLY = "valid only for this sample: computed without sampling weights"
MAX_STRATA = 20  # above, the probabilities are not a stratified design and are used as plain weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighting:
    """Design of the items that are used.

    Parameters
    ----------
    weight : array of shape (n_used,), 1 / inclusion probability
    stratum : array of shape (n_used,), 0 ..
        Items of one stratum were drawn with one probability (unless there are too many probabilities for strata).
    cluster : array of shape (n_used,) or None
    notes : tuple of str
    """

    weight: Floats
    stratum: Ints
    cluster: Ints | None
    notes: tuple[str, ...]

    @property
    def is_uniform(self) -> bool:
        """Whether all weights are equal."""
        return self.weight.size == 0 or bool(np.ptp(self.weight) <= 1e-9 * self.weight.max())


def weighting(
    used: NDArray[np.bool_],
    *,
    inclusion_probability: ArrayLike | None = None,
    stratum: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
) -> Weighting:
    """Read the design of the used (labelled and scored) items among all items given.

    With only `stratum`, the items of a stratum are taken as a random sample of it: weight = all / used.

    Raises
    ------
    ValueError
        Unless all are of shape (n_items,) and used items have a probability in (0, 1].
    """
    strata = np.zeros(used.size, np.int64) if stratum is None else _codes("stratum", stratum, used.size)
    clusters = None if cluster is None else _codes("cluster", cluster, used.size)[used]
    notes: list[str] = []
    weight: Floats = np.ones(int(used.sum()))
    if inclusion_probability is not None:
        pi = _probabilities(inclusion_probability, used)
        weight = 1 / pi
        strata = _refine(strata[used], np.round(pi, 12))
    elif stratum is not None:
        total = np.bincount(strata)
        labelled = np.bincount(strata[used], minlength=len(total))
        weight = total[strata[used]] / np.maximum(labelled[strata[used]], 1)
        if (missing := total[labelled == 0].sum()) and used.any():
            notes.append(f"{missing} of {used.size} items lie in strata without a usable label and are left out")
        strata = strata[used]
    else:
        notes.append(SAMPLE_ONLY)
        strata = strata[used]
    return Weighting(weight=weight, stratum=strata, cluster=clusters, notes=tuple(notes))


def _codes(name: str, labels: ArrayLike, n_items: int) -> Ints:
    values = np.asarray(labels)
    if values.shape != (n_items,):
        raise ValueError(f"{name} must fulfil shape == ({n_items},), got {values.shape}.")
    text: NDArray[Any] = values.astype(str) if values.dtype.kind == "O" else values
    return np.asarray(np.unique(text, return_inverse=True)[1], dtype=np.int64)


def _probabilities(inclusion_probability: ArrayLike, used: NDArray[np.bool_]) -> Floats:
    pi = np.asarray(inclusion_probability, dtype=float)
    if pi.ndim == 0:
        pi = np.full(used.size, float(pi))
    if pi.shape != used.shape:
        raise ValueError(f"inclusion_probability must fulfil shape == {used.shape}, got {pi.shape}.")
    pi = pi[used]
    wrong = pi[~((pi > 0) & (pi <= 1))]
    if wrong.size:
        raise ValueError(f"inclusion_probability must fulfil 0 < p <= 1 where labelled, got {wrong[0]}.")
    return pi


def _refine(strata: Ints, pi: Floats) -> Ints:
    """Strata by name and probability; by name alone when there are too many probabilities to be strata."""
    pairs = np.column_stack([strata, np.unique(pi, return_inverse=True)[1]])
    fine = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1)
    return np.asarray(fine if fine.max(initial=0) < MAX_STRATA else strata, dtype=np.int64)
