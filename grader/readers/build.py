"""From what a log says to a `Transcript`: ids, facts, metadata, clean text. Every reader ends here."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from grader.errors import InputError
from grader.readers.provider_errors import provider_error
from grader.readers.records import Record
from grader.transcript import FACTS, Message, Transcript

# The speaker of words that an auditor put into the agent's mouth.
PREFILL = "prefill"
# Deeper than this, JSON is an attack on whoever serialises it again.
MAX_DEPTH = 100

ID_FIELDS = ("id", "transcript_id", "uuid", "sample_id", "item_id", "trace_id", "conversation_id", "custom_id")

# Where the facts that rates need hide in records that call them otherwise; the first that is there counts.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "model": ("model", "model_name", "target_model", "model_id"),
    "scenario": ("scenario", "condition", "scenario_id", "task", "task_id", "instance_id"),
    "epoch": ("epoch", "trial"),
}


def read_each(records: Iterator[Record], read: Callable[[Record], Iterable[Transcript]]) -> Iterator[Transcript]:
    """Yield what `read` makes of each record; its errors learn their file and record."""
    for record in records:
        try:
            yield from read(record)
        except InputError as error:
            raise record.error(error.reason) from None


def build_transcript(id_: str, messages: Iterable[Message], metadata: Mapping[str, Any], *, source: str) -> Transcript:
    """A transcript with clean texts, JSON-able metadata, its `source` file, failed calls and prefills marked.

    Parameters
    ----------
    id_ : str
    messages : iterable of Message
    metadata : mapping
        What the log knows. NaN and infinities become None: JSON has no word for them.
    source : str
        The file; becomes metadata ``source``. A ``source`` of the log's own is kept as ``log_source``.

    Raises
    ------
    InputError
        When a value is nested more than `MAX_DEPTH` levels deep, or the id is empty.
    """
    if not id_:
        raise InputError("its id is empty")
    parts = tuple(_clean_message(message) for message in messages)
    facts = dict(clean(metadata))
    if "source" in facts:
        facts["log_source"] = facts.pop("source")
    prefilled = [index for index, part in enumerate(parts) if part.role == "assistant" and part.name == PREFILL]
    if prefilled:
        facts["prefill"] = prefilled
    failure = provider_error(parts)
    if failure is not None:
        facts.setdefault("provider_error", failure)
    return Transcript(id=_clean_text(id_), messages=parts, metadata=facts | {"source": _clean_text(source)})


def record_id(record: Mapping[str, Any], default: str) -> str:
    """The record's own id, else `default`.

    Examples
    --------
    >>> record_id({"sample_id": 7}, "a.jsonl:1"), record_id({}, "a.jsonl:1")
    ('7', 'a.jsonl:1')
    """
    for key in ID_FIELDS:
        value = record.get(key)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value):
            return str(value)
    return default


def record_metadata(record: Mapping[str, Any], *, without: Container[str] = ()) -> dict[str, Any]:
    """Every field of a record but `without`, with the facts under the names that rates know.

    A nested ``metadata`` object is spread out, so that ``--by KEY`` reaches into it. A fact that is
    no plain value (a scenario described by an object) moves to ``log_<fact>``.

    Examples
    --------
    >>> record_metadata({"id": "a", "task": "t", "metadata": {"model": "m"}}, without={"id"})
    {'model': 'm', 'task': 't', 'scenario': 't'}
    """
    inner = record.get("metadata")
    spread = isinstance(inner, Mapping)
    fields = dict(inner) if isinstance(inner, Mapping) else {}
    fields |= {k: v for k, v in record.items() if k not in without and not (spread and k == "metadata")}
    for fact in FACTS:
        if fact in fields and not is_plain(fields[fact]):
            fields[f"log_{fact}"] = fields.pop(fact)
    for fact, names in ALIASES.items():
        found = next((fields[n] for n in names if is_plain(fields.get(n)) and fields[n] != ""), None)
        if found is not None:
            fields[fact] = found if fact == "epoch" else str(found)
    return fields


def is_plain(value: Any) -> bool:
    """Whether a value can stand in a column: text, number or truth value."""
    return isinstance(value, (str, int, float))


def _clean_message(message: Message) -> Message:
    text = _clean_text(message.text)
    name = None if message.name is None else _clean_text(message.name)
    if message.arguments is None and text is message.text and name is message.name:
        return message
    arguments = None if message.arguments is None else clean(message.arguments)
    return replace(message, text=text, name=name, arguments=arguments)


def _clean_text(text: str) -> str:
    """Halves of surrogate pairs become U+FFFD: no file, database or request could carry them."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def clean(value: Any, depth: int = 0) -> Any:
    """A JSON value that every file can carry: whole characters, finite numbers; refused when bottomless."""
    if depth > MAX_DEPTH:
        raise InputError(f"nested more than {MAX_DEPTH} levels deep")
    match value:
        case str():
            return _clean_text(value)
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {_clean_text(str(k)): clean(v, depth + 1) for k, v in value.items()}
        case list() | tuple():
            return [clean(v, depth + 1) for v in value]
        case None | bool() | int():
            return value
    return _clean_text(str(value))  # dates and the like, from tables
