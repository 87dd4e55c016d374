"""Verdicts as small codes, one row per transcript: what counting needs, in a few bytes per verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from grader.errors import InputError
from grader.verdict.records import OUTCOMES

IntArray = NDArray[np.int64]
KeyArray = NDArray[np.uint64]

# What one grader reports of one transcript and harm; 0 = no verdict.
STATES = ("", "no", "yes", *(name for name in OUTCOMES if name != "scored"))
STATE_SIDE = np.array([{"no": 0.0, "yes": 1.0}.get(name, np.nan) for name in STATES])
STATE_OUTCOME = np.array(["scored" if name in ("no", "yes") else name for name in STATES], dtype=object)
NO, YES = STATES.index("no"), STATES.index("yes")
DETAILS = ("usage", "explanation")
PAIR_COLUMNS = ("harm", "grader", "grader_version", "grader_kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """A column as codes into its distinct values.

    Parameters
    ----------
    codes : array of int, one per row
        0 = missing.
    values : array of objects
        ``values[0]`` is None.

    Examples
    --------
    >>> Coded.of(["a", None, "b", "a"]).codes.tolist()
    [1, 0, 2, 1]
    """

    codes: IntArray
    values: NDArray[np.object_]

    @classmethod
    def of(cls, column: ArrayLike | pd.Series[Any]) -> Coded:
        """The codes of any column."""
        series = column if isinstance(column, pd.Series) else pd.Series(column, dtype=object)
        codes, values = pd.factorize(series)
        return cls(codes=codes.astype(np.int64) + 1, values=_with_gap(values))

    @classmethod
    def of_arrow(cls, column: Any) -> Coded:
        """The codes of a column of an Arrow table, which are its dictionary's where it has one."""
        import pyarrow as pa

        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        array = column.unify_dictionaries().combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return cls(codes=codes + 1, values=_with_gap(array.dictionary.to_pylist()))

    @classmethod
    def missing(cls, n: int) -> Coded:
        """A column of `n` rows without any value."""
        return cls(codes=np.zeros(n, dtype=np.int64), values=_with_gap([]))

    def at(self, rows: NDArray[Any]) -> Coded:
        """Some of the rows."""
        return Coded(codes=self.codes[rows], values=self.values)

    def decoded(self) -> NDArray[np.object_]:
        """The values, row by row."""
        return self.values[self.codes]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedVerdicts:
    """A batch of verdicts, one row per transcript.

    Parameters
    ----------
    name : str or None
        File that the batch was read from.
    ids : array of str
        Transcripts.
    keys : array of uint64
        `id_keys` of them.
    facts : mapping from a metadata key to its column
    states : mapping from (harm, grader) to an array of codes into `STATES`
    n_verdicts : mapping from a harm to an array of int
        How many verdicts there are on it, repeats counted.
    pairs : DataFrame
        One row per ``harm, grader, grader_version, grader_kind``, with `DETAILS` of its first verdict and how many
        verdicts (``n``) there are.
    """

    name: str | None
    ids: NDArray[np.object_]
    keys: KeyArray
    facts: Mapping[str, Coded]
    states: Mapping[tuple[str, str], NDArray[np.int8]]
    n_verdicts: Mapping[str, IntArray]
    pairs: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRows:
    """The columns of a batch, row by row.

    Parameters
    ----------
    text : mapping from ``transcript_id``, `PAIR_COLUMNS` and the metadata keys to columns
    state : array of codes into `STATES`
    repeat : array of int
    details : function of row numbers
        ``usage`` (dicts) and ``explanation`` of the verdicts in these rows; called for the first row of each grader
        and harm.
    """

    text: Mapping[str, Coded]
    state: NDArray[np.int8]
    repeat: IntArray
    details: Callable[[IntArray], pd.DataFrame]

    def taken(self, take: Mapping[str, str] | None) -> VerdictRows:
        """The verdicts of the wanted scores (all without `take`), each named as the harm that it is a verdict on."""
        if not take:
            return self
        harm = self.text["harm"]
        rows = np.flatnonzero(np.isin(harm.values, list(take))[harm.codes])
        text = {name: column.at(rows) for name, column in self.text.items()}
        names = [take.get(value, value) for value in harm.values]
        text["harm"] = replace(text["harm"], values=np.array(names, dtype=object))
        details = self.details
        return VerdictRows(
            text=text, state=self.state[rows], repeat=self.repeat[rows], details=lambda some: details(rows[some])
        )


def id_keys(ids: NDArray[np.object_]) -> KeyArray:
    """A 64-bit hash of each id: ids of a large pool are compared by it.

    Among 10^7 ids two different ones share a hash with probability 3 in a million.

    Examples
    --------
    >>> id_keys(np.array(["a", "b"], dtype=object)).dtype
    dtype('uint64')
    """
    try:
        return pd.util.hash_array(ids, categorize=False)
    except UnicodeEncodeError:  # half a surrogate pair, which only JSON can hold
        plain = [str(name).encode("utf-8", "surrogatepass") for name in ids]
        return pd.util.hash_array(np.array(plain, dtype=object), categorize=False)


def frame_rows(frame: pd.DataFrame, facts: Iterable[str]) -> VerdictRows:
    """The rows of a checked verdict frame (`grader.verdict.frame`)."""
    present = np.asarray(frame["present"].astype("Int8").fillna(-1), dtype=np.int8)
    return VerdictRows(
        text={
            name: Coded.of(frame[name]) if name in frame else Coded.missing(len(frame))
            for name in ("transcript_id", *PAIR_COLUMNS, *facts)
        },
        state=row_states(present, Coded.of(frame["outcome"])),
        repeat=frame["repeat"].to_numpy(dtype=np.int64),
        details=lambda rows: frame[[*DETAILS]].iloc[rows].reset_index(drop=True),
    )


def row_states(present: NDArray[np.int8], outcome: Coded) -> NDArray[np.int8]:
    """Each verdict's state, from its side (1, 0, -1 = none) and its outcome."""
    lookup = np.array([STATES.index(name) if name in STATES else 0 for name in outcome.values], dtype=np.int8)
    return np.where(present >= 0, NO + present, lookup[outcome.codes]).astype(np.int8)


def coded_verdicts(rows: VerdictRows, name: str | None = None) -> CodedVerdicts:
    """One row per transcript: repeats reduced as `grader.verdict.scores.grader_scores` does.

    Parameters
    ----------
    rows : VerdictRows
    name : str, optional
        File that errors name.

    Raises
    ------
    InputError
        Two verdicts of one grader on a transcript, harm and repeat; a transcript with two values of a metadata key.
    """
    unit, ids = _used(rows.text["transcript_id"])
    pair, first = _pairs(rows.text["harm"], rows.text["grader"])
    n_pairs = len(first)
    cell = unit * n_pairs + pair
    n = np.bincount(cell, minlength=len(ids) * n_pairs)
    states = _reduced(cell, n, rows, name).reshape(len(ids), n_pairs)
    harm, grader = (rows.text[column].at(first).decoded() for column in ("harm", "grader"))
    of_harm = {h: n.reshape(len(ids), n_pairs)[:, harm == h].sum(axis=1) for h in dict.fromkeys(harm)}
    facts = [key for key in rows.text if key not in ("transcript_id", *PAIR_COLUMNS)]
    return CodedVerdicts(
        name=name,
        ids=ids,
        keys=id_keys(ids),
        facts={key: _fact(key, rows.text[key], unit, ids, name) for key in facts},
        states={(h, g): np.ascontiguousarray(states[:, k]) for k, (h, g) in enumerate(zip(harm, grader, strict=True))},
        n_verdicts=of_harm,
        pairs=_versions(rows, pair, first),
    )


def _with_gap(values: Sequence[Any] | pd.Index) -> NDArray[np.object_]:
    table = np.empty(len(values) + 1, dtype=object)
    table[1:] = list(values)
    return table


def _used(column: Coded) -> tuple[IntArray, NDArray[np.object_]]:
    """Codes from 0 on without gaps, and their values."""
    used = np.bincount(column.codes, minlength=len(column.values)) > 0
    return (np.cumsum(used) - 1)[column.codes], column.values[used]


def _pairs(harm: Coded, grader: Coded) -> tuple[IntArray, IntArray]:
    """The number of each row's harm and grader, in order of first appearance, and the first row of each."""
    codes, values = pd.factorize(harm.codes * len(grader.values) + grader.codes)
    first = np.zeros(len(values), dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # of several rows, the one written last stays
    return codes.astype(np.int64), first


def _reduced(cell: IntArray, n: IntArray, rows: VerdictRows, name: str | None) -> NDArray[np.int8]:
    """The state of each cell (transcript, harm, grader), which has `n` verdicts; 0 where it has none."""
    states = np.zeros(len(n), dtype=np.int8)
    if not rows.repeat.any():
        if (n > 1).any():
            raise _doubled(rows, np.flatnonzero(n[cell] > 1), name)
        states[cell] = rows.state
        return states
    order = np.lexsort((rows.repeat, cell))
    at, repeat = cell[order], rows.repeat[order]
    if (same := (at[1:] == at[:-1]) & (repeat[1:] == repeat[:-1])).any():
        raise _doubled(rows, np.sort(order[np.append(False, same)]), name)
    states[at[::-1]] = rows.state[order][::-1]  # the first repeat's, where none was scored
    yes = np.bincount(cell, weights=rows.state == YES, minlength=len(n))
    scored = yes + np.bincount(cell, weights=rows.state == NO, minlength=len(n))
    return np.where(scored > 0, np.where(2 * yes >= scored, YES, NO), states).astype(np.int8)


def _doubled(rows: VerdictRows, twice: IntArray, name: str | None) -> InputError:
    id_, harm, grader = (rows.text[c].at(twice[-1:]).decoded()[0] for c in ("transcript_id", "harm", "grader"))
    return InputError(f"two verdicts by {grader!r} on {harm!r}", file=name, record=f"transcript {id_!r}")


def _fact(key: str, column: Coded, unit: IntArray, ids: NDArray[np.object_], name: str | None) -> Coded:
    """A metadata column by transcript: its one known value."""
    known = np.flatnonzero(column.codes)
    codes = np.zeros(len(ids), dtype=np.int64)
    codes[unit[known[::-1]]] = column.codes[known[::-1]]
    if (other := column.codes[known] != codes[unit[known]]).any():
        row = known[other][0]
        values = column.values[codes[unit[row]]], column.values[column.codes[row]]
        reason = f"{key} differs between its verdicts ({values[0]!r}, {values[1]!r})"
        raise InputError(reason, file=name, record=f"transcript {ids[unit[row]]!r}")
    return Coded(codes=codes, values=column.values)


def _versions(rows: VerdictRows, pair: IntArray, first: IntArray) -> pd.DataFrame:
    version, kind = rows.text["grader_version"], rows.text["grader_kind"]
    key = (pair * len(version.values) + version.codes) * len(kind.values) + kind.codes
    _, start, n = np.unique(key, return_index=True, return_counts=True)
    columns = {name: rows.text[name].at(start).decoded() for name in PAIR_COLUMNS}
    details = rows.details(first).iloc[pair[start]].reset_index(drop=True)
    frame = pd.DataFrame(columns, dtype=object).assign(n=n, row=start)
    return pd.concat([frame, details], axis=1).sort_values("row").drop(columns="row").reset_index(drop=True)
