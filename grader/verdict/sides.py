"""Tables of verdicts as rates need them: what each grader says of whom; no quotes, no explanations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from grader.errors import InputError
from grader.files.storage import beneath, fetched, is_remote, list_below
from grader.shards.manifest import outputs_in, sha256_of
from grader.verdict.checks import known_version, refuse_doubles, with_outcomes
from grader.verdict.frame import VERDICT_COLUMNS, parsed_column
from grader.verdict.schema import COLUMN
from grader.verdict.scout_results import is_scan
from grader.verdict.tables import TABLES, read_one

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_SAID = ("transcript_id", "harm", "grader", "grader_version", "present", "score", "outcome", "repeat", "grader_kind")
_NUMBERS = frozenset({"present", "score", "repeat", "epoch", COLUMN})
_DEFAULTS = {"grader_version": "", "grader_kind": "judge"}
_LOOK = 1024


def holds_shards(source: str | Path) -> bool:
    """Whether this names a folder of verdict tables that we wrote: a pool in shards, and no log of another tool."""
    if is_remote(source):
        return not str(source).endswith(TABLES)
    folder = Path(source)
    return folder.is_dir() and any(_is_ours(path) for path in sorted(folder.rglob("*.parquet")))


def verdict_shards(source: str | Path | Iterable[str | Path], facts: Sequence[str] = ()) -> Iterator[pd.DataFrame]:
    """Read shards of verdicts one after another, each by `read_sides`.

    Parameters
    ----------
    source : folder (or its address in object storage), or paths of files
        Of a folder, the tables that its manifests name; without a manifest every table of verdicts in it, by name.
    facts : sequence of str
        Which facts of the transcripts to read (``model``, ``arm``, ...) beside ``episode``.

    Raises
    ------
    InputError
        No table in the folder; one that is missing or was changed after it was graded; what `read_verdicts` refuses.
    """
    for path in _checked(source):
        yield read_sides(path, facts)


def read_shards(source: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """All rows of all shards (`verdict_shards`), with their quotes and explanations, as `read_verdicts` has them."""
    return pd.concat([read_one(path) for path in _checked(source)], ignore_index=True)


def _checked(source: str | Path | Iterable[str | Path]) -> Iterator[Path]:
    """Where each table lies now; one that a manifest knows is the one that it knows."""
    known = outputs_in(str(source)) if isinstance(source, str | Path) else {}
    for name in shard_names(source):
        with fetched(name) as path:
            if known and sha256_of(path) != known[name]:
                raise InputError("was changed after it was graded", file=name)
            yield path


def shard_names(source: str | Path | Iterable[str | Path]) -> list[str]:
    """Paths (or addresses) of the tables that make up a pool; see `verdict_shards`."""
    if not isinstance(source, str | Path):
        return [str(path) for path in source]
    found = [beneath(str(source), name) for name in list_below(str(source)) if name.endswith(TABLES)]
    if known := outputs_in(str(source)):
        if missing := sorted(set(known) - set(found)):
            raise InputError("is missing, though the manifest names it", file=missing[0])
        return sorted(known)
    if not found:
        raise InputError(f"no table of verdicts ({', '.join(TABLES)})", file=source)
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
        harm and grader only, which tells a covariate, and whose labels a classifier learned.

    Raises
    ------
    InputError
        As `read_verdicts`.
    """
    path = Path(path)
    if path.suffix != ".parquet" or not path.is_file() or is_scan(path):
        return read_one(path)
    try:
        frame = _columns(path, tuple(dict.fromkeys((*_SAID, "episode", *facts))))
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"cannot be read as parquet: {reason}", file=path) from error
    if frame is None:
        return read_one(path)
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

    if not _is_ours(path):
        return None
    with pq.ParquetFile(path) as file:
        there = set(file.schema_arrow.names)
        columns = [name for name in wanted if name in there]
        if not file.metadata.num_rows:
            return pd.DataFrame(columns=[*columns, COLUMN])
    with pq.ParquetFile(path, read_dictionary=[name for name in columns if name not in _NUMBERS]) as file:
        frame: pd.DataFrame = file.read(columns=[*columns, COLUMN]).to_pandas(ignore_metadata=True)
        return frame.assign(usage=_first_usage(file, frame[["harm", "grader"]]))


def _is_ours(path: Path) -> bool:
    """Whether a Parquet file has every column of a verdict frame, and says which version it is."""
    import pyarrow.parquet as pq

    try:
        return {*VERDICT_COLUMNS, COLUMN} <= set(pq.read_schema(path).names)
    except (ValueError, OSError):
        return False


def _first_usage(file: pq.ParquetFile, said: pd.DataFrame) -> pd.Series[Any]:
    """What each grader's first verdict on each harm cost and rests on; None elsewhere."""
    first = (~said.duplicated()).to_numpy().nonzero()[0].tolist()
    found: list[Any] = [None] * len(said)
    start = 0
    for batch in file.iter_batches(batch_size=_LOOK, columns=["usage"]):
        here = [row for row in first if start <= row < start + len(batch)]
        texts = batch.column(0).take([row - start for row in here]).to_pylist()
        for row, usage in zip(here, parsed_column(pd.DataFrame({"usage": texts}), "usage"), strict=True):
            found[row] = usage
        start += len(batch)
        if start > first[-1]:
            break
    return pd.Series(found, index=said.index, dtype=object)


def _filled(column: pd.Series[Any], default: str) -> pd.Series[Any]:
    """A column of categories with its gaps filled."""
    if column.notna().all():
        return column
    known = column.cat.categories
    return (column if default in known else column.cat.add_categories(default)).fillna(default)
