"""A pool of any size as a weighted one: transcripts that no rate can tell apart are one row with a frequency.

Rates need how many transcripts there are of each kind, not which. A batch of verdicts at a time becomes counts of
kinds; labelled transcripts stay rows of their own. `calibration.study.join` then joins the weighted pool as it joins
any other, where each row counts once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from calibration.study.facts import BY_VERDICT, FREQUENCY
from calibration.study.settings import StudySettings
from grader.errors import InputError
from grader.verdict.coded import STATE_OUTCOME, STATE_SIDE, Coded, CodedVerdicts, IntArray, KeyArray, id_keys
from labels.labelset import LabelSet
from labels.sampling.draws import Draws, draws_of, find_keys, joint_codes

# Parts are merged whenever this many wait.
_MERGE_EVERY = 16
_EPISODE = "episode"
# Names of columns of codes beside facts (text) and states (pairs).
_DESIGN, _OWN = ("design", 0), ("own", 0)
Column = str | tuple[str, str] | tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedPool:
    """A pool whose rows may stand for several transcripts each: all frames may have a column `FREQUENCY`.

    Parameters
    ----------
    facts : DataFrame by transcript id
        Metadata; of a counted pool that which the settings use, and the id is that of one of the transcripts. Labelled
        transcripts and branches of episodes are rows of their own.
    scores : frame of `grader.verdict.scores.grader_scores`
        Of the rows of `facts`; of a counted pool ``score`` is the side.
    verdicts : verdict frame
        Of a counted pool one row per ``harm, grader, grader_version, grader_kind``, with the first ``usage``.
    verdict_counts : DataFrame
        ``transcript_id, harm`` of the verdicts.
    design : design frame, "uniform" or None
        Of a counted pool also rows for the candidates that have no verdict.
    is_counted : bool
    """

    facts: pd.DataFrame
    scores: pd.DataFrame
    verdicts: pd.DataFrame
    verdict_counts: pd.DataFrame
    design: pd.DataFrame | Literal["uniform"] | None
    is_counted: bool


def used_facts(settings: StudySettings, *, is_uniform: bool = False) -> tuple[str, ...]:
    """The metadata keys that rates of these settings need; also what a declared uniform design is tested by."""
    needs_cluster = is_uniform or settings.target == "new-scenarios" or bool(settings.sets)
    keys = (*settings.by, *settings.where, *((settings.cluster,) if needs_cluster else ()))
    derived = ("set",) if settings.sets else ()
    return tuple(key for key in dict.fromkeys(keys) if not key.startswith(BY_VERDICT) and key not in derived)


def weighted_pool(
    batches: Iterable[CodedVerdicts],
    labels: LabelSet | None,
    settings: StudySettings,
    *,
    design: Draws | pd.DataFrame | Literal["uniform"] | None = None,
) -> WeightedPool:
    """Count the transcripts of each kind, one batch of verdicts in memory at a time.

    Parameters
    ----------
    batches : iterable of CodedVerdicts
        No transcript and no episode is in two of them.
    labels : LabelSet or None
    settings : StudySettings
        Transcripts that these settings tell apart are counted apart.
    design : Draws, design frame, "uniform" or None

    Raises
    ------
    InputError
        No verdicts; a metadata key that no transcript has.
    """
    is_uniform = isinstance(design, str)
    draws = draws_of(design) if isinstance(design, pd.DataFrame) else None if isinstance(design, str) else design
    counter = _Counter(_label_ids(labels), used_facts(settings, is_uniform=is_uniform), draws)
    for batch in batches:
        counter.add(batch)
    pool = counter.result()
    for key in used_facts(settings):
        if pool.facts[key].isna().all():
            raise InputError(f"no transcript has {key!r}")
    return replace(pool, design="uniform") if is_uniform else pool


def _label_ids(labels: LabelSet | None) -> NDArray[np.object_]:
    return np.array([], dtype=object) if labels is None else labels.frame["transcript_id"].unique().astype(object)


@dataclass(frozen=True, slots=True)
class _Kinds:
    """Kinds of transcripts: their codes, column by column, an example of each, and how many there are."""

    columns: Mapping[Column, IntArray]
    ids: NDArray[np.object_]
    frequency: IntArray
    n_verdicts: Mapping[str, IntArray]

    def merged(self) -> _Kinds:
        """Equal rows as one."""
        code, first = joint_codes(list(self.columns.values()))

        def total(weights: IntArray) -> IntArray:
            return np.bincount(code, weights=weights, minlength=len(first)).astype(np.int64)

        return _Kinds(
            columns={name: codes[first] for name, codes in self.columns.items()},
            ids=self.ids[first],
            frequency=total(self.frequency),
            n_verdicts={harm: total(n) for harm, n in self.n_verdicts.items()},
        )


def _together(parts: Sequence[_Kinds]) -> _Kinds:
    """Several parts as one; a column that a part does not have is missing (0) there."""
    names: dict[Column, None] = {name: None for part in parts for name in part.columns}
    harms = dict.fromkeys(harm for part in parts for harm in part.n_verdicts)
    empty = [np.zeros(len(part.ids), dtype=np.int64) for part in parts]
    return _Kinds(
        columns={
            name: np.concatenate([part.columns.get(name, zero) for part, zero in zip(parts, empty, strict=True)])
            for name in names
        },
        ids=np.concatenate([part.ids for part in parts]),
        frequency=np.concatenate([part.frequency for part in parts]),
        n_verdicts={
            harm: np.concatenate([part.n_verdicts.get(harm, zero) for part, zero in zip(parts, empty, strict=True)])
            for harm in harms
        },
    ).merged()


class _Counter:
    """The kinds of transcripts of the batches so far."""

    def __init__(self, label_ids: NDArray[np.object_], keys: Sequence[str], draws: Draws | None) -> None:
        label_keys = id_keys(label_ids)
        order = np.argsort(label_keys)
        self.label_ids, self.label_keys = label_ids[order], label_keys[order]
        self.keys, self.draws = [key for key in keys if key != _EPISODE], draws
        self.keeps_episodes = _EPISODE in keys
        self.values: dict[str, dict[object, int]] = {key: {None: 0} for key in (*self.keys, _EPISODE)}
        self.drawn_from = None if draws is None else np.zeros(len(draws.keys), dtype=bool)
        self.parts: list[_Kinds] = []
        self.pairs: list[pd.DataFrame] = []

    def add(self, batch: CodedVerdicts) -> None:
        """Count one batch."""
        if not len(batch.ids):
            return
        own = self._own(batch)
        episode = batch.facts.get(_EPISODE, Coded.missing(len(batch.ids)))
        episode = episode if self.keeps_episodes else _branches(episode)
        alone = (own == 0) & (episode.codes > 0)  # branches are joined by name: each stays a row
        own[alone] = -1 - np.arange(alone.sum())
        columns: dict[Column, IntArray] = {key: self._global(key, batch.facts[key]) for key in self.keys}
        columns[_EPISODE] = self._global(_EPISODE, episode)
        columns |= {pair: states.astype(np.int64) for pair, states in batch.states.items()}
        columns[_DESIGN] = self._design(batch.keys)
        part = _Kinds(columns, batch.ids, np.ones(len(batch.ids), dtype=np.int64), batch.n_verdicts)
        self.parts.append(_with_own(part, own))
        self.pairs.append(batch.pairs)
        if len(self.parts) >= _MERGE_EVERY:
            self.parts = [_together(self.parts)]

    def _own(self, batch: CodedVerdicts) -> IntArray:
        """The number of each labelled transcript, from 1 on; 0 for others."""
        place = find_keys(self.label_keys, batch.keys)
        same = place >= 0
        same[same] = self.label_ids[place[same]] == batch.ids[same]
        return np.where(same, place + 1, 0)

    def _global(self, key: str, column: Coded) -> IntArray:
        """A batch's codes as codes of the whole pool."""
        table = self.values[key]
        return np.array([table.setdefault(value, len(table)) for value in column.values])[column.codes]

    def _design(self, keys: KeyArray) -> IntArray:
        """Which kind of candidate each transcript is, from 1 on; 0 = none."""
        if self.draws is None or self.drawn_from is None:
            return np.zeros(len(keys), dtype=np.int64)
        place = self.draws.find(keys)
        self.drawn_from[place[place >= 0]] = True
        return np.where(place >= 0, self.draws.codes[place] + 1, 0)

    def result(self) -> WeightedPool:
        """The weighted pool of all batches."""
        if not self.parts:
            raise InputError("no verdicts to count")
        kinds = _together(self.parts)
        order = np.argsort(kinds.ids.astype(str), kind="stable")
        index = pd.Index(kinds.ids[order], dtype=object, name="transcript_id")
        facts = {key: self._decoded(key, kinds.columns[key][order]) for key in (*self.keys, _EPISODE)}
        pairs = _pairs(self.pairs)
        return WeightedPool(
            facts=pd.DataFrame(facts | {FREQUENCY: kinds.frequency[order]}, index=index),
            scores=_scores(kinds, order, pairs),
            verdicts=pairs,
            verdict_counts=pd.concat(
                [
                    pd.DataFrame({"transcript_id": pd.Series(kinds.ids, dtype=object), "harm": harm, FREQUENCY: n})[
                        n > 0
                    ]
                    for harm, n in kinds.n_verdicts.items()
                ],
                ignore_index=True,
            ),
            design=self._design_rows(kinds),
            is_counted=True,
        )

    def _decoded(self, key: str, codes: IntArray) -> NDArray[np.object_]:
        values = np.empty(len(self.values[key]), dtype=object)
        values[:] = list(self.values[key])
        return values[codes]

    def _design_rows(self, kinds: _Kinds) -> pd.DataFrame | None:
        """The rows of the design, of each kind of transcript and of the candidates that have no verdict."""
        if self.draws is None or self.drawn_from is None:
            return None
        rest = np.bincount(self.draws.codes[~self.drawn_from], minlength=len(self.draws.kinds))
        parts = []
        for code, rows in enumerate(self.draws.kinds):
            at = kinds.columns[_DESIGN] == code + 1
            ids, n = kinds.ids[at], kinds.frequency[at]
            if rest[code]:
                ids, n = np.append(ids, f"candidate without a verdict {code + 1}"), np.append(n, rest[code])
            parts.append(
                pd.DataFrame({"transcript_id": pd.Series(ids, dtype=object), FREQUENCY: n}).merge(rows, how="cross")
            )
        return pd.concat(parts, ignore_index=True)


def _with_own(part: _Kinds, own: IntArray) -> _Kinds:
    """Equal rows as one, those that stay rows of their own (`own` is not 0) as they are."""
    numbered = np.where(own < 0, own.max(initial=0) - own, own)
    return _Kinds({_OWN: numbered, **part.columns}, part.ids, part.frequency, part.n_verdicts).merged()


def _branches(episode: Coded) -> Coded:
    """The episodes of several branches; one of a single branch is a transcript like others."""
    several = np.bincount(episode.codes, minlength=len(episode.values)) > 1
    several[0] = False
    return Coded(codes=np.where(several[episode.codes], episode.codes, 0), values=episode.values)


def _pairs(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    key = ["harm", "grader", "grader_version", "grader_kind"]
    every = pd.concat(parts, ignore_index=True)
    first = every.drop_duplicates(key).set_index(key)
    return first.assign(n=every.groupby(key, sort=False)["n"].sum()).reset_index().rename(columns={"n": FREQUENCY})


def _scores(kinds: _Kinds, order: IntArray, pairs: pd.DataFrame) -> pd.DataFrame:
    """What each grader reports of each kind, a row per transcript, harm and grader that has a verdict."""
    parts = []
    for (harm, grader), rows in pairs.groupby(["harm", "grader"], sort=False):
        names = str(harm), str(grader)
        state = kinds.columns[names][order]
        at = np.flatnonzero(state)
        frame = pd.DataFrame({"transcript_id": pd.Series(kinds.ids[order[at]], dtype=object)}).assign(
            harm=names[0], grader=names[1]
        )
        side = STATE_SIDE[state[at]]
        parts.append(
            frame.assign(
                score=side,
                side=side,
                outcome=STATE_OUTCOME[state[at]],
                grader_kind=rows["grader_kind"].iloc[0],
                grader_version=rows["grader_version"].iloc[0],
                unverified=False,
                n_repeats=1,
            )
        )
    return pd.concat(parts, ignore_index=True)
