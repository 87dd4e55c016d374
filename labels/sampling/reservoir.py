"""A sample of a pool of any size: drawn in one pass, the same whatever the order of its shards.

Every transcript gets a random key, a keyed hash of its id; the transcripts of smallest keys in a stratum are a simple
random sample of it. A pass that keeps as many of each stratum as any allocation could ask for, and counts the rest, is
enough to draw: Efraimidis and Spirakis (2006), `doi:10.1016/j.ipl.2005.11.003`, with equal weights.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grader.verdict.coded import Coded
from labels.sampling.allocation import allocate
from labels.sampling.strata import check_design

if TYPE_CHECKING:
    import pyarrow as pa

_Kept = tuple[NDArray[np.uint64], NDArray[np.object_]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Some transcripts of a pool, none of them twice.

    Parameters
    ----------
    ids : array of str
    stratum : Coded
        The stratum of each.

    Examples
    --------
    >>> Candidates.of(["a", "b"], ["flagged", "rest"]).stratum.codes.tolist()
    [1, 2]
    """

    ids: NDArray[np.object_]
    stratum: Coded

    @classmethod
    def of(cls, ids: Iterable[str], strata: Iterable[str]) -> Candidates:
        """Candidates from two lists."""
        return cls(ids=np.array(list(ids), dtype=object), stratum=Coded.of(np.array(list(strata), dtype=object)))

    def where(self, rows: NDArray[np.bool_]) -> Candidates:
        """Some of them."""
        return Candidates(ids=self.ids[rows], stratum=self.stratum.at(rows))


class Reservoir:
    """The transcripts of smallest keys in each stratum, and how many transcripts there are.

    Parameters
    ----------
    n : int
        How many of each stratum to keep: no stratum gets more labels.
    key : str of 16 characters
        Of the hash. Reservoirs that are merged must share it.

    Examples
    --------
    >>> first, second = Reservoir(2, "0123456789abcdef"), Reservoir(2, "0123456789abcdef")
    >>> first.add(Candidates.of(["a", "b"], ["all", "all"]))
    >>> second.add(Candidates.of(["c", "d", "e"], ["all", "all", "all"]))
    >>> first.merge(second)
    >>> first.sizes["all"], len(first.smallest("all", 2))
    (5, 2)
    """

    def __init__(self, n: int, key: str) -> None:
        self.n, self.key = n, key
        self.sizes: Counter[str] = Counter()
        self._kept: dict[str, _Kept] = {}

    def add(self, candidates: Candidates) -> None:
        """Add transcripts."""
        keys = pd.util.hash_array(candidates.ids, hash_key=self.key, categorize=False)
        for code in np.unique(candidates.stratum.codes):
            stratum, rows = str(candidates.stratum.values[code]), candidates.stratum.codes == code
            self.sizes[stratum] += int(rows.sum())
            if stratum in self._kept and len(kept := self._kept[stratum][0]) >= self.n > 0:
                rows &= keys <= kept[-1]
            self._keep(stratum, keys[rows], candidates.ids[rows])

    def merge(self, other: Reservoir) -> None:
        """Add the transcripts of another reservoir, of other shards.

        Raises
        ------
        ValueError
            It was filled under another key or size.
        """
        if (other.key, other.n) != (self.key, self.n):
            raise ValueError(f"key and n must be those of the other reservoir, got {other.n} and {self.n}.")
        self.sizes.update(other.sizes)
        for stratum, kept in other._kept.items():
            self._keep(stratum, *kept)

    def smallest(self, stratum: str, count: int) -> list[str]:
        """The ids of smallest keys, at most `n` of them: a simple random sample of the stratum."""
        return [str(name) for name in self._kept[stratum][1][:count]] if stratum in self._kept else []

    def _keep(self, stratum: str, keys: NDArray[np.uint64], names: NDArray[np.object_]) -> None:
        if stratum in self._kept:
            keys, names = (np.concatenate(pair) for pair in zip(self._kept[stratum], (keys, names), strict=True))
        if len(keys) > self.n:
            few = np.argpartition(keys, self.n)[: self.n] if self.n else np.array([], dtype=np.int64)
            keys, names = keys[few], names[few]
        order = np.argsort(keys, kind="stable")
        keys, names = keys[order], names[order]
        if (keys[1:] == keys[:-1]).any():
            keys, names = _ties_by_name(keys, names)
        self._kept[stratum] = keys, names


def _ties_by_name(keys: NDArray[np.uint64], names: NDArray[np.object_]) -> _Kept:
    """Equal keys in order of their names; a name twice is refused."""
    order = np.lexsort((names.astype(str), keys))
    keys, names = keys[order], names[order]
    if (same := names[1:] == names[:-1]).any():
        raise ValueError(f"shards must hold each transcript once, got {names[1:][same][0]!r} twice.")
    return keys, names


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSample:
    """A sample of a pool in shards.

    Parameters
    ----------
    drawn : frozenset of str
        Transcript ids.
    n_transcripts : mapping from stratum to transcripts
    n_drawn : mapping from stratum to drawn transcripts
    round : int
    """

    drawn: frozenset[str]
    n_transcripts: Mapping[str, int]
    n_drawn: Mapping[str, int]
    round: int

    def rows(self, candidates: Candidates, harms: Sequence[str], **constants: str | None) -> pa.Table:
        """The design frame of some candidates, with further columns of one value each."""
        import pyarrow as pa

        n, k, stratum = len(candidates.ids), len(harms), candidates.stratum
        share = [self.n_drawn.get(s, 0) / self.n_transcripts[s] if s is not None else 0.0 for s in stratum.values]
        drawn = np.fromiter((name in self.drawn for name in candidates.ids), dtype=bool, count=n)

        def text(codes: Any, values: Any) -> pa.Array:
            return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(values, pa.string()))

        columns = {
            "transcript_id": text(np.repeat(np.arange(n), k), candidates.ids),
            "harm": text(np.tile(np.arange(k), n), list(harms)),
            "stratum": text(np.repeat(stratum.codes - 1, k), stratum.values[1:]),
            "inclusion_probability": np.repeat(np.array(share)[stratum.codes], k),
            "round": np.full(n * k, self.round, dtype=np.int64),
            "drawn": np.repeat(drawn, k),
        }
        for name, value in constants.items():
            columns[name] = text(np.zeros(n * k, dtype=np.int32), [value])
        return pa.table(columns)


def sample_shards(
    parts: Iterable[Candidates],
    n: int,
    *,
    design: str = "uniform",
    round: int = 1,
    rng: np.random.Generator,
    pilot: Mapping[str, float] | None = None,
    earlier: pd.DataFrame | None = None,
) -> ShardSample:
    """Draw `n` transcripts of a pool in one pass over its parts.

    Parameters
    ----------
    parts : iterable of Candidates
        No transcript is in two of them. The sample does not depend on their order, nor on how transcripts are spread
        over them.
    n, round, rng, pilot, earlier
        As in `labels.draw_sample`, which has the same inclusion probabilities and draws other transcripts. `earlier` is
        held in memory.
    design : str
        How the labels are spread over the strata, as in `labels.draw_sample`; not ``most-unlike-training``, which is
        not a random sample.

    Returns
    -------
    ShardSample
        `ShardSample.rows` makes the design frame, part by part.

    Raises
    ------
    ValueError
        When an argument breaks its rule; a drawn transcript in two parts.

    Examples
    --------
    >>> parts = [Candidates.of([f"t{i}" for i in part], ["flagged" if i % 10 == 0 else "not flagged" for i in part])
    ...          for part in (range(40), range(40, 100))]
    >>> sample = sample_shards(parts, 12, design="flagged-25", rng=np.random.default_rng(1))
    >>> sample.n_drawn, len(sample.drawn)
    ({'flagged': 3, 'not flagged': 9}, 12)
    """
    if design == "most-unlike-training":
        raise ValueError("design must be a random sample for a pool in shards, got 'most-unlike-training'.")
    check_design(design)
    if n < 1 or round < 1:
        raise ValueError(f"n and round must be at least 1, got {n} and {round}.")
    # The round is part of the key: two rounds with one seed would draw the same transcripts.
    key = hashlib.blake2b(rng.bytes(16) + str(round).encode(), digest_size=8).hexdigest()
    before = _Before(earlier)
    free, again = Reservoir(n, key), Reservoir(n, key)
    for candidates in parts:
        drawn = before.drawn(candidates)
        free.add(candidates.where(~drawn))
        again.add(candidates.where(drawn))
    sizes = free.sizes + again.sizes
    if not before.same(sum(sizes.values())):
        free.merge(again)
    left = pd.Series({name: free.sizes[name] for name in sorted(free.sizes) if free.sizes[name]}, dtype=int)
    if n > left.sum():
        raise ValueError(f"n must fulfil 1 <= n <= {left.sum()} (transcripts to draw from), got {n}.")
    counts = allocate(left, n, design, pilot)
    ids = [name for stratum, count in counts.items() for name in free.smallest(stratum, count)]
    return ShardSample(drawn=frozenset(ids), n_transcripts=dict(sorted(sizes.items())), n_drawn=counts, round=round)


class _Before:
    """Transcripts of earlier rounds, which are not drawn again where these had the same strata."""

    def __init__(self, earlier: pd.DataFrame | None) -> None:
        self.rows = None if earlier is None else earlier.drop_duplicates("transcript_id").set_index("transcript_id")
        self.alike = True

    def drawn(self, candidates: Candidates) -> NDArray[np.bool_]:
        """Which of these transcripts were drawn before."""
        if self.rows is None:
            return np.zeros(len(candidates.ids), dtype=bool)
        rows = self.rows.reindex(candidates.ids)
        self.alike &= bool((rows["stratum"].to_numpy() == candidates.stratum.decoded()).all())
        return rows["drawn"].isin([True]).to_numpy(dtype=bool)

    def same(self, n_transcripts: int) -> bool:
        """Whether earlier rounds, over all shards, were of this pool and these strata."""
        return self.rows is None or (self.alike and len(self.rows) == n_transcripts)
