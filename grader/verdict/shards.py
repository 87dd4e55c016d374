"""A pool of verdicts in shards: a folder of tables, on this machine or in object storage, read one after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from grader.errors import InputError
from grader.files.storage import beneath, fetched, is_remote, list_below
from grader.shards.manifest import outputs_in, sha256_of
from grader.verdict.coded import (
    DETAILS,
    PAIR_COLUMNS,
    Coded,
    CodedVerdicts,
    IntArray,
    KeyArray,
    VerdictRows,
    coded_verdicts,
    frame_rows,
    id_keys,
    row_states,
)
from grader.verdict.frame import VERDICT_COLUMNS, parsed_column
from grader.verdict.records import OUTCOMES
from grader.verdict.scale import ScoreScale
from grader.verdict.schema import COLUMN, VERSION
from grader.verdict.scout_results import is_scan
from grader.verdict.tables import TABLES, read_one, with_harms

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERS = ("present", "score", "repeat", COLUMN)
_DEFAULTS = {"grader_version": "", "grader_kind": "judge"}
_LOOK = 1024


def holds_shards(source: str | Path) -> bool:
    """Whether this names a folder of verdict tables that `write_verdicts` wrote, not a log of another tool."""
    if is_remote(source):
        return not str(source).endswith(TABLES)
    folder = Path(source)
    return folder.is_dir() and any(_is_ours(path) for path in sorted(folder.rglob("*.parquet")))


def verdict_shards(
    source: str | Path | Iterable[str | Path],
    facts: Sequence[str] = (),
    *,
    scale: ScoreScale | None = None,
    take: Mapping[str, str] | None = None,
) -> Iterator[CodedVerdicts]:
    """Read shards of verdicts one after another, of ours only the columns that rates need.

    Parameters
    ----------
    source : folder (or its address in object storage), or paths of files
        Of a folder, the tables that its manifests name; without a manifest every table of verdicts in it, by name.
        All verdicts on a transcript, and on all branches of an episode, are in one shard.
    facts : sequence of str
        Which metadata of the transcripts to read (``model``, ``arm``, ...) beside ``episode``.
    scale, take
        As in `grader.read_verdicts`.

    Raises
    ------
    InputError
        No table in the folder; one that is missing or was changed after it was graded; what `read_verdicts` refuses; a
        transcript or an episode in two shards. The last is known when all shards were read: 8 bytes are kept for each
        transcript until then.
    """
    columns = tuple(dict.fromkeys((*facts, "episode")))
    seen, harms = _Seen(), set[str]()
    for name, path in _checked(source):
        rows = _read_rows(path, columns, scale)
        harms |= set(rows.text["harm"].values[1:])
        batch = coded_verdicts(rows.taken(take), name)
        seen.add(name, batch.keys, batch.facts["episode"])
        yield batch
    if missing := sorted(set(take or ()) - harms):
        raise InputError(f"holds no score {missing[0]!r}; there is {', '.join(sorted(harms))}", file=str(source))
    seen.refuse_doubles()


def read_shards(
    source: str | Path, *, scale: ScoreScale | None = None, take: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """All rows of all shards of a folder, with their quotes and explanations, as `read_verdicts` has them."""
    seen, parts = _Seen(), []
    for name, path in _checked(source):
        part = read_one(path, scale=scale)
        first = part.drop_duplicates("transcript_id")
        seen.add(name, id_keys(first["transcript_id"].to_numpy(dtype=object)), Coded.of(first["episode"]))
        parts.append(part)
    seen.refuse_doubles()
    return with_harms(pd.concat(parts, ignore_index=True), take, Path(source))


def shard_names(source: str | Path | Iterable[str | Path]) -> list[str]:
    """Paths (or addresses) of the tables that make up a pool; see `verdict_shards`."""
    if not isinstance(source, str | Path):
        return [str(path) for path in source]
    tables = [beneath(str(source), name) for name in list_below(str(source)) if name.endswith(TABLES)]
    if recorded := outputs_in(str(source)):
        if missing := sorted(set(recorded) - set(tables)):
            raise InputError("is missing, though the manifest names it", file=missing[0])
        return sorted(recorded)
    if not tables:
        raise InputError(f"no table of verdicts ({', '.join(TABLES)})", file=source)
    return tables


def _checked(source: str | Path | Iterable[str | Path]) -> Iterator[tuple[str, Path]]:
    """Name and local path of each table, checked against the manifest's SHA-256."""
    recorded = outputs_in(str(source)) if isinstance(source, str | Path) else {}
    for name in shard_names(source):
        with fetched(name) as path:
            if recorded and sha256_of(path) != recorded[name]:
                raise InputError("was changed after it was graded", file=name)
            yield name, path


class _Seen:
    """Which transcripts and episodes each shard held, as hashes."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.transcripts: list[KeyArray] = []
        self.episodes: list[KeyArray] = []

    def add(self, name: str, keys: KeyArray, episode: Coded) -> None:
        """Add one shard."""
        used = np.unique(episode.codes)
        self.names.append(name)
        self.transcripts.append(keys)
        self.episodes.append(id_keys(episode.values[used[used > 0]].astype(str).astype(object)))

    def refuse_doubles(self) -> None:
        """Raise where a transcript or an episode is in two shards."""
        for column, keys in (("transcript_id", self.transcripts), ("episode", self.episodes)):
            every = np.concatenate(keys) if keys else np.array([], dtype=np.uint64)
            every.sort()
            for key in np.unique(every[1:][every[1:] == every[:-1]]):
                shards = [name for name, own in zip(self.names, keys, strict=True) if (own == key).any()]
                self._refuse(column, key, shards)

    def _refuse(self, column: str, key: np.uint64, shards: Sequence[str]) -> None:
        """Read the shards again: two names may share a hash."""
        values: dict[str, str] = {}
        for shard in shards:
            with fetched(shard) as path:
                names = _read_rows(path, (column,), None).text[column].values[1:].astype(str).astype(object)
            for value in names[id_keys(names) == key]:
                if value in values:
                    kind = column.removesuffix("_id")
                    reason = f"is in {values[value]} as well; all verdicts on one {kind} belong in one shard"
                    raise InputError(reason, file=shard, record=f"{kind} {value!r}")
                values[value] = shard


def _read_rows(path: Path, facts: Sequence[str], scale: ScoreScale | None) -> VerdictRows:
    """One table's rows as codes; a table that is not ours, or not sound, is read and checked as any other."""
    rows = _sound_rows(path, facts) if scale is None and path.suffix == ".parquet" and path.is_file() else None
    return frame_rows(read_one(path, scale=scale), facts) if rows is None else rows


def _sound_rows(path: Path, facts: Sequence[str]) -> VerdictRows | None:
    """The rows of a Parquet table that we wrote and that needs neither repair nor complaint; else None."""
    import pyarrow.parquet as pq

    if not _is_ours(path) or is_scan(path):
        return None
    text = tuple(dict.fromkeys(("transcript_id", *PAIR_COLUMNS, "outcome", *facts)))
    try:
        present = set(pq.read_schema(path).names)
        with pq.ParquetFile(path, read_dictionary=[name for name in text if name in present]) as file:
            table = file.read(columns=[name for name in (*text, *_NUMBERS) if name in present], use_threads=False)
    except (ValueError, OSError):
        return None
    if not table.num_rows or not _is_sound(table):
        return None
    columns = {name: Coded.of_arrow(table[name]) if name in present else Coded.missing(table.num_rows) for name in text}
    for name, default in _DEFAULTS.items():
        columns[name].values[0] = default
    outcome = columns.pop("outcome")
    side = table["present"].cast("int8").fill_null(-1).to_numpy()
    return VerdictRows(
        text=columns,
        state=row_states(np.where(outcome.codes == _code("scored", outcome), side, -1).astype(np.int8), outcome),
        repeat=table["repeat"].fill_null(0).to_numpy(),
        details=lambda rows: _details_at(path, rows),
    )


def _code(value: str, column: Coded) -> int:
    return int(np.append(np.flatnonzero(column.values == value), -1)[0])


def _is_ours(path: Path) -> bool:
    """Whether a Parquet file has every column of a verdict frame, and the one that records its version."""
    import pyarrow.parquet as pq

    try:
        return {*VERDICT_COLUMNS, COLUMN} <= set(pq.read_schema(path).names)
    except (ValueError, OSError):
        return False


def _is_sound(table: pa.Table) -> bool:
    """Whether nothing is missing, out of range or of a newer version."""
    import pyarrow.compute as pc

    if any(table[name].null_count for name in ("transcript_id", "harm", "grader", "outcome", "verdict_schema")):
        return False
    outcomes = {value for chunk in table["outcome"].chunks for value in chunk.dictionary.to_pylist()}
    score = pc.min_max(table["score"]).as_py()
    unsided = pc.and_(pc.equal(table["outcome"].cast("string"), "scored"), pc.is_null(table["present"]))
    return (
        outcomes <= set(OUTCOMES)
        and (score["min"] is None or (score["min"] >= 0 and score["max"] <= 1))
        and pc.max(table[COLUMN]).as_py() <= VERSION
        and not pc.any(unsided).as_py()
    )


def _details_at(path: Path, rows: IntArray) -> pd.DataFrame:
    """The details of the verdicts in these rows, which are in ascending order."""
    import pyarrow.parquet as pq

    parts, start = [pd.DataFrame(columns=list(DETAILS), dtype=object)], 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_LOOK, columns=list(DETAILS)):
            here = rows[(rows >= start) & (rows < start + len(batch))] - start
            parts.append(batch.take(here).to_pandas().astype(object))
            start += len(batch)
            if not len(rows) or start > rows[-1]:
                break
    details = pd.concat(parts, ignore_index=True)
    return details.assign(usage=parsed_column(details, "usage"))
