"""Which format a file is in: by its first bytes and its name, then by the keys of its first records.

A new format is one row in `FORMATS`. What names itself most clearly comes first; generic tests, which would swallow
nearly everything else, come last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.readers.format_row import Format
from grader.readers.formats import (
    ag2,
    agentic_misalignment,
    agentleak,
    agents_sdk,
    among_us,
    atif,
    autogen,
    bedrock,
    braintrust,
    chat,
    claude_code,
    codex,
    codex_exec,
    crewai,
    docent,
    gemini,
    gemini_cli,
    hf_chats,
    inspect_log,
    langchain,
    langfuse,
    langsmith,
    lm_eval,
    logfire,
    message_batches,
    mini_swe_agent,
    native,
    openai_evals,
    openai_responses,
    openhands,
    openinference,
    otel_genai,
    petri,
    promptfoo,
    pydantic_ai,
    react,
    scout,
    smolagents,
    strands,
    swe_agent,
    tau2,
    tau_bench,
    vercel,
    weave,
)
from grader.readers.leaves import REPLY_KEYS
from grader.readers.records import NoTranscripts, Record
from grader.transcript import Transcript

FORMATS: tuple[Format, ...] = (
    native.FORMAT,
    atif.FORMAT,
    mini_swe_agent.FORMAT,
    *openhands.FORMATS,
    tau2.FORMAT,
    logfire.FORMAT,
    openinference.FORMAT,
    otel_genai.FORMAT,
    agents_sdk.FORMAT,
    langsmith.FORMAT,
    langfuse.FORMAT,
    weave.FORMAT,
    braintrust.FORMAT,
    promptfoo.FORMAT,
    lm_eval.FORMAT,
    openai_evals.FORMAT,
    crewai.FORMAT,
    smolagents.FORMAT,
    inspect_log.FORMAT,
    scout.FORMAT,
    agentic_misalignment.FORMAT,
    petri.FORMAT,
    docent.FORMAT,
    message_batches.FORMAT,
    codex.FORMAT,
    codex_exec.FORMAT,
    gemini_cli.FORMATS[0],
    claude_code.FORMAT,
    gemini_cli.FORMATS[1],
    tau_bench.FORMAT,
    *react.FORMATS,
    swe_agent.FORMAT,
    agentleak.FORMAT,
    among_us.FORMAT,
    bedrock.FORMAT,
    pydantic_ai.FORMAT,
    langchain.FORMAT,
    *autogen.FORMATS,
    ag2.FORMAT,
    strands.FORMAT,
    gemini.FORMAT,
    vercel.FORMAT,
    openai_responses.FORMAT,
    hf_chats.FORMAT,
    *chat.FORMATS,  # generic: keep last
)
# Shapes of chat, a record each; a file may mix them.
CHATS = (
    bedrock.FORMAT,
    langchain.FORMAT,
    gemini.FORMAT,
    vercel.FORMAT,
    openai_responses.FORMAT,
    hf_chats.FORMAT,
    *chat.FORMATS,
)
_CONTAINERS = REPLY_KEYS | {
    "messages", "conversation", "conversations", "input", "prompt", "contents", "chosen", "request",
}  # fmt: skip
# How many records of a file are looked at; heads of sessions are full of bookkeeping.
HEAD = 20
_MAGIC = ((b"PK", "inspect"), (b"PAR1", "parquet"))
_SUFFIXES = {".csv": "csv", ".tsv": "csv", ".txt": "text", ".md": "text", ".log": "text"}


def detect_file(path: Path, head: bytes) -> str | None:
    """Name of the format that a file's first bytes or its suffix tell; None for JSON and for what is unknown.

    Examples
    --------
    >>> detect_file(Path("a.csv"), b"id,text"), detect_file(Path("a.txt"), b'{"id": 1}')
    ('csv', None)
    """
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    suffix = path.suffix.lower()
    looks_like_json = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")
    return None if looks_like_json and suffix not in (".csv", ".tsv") else _SUFFIXES.get(suffix)


def detect_records(values: Sequence[Any]) -> Format | None:
    """The format of a file that begins with these records: the first row of the table that fits.

    A format that names itself fits when one record is of it, a generic one when half of them are.

    Examples
    --------
    >>> detect_records([{"messages": [{"role": "user", "content": "Hi"}]}]).name
    'openai'
    >>> detect_records([{"price": 3}]) is None
    True
    """
    for row in FORMATS:
        n = sum(row.fits(value) for value in values)
        if n and (row not in chat.FORMATS or 2 * n >= len(values)):
            return row
    return None


def find_format(records: Iterator[Record]) -> tuple[Format, Iterator[Record]]:
    """The format of a file, and all its records, those that were looked at included.

    A format that names itself in the first record decides; then one of sessions or spans that fits any of the first
    `HEAD` records, whose heads are bookkeeping; then any format that fits the first record, and last any other one.

    Raises
    ------
    NoTranscripts
        No format fits.
    """
    head = list(islice(records, 1))
    row = detect_records([record.value for record in head])
    if row is None or row in chat.FORMATS:
        head += islice(records, HEAD - 1)
        values = [record.value for record in head]
        sessions = (other for other in FORMATS if other.unit == "file" and any(map(other.fits, values)))
        row = next(sessions, None) or row or detect_records(values)
    if row is None:
        raise _unknown(head)
    return row, chain(head, records)


def parse_as(row: Format, records: Iterator[Record]) -> Iterator[Transcript]:
    """The transcripts of a file in this format; of chats, records in other shapes of chat as what they are.

    Loggers that call several providers write a record of one vendor's after a record of another's.
    """
    first = next(records, None)
    if first is None:
        return
    records = chain([first], records)
    if row not in CHATS or not _is_container(first.value):
        yield from row.parse(records)
        return
    waiting: list[Record] = []

    def run(shape: Format) -> Iterator[Record]:
        for record in chain(_taken(waiting), records):
            if not shape.fits(record.value) and _shape(record) not in (None, shape):
                waiting.append(record)
                return
            yield record

    while True:
        yield from row.parse(run(row))
        if not waiting:
            return
        row = _shape(waiting[0]) or row


def _is_container(value: Any) -> bool:
    """Whether a record holds a whole conversation; else the lines of its file are the messages of one."""
    if not isinstance(value, dict) or "type" in value or "role" in value:
        return False
    return not _CONTAINERS.isdisjoint(value)


def _taken(waiting: list[Record]) -> Iterator[Record]:
    while waiting:
        yield waiting.pop()


def _shape(record: Record) -> Format | None:
    return next((row for row in CHATS if row.fits(record.value)), None)


def parse_records(records: Iterator[Record]) -> Iterator[Transcript]:
    """The transcripts of records in whatever format they are."""
    row, records = find_format(records)
    yield from parse_as(row, records)


def _unknown(head: Sequence[Record]) -> InputError:
    """Says what the first record looks like and what was tried."""
    record = next((record for record in head if record.broken is None), None)
    if record is None:
        return NoTranscripts(head[0].broken or "no record", file=head[0].file, record=head[0].place)
    value = record.value
    shape = f"keys {', '.join(map(str, list(value)[:8]))}" if isinstance(value, dict) else type(value).__name__
    tried = ", ".join(row.name for row in FORMATS)
    reason = (
        f"cannot tell the format: a record of {shape} fits none of {tried}, csv, parquet, text; "
        "name one with --format, or keep the conversation under 'messages'"
    )
    return NoTranscripts(reason, file=record.file, record=record.place)
