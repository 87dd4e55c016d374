"""ReAct text: ``Thought:``, ``Action:``, ``Action Input:``, ``Observation:``; R-Judge and PrivacyLens records."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text
from grader.readers.build import build_transcript, is_plain, read_each, record_id, record_metadata
from grader.readers.format_row import Format
from grader.readers.records import Record
from grader.transcript import Message, Transcript, tool_call

_NAMED = frozenset({"toolkits", "final_action", "sensitive_info_items", "seed", "vignette", "questions"})
_LABEL = re.compile(r"^[ \t]*(Thought|Action Input|Action|Observation|Final Answer)[ \t]*:", re.MULTILINE)
# `Name{...}`, `Name: {...}` and `Name\nAction Input: {...}`
_CALL = re.compile(r"\s*(?P<name>\w[\w.]{0,99})\s*(?::|Action Input:)?\s*(?P<arguments>\{.*\})\s*", re.DOTALL)


def parse_rjudge(records: Iterator[Record]) -> Iterator[Transcript]:
    """R-Judge: one transcript per record, its rounds in order.

    The agent's thought is reasoning, its action a tool call when it reads as one, else text; the
    profile is the system prompt. ``label``, ``risk_description`` and the judge's ``goal`` stay metadata.
    """
    return read_each(records, _read_rjudge)


def parse_privacylens(records: Iterator[Record]) -> Iterator[Transcript]:
    """PrivacyLens: the user's instruction, then the executed trajectory; the final action is still to come."""
    return read_each(records, _read_privacylens)


def is_rjudge(value: Any) -> bool:
    """Whether a record is one of R-Judge's."""
    match value:
        case {"contents": [[{"role": _}, *_], *_]}:
            return True
    return False


def is_privacylens(value: Any) -> bool:
    """Whether a record is one of PrivacyLens'."""
    match value:
        case {"trajectory": {"executable_trajectory": str()}}:
            return True
    return False


def has_labels(text: str) -> bool:
    """Whether a text is written in ReAct's labelled lines."""
    return _LABEL.search(text) is not None


def split_react(text: str) -> Iterator[Message]:
    r"""Yield ReAct text as messages; what stands before the first label is text.

    Examples
    --------
    >>> steps = 'Thought: Look.\nAction: search\nAction Input: {"q": "x"}\nObservation: none'
    >>> [(m.kind, m.name, m.text) for m in split_react(steps)]
    [('reasoning', None, 'Look.'), ('tool_call', 'search', 'q: x'), ('tool_result', None, 'none')]
    """
    labels = list(_LABEL.finditer(text))
    if lead := text[: labels[0].start() if labels else len(text)].strip():
        yield Message(role="assistant", kind="text", text=lead)
    if not labels:
        return
    action = ""
    for this, following in zip(labels, [*labels[1:], None], strict=True):
        body = text[this.end() : following.start() if following else len(text)].strip()
        if action and this[1] != "Action Input":
            yield tool_call(action, {})
            action = ""
        if this[1] == "Action":
            action = body
        elif this[1] == "Action Input":
            yield _call(action or "unknown", body)
            action = ""
        else:
            yield _said(this[1], body)
    if action:
        yield tool_call(action, {})


def parse_call(text: str) -> Message:
    """An action as a tool call when it reads as one, else as text."""
    match = _CALL.fullmatch(text)
    if match is None:
        return Message(role="assistant", kind="text", text=text)
    return _call(match["name"], match["arguments"])


def _said(label: str, text: str) -> Message:
    if label == "Observation":
        return Message(role="tool", kind="tool_result", text=text)
    return Message(role="assistant", kind="reasoning" if label == "Thought" else "text", text=text)


def _call(name: str, arguments: str) -> Message:
    """A call with its arguments parsed, as JSON or as Python writes it; shown as written when neither."""
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(arguments)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        if isinstance(value, dict):
            return tool_call(name, {str(k): v for k, v in value.items()})
    return tool_call(name, {}, text=arguments)


def _read_rjudge(record: Record) -> Iterator[Transcript]:
    value = record.value
    if not is_rjudge(value):
        raise InputError("no R-Judge record: 'contents' is no list of rounds")
    parts = [
        Message(role="system", kind="text", text=profile) for profile in [as_text(value.get("profile"))] if profile
    ]
    for turn in (turn for round_ in value["contents"] if isinstance(round_, list) for turn in round_):
        if not isinstance(turn, Mapping):
            raise InputError("a turn is no object")
        parts.extend(_turn(turn))
    metadata = record_metadata(value, without={"id", "contents", "profile"})
    yield build_transcript(record_id(value, record.default_id), parts, metadata, source=record.file, raw=value)


def _turn(turn: Mapping[str, Any]) -> Iterator[Message]:
    content = as_text(turn.get("content"))
    if turn.get("role") == "agent":
        if thought := as_text(turn.get("thought")).strip():
            yield Message(role="assistant", kind="reasoning", text=thought)
        if action := as_text(turn.get("action")).strip() or content.strip():
            yield parse_call(action)
    elif content.strip():
        role_is_user = turn.get("role") == "user"
        yield Message(
            role="user" if role_is_user else "tool", kind="text" if role_is_user else "tool_result", text=content
        )


def _read_privacylens(record: Record) -> Iterator[Transcript]:
    value = record.value
    if not is_privacylens(value):
        raise InputError("no PrivacyLens record: it has no 'executable_trajectory'")
    trajectory = value["trajectory"]
    steps = list(split_react(trajectory["executable_trajectory"]))
    instruction = as_text(trajectory.get("user_instruction"))
    asked = [Message(role="user", kind="text", text=instruction)] if instruction.strip() else []
    metadata = {key: item for key, item in value.items() if key != "trajectory"}
    metadata |= {k: v for k, v in trajectory.items() if k not in ("executable_trajectory", "user_instruction")}
    name = value.get("name")
    id_ = str(name) if is_plain(name) else record.default_id
    facts = metadata | {"scenario": id_}
    raw = [{key: item for key, item in value.items() if key != "trajectory"}, trajectory]
    yield build_transcript(id_, [*asked, *steps], facts, source=record.file, raw=raw, named=_NAMED)


FORMATS = (
    Format(
        name="privacylens",
        parse=parse_privacylens,
        fits=is_privacylens,
        recognised_by="`trajectory.executable_trajectory`",
        id="`name`",
        scenario="`name`",
        failures="no word of the agent",
    ),
    Format(
        name="r-judge",
        parse=parse_rjudge,
        fits=is_rjudge,
        recognised_by="`contents`: rounds of turns with `role`",
        id="`id`",
        scenario="`scenario`",
        failures="no word of the agent",
    ),
)
