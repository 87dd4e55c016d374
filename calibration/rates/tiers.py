"""Many groups side by side: every pair tested, familywise, and the places that each group can have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from string import ascii_lowercase

import numpy as np
from numpy.typing import ArrayLike

from calibration.checks import FloatArray, check_level
from calibration.rates.contrasts import Contrast, GroupCounts, contrast_test
from calibration.rates.multiplicity import holm

MAX_GROUPS = 64
# Beyond so many groups compact letters are longer than the table that they should shorten.
MAX_LETTERED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTest:
    """One pair of groups.

    Parameters
    ----------
    first, second : str
    difference : float
        Rate of the first minus that of the second.
    p_value : float
        Of this pair alone.
    adjusted : float
        Of this pair among all: at most 1 - confidence_level where the family's claims hold together.
    """

    first: str
    second: str
    difference: float
    p_value: float
    adjusted: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a group can stand among all, the lowest rate being place 1.

    Parameters
    ----------
    name : str
    rate : float
    first, last : int
        The places that cannot be excluded.
    n_lower, n_higher : int
        Groups that are clearly lower, clearly higher.
    letters : str
        Groups that share a letter are not shown to differ; empty above six groups.
    """

    name: str
    rate: float
    first: int
    last: int
    n_lower: int
    n_higher: int
    letters: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Every group's place and every pair's test.

    Parameters
    ----------
    places : tuple of Place
        From the lowest rate to the highest.
    pairs : tuple of PairTest
    confidence_level : float in (0, 1)
        That no claim of the family is false.
    """

    places: tuple[Place, ...]
    pairs: tuple[PairTest, ...]
    confidence_level: float


def rank_groups(groups: Mapping[str, GroupCounts], *, confidence_level: float = 0.95) -> Ranking:
    """Test every pair, step down with Shaffer's divisors, and give each group the places that remain.

    Parameters
    ----------
    groups : mapping of name to GroupCounts
        Two to 64 groups of target ``scenarios``.
    confidence_level : float in (0, 1)

    Raises
    ------
    ValueError
        For fewer or more groups.

    References
    ----------
    Shaffer (1986), JASA 81:826.

    Examples
    --------
    >>> from calibration.rates.contrasts import group_counts
    >>> f, g = group_counts([100, 300], [12, 38], [9, 1]), group_counts([40, 360], [12, 38], [6, 0])
    >>> h = group_counts([20, 380], [12, 38], [3, 0])
    >>> for place in rank_groups({"f": f, "g": g, "h": h}).places:
    ...     print(place.name, place.first, place.last, place.letters)
    h 1 2 a
    g 1 2 a
    f 3 3 b
    """
    check_level(confidence_level)
    if not 2 <= len(groups) <= MAX_GROUPS:
        msg = f"groups must hold 2 to {MAX_GROUPS} groups, got {len(groups)}."
        raise ValueError(msg)
    names = sorted(groups, key=lambda name: (groups[name].rate, name))
    couples = list(combinations(names, 2))
    p = [_pair_p_value(groups[low], groups[high]) for low, high in couples]
    adjusted = shaffer(p, len(names))
    pairs = tuple(
        PairTest(
            first=high, second=low, difference=groups[high].rate - groups[low].rate, p_value=raw, adjusted=float(q)
        )
        for (low, high), raw, q in zip(couples, p, adjusted, strict=True)
    )
    apart = {(pair.second, pair.first) for pair in pairs if pair.adjusted <= 1 - confidence_level}
    letters = _letters(names, apart) if len(names) <= MAX_LETTERED else [""] * len(names)
    places = []
    for name, mark in zip(names, letters, strict=True):
        lower = sum((other, name) in apart for other in names)
        higher = sum((name, other) in apart for other in names)
        places.append(
            Place(
                name=name,
                rate=groups[name].rate,
                first=1 + lower,
                last=len(names) - higher,
                n_lower=lower,
                n_higher=higher,
                letters=mark,
            )
        )
    return Ranking(places=tuple(places), pairs=pairs, confidence_level=confidence_level)


def compare_with(groups: Mapping[str, GroupCounts], name: str) -> tuple[PairTest, ...]:
    """One group against each of the others: one family of G - 1 tests, Holm's step-down.

    Raises
    ------
    ValueError
        Unless `name` is one of at least two groups.

    Examples
    --------
    >>> from calibration.rates.contrasts import group_counts
    >>> f, g = group_counts([100, 300], [12, 38], [9, 1]), group_counts([40, 360], [12, 38], [6, 0])
    >>> [f"{pair.second} {pair.adjusted:.3f}" for pair in compare_with({"mine": f, "g": g, "twin": f}, "mine")]
    ['g 0.005', 'twin 1.000']
    """
    if name not in groups or len(groups) < 2:
        msg = f"name must be one of at least two groups, got {name!r} of {sorted(groups)}."
        raise ValueError(msg)
    others = [other for other in groups if other != name]
    p = [_pair_p_value(groups[name], groups[other]) for other in others]
    return tuple(
        PairTest(
            first=name,
            second=other,
            difference=groups[name].rate - groups[other].rate,
            p_value=raw,
            adjusted=float(q),
        )
        for other, raw, q in zip(others, p, holm(p), strict=True)
    )


def _pair_p_value(first: GroupCounts, second: GroupCounts) -> float:
    return contrast_test(Contrast(groups=(first, second), coefficients=(1.0, -1.0))).p_value


def shaffer(p_values: ArrayLike, n_groups: int) -> FloatArray:
    """Adjusted p-values of all pairs of `n_groups` groups.

    Parameters
    ----------
    p_values : array-like of shape (n_groups (n_groups - 1) / 2,)
    n_groups : int

    Examples
    --------
    >>> shaffer([0.01, 0.03, 0.04], 3).tolist()
    [0.03, 0.03, 0.04]
    """
    p = np.asarray(p_values, dtype=np.float64)
    divisors = np.array(shaffer_divisors(n_groups))
    if p.shape != divisors.shape:
        msg = f"p_values must hold one value per pair of {n_groups} groups ({len(divisors)}), got shape {p.shape}."
        raise ValueError(msg)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(divisors * p[order]), 1)
    return adjusted


def shaffer_divisors(n_groups: int) -> tuple[int, ...]:
    """How many pairs can still be equal once 0, 1, 2, ... pairs are known to differ.

    Examples
    --------
    >>> shaffer_divisors(3), shaffer_divisors(4)
    ((3, 1, 1), (6, 3, 3, 3, 2, 1))
    """
    possible = sorted(_numbers_of_equal_pairs(n_groups))
    m = n_groups * (n_groups - 1) // 2
    return tuple(max(s for s in possible if s <= m - j) for j in range(m))


@cache
def _numbers_of_equal_pairs(n_groups: int) -> frozenset[int]:
    """Every number of equal pairs that a partition of the groups into equal ones can have."""
    if n_groups < 2:
        return frozenset({0})
    return frozenset(
        i * (i - 1) // 2 + rest for i in range(1, n_groups + 1) for rest in _numbers_of_equal_pairs(n_groups - i)
    )


def _letters(names: Sequence[str], apart: set[tuple[str, str]]) -> list[str]:
    """Compact letters: one for every largest set of neighbours in rank of which no two are apart.

    Rates are sorted, but two groups may be apart while wider pairs are not (with fewer labels), so that sets are
    maximal cliques and not intervals.
    """
    together = {(a, b) for a, b in combinations(names, 2) if (a, b) not in apart}
    cliques = [
        set(chosen)
        for size in range(len(names), 0, -1)
        for chosen in combinations(names, size)
        if all(pair in together for pair in combinations(chosen, 2))
    ]
    largest = [c for c in cliques if not any(c < other for other in cliques)]
    largest.sort(key=lambda c: sorted(map(names.index, c)))
    return ["".join(letter for letter, c in zip(ascii_lowercase, largest, strict=False) if name in c) for name in names]
