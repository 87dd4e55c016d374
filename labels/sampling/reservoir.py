"""A sample of a pool that does not fit into memory: drawn in one pass, the same whatever the order of its shards.

Every transcript gets a random key, a keyed hash of its id; the transcripts of smallest keys in a stratum are a simple
random sample of it. A pass that keeps as many of each stratum as any allocation could ask for, and counts the rest,
knows enough to draw: Efraimidis and Spirakis (2006), `doi:10.1016/j.ipl.2005.11.003`, with equal weights.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labels.sampling.allocation import allocate
from labels.sampling.rounds import DESIGN_COLUMNS
from labels.sampling.strata import candidate_strata

_Kept = tuple[NDArray[np.uint64], NDArray[np.object_]]


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
    >>> first.add(["a", "b"], ["all", "all"])
    >>> second.add(["c", "d", "e"], ["all", "all", "all"])
    >>> first.merge(second)
    >>> first.sizes["all"], len(first.smallest("all", 2))
    (5, 2)
    """

    def __init__(self, n: int, key: str) -> None:
        self.n, self.key = n, key
        self.sizes: Counter[str] = Counter()
        self._kept: dict[str, _Kept] = {}

    def add(self, ids: Iterable[str], strata: Iterable[str]) -> None:
        """Add transcripts, none of them twice."""
        names = np.asarray(list(ids), dtype=object)
        codes, found = pd.factorize(np.asarray(list(strata), dtype=object))
        keys = pd.util.hash_array(names, hash_key=self.key, categorize=False)
        for code, stratum in enumerate(found):
            own = codes == code
            self.sizes[str(stratum)] += int(own.sum())
            self._keep(str(stratum), keys[own], names[own])

    def merge(self, other: Reservoir) -> None:
        """Add what another reservoir holds of other shards.

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
        order = np.lexsort((names.astype(str), keys))
        keys, names = keys[order], names[order]
        if (same := names[1:] == names[:-1]).any():
            raise ValueError(f"shards must hold each transcript once, got {names[1:][same][0]!r} twice.")
        self._kept[stratum] = keys, names


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSample:
    """A sample of a pool in shards.

    Parameters
    ----------
    drawn : frozenset of str
        Transcript ids.
    n_transcripts : mapping from stratum to transcripts
    n_drawn : mapping from stratum to drawn transcripts
    design : str
    round : int
    """

    drawn: frozenset[str]
    n_transcripts: Mapping[str, int]
    n_drawn: Mapping[str, int]
    design: str
    round: int

    def rows(self, candidates: pd.DataFrame, harms: Sequence[str]) -> pd.DataFrame:
        """The design frame of one shard, given its candidates again."""
        pool = candidate_strata(candidates, self.design, 0)
        share = {name: self.n_drawn.get(name, 0) / size for name, size in self.n_transcripts.items()}
        pi = pool["stratum"].map(share).astype(float)
        drawn = pool["transcript_id"].isin(self.drawn)
        frame = pool.assign(inclusion_probability=pi, round=self.round, drawn=drawn)
        return frame.merge(pd.DataFrame({"harm": list(harms)}), how="cross")[list(DESIGN_COLUMNS)]


def sample_shards(
    shards: Iterable[pd.DataFrame],
    n: int,
    *,
    design: str = "uniform",
    round: int = 1,
    rng: np.random.Generator,
    pilot: Mapping[str, float] | None = None,
    earlier: pd.DataFrame | None = None,
) -> ShardSample:
    """Draw `n` transcripts of a pool in one pass over its shards.

    Parameters
    ----------
    shards : iterable of frames
        Candidates as `labels.draw_sample` takes them; all rows on a transcript lie in one shard. The sample does not
        depend on their order, nor on how transcripts are spread over them.
    n, design, round, rng, pilot, earlier
        As in `labels.draw_sample`, which has the same inclusion probabilities and draws other transcripts;
        ``most-unlike-training``, which is no random sample, is not offered. `earlier` is held in memory.

    Returns
    -------
    ShardSample
        With which `ShardSample.rows` makes the design frame in a second pass, shard by shard.

    Raises
    ------
    ValueError
        When an argument breaks its rule; a drawn transcript in two shards.

    Examples
    --------
    >>> def shards():
    ...     for part in (range(40), range(40, 100)):
    ...         yield pd.DataFrame({"transcript_id": [f"t{i}" for i in part], "flagged": [i % 10 == 0 for i in part]})
    >>> sample = sample_shards(shards(), 12, design="flagged-25", rng=np.random.default_rng(1))
    >>> sample.n_drawn, len(sample.drawn)
    ({'flagged': 3, 'not flagged': 9}, 12)
    """
    if design == "most-unlike-training":
        raise ValueError("design must be a random sample for a pool in shards, got 'most-unlike-training'.")
    if n < 1 or round < 1:
        raise ValueError(f"n and round must be at least 1, got {n} and {round}.")
    # Of the round, too: rounds with one seed would else draw the same transcripts again.
    key = hashlib.blake2b(rng.bytes(16) + str(round).encode(), digest_size=8).hexdigest()
    before = _Before(earlier)
    free, again = Reservoir(n, key), Reservoir(n, key)
    for candidates in shards:
        pool = candidate_strata(candidates, design, 0)
        drawn = before.drawn(pool)
        free.add(pool.loc[~drawn, "transcript_id"], pool.loc[~drawn, "stratum"])
        again.add(pool.loc[drawn, "transcript_id"], pool.loc[drawn, "stratum"])
    sizes = free.sizes + again.sizes
    if not before.same(sum(sizes.values())):
        free.merge(again)
    return _drawn(free, dict(sizes), n, design, round, pilot)


def _drawn(
    free: Reservoir, sizes: Mapping[str, int], n: int, design: str, round: int, pilot: Mapping[str, float] | None
) -> ShardSample:
    """The smallest keys of every stratum, as many as the design gives it."""
    left = pd.Series({name: free.sizes[name] for name in sorted(free.sizes) if free.sizes[name]}, dtype=int)
    if n > left.sum():
        raise ValueError(f"n must fulfil 1 <= n <= {left.sum()} (transcripts to draw from), got {n}.")
    counts = allocate(left, n, design, pilot)
    drawn = [name for stratum, count in counts.items() for name in free.smallest(stratum, count)]
    return ShardSample(
        drawn=frozenset(drawn), n_transcripts=dict(sorted(sizes.items())), n_drawn=counts, design=design, round=round
    )


class _Before:
    """Who was drawn in earlier rounds, which counts where these had the same strata."""

    def __init__(self, earlier: pd.DataFrame | None) -> None:
        self.rows = None if earlier is None else earlier.drop_duplicates("transcript_id").set_index("transcript_id")
        self.alike = True

    def drawn(self, pool: pd.DataFrame) -> NDArray[np.bool_]:
        """Which of these transcripts were drawn before."""
        if self.rows is None:
            return np.zeros(len(pool), dtype=bool)
        rows = self.rows.reindex(pool["transcript_id"])
        self.alike &= bool((rows["stratum"].to_numpy() == pool["stratum"].to_numpy()).all())
        return rows["drawn"].isin([True]).to_numpy(dtype=bool)

    def same(self, n_transcripts: int) -> bool:
        """Whether earlier rounds, over all shards, were of this pool and these strata."""
        return self.rows is None or (self.alike and len(self.rows) == n_transcripts)
