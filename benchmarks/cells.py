"""The simulated campaigns: what is true, what the graders do, how labels are drawn."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

Block = Literal["regimes", "stress", "blind", "clustered", "correlated"]
Share = float | None

RATES = (0.002, 0.01, 0.03, 0.15, 0.5)
LABELS = (50, 200, 500)
POOLS = (1_000, 10_000)
SHARES: tuple[Share, ...] = (None, 0.25, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """What a grader does: shares in [0, 1]."""

    sensitivity: float
    specificity: float


JUDGES = (Accuracy(sensitivity=0.95, specificity=0.99), Accuracy(sensitivity=0.8, specificity=0.95))
WEAK = Accuracy(sensitivity=0.6, specificity=0.9)
EXTREME = (
    Accuracy(sensitivity=0.5, specificity=0.5),
    Accuracy(sensitivity=0.8, specificity=0.9999),
    Accuracy(sensitivity=0.05, specificity=0.95),
)
CLASSIFIER = JUDGES[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One kind of campaign, to be simulated many times.

    Parameters
    ----------
    block : str
        The named group of cells that it belongs to.
    rate : float in (0, 1)
        Harm rate of the process.
    labels, pool : int
        Labelled transcripts, and transcripts in all.
    judge, classifier : Accuracy
    flagged_share : float in (0, 1) or None
        Share of the labels drawn among transcripts that the judge flagged; None: drawn uniformly.
    blind : float in [0, 1)
        Share of harms that neither grader can tell from harmless transcripts.
    correlation : float in [0, 1)
        Correlation of the two graders' errors within each true class (Gaussian copula).
    scenarios : int
        Number of scenarios of unequal size; 0 for independent transcripts.
    icc : float in [0, 1)
        Correlation of outcomes inside a scenario.
    """

    block: Block
    rate: float
    labels: int
    pool: int
    judge: Accuracy
    classifier: Accuracy = CLASSIFIER
    flagged_share: Share = None
    blind: float = 0.0
    correlation: float = 0.0
    scenarios: int = 0
    icc: float = 0.0

    @property
    def design(self) -> str:
        """The word for how labels were drawn.

        Examples
        --------
        >>> regimes()[0].design, regimes()[1].design
        ('uniform', '25 % on flagged')
        """
        return "uniform" if self.flagged_share is None else f"{self.flagged_share:.0%} on flagged".replace("%", " %")

    @property
    def name(self) -> str:
        """All that distinguishes the cell inside its block.

        Examples
        --------
        >>> regimes()[0].name
        'rate 0.2 %, n 50, T 1000, judge (.95, .99), uniform'
        """
        parts = [f"rate {100 * self.rate:.4g} %", f"n {self.labels}", f"T {self.pool}", f"judge {_pair(self.judge)}"]
        if self.classifier != CLASSIFIER:
            parts.append(f"classifier {_pair(self.classifier)}")
        if self.scenarios:
            parts.append(f"{self.scenarios} scenarios, correlation {self.icc:g}")
        return ", ".join([*parts, self.design])

    @property
    def key(self) -> int:
        """A number for the seed that depends on the cell alone, so that cells can be run in any order."""
        return zlib.crc32(f"{self.block}: {self.name}".encode())


def _pair(accuracy: Accuracy) -> str:
    return f"({accuracy.sensitivity:g}, {accuracy.specificity:g})".replace("0.", ".")


def regimes() -> list[Cell]:
    """The 270 regimes of the published coverage table.

    Examples
    --------
    >>> len(regimes())
    270
    """
    return [
        Cell(block="regimes", rate=rate, labels=n, pool=pool, judge=judge, flagged_share=share)
        for rate, n, pool, judge, share in product(RATES, LABELS, POOLS, (*JUDGES, WEAK), SHARES)
    ]


def stress() -> list[Cell]:
    """Extreme judges, and expected numbers of labelled harms from .25 to 8."""
    extreme = [
        Cell(block="stress", rate=rate, labels=n, pool=pool, judge=judge, flagged_share=share)
        for rate, n, pool, judge, share in product(RATES, LABELS, POOLS, EXTREME, SHARES)
    ]
    few = [
        Cell(block="stress", rate=quarters / 4 / n, labels=n, pool=10_000, judge=JUDGES[1], flagged_share=share)
        for quarters, n, share in product(range(1, 33), (50, 200), SHARES[:2])
    ]
    return extreme + few


def blind() -> list[Cell]:
    """Graders that cannot see 40 % of harms."""
    return [
        Cell(block="blind", rate=rate, labels=n, pool=10_000, judge=judge, flagged_share=share, blind=0.4)
        for rate, n, judge, share in product(RATES, LABELS, JUDGES, SHARES)
    ]


def clustered() -> list[Cell]:
    """Scenarios of unequal size, the target being new scenarios like these."""
    kinds = product(RATES, LABELS[:2], (4, 8, 20), (0.1, 0.2, 0.5), SHARES[:2])
    return [
        Cell(
            block="clustered",
            rate=rate,
            labels=n,
            pool=1_000,
            judge=JUDGES[1],
            flagged_share=share,
            scenarios=scenarios,
            icc=icc,
        )
        for rate, n, scenarios, icc, share in kinds
    ]


def correlated() -> list[Cell]:
    """Two graders that tend to be wrong about the same transcripts."""
    plain = [
        Cell(block="correlated", rate=rate, labels=n, pool=10_000, judge=judge, flagged_share=share)
        for rate, n, judge, share in product(RATES, LABELS, JUDGES, SHARES)
    ]
    return [replace(cell, correlation=0.3) for cell in plain]


BLOCKS: dict[Block, Callable[[], list[Cell]]] = {
    "regimes": regimes,
    "stress": stress,
    "blind": blind,
    "clustered": clustered,
    "correlated": correlated,
}
