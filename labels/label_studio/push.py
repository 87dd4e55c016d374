"""Tasks to a project: only what is not there yet, so that a push that was stopped can be run again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grader.errors import InputError
from labels.label_studio.answers import ADJUDICATION
from labels.label_studio.config import DIALOGUE
from labels.label_studio.connect import Project, Studio, refusals

BATCH = 50
PAGE = 100
SHOWN_HASH = "dialogue_hash"

Task = Mapping[str, Any]
Key = tuple[str, str, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a push did: tasks added, found there already, and doubles taken away; and where raters find them.

    Parameters
    ----------
    new, there, doubles : int
    page : str
        The address of the project's tasks.
    links : mapping from rater to the address of their view
    """

    new: int
    there: int
    doubles: int
    page: str = ""
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A task on the server; `touched` when somebody labelled, skipped or drafted it."""

    id: int
    key: Key
    touched: bool


def task_key(data: Mapping[str, Any]) -> Key | None:
    """What a task is: transcript, content, round and purpose; None for a task that is not of a campaign.

    Examples
    --------
    >>> task_key({"transcript_id": "t1", "content_hash": "ab", "round": 2, "text": "any"})
    ('t1', 'ab', 2, 'labelling')
    """
    id_, content = data.get("transcript_id"), data.get("content_hash")
    try:
        number = int(data.get("round") or 1)
    except (TypeError, ValueError, OverflowError):
        return None
    if not isinstance(id_, str) or not isinstance(content, str):
        return None
    return id_, content, number, str(data.get("purpose") or "labelling")


def shown_hash(data: Mapping[str, Any]) -> str:
    """Hash of what the raters read: a task that was edited on the server is known by it."""
    shown = json.dumps(data.get(DIALOGUE), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(shown.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def push_tasks(studio: Studio, project: Project, tasks: Iterable[Task], *, batch: int = BATCH) -> Pushed:
    """Add the tasks that the project does not hold yet.

    Parameters
    ----------
    studio : Studio
    project : Project
    tasks : iterable of tasks
        As `labels.label_studio.tasks` makes them; ``predictions`` beside ``data`` come along.
    batch : int
        Tasks in one request: what is on its way when a push is stopped.

    Returns
    -------
    Pushed
        Afterwards every task is there once. New ones come in an order that has nothing to do with the transcripts',
        so that a campaign that stops half-way labelled a random part. A double (of a push that was stopped while its
        request was under way) is deleted unless somebody worked on it.

    Raises
    ------
    InputError
        A refusal of the server; a transcript whose other content was pushed before. What was added stays; running the
        same push again adds the rest.
    """
    wanted = _by_key(tasks)
    with refusals(studio.url, f"project {project.id}"):
        there = _there(studio, project)
        doubles = _remove_doubles(studio, there)
        known = {held.key for held in there}
        _refuse_other_content(wanted, known)
        new = _in_order([key for key in wanted if key not in known])
        for start in range(0, len(new), batch):
            _import(studio, project, [wanted[key] for key in new[start : start + batch]])
        if new:
            there = _there(studio, project)
            doubles += _remove_doubles(studio, there)
    if missing := wanted.keys() - {held.key for held in there}:
        reason = f"{len(missing)} tasks did not arrive; run the same command again"
        raise InputError(reason, file=studio.url, record=f"project {project.id}")
    return Pushed(new=len(new), there=len(wanted) - len(new), doubles=doubles)


def _by_key(tasks: Iterable[Task]) -> dict[Key, Task]:
    wanted: dict[Key, Task] = {}
    for number, task in enumerate(tasks, 1):
        data = task.get("data")
        key = task_key(data) if isinstance(data, Mapping) else None
        if key is None or not isinstance(data, Mapping):
            raise InputError("carries no transcript_id and content_hash", record=f"task number {number}")
        if key in wanted:
            raise InputError("occurs twice", record=f"transcript {key[0]!r}")
        wanted[key] = {**task, "data": {**data, SHOWN_HASH: shown_hash(data)}}
    return wanted


def _refuse_other_content(wanted: Iterable[Key], known: Iterable[Key]) -> None:
    before = {(id_, number, purpose): content for id_, content, number, purpose in known}
    for id_, content, number, purpose in wanted:
        if before.get((id_, number, purpose), content) != content:
            reason = "was pushed before with other messages; draw it in a new round"
            raise InputError(reason, record=f"transcript {id_!r}, round {number}")


def _in_order(keys: Sequence[Key]) -> list[Key]:
    """Tasks to label in an order that says nothing, tasks to adjudicate in the order of their urgency."""
    place = {key: number for number, key in enumerate(keys)}
    return sorted(keys, key=lambda key: (place[key] if key[3] == ADJUDICATION else -1, _shuffled(key)))


def _shuffled(key: Key) -> str:
    return hashlib.sha256(repr(key).encode("utf-8", "surrogatepass")).hexdigest()


def _there(studio: Studio, project: Project) -> list[_Held]:
    """The campaign's tasks on the server, oldest first."""
    found = []
    for task in studio.client.tasks.list(project=project.id, page_size=PAGE):
        key = task_key(task.data or {})
        if key is not None:
            touched = bool(task.total_annotations or task.cancelled_annotations or task.draft_exists)
            found.append(_Held(id=task.id, key=key, touched=touched))
    return sorted(found, key=lambda held: held.id)


def _remove_doubles(studio: Studio, there: list[_Held]) -> int:
    """Delete untouched doubles: of several the oldest that is touched stays, else the oldest."""
    by_key: dict[Key, list[_Held]] = {}
    for held in there:
        by_key.setdefault(held.key, []).append(held)
    removed = 0
    for several in by_key.values():
        kept = next((held for held in several if held.touched), several[0])
        for held in several:
            if held is not kept and not held.touched:
                studio.client.tasks.delete(str(held.id))
                removed += 1
    return removed


def _import(studio: Studio, project: Project, batch: Sequence[Task]) -> None:
    # Not repeated by the client: an answer that got lost does not say that the tasks did.
    studio.client.projects.import_tasks(project.id, request=list(batch), request_options={"max_retries": 0})
