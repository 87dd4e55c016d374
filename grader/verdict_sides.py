"""Tables of verdicts as rates need them: what each grader says of whom; no quotes, no explanations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from grader.errors import InputError
from grader.readers.scout_results import is_scan
from grader.verdict_files import TABLES, read_verdicts
from grader.verdict_frame import VERDICT_COLUMNS, parsed_column
from grader.verdict_schema import COLUMN
from grader.verdict_table import known_version, refuse_doubles, with_outcomes

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_SAID = ("transcript_id", "harm", "grader", "grader_version", "present", "score", "outcome", "repeat", "grader_kind")
_NUMBERS = frozenset({"present", "score", "repeat", "epoch", COLUMN})
_DEFAULTS = {"grader_version": "", "grader_kind": "judge"}
_LOOK = 1024


def verdict_shards(source: str | Path | Iterable[str | Path], facts: Sequence[str] = ()) -> Iterator[pd.DataFrame]:
    """Read shards of verdicts one after another, each by `read_sides`.

    Parameters
    ----------
    source : folder, or paths of files
        Of a folder, every table of verdicts in it, by name.
    facts : sequence of str
        Which facts of the transcripts to read (``model``, ``arm``, ...) beside ``episode``.

    Raises
    ------
    InputError
        No table in the folder; what `read_verdicts` refuses.
    """
    for path in shard_paths(source):
        yield read_sides(path, facts)


def shard_paths(source: str | Path | Iterable[str | Path]) -> list[Path]:
    """The tables of verdicts that make up a pool, by name; see `verdict_shards`."""
    if not isinstance(source, str | Path):
        return [Path(path) for path in source]
    folder = Path(source)
    found = sorted(path for path in folder.rglob("*") if path.suffix in TABLES and path.is_file())
    if not found:
        raise InputError(f"no table of verdicts ({', '.join(TABLES)})", file=folder)
    return found


def read_sides(path: str | Path, facts: Sequence[str] = ()) -> pd.DataFrame:
    """Read one table of verdicts, of ours only the columns that rates need, every text held once.

    Parameters
    ----------
    path : path of a file
        Parquet that `write_verdicts` wrote; any other table is read whole.
    facts : sequence of str
        As in `verdict_shards`.

    Returns
    -------
    DataFrame
        Verdicts as `read_verdicts` has them, with texts as categories. ``usage`` is there in the first row of each
        harm only, which tells a covariate.

    Raises
    ------
    InputError
        As `read_verdicts`.
    """
    path = Path(path)
    if path.suffix != ".parquet" or not path.is_file() or is_scan(path):
        return read_verdicts(path)
    try:
        frame = _columns(path, tuple(dict.fromkeys((*_SAID, "episode", *facts))))
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"cannot be read as parquet: {reason}", file=path) from error
    if frame is None:
        return read_verdicts(path)
    if frame.empty:
        raise InputError("holds no verdicts", file=path)
    for column, default in _DEFAULTS.items():
        frame[column] = _filled(frame[column], default)
    frame["repeat"] = frame["repeat"].fillna(0).astype("int64")
    frame = with_outcomes(known_version(frame, path), path, None)
    refuse_doubles(frame, path)
    return frame


def _columns(path: Path, wanted: Sequence[str]) -> pd.DataFrame | None:
    """The wanted columns of a table that we wrote; None of any other."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        there = set(file.schema_arrow.names)
        if not {*VERDICT_COLUMNS, COLUMN} <= there:
            return None
        columns = [name for name in wanted if name in there]
        if not file.metadata.num_rows:
            return pd.DataFrame(columns=[*columns, COLUMN])
    with pq.ParquetFile(path, read_dictionary=[name for name in columns if name not in _NUMBERS]) as file:
        frame: pd.DataFrame = file.read(columns=[*columns, COLUMN]).to_pandas()
        return frame.assign(usage=_first_usage(file, frame["harm"]))


def _first_usage(file: pq.ParquetFile, harm: pd.Series[Any]) -> pd.Series[Any]:
    """What the first verdict on each harm cost and rests on; None elsewhere."""
    first = (~harm.duplicated()).to_numpy().nonzero()[0].tolist()
    found: list[Any] = [None] * len(harm)
    start = 0
    for batch in file.iter_batches(batch_size=_LOOK, columns=["usage"]):
        here = [row for row in first if start <= row < start + len(batch)]
        texts = batch.column(0).take([row - start for row in here]).to_pylist()
        for row, usage in zip(here, parsed_column(pd.DataFrame({"usage": texts}), "usage"), strict=True):
            found[row] = usage
        start += len(batch)
        if start > first[-1]:
            break
    return pd.Series(found, index=harm.index, dtype=object)


def _filled(column: pd.Series[Any], default: str) -> pd.Series[Any]:
    """A column of categories with its gaps filled."""
    if column.notna().all():
        return column
    known = column.cat.categories
    return (column if default in known else column.cat.add_categories(default)).fillna(default)
