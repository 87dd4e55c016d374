"""Whether two graders err on the same transcripts."""

from __future__ import annotations

from typing import Literal, Unpack

import numpy as np
from numpy.typing import ArrayLike

from calibration.agreement.coefficients import Coefficient, ratio
from calibration.agreement.measure import Options, measure_pairable
from calibration.agreement.ratings import Floats, Ratings, encode
from calibration.checks import as_vector, check_choice
from calibration.records import Agreement

Among = Literal["all", "harmful", "harmless"]


def error_correlation(
    y: ArrayLike, first: ArrayLike, second: ArrayLike, *, among: Among = "all", **options: Unpack[Options]
) -> Agreement:
    """Correlation of the errors of two graders against humans: 0 independent, 1 the same mistakes.

    Parameters
    ----------
    y : array of shape (n_items,)
        Human label 1 or 0; NaN and ties (0.5) are left out.
    first, second : arrays of shape (n_items,)
        Sides of the graders, 1, 0 or NaN.
    among : {"all", "harmful", "harmless"}
        Over all items; or within a true class, where a harm that is hard for both cannot pass for a harm that is rare.
    **options
        Design, cluster, level and rng as in `calibration.agreement.statistics.cohen_kappa`.

    Returns
    -------
    Agreement
        nan unless both graders erred at least once, and not always. `n_positive`: items on which either erred.

    Examples
    --------
    >>> y = [1] * 20 + [0] * 80
    >>> judge = [1] * 15 + [0] * 5 + [0] * 76 + [1] * 4
    >>> classifier = [1] * 14 + [0] * 6 + [0] * 74 + [1] * 6
    >>> print(f"{error_correlation(y, judge, classifier).value:.2f}")
    0.85
    """
    check_choice("among", among, Among)
    truth = as_vector("y", y)
    rows = np.stack([as_vector("sides", side, truth.size) for side in (first, second)])
    if not np.isin(rows[~np.isnan(rows)], (0, 1)).all():
        raise ValueError("sides must fulfil values in (0, 1, nan).")
    wanted = {"all": (0.0, 1.0), "harmful": (1.0,), "harmless": (0.0,)}[among]
    used = np.isin(truth, wanted) & ~np.isnan(rows).any(axis=0)
    return measure_pairable(_correlation(), encode(np.where(used, rows != truth, np.nan)), **options)


def _correlation() -> Coefficient:
    """Correlation of two error indicators, from their moments."""

    def features(ratings: Ratings) -> Floats:
        error = (ratings.codes == 1).T.astype(float)
        return np.column_stack([np.ones(len(error)), error, error[:, 0] * error[:, 1]])

    def value(sums: Floats) -> Floats:
        moments = ratio(sums[..., 1:], sums[..., :1])
        rate, joint = moments[..., :2], moments[..., 2]
        spread = np.sqrt(rate * (1 - rate)).prod(axis=-1)
        return ratio(joint - rate.prod(axis=-1), spread)

    return Coefficient("error_correlation", features, value, second_is_grader=False, least=-1.0)
