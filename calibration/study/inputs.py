"""What a study reads: transcripts, verdicts, labels, design, each from where the user says it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from calibration.findings.ledger import Ledger, Tally
from calibration.study.design import UNIFORM, Design, OnContradiction, check_known_ids
from calibration.study.join import JoinedPool, join_weighted, joined_pool, refuse_versions
from calibration.study.ledger import ledger_of
from calibration.study.notes import incomplete_notes
from calibration.study.settings import StudySettings
from calibration.study.sources import AssumptionInputs, Sources
from calibration.study.used_labels import used_labels
from grader.errors import InputError
from grader.failed_runs import correct_frame
from grader.progress import Track, untracked
from grader.readers.ledger import UNREADABLE, ReadingLedger
from labels.labelset import LabelSet
from labels.samples import joined_by_sample

__all__ = ["AssumptionInputs", "Sources", "StudyData", "load"]

_FAILED_RUNS = (
    "{:,} verdicts are on runs that failed: they count as cannot_assess or not_graded, whatever the table says"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyData:
    """What a study read, checked and joined once.

    Parameters
    ----------
    pool : DataFrame or None
        Metadata of every transcript that rates count; None where only the verdicts name them.
    verdicts : verdict frame or None
        None also for a pool in shards, which is counted.
    labels : LabelSet or None
        Every label that was read.
    design : design frame, "uniform" or None
    joined : JoinedPool or None
        The tables that rates are computed from; None without verdicts.
    beside : AssumptionInputs or None
    hashes : mapping from input name to SHA-256 of its file
    ledger : Ledger
    notes : tuple of str
        What the readers of transcripts noticed.
    """

    pool: pd.DataFrame | None = None
    verdicts: pd.DataFrame | None = None
    labels: LabelSet | None = None
    design: Design = None
    joined: JoinedPool | None = None
    beside: AssumptionInputs | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    notes: tuple[str, ...] = ()


def load(
    sources: Sources,
    settings: StudySettings | None = None,
    *,
    track: Track = untracked,
    count: bool = False,
    versions: Literal["refuse", "keep"] = "refuse",
) -> StudyData:
    """Read, scale, join and check the inputs of a study, once, for every command and plug-in.

    Parameters
    ----------
    sources : Sources
    settings : StudySettings, optional
        Which transcripts, harms and graders; None for commands that compute no rate: nothing is joined then.
    track : Track
    count : bool
        Leave a folder of shards on disk, to be counted.
    versions : {"refuse", "keep"}
        What to do about verdicts of two versions of one grader.

    Raises
    ------
    InputError
        A file that cannot be used, inputs that do not fit together.
    """
    labels = sources.read_labels()
    on_contradiction: OnContradiction = "note" if sources.force else "refuse"
    if count and settings is not None:
        return _counted(sources, labels, settings, track, on_contradiction)
    reading = ReadingLedger()
    verdicts, pool, design = sources.read_verdicts(), sources.read_pool(track, reading), sources.read_design()
    if sources.force and design != UNIFORM:
        raise InputError("--force keeps a --design uniform that the labels contradict; there is none")
    n_failed = 0
    if verdicts is not None and pool is not None:
        verdicts, n_failed = correct_frame(verdicts, pool)
    known = pool if pool is not None else verdicts
    if labels is not None and known is not None:
        labels = joined_by_sample(labels, known)
    if labels is not None and verdicts is not None:
        sources.meaning.check_harms(verdicts["harm"])
    data = StudyData(
        pool=pool,
        verdicts=verdicts,
        labels=labels,
        design=design,
        beside=sources.read_beside(),
        hashes=sources.hashes(),
        notes=(*reading.summary(), *([_FAILED_RUNS.format(n_failed)] if n_failed else [])),
    )
    place = sources.labels if isinstance(sources.labels, Path) else None
    if labels is not None and (ids := _known_ids(data, settings)) is not None:
        check_known_ids(labels, ids, file=place)
    if verdicts is not None and versions == "refuse":
        refuse_versions(verdicts)
    if settings is None or verdicts is None:
        return replace(data, ledger=_with_reading(_unjoined(data), reading))
    joined = joined_pool(
        verdicts,
        labels,
        settings,
        pool=pool,
        design=design,
        on_contradiction=on_contradiction,
        open_items=sources.open_items,
    )
    data = _with_joined(data, joined, sources)
    return replace(data, ledger=_with_reading(data.ledger, reading))


def _known_ids(data: StudyData, settings: StudySettings | None) -> pd.Index | None:
    """Ids of the transcripts that may have labels; None where nothing names them."""
    if data.pool is not None:
        ids = data.pool["transcript_id"]
    elif data.verdicts is not None:
        ids = data.verdicts["transcript_id"]
    else:
        return None
    if data.pool is None and settings is None and isinstance(data.design, pd.DataFrame):
        # A campaign's candidates are a pool, too, before all are graded.
        ids = pd.concat([ids, data.design["transcript_id"]])
    known: pd.Index = pd.Index(ids.drop_duplicates())
    return known


def _with_reading(ledger: Ledger, reading: ReadingLedger) -> Ledger:
    """The ledger with records that the readers left out, and files by format."""
    given = {reason: n for reason, n in reading.not_used.items() if reason != UNREADABLE}  # these are in the pool
    groups = dict(ledger.transcripts.groups) | {f"files of {name}": n for name, n in reading.formats.items()}
    return replace(ledger, transcripts=replace(ledger.transcripts.without(given), groups=groups))


def _counted(
    sources: Sources, labels: LabelSet | None, settings: StudySettings, track: Track, on_contradiction: OnContradiction
) -> StudyData:
    """The inputs of a study of a folder of shards, whose rows stay on disk."""
    weighted = sources.read_counted(labels, settings, track)
    refuse_versions(weighted.verdicts)
    joined = join_weighted(weighted, labels, settings, on_contradiction=on_contradiction)
    data = StudyData(labels=labels, design=joined.design, hashes=sources.hashes())
    return _with_joined(data, joined, sources)


def _with_joined(data: StudyData, joined: JoinedPool, sources: Sources) -> StudyData:
    notes = () if isinstance(sources.verdicts, pd.DataFrame) else tuple(incomplete_notes(sources.verdicts))
    joined = replace(joined, notes=(*joined.notes, *notes))
    return replace(data, joined=joined, ledger=ledger_of(joined))


def _unjoined(data: StudyData) -> Ledger:
    """The ledger where nothing was joined: what was read serves whole."""
    n = 0 if data.pool is None else len(data.pool)
    verdicts = 0 if data.verdicts is None else len(data.verdicts)
    design = len(data.design) if isinstance(data.design, pd.DataFrame) else 0
    facts = pd.DataFrame(index=pd.Index([] if data.labels is None else data.labels.frame["transcript_id"].unique()))
    labels = used_labels(data.labels, facts, () if data.labels is None else data.labels.harms, None)
    return Ledger(
        transcripts=Tally(read=n, used=n),
        verdicts=Tally(read=verdicts, used=verdicts),
        labels=labels.tally(),
        design=Tally(read=design, used=design),
    )
