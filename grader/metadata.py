"""Metadata of transcripts as a table: the pool that rates count, without its texts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from grader.errors import InputError
from grader.transcript import FACTS, Transcript

FACT_COLUMNS = (*FACTS, "content_hash")

_SCALARS = (str, int, float, bool)


def metadata_frame(transcripts: Iterable[Transcript]) -> pd.DataFrame:
    """One row per transcript: its id, facts and every scalar metadata value; texts are not kept.

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
        rows.append({"transcript_id": transcript.id} | scalars | transcript.facts())
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


def _renamed(transcript: Transcript, key: str) -> Transcript:
    metadata: dict[str, Any] = dict(transcript.metadata)
    if key not in metadata:
        raise InputError(f"has no metadata {key!r} to name its scenario", record=f"transcript {transcript.id!r}")
    return Transcript(id=transcript.id, messages=transcript.messages, metadata=metadata | {"scenario": metadata[key]})
