"""Every pair that can agree: human and human, human and grader, grader and grader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.agreement.accuracy import grader_accuracy
from calibration.agreement.panel import error_correlation
from calibration.agreement.statistics import (
    cohen_kappa,
    gwet_ac1,
    krippendorff_alpha,
    percent_agreement,
    positive_agreement,
)
from calibration.checks import FloatArray
from calibration.findings.study import AgreementFinding
from calibration.records import Agreement
from calibration.study.harm_table import HarmTable

HUMAN = "human"
# More raters make more pairs than anybody reads.
MAX_RATERS_PAIRED = 5


def human_agreement(
    harm: str,
    reliability_data: FloatArray,
    raters: Sequence[str],
    cluster: NDArray[Any] | None,
    confidence_level: float,
    rng: np.random.Generator,
) -> Iterator[AgreementFinding]:
    """How far the raters agree with each other, on the labelled sample as it is.

    Parameters
    ----------
    harm : str
    reliability_data : array of shape (n_raters, n_items), NaN = no definite vote
    raters : their names
    cluster : array of shape (n_items,), or None
    confidence_level : float in (0, 1)
    rng : numpy Generator

    Yields
    ------
    AgreementFinding
        Of all raters together, then of every pair where they are few.
    """
    several = (~np.isnan(reliability_data)).sum(axis=0) > 1
    if not several.any():
        return
    options: dict[str, Any] = {"cluster": cluster, "confidence_level": confidence_level, "rng": rng}
    for agreement in (
        krippendorff_alpha(reliability_data, **options),
        gwet_ac1(reliability_data, value_domain=(0.0, 1.0), **options),
        percent_agreement(reliability_data, **options),
    ):
        yield AgreementFinding(harm=harm, between=(HUMAN, HUMAN), agreement=agreement, weighted=False)
    if not 2 <= len(raters) <= MAX_RATERS_PAIRED:
        return
    for (i, first), (j, second) in combinations(enumerate(raters), 2):
        both = ~np.isnan(reliability_data[[i, j]]).any(axis=0)
        if both.any():
            a, b = reliability_data[i, both], reliability_data[j, both]
            options["cluster"] = None if cluster is None else cluster[both]
            for agreement in (cohen_kappa(a, b, **options), positive_agreement(a, b, **options)):
                between = (f"rater {first}", f"rater {second}")
                yield AgreementFinding(harm=harm, between=between, agreement=agreement, weighted=False)


def grader_agreement(
    table: HarmTable, cluster: NDArray[Any] | None, confidence_level: float, rng: np.random.Generator
) -> Iterator[AgreementFinding]:
    """How far each grader agrees with the humans' consensus, and graders with each other.

    Where the sampling design is known, everything between a grader and the humans is weighted by it, so
    that it holds for the pool. Graders meet on the whole pool, unweighted.

    Parameters
    ----------
    table : HarmTable
    cluster : array of scenario names, or None
    confidence_level : float in (0, 1)
    rng : numpy Generator
    """
    y = np.asarray(table.y, dtype=np.float64)
    for name in table.graders:
        side = table.sides(name)
        if (~np.isnan(y) & ~np.isnan(side)).any():
            yield from _with_humans(table, name, y, side, cluster, confidence_level, rng)
    yield from _error_correlations(table, y, cluster, confidence_level, rng)
    for a, b in combinations(table.graders, 2):
        first, second = table.sides(a), table.sides(b)
        both = ~np.isnan(first) & ~np.isnan(second)
        if both.any():
            clusters = None if cluster is None else cluster[both]
            for agreement in _coefficients(first[both], second[both], None, clusters, confidence_level, rng):
                yield AgreementFinding(
                    harm=table.harm, between=(a, b), agreement=without_sample_note(agreement), weighted=False
                )


def _with_humans(
    table: HarmTable,
    name: str,
    y: FloatArray,
    side: FloatArray,
    cluster: NDArray[Any] | None,
    confidence_level: float,
    rng: np.random.Generator,
) -> Iterator[AgreementFinding]:
    pi = table.probabilities()
    accuracy = grader_accuracy(y, side, inclusion_probability=pi, cluster=cluster, confidence_level=confidence_level)
    # A tie of the humans is neither a yes nor a no: coefficients of two binary raters cannot use it.
    both = ~np.isnan(y) & ~np.isnan(side) & (y != 0.5)
    found = list(accuracy.values())
    if both.any():
        weights = None if pi is None else pi[both]
        clusters = None if cluster is None else cluster[both]
        found += _coefficients(np.round(y[both]), side[both], weights, clusters, confidence_level, rng)
    for agreement in found:
        known = table.inclusion_probability is not None
        agreement = without_sample_note(agreement) if known else agreement
        yield AgreementFinding(harm=table.harm, between=(HUMAN, name), agreement=agreement, weighted=known)


def _error_correlations(
    table: HarmTable,
    y: FloatArray,
    cluster: NDArray[Any] | None,
    confidence_level: float,
    rng: np.random.Generator,
) -> Iterator[AgreementFinding]:
    """Whether two graders err on the same transcripts: a panel of such graders is worth fewer than it counts."""
    if np.isnan(y).all():
        return
    known = table.inclusion_probability is not None
    options: dict[str, Any] = {"confidence_level": confidence_level, "rng": rng, "cluster": cluster}
    for a, b in combinations(table.graders, 2):
        found = error_correlation(
            y, table.sides(a), table.sides(b), inclusion_probability=table.probabilities(), **options
        )
        if found.n_items:
            found = without_sample_note(found) if known else found
            yield AgreementFinding(harm=table.harm, between=(a, b), agreement=found, weighted=known)


def _coefficients(
    a: FloatArray,
    b: FloatArray,
    pi: FloatArray | None,
    cluster: NDArray[Any] | None,
    confidence_level: float,
    rng: np.random.Generator,
) -> list[Agreement]:
    options: dict[str, Any] = {"cluster": cluster, "confidence_level": confidence_level, "rng": rng}
    pair = np.stack([a, b])
    found = [
        cohen_kappa(a, b, inclusion_probability=pi, **options),
        gwet_ac1(pair, inclusion_probability=pi, value_domain=(0.0, 1.0), **options),
        positive_agreement(a, b, inclusion_probability=pi, **options),
        percent_agreement(pair, inclusion_probability=pi, **options),
    ]
    if pi is None or np.ptp(pi) == 0:  # alpha knows no weights; equal ones change nothing
        found.append(krippendorff_alpha(pair, **options))
    return found


def without_sample_note(agreement: Agreement) -> Agreement:
    """Without the caveat of an unknown sample: the items are the whole pool, or drawn by a known design."""
    notes = tuple(note for note in agreement.notes if not note.startswith("valid only for this sample"))
    return replace(agreement, notes=notes)
