"""`read_transcripts`: from paths to transcripts, whatever the format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from itertools import chain, islice
from pathlib import Path

from grader.errors import InputError
from grader.files.storage import fetched
from grader.readers.detect import detect_file, detect_record
from grader.readers.formats.agentic_misalignment import parse_agentic_misalignment
from grader.readers.formats.agentleak import parse_agentleak
from grader.readers.formats.among_us import parse_among_us
from grader.readers.formats.chat import parse_chat
from grader.readers.formats.claude_code import parse_claude_code
from grader.readers.formats.docent import parse_docent
from grader.readers.formats.inspect_archive import read_inspect_eval
from grader.readers.formats.inspect_log import parse_inspect
from grader.readers.formats.message_batches import parse_batches
from grader.readers.formats.native import parse_native
from grader.readers.formats.petri import parse_petri
from grader.readers.formats.react import parse_privacylens, parse_rjudge
from grader.readers.formats.replies import parse_replies
from grader.readers.formats.swe_agent import parse_swe_agent
from grader.readers.formats.tables import read_csv, read_parquet
from grader.readers.formats.tau_bench import parse_tau_bench
from grader.readers.formats.text import read_text
from grader.readers.paths import iter_files
from grader.readers.records import STDIN, Record, iter_records, open_binary
from grader.readers.seen_ids import SeenIds
from grader.transcript import Transcript

Reader = Callable[[Path], Iterator[Transcript]]
Parser = Callable[[Iterator[Record]], Iterator[Transcript]]

ENTRY_POINTS = "harmrate.readers"

# Formats made of JSON records: they share the reading of files, and can come from standard input.
PARSERS: Mapping[str, Parser] = {
    "harmrate": parse_native,
    "openai": parse_chat,
    "openai-responses": parse_chat,
    "anthropic": parse_chat,
    "batches": parse_batches,
    "agentic-misalignment": parse_agentic_misalignment,
    "inspect": parse_inspect,
    "petri": parse_petri,
    "docent": parse_docent,
    "claude-code": parse_claude_code,
    "swe-agent": parse_swe_agent,
    "tau-bench": parse_tau_bench,
    "agentleak": parse_agentleak,
    "r-judge": parse_rjudge,
    "privacylens": parse_privacylens,
    "among-us": parse_among_us,
    "replies": parse_replies,
}


def read_transcripts(*paths: str | Path, format: str | Reader = "auto") -> Iterator[Transcript]:
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

    Yields
    ------
    Transcript
        In the order of the paths, then of the file.

    Raises
    ------
    InputError
        When a path matches nothing, a file is empty, damaged or in no known format, or two transcripts
        have the same id; the message names file, record and reason.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> chat = {"id": "a", "model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    >>> _ = (folder / "chats.jsonl").write_text(json.dumps(chat))
    >>> [t.id for t in read_transcripts(folder)]
    ['a']
    """
    read = _reader(format)
    seen, n = SeenIds(), 0
    for file in iter_files(paths):
        for number, transcript in enumerate(_read_anywhere(file, read), 1):
            place = seen.place(transcript.id)
            if place is None and seen.may_hold(transcript.id):
                place = _place_among(paths, read, transcript.id, first=n)
            if place is not None:
                reason = f"id {transcript.id!r} is already that of {place}"
                raise InputError(reason, file=file, record=f"transcript {number}")
            seen.add(transcript.id, f"{file}: transcript {number}")
            n += 1
            yield transcript
    if not seen:
        raise InputError("no transcript in " + ", ".join(map(str, paths)))


def _place_among(paths: tuple[str | Path, ...], read: Reader, id_: str, *, first: int) -> str | None:
    """Where among the first so many transcripts one has this id, read again; None where the hashes only look alike."""
    left = first
    for file in iter_files(paths):
        if file == STDIN:  # cannot be read again
            return "one of standard input"
        for number, transcript in enumerate(islice(_read_anywhere(file, read), left), 1):
            if transcript.id == id_:
                return f"{file}: transcript {number}"
            left -= 1
    return None


def read_copy(path: Path, name: str, *, format: str | Reader = "auto") -> Iterator[Transcript]:
    """The transcripts of `path`, a copy of the file that is called `name`; ids, sources and errors are as of that."""
    copy = str(path)
    if copy == name:
        yield from _reader(format)(path)
        return
    try:
        for transcript in _reader(format)(path):
            metadata = dict(transcript.metadata)
            if isinstance(source := metadata.get("source"), str):
                metadata["source"] = source.replace(copy, name)
            yield replace(transcript, id=transcript.id.replace(copy, name), metadata=metadata)
    except InputError as error:
        file = None if error.file is None else error.file.replace(copy, name)
        raise InputError(error.reason.replace(copy, name), file=file, record=error.record) from None


def _read_anywhere(file: Path | str, read: Reader) -> Iterator[Transcript]:
    if isinstance(file, Path):
        yield from read(file)
        return
    with fetched(file) as path:
        yield from read_copy(path, file, format=read)


def read_records_as(parse: Parser, path: Path) -> Iterator[Transcript]:
    """The transcripts of a file of JSON records in a known format."""
    yield from parse(iter_records(path))


def read_inspect(path: Path) -> Iterator[Transcript]:
    """An Inspect log in either of its forms."""
    return (
        read_inspect_eval(path) if detect_file(path, _head(path)) == "inspect" else read_records_as(parse_inspect, path)
    )


READERS: Mapping[str, Reader] = {name: partial(read_records_as, parse) for name, parse in PARSERS.items()} | {
    "inspect": read_inspect,
    "csv": read_csv,
    "parquet": read_parquet,
    "scout": read_parquet,
    "text": read_text,
}


def _reader(format_: str | Reader) -> Reader:
    if callable(format_):
        return format_
    if format_ == "auto":
        return _read_auto
    if format_ in READERS:
        return READERS[format_]
    third_party = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    if format_ in third_party:
        return _loaded(third_party[format_])
    raise InputError(f"unknown format {format_!r}; known are {_known()}")


def _loaded(entry: EntryPoint) -> Reader:
    """A third party's reader; one that cannot be imported, or is no function, is told in one line."""
    try:
        reader = entry.load()
    except (ImportError, AttributeError) as error:
        raise InputError(f"format {entry.name!r}: its reader {entry.value} cannot be loaded ({error})") from None
    if not callable(reader):
        raise InputError(f"format {entry.name!r}: {entry.value} is no function")
    found: Reader = reader
    return found


def _known() -> str:
    return ", ".join(["auto", *READERS, *(entry.name for entry in entry_points(group=ENTRY_POINTS))])


def _read_auto(path: Path) -> Iterator[Transcript]:
    if name := detect_file(path, _head(path)):
        yield from READERS[name](path)
        return
    records = iter_records(path)
    first = next(records)
    name = detect_record(first.value)
    if name is None:
        raise InputError(f"cannot tell the format; name one of {_known()}", file=path, record=first.place)
    yield from PARSERS[name](chain([first], records))


def _head(path: Path) -> bytes:
    if path == STDIN:
        return b""
    with open_binary(path) as stream:
        try:
            return stream.read(64)
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror})", file=path) from None
