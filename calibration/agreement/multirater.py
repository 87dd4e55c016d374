"""Further coefficients of several raters: AC2, and Fleiss', Conger's and Brennan and Prediger's kappa.

`weights` credit near misses: identity (none), linear, quadratic, ordinal. All take the options of
`calibration.agreement.statistics.cohen_kappa` (design, cluster, level, rng, n_resamples, interval) and are nan when
only one value
is used. Source of all: Gwet (2014), Handbook of Inter-Rater Reliability, 4th ed.
"""

from __future__ import annotations

from typing import Unpack

from numpy.typing import ArrayLike

from calibration.agreement import coefficients
from calibration.agreement.coefficients import Weights, agreement_weights
from calibration.agreement.measure import Options, measure_pairable, measure_rated
from calibration.agreement.ratings import encode
from calibration.records import Agreement


def gwet_ac2(
    reliability_data: ArrayLike,
    *,
    weights: Weights = "ordinal",
    value_domain: ArrayLike | None = None,
    **options: Unpack[Options],
) -> Agreement:
    """Gwet's AC2: AC1 with credit for near misses.

    Parameters
    ----------
    reliability_data : array of shape (n_raters, n_items)
        NaN, None: missing.
    weights : {"identity", "linear", "quadratic", "ordinal"}
    value_domain : array, optional
        All values a rater could give; by default those used.
    **options
        As in `calibration.agreement.statistics.gwet_ac1`.

    Examples
    --------
    >>> stage = [[0, 1, 2, 2, 3, 0], [0, 1, 1, 2, 3, 0]]
    >>> print(f"{gwet_ac2(stage).value:.3f}")
    0.915
    """
    ratings = encode(reliability_data, value_domain=value_domain)
    coefficient = coefficients.gwet("ac2", agreement_weights(weights, ratings.values))
    return measure_rated(coefficient, ratings, **options)


def fleiss_kappa(
    reliability_data: ArrayLike, *, weights: Weights = "identity", **options: Unpack[Options]
) -> Agreement:
    """Fleiss' kappa: raters are interchangeable; missing votes allowed.

    Parameters
    ----------
    reliability_data : array of shape (n_raters, n_items)
    weights : {"identity", "linear", "quadratic", "ordinal"}
    **options
        As in `calibration.agreement.statistics.gwet_ac1`.

    References
    ----------
    Fleiss (1971), Psychol. Bull. 76:378.

    Examples
    --------
    >>> print(f"{fleiss_kappa([[1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]).value:.3f}")
    0.625
    """
    ratings = encode(reliability_data)
    return measure_rated(coefficients.fleiss(agreement_weights(weights, ratings.values)), ratings, **options)


def conger_kappa(
    reliability_data: ArrayLike, *, weights: Weights = "identity", **options: Unpack[Options]
) -> Agreement:
    """Conger's kappa: Cohen's kappa for several raters, each with habits of their own.

    Parameters
    ----------
    reliability_data : array of shape (n_raters, n_items), at least two raters
    weights : {"identity", "linear", "quadratic", "ordinal"}
    **options
        As in `calibration.agreement.statistics.gwet_ac1`.

    References
    ----------
    Conger (1980), Psychol. Bull. 88:322.

    Examples
    --------
    >>> print(f"{conger_kappa([[1, 1, 0, 0], [1, 0, 0, 0]]).value:.3f}")
    0.500
    """
    ratings = encode(reliability_data)
    n_raters = len(ratings.codes)
    if n_raters < 2:
        raise ValueError(f"reliability_data must fulfil n_raters >= 2, got {n_raters}.")
    return measure_rated(coefficients.conger(n_raters, agreement_weights(weights, ratings.values)), ratings, **options)


def brennan_prediger(
    reliability_data: ArrayLike,
    *,
    weights: Weights = "identity",
    value_domain: ArrayLike | None = None,
    **options: Unpack[Options],
) -> Agreement:
    """Brennan and Prediger's kappa: chance is an even draw among the values (binary: 2 x percent agreement - 1).

    Parameters
    ----------
    reliability_data : array of shape (n_raters, n_items)
    weights : {"identity", "linear", "quadratic", "ordinal"}
    value_domain : array, optional
        All values a rater could give; by default those used.
    **options
        As in `calibration.agreement.statistics.gwet_ac1`.

    References
    ----------
    Brennan & Prediger (1981), Educ. Psychol. Meas. 41:687.

    Examples
    --------
    >>> print(brennan_prediger([[1, 1, 0, 0], [1, 0, 0, 0]]).value)
    0.5
    """
    ratings = encode(reliability_data, value_domain=value_domain)
    return measure_pairable(
        coefficients.brennan_prediger(agreement_weights(weights, ratings.values)), ratings, **options
    )
