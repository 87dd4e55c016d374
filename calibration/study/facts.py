"""Metadata of the pool: one row per transcript, and the keys by which rates are split or restricted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from calibration.study.ids import mismatch
from calibration.study.settings import StudySettings
from grader.errors import InputError
from grader.metadata import FACT_COLUMNS
from grader.verdict.frame import VERDICT_COLUMNS

# Groups by a grader's verdict on another harm or covariate, e.g. ``verdict:eval_awareness``.
BY_VERDICT = "verdict:"
_VERDICT_ONLY = frozenset(VERDICT_COLUMNS[: VERDICT_COLUMNS.index("grader_kind") + 1])
# Column of how many transcripts, verdicts or design rows a row stands for, in a pool that was counted
# (`calibration.study.counts`); elsewhere it is missing, and each row stands for one.
FREQUENCY = "_frequency"
# How many values an error message lists.
_LISTED = 12


def pool_facts(verdicts: pd.DataFrame, pool: pd.DataFrame | None, keys: Iterable[str] = ()) -> pd.DataFrame:
    """Metadata by transcript id: from the pool, gaps filled from the verdicts.

    Parameters
    ----------
    verdicts : verdict frame
        A transcript has several rows; the first known value counts, whatever the order of the rows.
    pool : DataFrame with ``transcript_id`` and metadata, or None
    keys : metadata keys that the study uses
        Beside the shipped ones, these must not contradict each other.

    Raises
    ------
    InputError
        Two rows of one transcript contradict each other; a verdict on a transcript outside the pool.
    """
    columns = [c for c in verdicts.columns if c == "transcript_id" or c not in _VERDICT_ONLY]
    checked = [c for c in columns if c in {*FACT_COLUMNS, *keys}]
    # By id, so that resampling does not depend on the order in which verdicts arrived.
    known = _first_known(verdicts[columns], checked)
    if pool is None:
        return known
    facts = _first_known(pool, [c for c in pool if c in {*FACT_COLUMNS, *keys}])
    if stray := set(known.index) - set(facts.index):
        sides = mismatch(list(stray), list(facts.index), name="verdicts", of="transcripts")
        raise InputError(
            f"verdicts on {len(stray)} of {len(known)} ids that are not among the transcripts: {sides}: are all "
            "transcripts named (--transcripts)?"
        )
    return facts.combine_first(known.reindex(facts.index)).reindex(facts.index)


def _first_known(rows: pd.DataFrame, checked: Sequence[str]) -> pd.DataFrame:
    """One row per transcript, sorted by id: of each column the first value that is not missing."""
    code, ids = pd.factorize(rows["transcript_id"], sort=True)
    start = np.empty(len(ids), dtype=np.int64)
    start[code[::-1]] = np.arange(len(rows))[::-1]  # the first row of each id is written last
    index = pd.Index(np.asarray(ids, dtype=object), name="transcript_id")
    values = {}
    for column in (c for c in rows if c != "transcript_id"):
        place = np.flatnonzero(rows[column].notna())
        first = start.copy()
        first[code[place[::-1]]] = place[::-1]
        if column in checked:
            _refuse_contradiction(rows[column], ids, code, place, first)
        values[column] = rows[column].iloc[first].set_axis(index)
    return pd.DataFrame(values, index=index)


def _refuse_contradiction(
    column: pd.Series[Any], ids: Any, code: NDArray[np.intp], place: NDArray[np.intp], first: NDArray[np.int64]
) -> None:
    value, names = pd.factorize(column)
    differs = np.flatnonzero(value[place] != value[first[code[place]]])
    if differs.size:
        row = place[differs[0]]
        one, other = names[value[first[code[row]]]], names[value[row]]
        raise InputError(
            f"two rows contradict each other on {column.name!r}: {one!r} and {other!r}; correct one of them",
            record=f"transcript {ids[code[row]]!r}",
        )


def row_weights(rows: pd.DataFrame) -> NDArray[np.float64]:
    """How many each row stands for."""
    return rows[FREQUENCY].to_numpy(dtype=float) if FREQUENCY in rows else np.ones(len(rows))


def units(facts: pd.DataFrame) -> pd.Series[Any]:
    """The unit that rates count, by transcript: its episode, or the transcript itself."""
    alone = pd.Series(facts.index, index=facts.index, dtype=object)
    if "episode" not in facts:
        return alone
    episode = facts["episode"].astype(object)
    return episode.where(episode.notna(), alone)


def has_episodes(facts: pd.DataFrame) -> bool:
    """Whether some transcripts are branches of one run."""
    return "episode" in facts and bool(facts["episode"].notna().any())


def known_column(facts: pd.DataFrame, key: str) -> pd.Series[Any]:
    """A metadata column that some transcript has."""
    if key not in facts or facts[key].isna().all():
        known = [str(c) for c in facts if not facts[c].isna().all() and c not in ("content_hash", FREQUENCY)]
        raise InputError(f"no transcript has {key!r}; there is {', '.join(known) or 'no metadata'}")
    return facts[key]


def texts(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column's values as text; whole numbers without a decimal point (1.0 is 1), gaps stay."""
    known = column.notna()
    if pd.api.types.is_float_dtype(column.dtype):
        numbers = column[known].to_numpy(dtype=float)
        if np.isfinite(numbers).all() and (numbers == np.round(numbers)).all():
            return column.astype("Int64").astype(object).map(str, na_action="ignore").where(known, None)
    return column.astype(object).map(_text, na_action="ignore").where(known, None)


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def denominator(facts: pd.DataFrame, where: Mapping[str, str]) -> NDArray[np.bool_]:
    """Which transcripts the rates count: those whose unit has every value of `where`.

    Raises
    ------
    InputError
        A key or value that no transcript has.
    """
    keep = np.ones(len(facts), dtype=bool)
    for key, value in where.items():
        column = known_column(facts, key)
        if has_episodes(facts):  # a unit has the first known value of its branches
            column = column.groupby(units(facts).to_numpy()).transform("first")
        hit = matches(column, value)
        if not hit.any():
            raise InputError(f"no transcript where {key} is {value!r}; {key} is {_listed(texts(column))}")
        keep &= hit
    if not keep.any():
        raise InputError(f"no transcript where {' and '.join(f'{k} is {v!r}' for k, v in where.items())}")
    return keep


def check_keys(pool: pd.DataFrame, settings: StudySettings) -> None:
    """Refuse keys and values of `settings` that no transcript has, before graders are paid for.

    Parameters
    ----------
    pool : metadata frame
    settings : StudySettings
        Its keys ``verdict:HARM`` are those of verdicts, which are not there yet.
    """
    facts = pool.set_index("transcript_id")
    if settings.sets:
        facts = with_sets(facts, settings.sets, settings.cluster)
    for key in settings.by:
        if not key.startswith(BY_VERDICT):
            known_column(facts, key)
    denominator(facts, {key: value for key, value in settings.where.items() if not key.startswith(BY_VERDICT)})


def matches(column: pd.Series[Any], value: str) -> NDArray[np.bool_]:
    """Where a column has this value; numbers are compared as numbers, so that 1 is 1.0.

    Examples
    --------
    >>> matches(pd.Series([1.0, 2.0]), "1").tolist(), matches(pd.Series(["a", None]), "a").tolist()
    ([True, False], [True, False])
    """
    same = (texts(column) == value).to_numpy(dtype=bool)
    try:
        number = float(value)
    except ValueError:
        return same
    return same | (pd.to_numeric(column, errors="coerce") == number).fillna(value=False).to_numpy(dtype=bool)


def _listed(column: pd.Series[Any]) -> str:
    values = sorted(column.dropna().unique())
    return ", ".join(values[:_LISTED]) + (", ..." if len(values) > _LISTED else "")


def with_verdict_columns(facts: pd.DataFrame, scores: pd.DataFrame, keys: Iterable[str], grader: str) -> pd.DataFrame:
    """`facts` with a column for each key ``verdict:HARM``: ``yes``, ``no`` or ``unscored`` by `grader`.

    An episode has a yes when one of its branches has.
    """
    for key in keys:
        if not key.startswith(BY_VERDICT):
            continue
        harm = key.removeprefix(BY_VERDICT)
        rows = scores[(scores["harm"] == harm) & (scores["grader"] == grader)]
        if rows.empty:
            raise InputError(f"no verdict of {grader!r} on {harm!r}, by which rates are to be split")
        side = rows.set_index("transcript_id")["side"].reindex(facts.index)
        if "episode" in facts:
            side = side.groupby(units(facts)).transform("max")
        facts = facts.assign(**{key: side.map({1.0: "yes", 0.0: "no"}).fillna("unscored")})
    return facts


def with_sets(facts: pd.DataFrame, sets: Mapping[str, Sequence[str]], cluster: str) -> pd.DataFrame:
    """`facts` with a column ``set``: which of the named sets of scenarios each transcript's scenario is in.

    Raises
    ------
    InputError
        A scenario that no transcript has, or that is in two sets.
    """
    if not sets:
        return facts
    home: dict[str, str] = {}
    known = set(known_column(facts, cluster).astype(str))
    for name, scenarios in sets.items():
        for scenario in scenarios:
            if scenario not in known:
                raise InputError(
                    f"no transcript of scenario {scenario!r} of set {name!r}; there is {', '.join(sorted(known))}"
                )
            if scenario in home:
                raise InputError(f"scenario {scenario!r} is in two sets, {home[scenario]!r} and {name!r}")
            home[scenario] = name
    return facts.assign(set=facts[cluster].astype(str).map(home))
