"""Metadata of transcripts as a table: the pool that rates count, without its texts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from grader.errors import InputError
from grader.failed_runs import RUN_FAILURE, RUN_FAILURE_REASON, run_failure
from grader.transcript import FACTS, Transcript

FACT_COLUMNS = (*FACTS, "content_hash")

_SCALARS = (str, int, float, bool)


def metadata_frame(transcripts: Iterable[Transcript]) -> pd.DataFrame:
    """One row per transcript: its id, facts and every scalar metadata value; texts are not kept.

    Columns ``run_failure`` and ``run_failure_reason`` hold the outcome of a run that no grader can judge
    (`grader.failed_runs.run_failure`); None for the others.

    Parameters
    ----------
    transcripts : iterable of Transcript

    Examples
    --------
    >>> t = Transcript(id="a", messages=(), metadata={"model": "m", "tools": ["x"]})
    >>> metadata_frame([t])[["transcript_id", "model"]].values.tolist()
    [['a', 'm']]
    """
    rows = []
    for transcript in transcripts:
        scalars = {k: v for k, v in transcript.metadata.items() if isinstance(v, _SCALARS)}
        outcome, reason = run_failure(transcript) or (None, None)
        failure = {RUN_FAILURE: outcome, RUN_FAILURE_REASON: reason}
        rows.append({"transcript_id": transcript.id} | scalars | transcript.facts() | failure)
    return pd.DataFrame(rows)


def read_metadata(path: str | Path) -> pd.DataFrame:
    """Read a table of metadata: ``transcript_id`` and whatever columns (CSV, JSONL or Parquet).

    Raises
    ------
    InputError
        No such file, no ``transcript_id``, or an id twice.
    """
    from grader.verdict.tables import read_table

    path = Path(path)
    frame: pd.DataFrame = read_table(path)
    if "transcript_id" not in frame:
        raise InputError("a table of metadata needs 'transcript_id'", file=path)
    frame["transcript_id"] = frame["transcript_id"].astype(str)
    if (twice := frame["transcript_id"].duplicated()).any():
        raise InputError("twice", file=path, record=f"transcript {frame.loc[twice, 'transcript_id'].iloc[0]!r}")
    return frame


def with_scenario(transcripts: Iterable[Transcript], key: str | None) -> Iterable[Transcript]:
    """The transcripts with metadata `key` as their scenario (None: unchanged)."""
    if key is None:
        return transcripts
    return (_renamed(t, key) for t in transcripts)


def scenario_column(frame: pd.DataFrame, key: str | None) -> pd.DataFrame:
    """A table of metadata with column `key` as its scenario (None: unchanged)."""
    if key is None:
        return frame
    if key not in frame or frame[key].isna().all():
        known = ", ".join(str(c) for c in frame if not frame[c].isna().all())
        raise InputError(f"no transcript has {key!r} to name its scenario (--scenario-from); there is {known}")
    return frame.assign(scenario=frame[key])


def with_metadata(transcripts: Iterable[Transcript], table: pd.DataFrame) -> Iterable[Transcript]:
    """The transcripts with a table's facts (`read_metadata`) over their own; gaps of the table change nothing.

    Raises
    ------
    InputError
        The table names none of the transcripts.
    """
    rows = table.astype(object).where(table.notna(), None).set_index("transcript_id")
    facts = {str(id_): row for id_, row in zip(rows.index, rows.to_dict("records"), strict=True)}
    n_named = n_read = 0
    for transcript in transcripts:
        row = {key: value for key, value in facts.get(transcript.id, {}).items() if value is not None}
        n_read, n_named = n_read + 1, n_named + bool(row)
        merged: dict[str, Any] = dict(transcript.metadata) | {str(key): value for key, value in row.items()}
        yield Transcript(id=transcript.id, messages=transcript.messages, metadata=merged) if row else transcript
    if n_read and facts and not n_named:
        raise InputError(f"--metadata names none of the {n_read} transcripts; its first id is {next(iter(facts))!r}")


def _renamed(transcript: Transcript, key: str) -> Transcript:
    metadata: dict[str, Any] = dict(transcript.metadata)
    if key not in metadata:
        raise InputError(f"has no metadata {key!r} to name its scenario", record=f"transcript {transcript.id!r}")
    return Transcript(id=transcript.id, messages=transcript.messages, metadata=metadata | {"scenario": metadata[key]})
