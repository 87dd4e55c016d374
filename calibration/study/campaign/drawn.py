"""A design frame to be looked up shard by shard: probabilities and draws by place, ids held once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from calibration.study.design import Design

# A frame without harms is of every harm.
_ANY = ""


@dataclass(frozen=True, slots=True)
class _OneHarm:
    """By place of the id: whether it was a candidate, with which probability, whether it was drawn."""

    known: NDArray[np.bool_]
    probability: NDArray[np.float64]
    drawn: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Among:
    """The design for the transcripts of one shard; `place` is where each stands in the whole, -1 where it does not."""

    harms: Mapping[str, _OneHarm]
    is_frame: bool
    place: NDArray[np.intp]

    def of(self, harm: str, index: pd.Index) -> pd.DataFrame | None:
        """The design of one harm under the names that the transcripts have in `index`; None without a frame."""
        if not self.is_frame:
            return None
        columns = ["transcript_id", "inclusion_probability", "drawn"]
        one = self.harms.get(harm, self.harms.get(_ANY))
        if one is None:
            return pd.DataFrame(columns=columns)
        here = np.flatnonzero((self.place >= 0) & one.known[self.place])
        there = self.place[here]
        return pd.DataFrame(dict(zip(columns, (index[here], one.probability[there], one.drawn[there]), strict=True)))


class Drawn:
    """How transcripts were drawn, by harm.

    Parameters
    ----------
    design : design frame, "uniform" or None
        Of a transcript that stands in it twice, the first row counts.

    Examples
    --------
    >>> frame = pd.DataFrame({"transcript_id": ["a", "b"], "inclusion_probability": [0.5, 0.5], "drawn": [True, False]})
    >>> Drawn(frame).among(pd.Index(["b", "c"])).of("leaking", pd.Index([0, 1])).values.tolist()
    [[0, 0.5, False]]
    """

    def __init__(self, design: Design) -> None:
        self.uniform = isinstance(design, str)
        self.is_frame = isinstance(design, pd.DataFrame)
        self.ids, self.harms = pd.Index([], dtype=object), dict[str, _OneHarm]()
        if isinstance(design, pd.DataFrame):
            codes, ids = pd.factorize(design["transcript_id"])
            self.ids = pd.Index(np.asarray(ids, dtype=object))
            self.harms = dict(self._by_harm(design, codes, len(self.ids)))

    @staticmethod
    def _by_harm(design: pd.DataFrame, codes: NDArray[np.intp], n: int) -> dict[str, _OneHarm]:
        harm, names = pd.factorize(design["harm"]) if "harm" in design else (np.zeros(len(design), int), [_ANY])
        pi, drawn = design["inclusion_probability"].to_numpy(dtype=float), design["drawn"].to_numpy(dtype=bool)
        found = {}
        for number, name in enumerate(names):
            own = np.flatnonzero(harm == number)[::-1]  # so that the first row of an id is written last
            one = _OneHarm(np.zeros(n, dtype=bool), np.full(n, np.nan), np.zeros(n, dtype=bool))
            one.known[codes[own]], one.probability[codes[own]], one.drawn[codes[own]] = True, pi[own], drawn[own]
            found[str(name)] = one
        return found

    def among(self, ids: pd.Index) -> Among:
        """The design for some transcripts."""
        return Among(self.harms, self.is_frame, self.ids.get_indexer(ids))
