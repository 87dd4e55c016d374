"""CrewAI: what a crew returned, with the messages of its tasks, or the log file of its tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text, assistant_text
from grader.readers.build import build_transcript, read_each
from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.formats.react import has_labels, split_react
from grader.readers.payload_facts import literal
from grader.readers.records import Record
from grader.transcript import Message, Transcript


def parse_crewai(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per task, with its name as the scenario; the crew is the episode.

    ReAct text in an answer becomes reasoning, calls and results. ``expected_output`` is metadata.
    """
    first = next(records, None)
    if first is None:
        return
    if _is_log_entry(first.value):
        yield from _log_tasks([record for record in chain([first], records)])
        return
    yield from read_each(chain([first], records), _read)


def is_crewai(value: Any) -> bool:
    """Whether a record is the output of a crew, or an entry of its log file."""
    match value:
        case {"tasks_output": [*_]}:
            return True
    return _is_log_entry(value)


def _is_log_entry(value: Any) -> bool:
    match value:
        case {"task_name": _, "task": _, "agent": _, "status": _}:
            return True
    return False


def _read(record: Record) -> Iterator[Transcript]:
    tasks = record.value.get("tasks_output") if isinstance(record.value, Mapping) else None
    if not isinstance(tasks, list):
        raise InputError("no output of a crew: 'tasks_output' is not a list")
    for number, task in enumerate(tasks, 1):
        if not isinstance(task, Mapping):
            raise InputError(f"tasks_output[{number - 1}] is not an object but {type(task).__name__}")
        id_ = record.default_id if len(tasks) == 1 else f"{record.default_id}/{number}"
        yield _task(task, id_, record)


def _task(task: Mapping[str, Any], id_: str, record: Record) -> Transcript:
    raw = as_text(task.get("raw"))
    messages = literal(task.get("messages"))
    if isinstance(messages, list) and messages:
        parts = [piece for part in conversation(messages) for piece in _split(part)]
    else:
        parts = conversation([{"role": "user", "content": task.get("description")}])
    if raw.strip() and not any(raw.strip() in part.text for part in parts if part.role == "assistant"):
        parts += assistant_text(raw)
    metadata = {key: item for key, item in task.items() if key not in ("messages", "raw") and item is not None}
    metadata |= {
        key: item for key, item in record.value.items() if key not in ("tasks_output", "raw") and item is not None
    }
    metadata |= {"scenario": as_text(task.get("name") or task.get("description")), "episode": record.default_id}
    metadata |= ending(parts, error=None if raw.strip() else "an empty answer")
    metadata["crew_answer"] = record.value.get("raw")
    return build_transcript(id_, parts, metadata, source=record.file, raw=task)


def _split(part: Message) -> list[Message]:
    """ReAct text as what it says; any other part as it is."""
    if part.role != "assistant" or part.kind != "text" or not has_labels(part.text):
        return [part]
    return list(split_react(part.text))


def _log_tasks(records: list[Record]) -> Iterator[Transcript]:
    """The tasks of a log file: an entry when each began, one when it ended."""
    tasks: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    file = records[0].file
    for record in records:
        if not _is_log_entry(record.value):
            raise record.error("no entry of a crew's log file")
        key = (as_text(record.value["task_name"]), as_text(record.value["task"]))
        tasks.setdefault(key, []).append(record.value)
    for number, ((name, task), entries) in enumerate(tasks.items(), 1):
        output = next((as_text(e["output"]) for e in reversed(entries) if as_text(e.get("output")).strip()), "")
        asked = [Message(role="user", kind="text", text=task)] if task.strip() else []
        said = [piece for part in assistant_text(output) for piece in _split(part)]
        parts = [*asked, *said]
        metadata = {"scenario": name or task, "episode": file, "agent": entries[0].get("agent")}
        metadata |= {"log": [{k: v for k, v in entry.items() if k not in ("task", "output")} for entry in entries]}
        metadata |= ending(parts)
        id_ = file if len(tasks) == 1 else f"{file}/{number}"
        yield build_transcript(id_, parts, metadata, source=file)


FORMAT = Format(
    name="crewai",
    parse=parse_crewai,
    fits=is_crewai,
    unit="file",
    recognised_by="`tasks_output`; a log file: `task_name`, `task`, `agent` and `status`",
    id="the file and line, `/<n>` for one of several tasks",
    scenario="the task's name, else its description",
    failures="an empty answer",
)
