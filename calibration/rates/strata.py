"""From rows (labels, scores, designs) to the counts per stratum that every rate is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.checks import FloatArray, as_vector, check_length, check_unit_or_nan
from calibration.rates.effective import effective_counts, tied_counts
from calibration.rates.rows import as_frequency, as_inclusion, as_known_zero, as_scores, as_undecided
from calibration.rates.strata_rules import (
    UNSCORED,
    BoolArray,
    IntArray,
    Strata,
    StrataRule,
    apart_from_never_drawn,
    split_by_probability,
    strata_of_scores,
)
from calibration.rates.undecided import apart_from_undecided, undecided_counts

KNOWN_ZERO = "harmless by definition"


@dataclass(frozen=True, slots=True, kw_only=True)
class StrataCounts:
    """Counts per stratum, and per stratum and scenario where clusters were given.

    Parameters
    ----------
    names : tuple of str
    n_transcripts, n_labeled, n_harmful : arrays of shape (n_strata,) or (n_strata, n_scenarios)
        `n_labeled` and `n_harmful` are effective counts under unequal inclusion probabilities.
    n_tied : array of the same shape
        Labels of 1/2, of equal weight; nan where labels are other fractions or weigh differently.
    flagged : array of shape (n_strata,)
        1 where the first grader says harm, 0 where not, nan where it says nothing.
    known_zero : array of shape () or (n_scenarios,)
        Transcripts that are harmless by definition.
    n_scored, labels : int
    harmful, harmless : float
        Plain sums over the labels, unweighted: what the labels have confirmed.
    design : str
        ``undeclared``, ``uniform`` (one inclusion probability) or ``stratified``.
    unequal : bool
        Inclusion probabilities differ inside a stratum.
    n_undecided : array of shape (n_strata,) or None
        Drawn without a definite label, on the scale of `n_labeled` summed over scenarios; None: none.
    """

    names: tuple[str, ...]
    n_transcripts: FloatArray
    n_labeled: FloatArray
    n_harmful: FloatArray
    n_tied: FloatArray
    flagged: FloatArray
    known_zero: FloatArray
    n_scored: int
    labels: int
    harmful: float
    harmless: float
    design: str
    unequal: bool = False
    n_undecided: FloatArray | None = None

    @property
    def total(self) -> int:
        """Every transcript, whatever is known about it."""
        return round(float(self.n_transcripts.sum() + self.known_zero.sum()))

    @property
    def has_clusters(self) -> bool:
        """Whether the counts are split by scenario."""
        return self.n_transcripts.ndim == 2

    @property
    def whole_counts(self) -> bool:
        """Whether harmful counts are whole numbers of equally weighted labels."""
        marginal = self.marginal()
        pairs = np.concatenate([marginal.n_labeled, marginal.n_harmful])
        return not self.unequal and bool(np.allclose(pairs, np.round(pairs), atol=1e-9, rtol=0))

    def marginal(self) -> StrataCounts:
        """The same counts summed over scenarios."""
        if not self.has_clusters:
            return self
        return replace(
            self,
            n_transcripts=self.n_transcripts.sum(1),
            n_labeled=self.n_labeled.sum(1),
            n_harmful=self.n_harmful.sum(1),
            n_tied=self.n_tied.sum(1),
            known_zero=np.asarray(self.known_zero.sum()),
        )

    def merged(self) -> StrataCounts:
        """Join each scored stratum without labels to the largest labelled one: legal under a uniform design only.

        The unscored stratum stays alone: nothing says that it resembles the scored ones.
        """
        labels = self.marginal().n_labeled
        sizes = self.marginal().n_transcripts
        scored = ~is_unscored(self.names)
        empty, filled = scored & (labels == 0), scored & (labels > 0)
        if not empty.any() or not filled.any():
            return self
        home = int(np.argmax(np.where(filled, sizes, -1)))
        joined = [home, *np.flatnonzero(empty)]
        keep = ~empty

        def fold(array: FloatArray) -> FloatArray:
            array = array.copy()
            array[home] = array[joined].sum(0)
            kept: FloatArray = array[keep]
            return kept

        flagged = self.flagged.copy()
        flagged[home] = np.nan
        names = list(self.names)
        names[home] = " + ".join(self.names[i] for i in sorted(joined))
        return replace(
            self,
            names=tuple(n for n, k in zip(names, keep, strict=True) if k),
            n_transcripts=fold(self.n_transcripts),
            n_labeled=fold(self.n_labeled),
            n_harmful=fold(self.n_harmful),
            n_tied=fold(self.n_tied),
            flagged=flagged[keep],
            n_undecided=None if self.n_undecided is None else fold(self.n_undecided),
        )


def count_strata(
    y: ArrayLike,
    score: ArrayLike | None = None,
    *,
    stratum: ArrayLike | None = None,
    inclusion_probability: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    known_zero: ArrayLike | None = None,
    frequency: ArrayLike | None = None,
    undecided: ArrayLike | None = None,
    rule: StrataRule = "frozen",
) -> StrataCounts:
    """Count transcripts, labels and harm per stratum.

    Parameters
    ----------
    y, score, stratum, inclusion_probability, cluster, known_zero, frequency, undecided
        As in `calibration.rates.estimate.estimate_rate`.
    rule : {"frozen", "sides", "whole-counts", "first-whole-counts"}
        How scores make strata, see `calibration.rates.strata_rules`. ``sides`` stratifies by the first grader's side
        even where
        `stratum` is given; its sampling fractions then become inclusion probabilities.

    Returns
    -------
    StrataCounts
    """
    labels = as_vector("y", y)
    n = len(labels)
    if n == 0:
        msg = "y must hold at least one transcript, got none."
        raise ValueError(msg)
    check_unit_or_nan("y", labels)
    scores = None if score is None else as_scores(score, n)
    zero = as_known_zero(known_zero, labels)
    labeled = ~np.isnan(labels) & ~zero
    times = as_frequency(frequency, n)
    pi = as_inclusion(inclusion_probability, labeled)
    open_ = as_undecided(undecided, labeled, zero)
    rows = _Rows(labels=labels, labeled=labeled, zero=zero, times=times, undecided=open_)
    given = None if stratum is None else factorize("stratum", stratum, n)
    if given is not None and rule == "sides" and pi is None:
        pi = _sampling_fractions(given[0], rows, len(given[1]))
    if given is None or rule == "sides":
        strata = strata_of_scores(scores, labeled, zero, rule, times)
    else:
        strata = (*given, np.full(len(given[1]), np.nan))
    if inclusion_probability is not None and pi is not None:
        strata = apart_from_never_drawn(strata, pi, zero)
    if rule in ("whole-counts", "first-whole-counts") and pi is not None:
        strata = split_by_probability(strata, pi, labeled, zero, times)
    graded = ~is_unscored(strata[1])[strata[0]] if scores is None else ~np.isnan(scores[:, 0])
    counts = replace(
        _counted(rows, strata, None if cluster is None else _groups(cluster, n), pi),
        n_scored=0 if scores is None and stratum is None else round(float(times[graded].sum())),
        design=_design(stratum, inclusion_probability, pi, labeled),
    )
    counts = _without_empty(counts)
    # Only a declared uniform sample says that a stratum without labels is like the others.
    merged = counts.merged() if rule != "sides" and counts.design == "uniform" else counts
    return apart_from_undecided(merged)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Per transcript, shape (T,): its label, whether it counts as one, harmless by definition, how often it stands."""

    labels: FloatArray
    labeled: BoolArray
    zero: BoolArray
    times: FloatArray
    undecided: BoolArray


def _counted(rows: _Rows, strata: Strata, groups: tuple[IntArray, int] | None, pi: FloatArray | None) -> StrataCounts:
    """Counts per stratum, and per group of scenarios where there are any."""
    codes, names, flagged = strata
    of, n_groups = (np.zeros(len(codes), dtype=np.int64), 1) if groups is None else groups
    shape: tuple[int, ...] = (len(names),) if groups is None else (len(names), n_groups)
    cells = codes * n_groups + of
    labeled, zero = rows.labeled, rows.zero
    weights = np.ones(int(labeled.sum())) if pi is None else 1 / pi[labeled]
    said, count = rows.labels[labeled], rows.times[labeled]
    n_labeled, n_harmful, unequal = effective_counts(codes[labeled], cells[labeled], said, weights, count, shape)
    zeros = np.bincount(of[zero], rows.times[zero], minlength=n_groups).astype(np.float64)
    sizes = np.bincount(cells[~zero], rows.times[~zero], minlength=int(np.prod(shape))).astype(np.float64)
    return StrataCounts(
        names=tuple(names.tolist()),
        n_transcripts=sizes.reshape(shape),
        n_labeled=n_labeled,
        n_harmful=n_harmful,
        n_tied=tied_counts(cells[labeled], said, count, shape, unequal=unequal),
        flagged=flagged,
        known_zero=np.asarray(zeros.sum()) if groups is None else zeros,
        n_scored=0,
        labels=round(float(count.sum())),
        harmful=float((count * said).sum()),
        harmless=float((count * (1 - said)).sum()),
        design="undeclared",
        unequal=unequal,
        n_undecided=undecided_counts(
            codes, rows.undecided, rows.labeled, rows.times, pi, n_labeled.reshape(len(names), -1).sum(1)
        ),
    )


def is_unscored(names: Sequence[str] | NDArray[Any]) -> BoolArray:
    """Which strata hold transcripts that no grader spoke of, however they were split."""
    return np.array([str(name).startswith(UNSCORED) for name in names], dtype=bool)


def factorize(name: str, values: ArrayLike, n: int) -> tuple[IntArray, NDArray[Any]]:
    """Codes and sorted names of any hashable labels; a missing one (None, nan) is named ``unscored``."""
    listed = np.asarray(values, dtype=object).tolist() if not isinstance(values, list) else values
    check_length(name, len(listed), n)
    names = {value: UNSCORED if value is None or value != value else str(value) for value in dict.fromkeys(listed)}
    order = {text: code for code, text in enumerate(sorted(set(names.values()), key=lambda t: (t == UNSCORED, t)))}
    lookup = {value: order[text] for value, text in names.items()}
    return np.fromiter(map(lookup.__getitem__, listed), dtype=np.int64, count=n), np.array(list(order), dtype=object)


def _sampling_fractions(codes: IntArray, rows: _Rows, k: int) -> FloatArray:
    drawn = np.bincount(codes, np.where(rows.labeled, rows.times, 0.0), minlength=k)
    size = np.bincount(codes, np.where(rows.zero, 0.0, rows.times), minlength=k)
    fractions: FloatArray = (drawn / np.maximum(size, 1))[codes]
    return fractions


def _groups(cluster: ArrayLike, n: int) -> tuple[IntArray, int]:
    codes, names = factorize("cluster", cluster, n)
    if UNSCORED in names.tolist():
        msg = "cluster must be known for every transcript, got a missing value."
        raise ValueError(msg)
    return codes, len(names)


def _design(stratum: ArrayLike | None, given: ArrayLike | None, pi: FloatArray | None, labeled: BoolArray) -> str:
    if stratum is not None:
        return "stratified"
    if given is None or pi is None:
        return "undeclared"
    known = pi[~np.isnan(pi)] if labeled.any() else pi
    # One probability for all; a candidate that could never be drawn makes the design unequal.
    constant = len(known) > 0 and np.ptp(known) <= 1e-9 * known.max()
    return "uniform" if constant else "stratified"


def _without_empty(counts: StrataCounts) -> StrataCounts:
    """Drop strata that hold no transcript."""
    filled = counts.marginal().n_transcripts > 0
    return replace(
        counts,
        names=tuple(name for name, keep in zip(counts.names, filled, strict=True) if keep),
        n_transcripts=counts.n_transcripts[filled],
        n_labeled=counts.n_labeled[filled],
        n_harmful=counts.n_harmful[filled],
        n_tied=counts.n_tied[filled],
        flagged=counts.flagged[filled],
        n_undecided=None if counts.n_undecided is None else counts.n_undecided[filled],
    )
