"""JSON files as a stream of records: JSONL, a list, one object, or objects one after another."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from pydantic_core import from_json

from grader.errors import InputError
from grader.readers.compressed import decompressed

# One record may take this many characters. More is not a transcript but an accident or an attack.
MAX_RECORD = 512 * 2**20
# Deeper JSON is refused, as the fast parser does, whatever room the stack has left: what comes after recurses, too.
MAX_DEPTH = 201
# How much of a JSON document is read before the first attempt to decode an element.
CHUNK = 2**20
STDIN = Path("-")


class NoTranscripts(InputError):
    """A file that holds nothing a format reads: empty, or in no known format. Not fatal when a search came upon it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One JSON value and where it stood; of one that cannot be parsed, why (`broken`)."""

    value: Any
    file: str
    place: str
    number: int
    broken: str | None = None

    def error(self, reason: str) -> InputError:
        """What to raise when this record cannot be used."""
        return InputError(reason, file=self.file, record=self.place)

    @property
    def default_id(self) -> str:
        """The id of a record that brings none: its file and line."""
        return f"{self.file}:{self.number}"


def iter_records(path: Path) -> Iterator[Record]:
    """Yield the records of a JSON file (``-``: standard input), one in memory at a time.

    Which of the four layouts it is shows in the first line: a line that is a whole object begins
    JSONL; else ``[`` begins a list and ``{`` an object, with perhaps more objects after it.

    Raises
    ------
    InputError
        When the file cannot be read, is empty, is not UTF-8 (or UTF-16 with a mark), holds a record beyond
        `MAX_RECORD`, or nothing but broken JSON. A broken line between sound ones, or a list that is cut after some
        elements, is a record that is `broken`.
    """
    with open_text(path) as stream:
        try:
            yield from _records(stream, str(path))
        except UnicodeDecodeError as error:
            raise InputError(f"not UTF-8 text (byte {error.start}: {error.reason})", file=path) from None


def parse_json(text: str | bytes, *, file: str, place: str | None = None) -> Any:
    """The value of one JSON text, bare ``NaN`` and ``Infinity`` allowed.

    Raises
    ------
    InputError
        When it is not JSON, cut off, or nested too deeply.
    """
    try:
        return from_json(text)
    except ValueError:
        # The strict and fast parser refuses halves of surrogate pairs, which JavaScript loggers
        # write when they cut a text; the slow one takes them, and says better what is broken.
        return _parse_slowly(text, file=file, place=place)


def _parse_slowly(text: str | bytes, *, file: str, place: str | None) -> Any:
    try:
        value = json.loads(text)
    except RecursionError:
        raise InputError(_TOO_DEEP, file=file, record=place) from None
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 text ({error.reason})", file=file, record=place) from None
    except ValueError as error:
        raise InputError(f"broken or cut JSON ({error})", file=file, record=place) from None
    if is_too_deep(value):
        raise InputError(_TOO_DEEP, file=file, record=place)
    return value


_TOO_DEEP = f"JSON nested too deeply (over {MAX_DEPTH} levels)"


def is_too_deep(value: Any) -> bool:
    """Whether lists and objects lie deeper in each other than `MAX_DEPTH`."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            if isinstance(parent, (dict, list))
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return False
    return any(isinstance(value, (dict, list)) for value in level)


@contextmanager
def open_binary(path: Path) -> Iterator[BinaryIO]:
    """Open a file, or standard input, for reading bytes; what goes wrong is an `InputError`.

    What was compressed with zstd or gzip comes out as it was before.
    """
    if path == STDIN:
        yield sys.stdin.buffer
        return
    try:
        stream = path.open("rb")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read ({_reason(error)})", file=path) from None
    with stream, decompressed(stream, path) as plain:
        yield plain


@contextmanager
def open_text(path: Path, *, newline: str | None = None) -> Iterator[TextIO]:
    """Open a file for reading text: UTF-8 with or without a mark, or UTF-16 with one."""
    with open_binary(path) as binary:
        # Anything may stand in for standard input, even what cannot look ahead.
        buffered = cast(io.BufferedReader, binary if hasattr(binary, "peek") else io.BufferedReader(cast(Any, binary)))
        marked = buffered.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff")
        text = io.TextIOWrapper(buffered, encoding="utf-16" if marked else "utf-8-sig", newline=newline)
        try:
            yield text
        finally:
            text.detach()


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _records(stream: TextIO, file: str) -> Iterator[Record]:
    number, head = _first_line(stream, file)
    whole = _whole_value(head)
    if isinstance(whole, dict):
        yield Record(value=whole, file=file, place=f"line {number}", number=number)
        yield from _lines(stream, file, number)
        return
    if isinstance(whole, list):
        after = next((line for line in iter(lambda: stream.readline(CHUNK), "") if line.strip()), "")
        if after.lstrip().startswith("["):  # JSONL whose records are lists of messages
            after += "" if after.endswith("\n") else _rest_of_line(stream, file, number + 1)
            for at, line in enumerate((head, after), number):
                yield _line_record(line, file=file, place=f"line {at}", number=at)
            yield from _lines(stream, file, number + 1)
            return
        head += after
    elif head.lstrip().startswith("{") and not head.rstrip().endswith(("{", "[", ",", ":")):
        after = next(iter(lambda: stream.readline(CHUNK), ""), "")
        if isinstance(_whole_value(after or " "), dict):  # JSONL of which only the first line is broken
            yield _line_record(head, file=file, place=f"line {number}", number=number)
            yield _line_record(after, file=file, place=f"line {number + 1}", number=number + 1)
            yield from _lines(stream, file, number + 1)
            return
        head += after
    yield from _Document(stream, head, file)


def _first_line(stream: TextIO, file: str) -> tuple[int, str]:
    """Number and text of the first line that is not blank, whole unless it begins a list."""
    number, line = 0, ""
    while not line.strip():
        number, line = number + 1, stream.readline(CHUNK)
        if not line:
            raise NoTranscripts("is empty", file=file)
    if line.lstrip().startswith("{") and not line.endswith("\n"):
        line += _rest_of_line(stream, file, number)
    return number, line


def _whole_value(line: str) -> Any:
    """The object or list that fills a line, or None when the line is only the beginning of one."""
    if line.rstrip()[-1:] not in ("}", "]"):
        return None
    try:
        return from_json(line)
    except ValueError:
        return _lenient(line)


def _lenient(line: str) -> Any:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return None if is_too_deep(value) else value


def _lines(stream: TextIO, file: str, number: int) -> Iterator[Record]:
    while line := stream.readline(CHUNK):
        number += 1
        if not line.endswith("\n"):
            line += _rest_of_line(stream, file, number)
        if line.strip():
            yield _line_record(line, file=file, place=f"line {number}", number=number)


def _line_record(line: str, *, file: str, place: str, number: int) -> Record:
    try:
        return Record(value=parse_json(line, file=file, place=place), file=file, place=place, number=number)
    except InputError as error:
        return Record(value=None, file=file, place=place, number=number, broken=error.reason)


def _rest_of_line(stream: TextIO, file: str, number: int) -> str:
    rest = stream.readline(MAX_RECORD)
    if len(rest) >= MAX_RECORD:
        raise InputError(f"longer than {MAX_RECORD} characters", file=file, record=f"line {number}")
    return rest


class _Document:
    """The elements of one JSON list, or objects one after another, decoded as they are read."""

    def __init__(self, stream: TextIO, head: str, file: str) -> None:
        self.stream = stream
        self.file = file
        self.buffer = head
        self.ended = False
        self.decode = json.JSONDecoder().raw_decode

    def __iter__(self) -> Iterator[Record]:
        number = 0
        try:
            for number, value in enumerate(self._elements(), 1):
                yield Record(value=value, file=self.file, place=f"record {number}", number=number)
        except InputError as error:
            if not number:  # not a single whole record: no log, or one that is lost altogether
                raise
            at = number + 1
            yield Record(value=None, file=self.file, place=f"record {at}", number=at, broken=error.reason)

    def _elements(self) -> Iterator[Any]:
        number = 0
        in_list = self._next_character() == "["
        if in_list:
            self.buffer = self.buffer.lstrip()[1:]
        while self._next_character() not in ("", "]"):
            if number and in_list:
                self._take(",", number)
                self._next_character()
            number += 1
            yield self._element(number)
        if in_list:
            self._take("]", number)
        if self._next_character():
            raise InputError("more text after the end of the JSON value", file=self.file)
        if not number:
            raise NoTranscripts("holds no record", file=self.file)

    def _next_character(self) -> str:
        """The next character that is not white space; empty at the end of the file."""
        self.buffer = self.buffer.lstrip()
        while not self.buffer and not self.ended:
            self._grow()
            self.buffer = self.buffer.lstrip()
        return self.buffer[:1]

    def _take(self, character: str, number: int) -> None:
        if self._next_character() != character:
            reason = f"broken or cut JSON (expected {character!r}, got {self.buffer[:20]!r})"
            raise InputError(reason, file=self.file, record=f"record {number}")
        self.buffer = self.buffer[1:]

    def _element(self, number: int) -> Any:
        """Decode one element; while it is cut off, double what has been read of it."""
        while True:
            try:
                value, end = self.decode(self.buffer)
            except RecursionError:
                raise self._error(_TOO_DEEP, number) from None
            except ValueError as error:
                if self.ended:
                    raise self._error(f"broken or cut JSON ({error})", number) from None
            else:
                if end < len(self.buffer) or self.ended:
                    if is_too_deep(value):
                        raise self._error(_TOO_DEEP, number)
                    self.buffer = self.buffer[end:]
                    return value
            self._grow()
            if len(self.buffer) > MAX_RECORD:
                raise self._error(f"longer than {MAX_RECORD} characters", number)

    def _grow(self) -> None:
        more = self.stream.read(max(CHUNK, len(self.buffer)))
        self.ended = not more
        self.buffer += more

    def _error(self, reason: str, number: int) -> InputError:
        return InputError(reason, file=self.file, record=f"record {number}")
