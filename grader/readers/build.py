"""From a log's record to a `Transcript`: ids, facts, metadata, clean text. Every reader ends here.

A reader turns a record into messages (`grader.readers.blocks`, `pieces`) and metadata (`record_metadata`), and calls
`build_transcript(id, messages, metadata, source=record.file, raw=record.value, named=NAMED)`. `build_transcript`
compares the two: a text of the record that is nowhere is an `InputError` with its path, which `read_each` turns into
an unread transcript. So a reader never drops a field in silence; `NAMED` lists the fields that are no talk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from grader.errors import InputError
from grader.readers import media
from grader.readers.leaves import check_leaves
from grader.readers.provider_errors import agent_acted, provider_error
from grader.readers.records import Record
from grader.transcript import FACTS, UNREAD, Message, Transcript, canonical_json

# The speaker of words that an auditor put into the agent's mouth.
PREFILL = "prefill"
# Why a run failed of which nothing else is known.
SILENT = "no word of the agent"
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
    """Yield what `read` makes of each record; one that cannot be read becomes an unread transcript."""
    for record in records:
        try:
            yield from read(record)
        except InputError as error:
            yield unread_transcript(record, error.reason)


def unread_transcript(record: Record, reason: str) -> Transcript:
    """A run that was recorded but cannot be read: it counts in every denominator, and no grader is asked about it."""
    value = record.value if isinstance(record.value, Mapping) else {}
    facts = {key: value[key] for key in FACTS if isinstance(value.get(key), str)}
    return Transcript(
        id=clean_text(record_id(value, record.default_id)),
        messages=(),
        metadata={**clean(facts), UNREAD: clean_text(f"{record.place}: {reason}"), "source": clean_text(record.file)},
    )


def build_transcript(
    id_: str,
    messages: Iterable[Message],
    metadata: Mapping[str, Any],
    *,
    source: str,
    raw: Any = None,
    named: frozenset[str] = frozenset(),
) -> Transcript:
    """A transcript with clean texts, JSON-able metadata, its `source` file, failed calls and prefills marked.

    This is the one place that holds the law that no word of a record is lost (`grader.readers.leaves`): every text
    in `raw` must be in a message, in a media placeholder, in `metadata` (fields that are not talk), or below a key
    that is named as no talk. Every reader passes `raw`.

    Parameters
    ----------
    id_ : str
    messages : iterable of Message
    metadata : mapping
        What the log knows. NaN and infinities become None: JSON has no word for them. ``provider_error`` says why
        a run failed; a run without a word of the agent gets one here, from ``error`` or ``finish_reason``.
    source : str
        The file; becomes metadata ``source``. A ``source`` of the log's own is kept as ``log_source``.
    raw : JSON value, optional
        The record, or list of records, of which the transcript was made.
    named : frozenset of str
        Keys of this format that hold no talk: scores, expected answers, texts that repeat others.

    Raises
    ------
    InputError
        When a text of `raw` would be lost (with its path in the record), a value is nested more than `MAX_DEPTH`
        levels deep, or the id is empty.
    """
    if not id_:
        raise InputError("its id is empty")
    n_cut = 0
    parts = []
    for message in messages:
        part, n = _clean_message(message)
        parts.append(part)
        n_cut += n
    if raw is not None:
        check_leaves(raw, parts, metadata, named)
    facts = dict(clean(metadata))
    if "source" in facts:
        facts["log_source"] = facts.pop("source")
    prefilled = [index for index, part in enumerate(parts) if part.role == "assistant" and part.name == PREFILL]
    if prefilled:
        facts["prefill"] = prefilled
    if n_cut:
        facts["media_cut"] = n_cut
    failure = provider_error(parts)
    if failure is not None:
        facts.setdefault("provider_error", failure)
    elif not facts.get("provider_error") and not agent_acted(parts):
        facts["provider_error"] = _silence(facts)
    return Transcript(id=clean_text(id_), messages=tuple(parts), metadata=facts | {"source": clean_text(source)})


def _silence(facts: Mapping[str, Any]) -> str:
    """Why a run has no word of the agent's, in the log's own words where it has some."""
    for key in ("error", "errors", "exception", "failure", "finish_reason", "stop_reason", "status", "limit"):
        if reason := facts.get(key):
            text = reason.get("message", reason) if isinstance(reason, Mapping) else reason
            text = text if isinstance(text, str) else canonical_json(text)
            return text if key.startswith(("e", "f")) and key != "finish_reason" else f"{SILENT} ({key}: {text})"
    return SILENT


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
        elif fields.get(fact) == "":  # no value: transcripts that lack one are not one group
            del fields[fact]
    return fields


def is_plain(value: Any) -> bool:
    """Whether a value can stand in a column: text, number or truth value."""
    return isinstance(value, (str, int, float))


def _clean_message(message: Message) -> tuple[Message, int]:
    """The message with whole characters and without binary data, and how many pieces of that were cut out."""
    text, n = clean_text(message.text), 0
    if media.needs_cut(text):
        text, n = media.cut(text)
    name = None if message.name is None else clean_text(message.name)
    if message.arguments is None and text is message.text and name is message.name:
        return message, 0
    arguments = None if message.arguments is None else _without_media(clean(message.arguments))
    return replace(message, text=text, name=name, arguments=arguments), n


def _without_media(value: Any) -> Any:
    match value:
        case str():
            return media.cut(value)[0] if media.needs_cut(value) else value
        case dict():
            return {key: _without_media(child) for key, child in value.items()}
        case list():
            return [_without_media(child) for child in value]
    return value


def clean_text(text: str) -> str:
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
            return clean_text(value)
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {clean_text(str(k)): clean(v, depth + 1) for k, v in value.items()}
        case list() | tuple():
            return [clean(v, depth + 1) for v in value]
        case None | bool() | int():
            return value
    return clean_text(str(value))  # dates and the like, from tables
