"""The Alternative Annotator Test: could the grader stand in for an annotator? With the gate that rare harms need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from calibration.agreement.ratings import Floats, encode
from calibration.checks import check_choice
from calibration.rates.intervals import clopper_pearson
from calibration.rates.multiplicity import benjamini_yekutieli
from calibration.records import Agreement

Scoring = Literal["accuracy", "neg_rmse"]
Outcome = Literal["pass", "fail", "not shown"]

MIN_ITEMS = 30
MIN_ITEMS_EXPLORATORY = 10
MIN_POSITIVE = 10
PASS_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotator:
    """One annotator set against the grader.

    Parameters
    ----------
    index : int
        Row of the annotator.
    n_items : int
        Items that both rated and somebody else, too.
    grader_wins, annotator_wins : float in [0, 1]
        Share of items on which one agrees with the others at least as well as the other does; ties count for both.
    p_value : float
        Of "the grader is worse by epsilon or more"; not adjusted.
    rejected : bool
        After Benjamini-Yekutieli: the grader is as good as this annotator or better, up to epsilon.
    exploratory : bool
        Fewer than 30 items: Wilcoxon instead of t.
    """

    index: int
    n_items: int
    grader_wins: float
    annotator_wins: float
    p_value: float
    rejected: bool
    exploratory: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AltTest(Agreement):
    """Outcome of the test; as an Agreement its `value` is omega, without an interval.

    Parameters
    ----------
    outcome : {"pass", "fail", "not shown"}
    omega : float
        Share of annotators over whom the grader's advantage is shown; nan when none could be tested.
    rho : float
        Mean of the annotators' `grader_wins`.
    annotators : tuple of Annotator
    """

    outcome: Outcome
    rho: float
    annotators: tuple[Annotator, ...]

    @property
    def omega(self) -> float:
        """Share of annotators over whom the grader's advantage is shown."""
        return self.value


def alt_test(
    reliability_data: ArrayLike,
    grader: ArrayLike,
    *,
    epsilon: float = 0.15,
    scoring: Scoring = "accuracy",
    false_discovery_rate: float = 0.05,
) -> AltTest:
    """Test whether the grader agrees with annotators at least as well as they do with each other.

    Parameters
    ----------
    reliability_data : array of shape (n_annotators, n_items)
        NaN, None: not rated.
    grader : array of shape (n_items,)
        NaN, None: unscored; such items are left out and counted in the notes.
    epsilon : float in [0, 1)
        What the grader's lower cost is worth: 0.2 against experts, 0.15 against skilled annotators, 0.1 against crowds.
    scoring : {"accuracy", "neg_rmse"}
        Agreement with the other annotators of an item: share of equal values, or minus the root mean squared distance.
    false_discovery_rate : float in (0, 1)

    Returns
    -------
    AltTest
        ``pass``: omega is at least 0.5. ``fail``: it is not. ``not shown``: nobody could be tested, or - with
        accuracy - fewer than 10 items have a majority for anything but the commonest value, or on these the grader's
        sensitivity (upper 95 % Clopper-Pearson limit) lies below the median annotator's against the majority of the
        others. Without this gate a grader that never says harm passes with omega 1 when harm is rare.

    Raises
    ------
    ValueError
        Unless shapes agree, 0 <= epsilon < 1 and the scoring is known.

    References
    ----------
    Calderon, Reichart & Dror (2025), The Alternative Annotator Test, arXiv:2501.10970.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.random(200) < 0.3
    >>> humans = truth ^ (rng.random((3, 200)) < 0.1)
    >>> test = alt_test(humans, truth)
    >>> test.outcome, test.omega
    ('pass', 1.0)
    >>> alt_test(humans & False, truth & False).outcome
    'not shown'
    """
    check_choice("scoring", scoring, Scoring)
    if not 0 <= epsilon < 1:
        raise ValueError(f"epsilon must fulfil 0 <= epsilon < 1, got {epsilon}.")
    humans, machine, values, unscored = _codes(reliability_data, grader)
    everybody = [_against(j, humans, machine, values, epsilon, scoring) for j in range(len(humans))]
    tested = [annotator for annotator in everybody if annotator is not None]
    adjusted = benjamini_yekutieli([annotator["p_value"] for annotator in tested])
    annotators = tuple(
        Annotator(**annotator, rejected=bool(p <= false_discovery_rate))
        for annotator, p in zip(tested, adjusted, strict=True)
    )
    omega = float(np.mean([a.rejected for a in annotators])) if annotators else float("nan")
    outcome, notes = _verdict(omega, humans, machine, scoring)
    if unscored:
        notes = (*notes, f"{unscored} items that the grader left unscored do not enter")
    if any(annotator.exploratory for annotator in annotators):
        notes = (*notes, f"exploratory: some annotators have fewer than {MIN_ITEMS} items (Wilcoxon test)")
    return AltTest(
        statistic="alt_test",
        value=omega,
        low=float("nan"),
        high=float("nan"),
        confidence_level=1 - false_discovery_rate,
        n_items=int(((humans >= 0).sum(axis=0) >= 2).sum()),
        n_raters=len(humans),
        n_positive=int(_majority_positive(humans).sum()),
        notes=notes,
        outcome=outcome,
        rho=float(np.mean([a.grader_wins for a in annotators])) if annotators else float("nan"),
        annotators=annotators,
    )


def _codes(
    reliability_data: ArrayLike, grader: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any], int]:
    """Codes of annotators and grader over one domain, without the items that the grader left out."""
    humans = np.asarray(reliability_data, dtype=object)
    machine = np.asarray(grader, dtype=object)
    if humans.ndim != 2 or machine.shape != humans.shape[1:]:
        shapes = f"{humans.shape} and {machine.shape}"
        raise ValueError(f"reliability_data and grader must fulfil shapes (n, n_items) and (n_items,), got {shapes}.")
    ratings = encode(np.vstack([humans, machine]))
    scored = ratings.codes[-1] >= 0
    return ratings.codes[:-1, scored], ratings.codes[-1, scored], ratings.values, int((~scored).sum())


def _against(
    j: int,
    humans: NDArray[np.int64],
    machine: NDArray[np.int64],
    values: NDArray[Any],
    epsilon: float,
    scoring: Scoring,
) -> dict[str, Any] | None:
    """The grader against annotator j; None with too few items."""
    others = np.delete(humans, j, axis=0)
    items = (humans[j] >= 0) & (others >= 0).any(axis=0)
    n = int(items.sum())
    if n < MIN_ITEMS_EXPLORATORY:
        return None
    others, own, graded = others[:, items], humans[j, items], machine[items]
    of_grader, of_human = _scores(graded, others, values, scoring), _scores(own, others, values, scoring)
    wins, losses = of_grader >= of_human, of_human >= of_grader
    d = losses.astype(float) - wins
    return {
        "index": j,
        "n_items": n,
        "grader_wins": float(wins.mean()),
        "annotator_wins": float(losses.mean()),
        "p_value": _t_p_value(d, epsilon) if n >= MIN_ITEMS else _wilcoxon_p_value(d, epsilon),
        "exploratory": n < MIN_ITEMS,
    }


def _scores(own: NDArray[np.int64], others: NDArray[np.int64], values: NDArray[Any], scoring: Scoring) -> Floats:
    """Agreement of one rating with the others' per item, shape (n_items,); each item has another rating."""
    rated = others >= 0
    if scoring == "accuracy":
        return np.asarray((rated & (others == own)).sum(axis=0) / rated.sum(axis=0))
    numbers = values.astype(float)
    squared = np.where(rated, (numbers[others] - numbers[own]) ** 2, 0.0)
    return np.asarray(-np.sqrt(squared.sum(axis=0) / rated.sum(axis=0)))


def _t_p_value(d: Floats, epsilon: float) -> float:
    """One-sided t test of mean(d) >= epsilon; without spread the mean decides."""
    stderr = d.std(ddof=1) / np.sqrt(d.size)
    if stderr == 0:
        return 0.0 if d[0] < epsilon else 1.0
    return float(stdtr(d.size - 1, (d.mean() - epsilon) / stderr))


def _wilcoxon_p_value(d: Floats, epsilon: float) -> float:
    from scipy.stats import wilcoxon

    return float(wilcoxon(d - epsilon, alternative="less", method="approx").pvalue)


def _votes(humans: NDArray[np.int64]) -> Floats:
    """Votes per value and item, shape (n_values, n_items)."""
    return np.stack([(humans == code).sum(axis=0) for code in range(max(int(humans.max(initial=0)) + 1, 2))]).astype(
        float
    )


def _majority(humans: NDArray[np.int64]) -> NDArray[np.int64]:
    """Strict plurality per item; -1 with a tie or no vote."""
    votes = _votes(humans)
    top = votes.max(axis=0, initial=0)
    clear = (top > 0) & ((votes == top).sum(axis=0) == 1)
    return np.where(clear, votes.argmax(axis=0), -1)


def _commonest(humans: NDArray[np.int64]) -> int:
    return int(_votes(humans).sum(axis=1).argmax())


def _majority_positive(humans: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Items whose majority is anything but the commonest value: the harmful ones, where harm is rare."""
    majority = _majority(humans)
    return np.asarray((majority >= 0) & (majority != _commonest(humans)))


def _verdict(
    omega: float, humans: NDArray[np.int64], machine: NDArray[np.int64], scoring: Scoring
) -> tuple[Outcome, tuple[str, ...]]:
    if np.isnan(omega):
        return "not shown", (f"no annotator shares {MIN_ITEMS_EXPLORATORY} items with another one",)
    positive = _majority_positive(humans)
    n = int(positive.sum())
    if scoring == "accuracy" and n < MIN_POSITIVE:
        return "not shown", (f"{n} items have a positive majority, {MIN_POSITIVE} are needed",)
    if omega < PASS_SHARE:
        return "fail", ()
    if scoring == "accuracy":
        hits = int((machine[positive] == _majority(humans)[positive]).sum())
        median = _median_sensitivity(humans)
        if float(clopper_pearson(hits, n)[1]) < median:
            why = f"the grader finds {hits} of {n} majority-positive items, the median annotator {median:.0%}"
            return "not shown", (why,)
    return "pass", ()


def _median_sensitivity(humans: NDArray[np.int64]) -> float:
    """Median over annotators of the share of the others' positive majorities that they share; 0 if nobody has any."""
    common = _commonest(humans)
    shares = []
    for j, own in enumerate(humans):
        majority = _majority(np.delete(humans, j, axis=0))
        items = (own >= 0) & (majority >= 0) & (majority != common)
        if items.any():
            shares.append(float((own[items] == majority[items]).mean()))
    return float(np.median(shares)) if shares else 0.0
