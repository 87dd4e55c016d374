"""Files of verdicts: Parquet, JSONL and CSV, ours or another tool's."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from grader.errors import InputError
from grader.files.atomic import partial_path, replace_whole, unwritable
from grader.files.cells import write_csv
from grader.verdict.frame import JSON_COLUMNS, VERDICT_COLUMNS, typed
from grader.verdict.records import Verdict
from grader.verdict.scale import ScoreScale
from grader.verdict.schema import COLUMN, VERSION
from grader.verdict.shards import holds_shards, read_shards
from grader.verdict.tables import TABLES, read_one

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 4096


def read_verdicts(
    path: str | Path, *, scale: ScoreScale | None = None, take: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Read verdicts, ours or another tool's, as the verdict frame.

    Parameters
    ----------
    path : path of a file or folder, or address of a folder in object storage
        A folder of shards that ``harmrate grade`` wrote is read whole. A table (``.parquet``, ``.jsonl``, ``.csv``)
        needs ``transcript_id``, ``harm``, ``grader``, and ``present`` or ``score``. A row whose ``present`` and
        ``score`` are both missing is not scored (its ``outcome`` says why, else ``not_graded``); where only ``score``
        is given, ``present`` is ``score >= 0.5``. Anything else is taken for a log that holds verdicts: an Inspect
        log, an Agentic-Misalignment tree, Petri's transcripts, Bloom's ``judgment.json``, results of a Scout scan.
    scale : ScoreScale, optional
        Where scores are not in [0, 1], and from which one on a verdict is present, whatever else the file says.
    take : mapping from a score's name to a harm, optional
        Which of several scores are read, and the harm that each is a verdict on (default: all, under their names).

    Raises
    ------
    InputError
        Missing columns, values outside their range, two verdicts for one transcript, harm, grader
        and repeat.
    """
    if not str(path).endswith(TABLES) and holds_shards(path):
        return read_shards(path, scale=scale, take=take)
    return read_one(path, scale=scale, take=take)


def write_verdicts(verdicts: pd.DataFrame | Iterable[Verdict], path: str | Path) -> None:
    """Write a verdict frame (or bare verdicts) to ``.parquet``, ``.jsonl`` or ``.csv``, whole or not at all."""
    rows: Iterable[Mapping[str, Any]]
    if isinstance(verdicts, pd.DataFrame):
        rows = (dict(zip(verdicts.columns, row, strict=True)) for row in verdicts.itertuples(index=False, name=None))
    else:
        rows = (v.to_dict() for v in verdicts)
    with VerdictWriter(path) as writer:
        for row in rows:
            writer.write(row)


class VerdictWriter:
    """Writes verdict rows as they come, in bounded memory; the file appears when it is complete.

    An interruption (``KeyboardInterrupt``) keeps the rows written so far; any other error leaves an
    earlier file of that name as it was.

    Parameters
    ----------
    path : path
        ``.parquet``, ``.jsonl`` or ``.csv``.
    notes : mapping from str to str, optional
        What a Parquet file says of itself beside its rows; other files have no place for it.

    Raises
    ------
    InputError
        A suffix that is none of these; no space, or a folder that is only read.
    """

    def __init__(self, path: str | Path, *, notes: Mapping[str, str] | None = None) -> None:
        self.path = Path(path)
        self._notes = dict(notes or {})
        if self.path.suffix not in _WRITERS:
            raise InputError(f"verdicts are written to {', '.join(_WRITERS)}, not {self.path.suffix!r}", file=path)
        self._rows: list[Mapping[str, Any]] = []
        self._partial = partial_path(self.path)
        self._sink: _Sink | None = None
        self.outcomes: Counter[str] = Counter()
        self.n_contradictory = 0

    def __enter__(self) -> Self:
        with unwritable(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        return self

    def write(self, row: Mapping[str, Any]) -> None:
        """Add one row (`verdict_row`)."""
        self._rows.append(row)
        self.outcomes[str(row.get("outcome", "scored"))] += 1
        usage = row.get("usage")
        self.n_contradictory += isinstance(usage, Mapping) and bool(usage.get("contradictory"))
        if len(self._rows) >= _BATCH:
            self._flush()

    def summary(self) -> str:
        """How many verdicts were written, and how many of them say nothing, by reason."""
        total, scored = self.outcomes.total(), self.outcomes["scored"]
        failed = ", ".join(f"{n} {outcome}" for outcome, n in self.outcomes.most_common() if outcome != "scored")
        contradictory = f", {self.n_contradictory} contradictory" if self.n_contradictory else ""
        return f"{total} verdicts, scored {scored} of {total}{contradictory}" + (f" ({failed})" if failed else "")

    def _flush(self) -> None:
        frame = typed(pd.DataFrame(self._rows)).assign(**{COLUMN: VERSION})
        for column in JSON_COLUMNS:
            if self.path.suffix != ".jsonl":
                frame[column] = [json.dumps(v, ensure_ascii=False, default=str) for v in frame[column]]
        with unwritable(self.path):
            if self._sink is None:
                self._sink = _WRITERS[self.path.suffix](self._partial, self._notes)
            self._sink.write(frame)
        self._rows.clear()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if kind is None or issubclass(kind, KeyboardInterrupt):
                self._flush()
                self._close()
                with unwritable(self.path):
                    replace_whole(self._partial, self.path)
        finally:
            with suppress(InputError, OSError):  # what cannot be closed for want of space is thrown away all the same
                self._close()
            with suppress(OSError):
                self._partial.unlink(missing_ok=True)

    def _close(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            with unwritable(self.path):
                sink.close()


class _Sink:
    """A file that takes frames one after another."""

    def __init__(self, path: Path, notes: Mapping[str, str]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._first = True

    def write(self, frame: pd.DataFrame) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self._file.close()


class _CsvSink(_Sink):
    def write(self, frame: pd.DataFrame) -> None:
        write_csv(frame, self._file, header=self._first)
        self._first = False


class _JsonlSink(_Sink):
    def write(self, frame: pd.DataFrame) -> None:
        for row in frame.astype(object).where(frame.notna(), None).to_dict("records"):
            self._file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


class _ParquetSink(_Sink):
    def __init__(self, path: Path, notes: Mapping[str, str]) -> None:
        import pyarrow.parquet as pq

        self._writer = pq.ParquetWriter(path, _arrow_schema().with_metadata(dict(notes)))

    def write(self, frame: pd.DataFrame) -> None:
        import pyarrow as pa

        schema = _arrow_schema()
        self._writer.write_table(pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False))

    def close(self) -> None:
        self._writer.close()


_WRITERS: dict[str, type[_Sink]] = {".parquet": _ParquetSink, ".jsonl": _JsonlSink, ".csv": _CsvSink}


def _arrow_schema() -> pa.Schema:
    import pyarrow as pa

    special = {
        "present": pa.bool_(),
        "score": pa.float64(),
        "repeat": pa.int64(),
        "epoch": pa.int64(),
        COLUMN: pa.int64(),
    }
    return pa.schema([(name, special.get(name, pa.string())) for name in (*VERDICT_COLUMNS, COLUMN)])
