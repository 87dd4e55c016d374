"""Dawid and Skene's model: what the truth probably was, and how each rater errs, from votes alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

MIN_VOTES = 5
MIN_PREVALENCE = 0.05
_TINY = 1e-300  # below, a probability is 0; keeps log finite where it is multiplied by 0 votes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DawidSkene:
    """A fitted model. N items, R raters, V values.

    Parameters
    ----------
    values : array of shape (V,)
    raters : array of shape (R,)
    items : array of shape (N,)
    prevalence : array of shape (V,)
    error_rates : array of shape (R, V, V)
        ``error_rates[r, t, v]``: how often rater r says v when the truth is t; rows sum to 1, nan where no item of
        truth t reached the rater.
    posterior : array of shape (N, V)
    log_likelihood : float
    n_iterations : int
    converged : bool
    notes : tuple of str
        Says when the data are too thin to take the posterior for a consensus.
    """

    values: NDArray[Any]
    raters: NDArray[Any]
    items: NDArray[Any]
    prevalence: Floats
    error_rates: Floats
    posterior: Floats
    log_likelihood: float
    n_iterations: int
    converged: bool
    notes: tuple[str, ...]


def dawid_skene(
    item: ArrayLike, rater: ArrayLike, label: ArrayLike, *, max_iterations: int = 1000, tolerance: float = 1e-10
) -> DawidSkene:
    """Fit by expectation-maximisation, starting from the votes' shares.

    Parameters
    ----------
    item, rater, label : arrays of shape (n_votes,)
        One row per vote; a rater may vote on an item several times. NaN and None labels are left out.
    max_iterations : int
    tolerance : float
        Converged when the log likelihood gains less, relative to its size.

    Returns
    -------
    DawidSkene

    Raises
    ------
    ValueError
        Unless the arrays have one length and hold a vote.

    Notes
    -----
    For the raters' error rates. As a consensus only with 5 votes per item and a prevalence of 5 % or more: with rare
    harms and few raters the model explains single votes by unreliable raters and invents prevalence.

    References
    ----------
    Dawid & Skene (1979), Appl. Stat. 28:20.

    Examples
    --------
    >>> item = [1, 1, 1, 2, 2, 2, 3, 3, 3]
    >>> rater = ["ana", "bo", "cy"] * 3
    >>> model = dawid_skene(item, rater, [1, 1, 0, 0, 0, 0, 1, 1, 1])
    >>> model.posterior[:, 1].round(2).tolist()
    [1.0, 0.0, 1.0]
    """
    votes, items, raters, values = _vote_counts(item, rater, label)
    posterior = votes.sum(axis=1) / votes.sum(axis=(1, 2))[:, None]
    previous, converged, iteration = -np.inf, False, 0
    while not converged and iteration < max_iterations:
        prevalence, error_rates = _maximise(votes, posterior)
        posterior, log_likelihood = _expect(votes, prevalence, error_rates)
        converged = log_likelihood - previous <= tolerance * abs(log_likelihood)
        previous, iteration = log_likelihood, iteration + 1
    prevalence, error_rates = _maximise(votes, posterior)
    reached = np.einsum("nrv,nt->rt", votes, posterior) > 1e-12
    return DawidSkene(
        values=values,
        raters=raters,
        items=items,
        prevalence=prevalence,
        error_rates=np.where(reached[:, :, None], error_rates, np.nan),
        posterior=posterior,
        log_likelihood=float(log_likelihood),
        n_iterations=iteration,
        converged=bool(converged),
        notes=_notes(votes, prevalence),
    )


def _vote_counts(
    item: ArrayLike, rater: ArrayLike, label: ArrayLike
) -> tuple[Floats, NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Votes of shape (N, R, V) with their axes."""
    columns = [np.asarray(column, dtype=object) for column in (item, rater, label)]
    if len({column.shape for column in columns}) > 1 or columns[0].ndim != 1:
        shapes = ", ".join(str(column.shape) for column in columns)
        raise ValueError(f"item, rater and label must fulfil equal length, got {shapes}.")
    given = np.array([value is not None and value == value for value in columns[2]], dtype=bool)
    if not given.any():
        raise ValueError(f"label must fulfil at least one vote, got {len(given)} missing ones.")
    (items, i), (raters, r), (values, v) = (np.unique(column[given], return_inverse=True) for column in columns)
    votes = np.zeros((len(items), len(raters), len(values)))
    np.add.at(votes, (i, r, v), 1)
    return votes, items, raters, values


def _maximise(votes: Floats, posterior: Floats) -> tuple[Floats, Floats]:
    """Prevalence and error rates, given the truth's probabilities."""
    said = np.einsum("nrv,nt->rtv", votes, posterior)
    total = said.sum(axis=2, keepdims=True)
    return posterior.mean(axis=0), np.divide(said, total, out=np.zeros_like(said), where=total > 0)


def _expect(votes: Floats, prevalence: Floats, error_rates: Floats) -> tuple[Floats, float]:
    """The truth's probabilities, and the log likelihood of the votes, in logs since many raters underflow."""
    log_joint = np.log(np.maximum(prevalence, _TINY)) + np.einsum(
        "nrv,rtv->nt", votes, np.log(np.maximum(error_rates, _TINY))
    )
    top = log_joint.max(axis=1, keepdims=True)
    joint = np.exp(log_joint - top)
    total = joint.sum(axis=1, keepdims=True)
    return joint / total, float((np.log(total) + top).sum())


def _notes(votes: Floats, prevalence: Floats) -> tuple[str, ...]:
    per_item = float(votes.sum() / len(votes))
    rarest = float(prevalence.min())
    notes = []
    if per_item < MIN_VOTES:
        notes.append(f"not for consensus: {per_item:.1f} votes per item, {MIN_VOTES} are needed")
    if rarest < MIN_PREVALENCE:
        notes.append(f"not for consensus: the rarest value has prevalence {rarest:.1%}, {MIN_PREVALENCE:.0%} is needed")
    return tuple(notes)
