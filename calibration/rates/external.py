"""Rates corrected by the judge's errors on transcripts that were labelled somewhere else: an assumption.

The default (`calibration.rates.estimate`) needs no sensitivity, since its labels come from the pool itself. Where
they do not,
the judge must be taken to err here as it did there; nothing in the data can check that, so every answer says it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from calibration.checks import check_level, check_share
from calibration.rates.borrowed import as_labels, as_sides, borrowed_rate, check_parts
from calibration.rates.intervals import normal_quantile
from calibration.records import RateEstimate

SAME_ERRORS = "assumes the judge errs here as it did there"


def rate_from_external_labels(
    side: ArrayLike, external_y: ArrayLike, external_side: ArrayLike, *, confidence_level: float = 0.95
) -> RateEstimate:
    """Harm rate of a pool without labels, corrected by the judge's errors on transcripts labelled elsewhere.

    Parameters
    ----------
    side : array of shape (n_transcripts,)
        The judge's side in this pool: 1 flagged, 0 not flagged, nan = unscored.
    external_y : array of shape (n_external,)
        Human labels of another campaign in [0, 1], nan = not labelled. Harmful and harmless ones must be random samples
        of their kind; their proportion does not matter.
    external_side : array of shape (n_external,)
        What the same judge said about them; nan = unscored, such labels do not enter.
    confidence_level : float in (0, 1)

    Returns
    -------
    RateEstimate
        Method ``lang-reiczigel``. `rate` is Rogan and Gladen's, cut at the limits; `n_labeled` is 0, since nothing of
        this pool was labelled. Unscored transcripts count as harmless in `low` and as harmful in `high`.

    Raises
    ------
    ValueError
        Values outside their range, lengths that differ, no external label of either kind, or a judge that did no
        better than chance there.

    References
    ----------
    Lang & Reiczigel (2014), Prev. Vet. Med. 113:13; Rogan & Gladen (1978), Am. J. Epidemiol. 107:71.

    Examples
    --------
    >>> side = [1] * 51 + [0] * 458
    >>> external_y, external_side = [1] * 41 + [0] * 195, [1] * 23 + [0] * 18 + [1] * 8 + [0] * 187
    >>> estimate = rate_from_external_labels(side, external_y, external_side)
    >>> print(f"{estimate.rate:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]")
    0.114 [0.037, 0.195]
    """
    pool = as_sides("side", side)
    said = as_sides("external_side", external_side)
    y = as_labels("external_y", external_y, said)
    used = ~np.isnan(y) & ~np.isnan(said)
    y, said = y[used], said[used]
    return rate_from_external_counts(
        int((pool == 1).sum()),
        int((~np.isnan(pool)).sum()),
        n_harmful=float(y.sum()),
        n_harmful_flagged=float(y @ said),
        n_harmless=float((1 - y).sum()),
        n_harmless_flagged=float((1 - y) @ said),
        n_transcripts=pool.size,
        confidence_level=confidence_level,
    )


def rate_from_external_counts(
    n_flagged: float,
    n_scored: int,
    *,
    n_harmful: float,
    n_harmful_flagged: float,
    n_harmless: float,
    n_harmless_flagged: float,
    n_transcripts: int | None = None,
    confidence_level: float = 0.95,
) -> RateEstimate:
    """The same rate from counts.

    Parameters
    ----------
    n_flagged, n_scored : numbers, 0 <= n_flagged <= n_scored
        In this pool.
    n_harmful, n_harmful_flagged, n_harmless, n_harmless_flagged : numbers
        External labels of either kind, at least one each, and how many of these the judge flagged.
    n_transcripts : int, optional
        All of the pool, where some have no verdict.
    confidence_level : float in (0, 1)

    Returns
    -------
    RateEstimate

    Examples
    --------
    >>> estimate = rate_from_external_counts(
    ...     51, 509, n_harmful=41, n_harmful_flagged=23, n_harmless=195, n_harmless_flagged=8
    ... )
    >>> print(f"{estimate.rate:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]")
    0.114 [0.037, 0.195]
    """
    check_level(confidence_level)
    whole = n_scored if n_transcripts is None else n_transcripts
    check_parts(("n_flagged", n_flagged), ("n_scored", n_scored), ("n_transcripts", whole))
    check_parts(("n_harmful_flagged", n_harmful_flagged), ("n_harmful", n_harmful))
    check_parts(("n_harmless_flagged", n_harmless_flagged), ("n_harmless", n_harmless))
    se, sp = n_harmful_flagged / n_harmful, 1 - n_harmless_flagged / n_harmless
    low, high = lang_reiczigel(
        n_flagged / n_scored, n_scored, se, n_harmful, sp, n_harmless, confidence_level=confidence_level
    )
    rogan_gladen = (n_flagged / n_scored + sp - 1) / (se + sp - 1)
    known = (
        f"external labels: {n_harmful_flagged:g} of {n_harmful:g} harmful and {n_harmless_flagged:g} of {n_harmless:g} "
        "harmless transcripts flagged"
    )
    limits = float(np.clip(rogan_gladen, low, high)), low, high
    return borrowed_rate(
        limits,
        n_flagged=n_flagged,
        n_scored=n_scored,
        n_transcripts=whole,
        method="lang-reiczigel",
        notes=[SAME_ERRORS, known],
        confidence_level=confidence_level,
    )


def lang_reiczigel(
    apparent_rate: float,
    n: float,
    sensitivity: float,
    n_sensitivity: float,
    specificity: float,
    n_specificity: float,
    *,
    confidence_level: float = 0.95,
) -> tuple[float, float]:
    """Interval of a prevalence from an apparent rate and estimated sensitivity and specificity.

    Parameters
    ----------
    apparent_rate, sensitivity, specificity : float in [0, 1]
    n, n_sensitivity, n_specificity : float > 0
        Items behind each of the three.
    confidence_level : float in (0, 1)

    Returns
    -------
    low, high : float in [0, 1]

    Raises
    ------
    ValueError
        Values outside their range, and when sensitivity + specificity - 1 is not positive: a judge no better than
        chance says nothing.

    References
    ----------
    Lang & Reiczigel (2014), Prev. Vet. Med. 113:13.

    Examples
    --------
    >>> low, high = lang_reiczigel(0.06, 11862, 0.8, 10, 1.0, 12)
    >>> print(f"{low:.3f} {high:.3f}")
    0.000 0.147
    """
    z = normal_quantile(confidence_level)
    shares = {"apparent_rate": apparent_rate, "sensitivity": sensitivity, "specificity": specificity}
    for (name, share), size in zip(shares.items(), (n, n_sensitivity, n_specificity), strict=True):
        check_share(name, share)
        if not size > 0:
            msg = f"{name} must rest on at least one item, got {size}."
            raise ValueError(msg)
    se = (n_sensitivity * sensitivity + 1) / (n_sensitivity + 2)
    sp = (n_specificity * specificity + 1) / (n_specificity + 2)
    gain = min(se + sp, sensitivity + specificity) - 1
    if gain <= 0:
        msg = f"sensitivity + specificity - 1 must be above 0 (better than chance), got {gain:.4g}."
        raise ValueError(msg)
    gain = se + sp - 1
    q = (n * apparent_rate + z**2 / 2) / (n + z**2)
    p = (q + sp - 1) / gain
    of_se, of_sp = se * (1 - se) / (n_sensitivity + 2), sp * (1 - sp) / (n_specificity + 2)
    shift = 2 * z**2 * (p * of_se - (1 - p) * of_sp)
    margin = z * np.sqrt(q * (1 - q) / (n + z**2) + p**2 * of_se + (1 - p) ** 2 * of_sp) / gain
    return max(float(p + shift - margin), 0.0), min(float(p + shift + margin), 1.0)
