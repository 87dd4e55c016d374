"""`read_transcripts`: from paths to transcripts, whatever the format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from itertools import chain
from pathlib import Path
from typing import Literal

from grader.errors import InputError
from grader.files.storage import fetched
from grader.readers.build import unread_transcript
from grader.readers.detect import FORMATS, detect_file, find_format, parse_as
from grader.readers.format_row import Format, Parser
from grader.readers.formats.inspect_archive import read_inspect_eval
from grader.readers.formats.tables import csv_rows, parquet_rows, read_csv, read_parquet, row_records
from grader.readers.formats.text import read_text
from grader.readers.groups import group_files
from grader.readers.ledger import UNREADABLE, ReadingLedger
from grader.readers.naming import IdFrom, PathPattern, named_transcript, read_pattern
from grader.readers.paths import Source, list_sources
from grader.readers.records import STDIN, NoTranscripts, Record, iter_records, open_binary
from grader.readers.uniqueness import Uniqueness
from grader.transcript import UNREAD, Transcript

Reader = Callable[[Path], Iterator[Transcript]]
OnBad = Literal["outcome", "refuse"]

ENTRY_POINTS = "harmrate.readers"
PARSERS: Mapping[str, Parser] = {row.name: row.parse for row in FORMATS}
_COPIES = {row.name: row.copies for row in FORMATS if row.copies is not None}
# Unread records kept back until a sound one shows that the file is one of transcripts at all.
_MOST_PENDING = 1000


def read_transcripts(
    *paths: str | Path,
    format: str | Reader = "auto",
    id_from: IdFrom = "record",
    on_bad: OnBad = "outcome",
    path_pattern: str | None = None,
    ledger: ReadingLedger | None = None,
) -> Iterator[Transcript]:
    """Yield the transcripts of files, one in memory at a time.

    Parameters
    ----------
    *paths : str or Path
        Files, folders (searched for logs), globs (``runs/**/*.eval``), each here or in object storage
        (``s3://bucket/runs/``; needs ``harmrate[shards]``), or ``-`` for JSONL from standard input. JSONL and other
        JSON may be compressed with zstd or gzip.
    format : str or callable, default "auto"
        A name in `READERS`, one that a package offers under the entry-point group
        ``harmrate.readers``, or a function from a path to transcripts. ``auto`` finds out file by file.
    id_from : {"record", "path"}
        Where ids come from: the log's own, or the file's path below the named folder and the number in the file.
    on_bad : {"outcome", "refuse"}
        What becomes of a record that cannot be read: a transcript without messages whose metadata ``unread`` says
        why, or an error. ``refuse`` also makes an error of every other note: a file of no known format in a folder,
        a run that is in two logs.
    path_pattern : str, optional
        Facts that paths tell: ``{model}/{scenario}/{id}.json``.
    ledger : ReadingLedger, optional
        Counts what was read, used and not used, with notes.

    Yields
    ------
    Transcript
        In the order of the paths, then of the file; of Inspect's logs the newest first.

    Raises
    ------
    InputError
        When a path matches nothing, a named file is empty or in no known format, nothing at all can be read, or two
        transcripts have the same id; the message names file, record and reason.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> chat = {"id": "a", "model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    >>> _ = (folder / "chats.jsonl").write_text(json.dumps(chat))
    >>> [t.id for t in read_transcripts(folder)]
    ['a']
    """
    ledger = ReadingLedger() if ledger is None else ledger
    pattern = None if path_pattern is None else read_pattern(path_pattern)
    read = _reader(format)
    reading = partial(_read_unit, read=read, id_from=id_from, pattern=pattern, on_bad=on_bad)
    unique = Uniqueness(ledger, strict=on_bad == "refuse", again=lambda: _ids_again(paths, reading))
    pending: list[Transcript] = []
    sources = list_sources(paths)
    for unit in _units(sources):
        for number, (transcript, identity) in enumerate(reading(unit, ledger=ledger), 1):
            if not unique.admits(transcript, str(unit[0].path), number, identity if len(sources) > 1 else None):
                continue
            if UNREAD not in transcript.metadata:
                yield from _released(pending, ledger)
                ledger.count()
                yield transcript
            elif on_bad == "refuse":
                raise _refusal(transcript)
            else:
                pending.append(transcript)
                if ledger.used or len(pending) > _MOST_PENDING:
                    yield from _released(pending, ledger)
    if pending:  # nothing at all could be read
        raise _refusal(pending[0])
    if not ledger.read and not ledger.not_used:
        noted = f" ({ledger.notes[0]})" if ledger.notes else ""
        raise InputError("no transcript in " + ", ".join(map(str, paths)) + noted)


def _released(pending: list[Transcript], ledger: ReadingLedger) -> Iterator[Transcript]:
    for transcript in pending:
        ledger.count(UNREADABLE, f"{transcript.metadata['source']}: {transcript.metadata[UNREAD]}")
        yield transcript
    pending.clear()


def _refusal(transcript: Transcript) -> InputError:
    return InputError(str(transcript.metadata[UNREAD]), file=str(transcript.metadata["source"]))


def _units(sources: Sequence[Source]) -> Iterator[list[Source]]:
    """The files in groups that are read together."""
    local = [source for source in sources if isinstance(source.path, Path)]
    by_path = {source.path: source for source in local}
    groups = {group[0]: group for group in group_files([Path(source.path) for source in local])}
    for source in sources:
        if not isinstance(source.path, Path):
            yield [source]
        elif source.path in groups:
            yield [by_path[path] for path in groups[source.path]]


def _ids_again(
    paths: tuple[str | Path, ...], reading: Callable[..., Iterator[tuple[Transcript, str | None]]]
) -> Iterator[tuple[str, str]]:
    """Ids and places of the transcripts, read again; standard input cannot be."""
    for unit in _units(list_sources(paths)):
        if unit[0].path == STDIN:
            continue
        for number, (transcript, _) in enumerate(reading(unit, ledger=ReadingLedger()), 1):
            yield transcript.id, f"{unit[0].path}: transcript {number}"


ReadFile = Callable[[Sequence[Path], ReadingLedger], Iterator[tuple[Transcript, str | None]]]


def _read_unit(
    unit: Sequence[Source],
    *,
    read: ReadFile,
    id_from: IdFrom,
    pattern: PathPattern | None,
    on_bad: OnBad,
    ledger: ReadingLedger,
) -> Iterator[tuple[Transcript, str | None]]:
    """The transcripts of files that are read together, with their identity among copies; a file that fails is one."""
    first = unit[0]
    number = 0
    try:
        for transcript, identity in _anywhere(unit, read, ledger):
            number += 1
            yield _named(transcript, unit, number, id_from, pattern), identity
    except NoTranscripts as error:
        if on_bad == "refuse" or not first.searched or number:
            raise
        ledger.note("file without transcripts", f"{error}: not read")
    except InputError as error:
        if on_bad == "refuse":
            raise
        record = Record(value={}, file=str(first.path), place=error.record or "file", number=number + 1)
        yield _named(unread_transcript(record, error.reason), unit, number + 1, id_from, pattern), None


def _named(
    transcript: Transcript, unit: Sequence[Source], number: int, id_from: IdFrom, pattern: PathPattern | None
) -> Transcript:
    source = next((s for s in unit if transcript.id.startswith(str(s.path))), unit[0])
    return named_transcript(transcript, str(source.path), source.name, number, id_from=id_from, pattern=pattern)


def _anywhere(unit: Sequence[Source], read: ReadFile, ledger: ReadingLedger) -> Iterator[tuple[Transcript, str | None]]:
    """Read here, or after fetching from object storage."""
    address = unit[0].path
    if isinstance(address, Path):
        yield from read([Path(source.path) for source in unit], ledger)
        return
    with fetched(address) as path:
        yield from ((_renamed(t, str(path), address), identity) for t, identity in read([path], ledger))


def read_copy(
    path: Path,
    address: str,
    *,
    name: str | None = None,
    format: str | Reader = "auto",
    id_from: IdFrom = "record",
    path_pattern: str | None = None,
    on_bad: OnBad = "outcome",
) -> Iterator[Transcript]:
    """The transcripts of one file, of which `path` may be a copy; errors and sources name its `address`.

    Parameters
    ----------
    path : Path
    address : str
        Where the file is.
    name : str, optional
        The file below the folder that the user named, with which ids begin; default the address.
    format, id_from, path_pattern, on_bad
        As in `read_transcripts`.
    """
    pattern = None if path_pattern is None else read_pattern(path_pattern)
    source = Source(path=address, name=name or address, searched=False)
    try:
        for number, (transcript, _) in enumerate(_reader(format)([path], ReadingLedger()), 1):
            renamed = _named(_renamed(transcript, str(path), address), [source], number, id_from, pattern)
            if on_bad == "refuse" and UNREAD in renamed.metadata:
                raise _refusal(renamed)
            yield renamed
    except InputError as error:
        file = None if error.file is None else error.file.replace(str(path), address)
        raise InputError(error.reason.replace(str(path), address), file=file, record=error.record) from None


def _renamed(transcript: Transcript, copy: str, name: str) -> Transcript:
    if copy == name:
        return transcript
    metadata = dict(transcript.metadata)
    if isinstance(source := metadata.get("source"), str):
        metadata["source"] = source.replace(copy, name)
    return replace(transcript, id=transcript.id.replace(copy, name), metadata=metadata)


def read_as(row: Format, paths: Sequence[Path], ledger: ReadingLedger) -> Iterator[tuple[Transcript, str | None]]:
    """The transcripts of files of JSON records in a known format."""
    yield from _parsed(row, chain.from_iterable(map(_records, paths)), ledger)


def _records(path: Path) -> Iterator[Record]:
    """The records of a file: its JSON values, or the rows of a table."""
    match detect_file(path, _head(path)):
        case "csv":
            return row_records(csv_rows(path), path)
        case "parquet":
            return row_records(parquet_rows(path), path)
    return iter_records(path)


def _parsed(row: Format, records: Iterator[Record], ledger: ReadingLedger) -> Iterator[tuple[Transcript, str | None]]:
    """What a format makes of records; those that are broken JSON are unread transcripts, or missing from a session."""
    ledger.formats[row.name] += 1
    broken: list[Record] = []

    def sound() -> Iterator[Record]:
        for record in records:
            if record.broken is None:
                yield record
            else:
                broken.append(record)

    def unread() -> Iterator[tuple[Transcript, None]]:
        for record in broken:
            if row.unit == "record":
                yield unread_transcript(record, str(record.broken)), None
            else:
                line = f"{record.file}: {record.place}: {record.broken}; the other lines of the session are read"
                ledger.note("broken line of a session", line)
        broken.clear()

    for transcript in parse_as(row, sound()):
        yield from unread()
        yield transcript, None if row.copies is None else row.copies(transcript)
    yield from unread()


def _read_inspect(paths: Sequence[Path], ledger: ReadingLedger) -> Iterator[tuple[Transcript, str | None]]:
    """An Inspect log in either of its forms."""
    (path,) = paths
    if detect_file(path, _head(path)) != "inspect":
        yield from read_as(_row("inspect"), paths, ledger)
        return
    ledger.formats["inspect"] += 1
    copies = _COPIES["inspect"]
    yield from ((transcript, copies(transcript)) for transcript in read_inspect_eval(path))


def _read_with(
    reader: Reader, name: str, paths: Sequence[Path], ledger: ReadingLedger
) -> Iterator[tuple[Transcript, str | None]]:
    ledger.formats[name] += 1
    for path in paths:
        yield from ((transcript, None) for transcript in reader(path))


_READ: Mapping[str, ReadFile] = {row.name: partial(read_as, row) for row in FORMATS} | {
    "inspect": _read_inspect,
    "csv": partial(_read_with, read_csv, "csv"),
    "parquet": partial(_read_with, read_parquet, "parquet"),
    "text": partial(_read_with, read_text, "text"),
}


def _read_one(read: ReadFile, path: Path) -> Iterator[Transcript]:
    return (transcript for transcript, _ in read([path], ReadingLedger()))


READERS: Mapping[str, Reader] = {name: partial(_read_one, read) for name, read in _READ.items()}


def _row(name: str) -> Format:
    return next(row for row in FORMATS if row.name == name)


def _reader(format_: str | Reader) -> ReadFile:
    if callable(format_):
        return partial(_read_with, format_, getattr(format_, "__name__", "own"))
    if format_ == "auto":
        return _read_auto
    if format_ in _READ:
        return _READ[format_]
    third_party = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    if format_ in third_party:
        return partial(_read_with, _loaded(third_party[format_]), format_)
    raise InputError(f"unknown format {format_!r}; choose one of {_known()}")


def _loaded(entry: EntryPoint) -> Reader:
    """A third party's reader; one line says why it cannot be imported, or that it is not a function."""
    try:
        reader = entry.load()
    except (ImportError, AttributeError) as error:
        raise InputError(f"format {entry.name!r}: its reader {entry.value} cannot be loaded ({error})") from None
    if not callable(reader):
        raise InputError(f"format {entry.name!r}: {entry.value} is not a function")
    checked: Reader = reader
    return checked


def _known() -> str:
    return ", ".join(["auto", *_READ, *(entry.name for entry in entry_points(group=ENTRY_POINTS))])


def _read_auto(paths: Sequence[Path], ledger: ReadingLedger) -> Iterator[tuple[Transcript, str | None]]:
    name = detect_file(paths[0], _head(paths[0]))
    if name in ("inspect", "text"):
        yield from _READ[name](paths, ledger)
        return
    row, records = find_format(chain.from_iterable(map(_records, paths)))
    yield from _parsed(row, records, ledger)


def _head(path: Path) -> bytes:
    if path == STDIN:
        return b""
    with open_binary(path) as stream:
        try:
            return stream.read(64)
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror})", file=path) from None
