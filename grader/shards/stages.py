"""The stages of a shard: graders read and grade it, then its verdicts are written.

A stage is created once per process and called with one shard after another, in this process or in a cluster's worker.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from grader.errors import InputError
from grader.files.storage import beneath, content_mark, fetched, put_whole
from grader.grading import iter_rows
from grader.judge.clients.protocol import RunStopped
from grader.metadata import with_scenario
from grader.readers.read import Reader, read_copy
from grader.shards.manifest import NOTE, Shard, ShardRecord, sha256_of
from grader.transcript import Transcript
from grader.verdict.read import VerdictWriter
from grader.verdict.records import Grader

# "shard": this one cannot be used. "input": nothing can be done with such settings. "stopped": the run may not go on.
Kind = Literal["shard", "input", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How files of transcripts are read; see `grader.read_transcripts` and `grader.metadata.with_scenario`."""

    format: str | Reader = "auto"
    scenario_from: str | None = None
    id_from: Literal["record", "path"] = "record"
    path_pattern: str | None = None
    on_bad: Literal["outcome", "refuse"] = "outcome"

    def to_dict(self) -> dict[str, str | None]:
        """The options as a `ShardRecord` keeps them; a function by its name."""
        named = self.format if isinstance(self.format, str) else getattr(self.format, "__qualname__", repr(self.format))
        told = {"format": named, "scenario_from": self.scenario_from}
        if (self.id_from, self.path_pattern) != ("record", None):  # they change ids; those of before are kept
            told |= {"id_from": self.id_from, "path_pattern": self.path_pattern}
        return told

    def transcripts(self, path: Path, address: str, name: str) -> Iterator[Transcript]:
        """Yield the transcripts of the file at `address`, whose local copy is `path`; two of one id are refused.

        Ids of records without one begin with `name`, the file's path below the folder that was named.
        """
        seen = set[str]()
        read = read_copy(
            path,
            address,
            name=name,
            format=self.format,
            id_from=self.id_from,
            path_pattern=self.path_pattern,
            on_bad=self.on_bad,
        )
        for transcript in with_scenario(read, self.scenario_from):
            if transcript.id in seen:
                raise InputError("two transcripts have this id", file=address, record=f"transcript {transcript.id!r}")
            seen.add(transcript.id)
            yield transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFailure:
    """Why a shard has no verdicts."""

    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A shard on its way through the stages.

    Parameters
    ----------
    shard : Shard
    rows : tuple of rows of the verdict frame
        Verdicts so far.
    input_sha256, input_mark
        As in `ShardRecord`, once it was read.
    record : ShardRecord, optional
        When its verdicts are written.
    failure : ShardFailure, optional
    """

    shard: Shard
    rows: tuple[Mapping[str, Any], ...] = ()
    input_sha256: str = ""
    input_mark: str | None = None
    record: ShardRecord | None = None
    failure: ShardFailure | None = None


class GradeShard:
    """Has some graders grade a shard.

    Parameters
    ----------
    open_graders : callable
        () -> graders; called here, where they are needed.
    reading : ReadOptions
    """

    def __init__(self, open_graders: Callable[[], Sequence[Grader]], reading: ReadOptions) -> None:
        self.graders = open_graders()
        self.reading = reading

    def __call__(self, work: Work) -> Work:
        """The work with these graders' rows; a shard that cannot be graded has a failure instead."""
        if work.failure is not None:
            return work
        name = work.shard.input
        try:
            mark = content_mark(name)
            with fetched(name) as path:
                digest = _sha256(path, name)
                if work.input_sha256 not in ("", digest):
                    raise InputError("was changed while it was graded", file=name)
                graders = [_without_cache(grader) for grader in self.graders]
                rows = tuple(iter_rows(self.reading.transcripts(path, name, work.shard.name), graders))
        except RunStopped as stopped:
            return replace(work, rows=(), failure=ShardFailure(kind="stopped", reason=str(stopped)))
        except InputError as error:
            kind: Kind = "input" if error.file is None else "shard"
            return replace(work, rows=(), failure=ShardFailure(kind=kind, reason=str(error)))
        if not rows:
            failure = ShardFailure(kind="shard", reason=f"{name}: no transcript")
            return replace(work, failure=failure)
        return replace(work, rows=(*work.rows, *rows), input_sha256=digest, input_mark=mark)


class WriteShard:
    """Writes a shard's verdicts, sorted, so that the file does not depend on who graded it or in which order.

    Parameters
    ----------
    folder : str
        Path or address.
    graders : sequence of mappings with name, version, kind
    settings : mapping
        As in `ShardRecord`.
    """

    def __init__(self, folder: str, graders: Sequence[Mapping[str, str]], settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self.graders = tuple(graders)
        self.settings = settings

    def __call__(self, work: Work) -> Work:
        """The work without its rows, with the record of what was written."""
        if work.failure is not None:
            return work
        rows = sorted(work.rows, key=lambda row: tuple(row[key] for key in _ORDER))
        outcomes: dict[str, int] = {}
        for row in rows:
            outcomes[row["outcome"]] = outcomes.get(row["outcome"], 0) + 1
        record = ShardRecord(
            input=work.shard.input,
            output=work.shard.output,
            input_sha256=work.input_sha256,
            input_mark=work.input_mark,
            n_transcripts=len({row["transcript_id"] for row in rows}),
            n_verdicts=len(rows),
            outcomes=dict(sorted(outcomes.items())),
            graders=self.graders,
            settings=self.settings,
        )
        try:
            record = replace(record, output_sha256=self._write(rows, record))
        except InputError as error:
            return replace(work, rows=(), failure=ShardFailure(kind="shard", reason=str(error)))
        return replace(work, rows=(), record=record)

    def _write(self, rows: Sequence[Mapping[str, Any]], record: ShardRecord) -> str:
        with tempfile.TemporaryDirectory(prefix="harmrate-") as folder:
            file = Path(folder, "verdicts.parquet")
            with VerdictWriter(file, notes={NOTE: json.dumps(asdict(record))}) as writer:
                for row in rows:
                    writer.write(row)
            put_whole(file, beneath(self.folder, record.output))
            return sha256_of(file)


_ORDER = ("transcript_id", "harm", "grader", "repeat")


def _without_cache(grader: Grader) -> Grader:
    """A grader without anything cached from other shards, so that the result depends on this shard alone."""
    without_cache: Callable[[], Grader] | None = getattr(grader, "without_cache", None)
    return grader if without_cache is None else without_cache()


def _sha256(path: Path, name: str) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", file=name) from None
