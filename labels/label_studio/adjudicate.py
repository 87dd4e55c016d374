"""What raters could not settle goes back to the project, as a round whose answers are ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grader.errors import InputError
from labels.campaign import adjudication_queue
from labels.label_studio.answers import ADJUDICATION
from labels.label_studio.connect import Project, Studio, refusals
from labels.label_studio.push import PAGE, Pushed, push_tasks, task_key
from labels.labelset import LabelSet


def adjudicate(studio: Studio, project: Project, labels: LabelSet) -> Pushed:
    """Push the transcripts of `labels.campaign.adjudication_queue` once more, for somebody to decide.

    Parameters
    ----------
    studio : Studio
    project : Project
        The raters' own: the tasks are copied from there, as they read them.
    labels : LabelSet
        What was pulled.

    Returns
    -------
    Pushed
        What is in the project already is not pushed again; what was decided is not in the queue.

    Raises
    ------
    InputError
        As in `push_tasks`; a transcript in the queue has no task (any more).
    """
    queue = adjudication_queue(labels)
    if queue.empty:
        return Pushed(new=0, there=0, doubles=0)
    why = queue.groupby("transcript_id", sort=False)["why"].first()
    rounds = labels.frame[labels.frame["source"] == "annotation"].groupby("transcript_id")["round"].max()
    shown = _labelled_tasks(studio, project)
    missing = [id_ for id_ in why.index if id_ not in shown]
    if missing:
        reason = "raters disagree on it, but its task is gone from the project"
        raise InputError(reason, file=studio.url, record=f"project {project.id}: transcript {missing[0]!r}")
    return push_tasks(studio, project, [_again(shown[id_], int(rounds[id_]), why[id_]) for id_ in why.index])


def _labelled_tasks(studio: Studio, project: Project) -> dict[str, Mapping[str, Any]]:
    """The data of every transcript's last labelling task."""
    found: dict[str, Mapping[str, Any]] = {}
    with refusals(studio.url, f"project {project.id}"):
        for task in studio.client.tasks.list(project=project.id, page_size=PAGE):
            data = task.data or {}
            key = task_key(data)
            if key is not None and key[3] != ADJUDICATION:
                found[key[0]] = data
    return found


def _again(data: Mapping[str, Any], round_: int, why: str) -> dict[str, Any]:
    kept = {name: value for name, value in data.items() if name not in ("raters", "prelabelled")}
    return {"data": kept | {"round": round_, "purpose": ADJUDICATION, "why": why}}
