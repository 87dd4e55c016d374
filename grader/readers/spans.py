"""Spans: one call of a model or a tool, or a step around such calls, as a tracer recorded it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from grader.readers.payloads import Answer
from grader.readers.records import Record
from grader.readers.threads import Moment

SpanKind = Literal["llm", "tool", "judge", "other"]
# Words in the name of a span that make it a judge's, whatever kind the log gives it.
_JUDGES = ("evaluat", "scorer", "judge", "grader", "autoeval")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """One use of a tool, as a tool span tells it."""

    name: str
    arguments: Any = None
    result: Any = None
    call_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span of a trace.

    Parameters
    ----------
    trace, id, parent : str
        `id` and `parent` may be empty where a log has none.
    kind : {"llm", "tool", "judge", "other"}
    start : (float, str)
        What spans are ordered by.
    asked : list
        Chat messages that went in.
    answers : list of Answer
        What came out; several choices are several.
    tool : ToolUse, optional
    error : str, optional
    cut : bool
        Whether the log cut what went in.
    facts : mapping
        Metadata that the span knows of its trace; the first span that knows a fact counts.
    talk : Any
        The part of the record that holds the talk: all its words must reach the transcript.
    rest : Any
        The part beside it, which becomes metadata.
    """

    trace: str
    id: str = ""
    parent: str = ""
    name: str = ""
    kind: SpanKind = "other"
    start: Moment = (0.0, "")
    asked: list[Any] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    tool: ToolUse | None = None
    error: str | None = None
    cut: bool = False
    model: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    talk: Any = None
    rest: Any = None


def is_judge(name: str) -> bool:
    """Whether a span's name is that of a judge, an evaluator or a scorer."""
    return any(word in name.lower() for word in _JUDGES)


def moment(value: Any, rank: str = "") -> Moment:
    """A time, as seconds or nanoseconds or ISO text, to sort by; equal times are sorted by `rank`.

    Examples
    --------
    >>> moment("1970-01-01T00:00:01Z"), moment("1000"), moment(None, "b")
    ((1.0, ''), (1000.0, ''), (0.0, 'b'))
    """
    return _number(value), rank


def _number(value: Any) -> float:
    if isinstance(value, (int, float)) and abs(value) < 1e30:
        return float(value)
    if not isinstance(value, str):
        return 0.0
    try:
        return float(value) if value.isdecimal() and len(value) < 30 else _seconds(value)
    except (ValueError, OverflowError):
        return 0.0


def _seconds(value: str) -> float:
    time = datetime.fromisoformat(value)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def records_of(records: Iterable[Record], read: Callable[[Any], Iterable[Span]]) -> Iterator[tuple[Record, Span]]:
    """Every span of every record, with its record."""
    for record in records:
        for span in read(record.value):
            yield record, span
