"""Labels from a project into a history that only grows, while people work."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from grader.errors import InputError
from grader.readers.build import clean
from labels.history import Growth, grow, held_back
from labels.label_studio.answers import Export
from labels.label_studio.config import Control, read_config
from labels.label_studio.connect import Project, Studio, refusals
from labels.label_studio.controls import label_rows
from labels.label_studio.fields import transcript_id_of
from labels.label_studio.push import SHOWN_HASH, shown_hash
from labels.label_studio.task_export import tasks_export
from labels.meaning import ControlMap, LabelMeaning

# What a rater answers with; a note or a span whose control went away takes no label with it.
_ANSWERING = ("choices", "taxonomy", "rating", "number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What a pull found, and what a person should know of it."""

    growth: Growth
    n_tasks: int
    notes: tuple[str, ...]


def pull_labels(
    studio: Studio,
    project: Project,
    path: Path,
    *,
    meaning: LabelMeaning | None = None,
    pool: Collection[str] | None = None,
) -> Pulled:
    """Add what raters did since the last pull to the history in `path`.

    Parameters
    ----------
    studio : Studio
    project : Project
    path : path
        The history (``labels.parquet``); read it with `labels.read_labels`.
    meaning : LabelMeaning, optional
        How answers are to be read; a map may name what nobody chose yet where the labelling page has it.
    pool : collection of str, optional
        The transcripts of the campaign. Labels of others are kept and do not count.

    Returns
    -------
    Pulled
        Its notes say what was held back: labels of tasks that were edited on the server, of unknown transcripts; and
        when two accounts have one e-mail address.

    Raises
    ------
    InputError
        A refusal of the server; controls that hold answers are gone from the labelling page. Then nothing is written,
        and what was pulled before is as it was.
    """
    meaning = meaning or LabelMeaning()
    id_field = meaning.id_field
    with refusals(studio.url, f"project {project.id}"):
        records = _checked(studio.client.projects.exports.as_json(project.id), studio)
        people = {str(user.id): user.email or "" for user in studio.client.users.list()}
    try:
        export = tasks_export(records, id_field=id_field)
        config = read_config(project.config)
        _refuse_renamed(export, config, meaning.control_map)
        rows = label_rows(export, meaning, config)
    except InputError as error:
        record = ": ".join(part for part in (f"project {project.id}", error.record) if part)
        raise InputError(error.reason, file=studio.url, record=record) from None
    held = held_tasks(records, id_field=id_field, pool=pool)
    page = task_page(studio.url, project.id)
    told = history_rows(rows.frame, project.key, held=held, people=people, names=meaning.raters, page=page)
    growth = grow(path, told, whole=project.key)
    back = [f"{why}: labels of {n} are kept and do not count" for why, n in held_back(growth.frame).items()]
    return Pulled(growth=growth, n_tasks=export.n_tasks, notes=(*rows.notes, *back, *_shared_addresses(growth.frame)))


def history_rows(
    rows: pd.DataFrame,
    project: str,
    *,
    held: Mapping[str, str] | None = None,
    people: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
    page: str | None = None,
) -> pd.DataFrame:
    """Rows of `label_rows` as `labels.history.grow` takes them.

    Parameters
    ----------
    rows : DataFrame
    project : str
        What tells this project's annotations from others'.
    held : mapping from task to reason, optional
    people : mapping from rater to e-mail, optional
    names : mapping from rater to the name to show, optional
    page : str, optional
        What the address of a task's page begins with.
    """
    # An import file's annotations have no number: one per task and rater then.
    number = rows["annotation"].where(rows["annotation"] != "", rows["task"] + " " + rows["rater"])
    again = rows.assign(number=number).groupby(["kind", "number", "harm"], sort=False).cumcount()
    number = number.where(again == 0, number + " #" + (again + 1).astype(str))
    email = rows["rater_email"]
    if people is not None:
        email = email.where(email.notna(), rows["rater"].map(dict(people)))
    name = rows["rater_name"]
    return rows.assign(
        project=project,
        rater_name=rows["rater"].map(dict(names)).fillna(name) if names else name,
        annotation=number,
        rater_email=email,
        task_url=None if page is None else page + rows["task"],
        held=rows["task"].map(dict(held or {})),
        result=[json.dumps(result, ensure_ascii=False, sort_keys=True) for result in rows["result"]],
    )


def task_page(url: str, project: int) -> str:
    """The address of a project's tasks, to which a task's number is added; without a password that stands in `url`.

    Examples
    --------
    >>> task_page("https://ana:secret@labels.example.org/studio", 3)
    'https://labels.example.org/studio/projects/3/data?task='
    """
    parts = urlsplit(url)
    place = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return f"{place.rstrip('/')}/projects/{project}/data?task="


def held_tasks(
    records: Iterable[Mapping[str, Any]], *, id_field: str | None = None, pool: Collection[str] | None = None
) -> dict[str, str]:
    """Tasks whose labels do not count, and why: their text is not what was pushed, or their transcript is unknown."""
    held = {}
    known = None if pool is None else frozenset(pool)
    for task in records:
        data, name = task["data"], str(task["id"])
        if SHOWN_HASH in data and data[SHOWN_HASH] != shown_hash(data):
            held[name] = "tasks that were edited on the server"
        elif known is not None and transcript_id_of(name, data, id_field) not in known:
            held[name] = "transcripts that are not of this campaign"
    return held


def _checked(records: Any, studio: Studio) -> list[Mapping[str, Any]]:
    if not isinstance(records, list) or not all(isinstance(record, Mapping) for record in records):
        raise InputError("does not answer like Label Studio; is the address right?", file=studio.url)
    return [clean(record) for record in records]


def _refuse_renamed(export: Export, config: Mapping[str, Control], control_map: ControlMap | None) -> None:
    """Answers under a control that is no more would read as "not answered": a map has to say what they mean."""
    answering = Counter(
        control
        for answer in export.answers
        if answer.source != "prediction"
        for control, kind in answer.kinds.items()
        if kind in _ANSWERING
    )
    for control in answering.keys() - config.keys() - (control_map or {}).keys():
        now = ", ".join(config) or "none"
        raise InputError(
            f"{answering[control]} annotations answer control {control!r}, which the labelling page no longer has "
            f"(it has {now}); rename it back, or map it (--map {control}:HARM=VALUE)"
        )


def _shared_addresses(history: pd.DataFrame) -> list[str]:
    """Two accounts of one person would count as two raters."""
    people = history.loc[history["rater_email"].notna() & (history["source"] != "prediction"), ["rater", "rater_email"]]
    addresses = people["rater_email"].str.strip().str.casefold()
    accounts = people.assign(address=addresses)[addresses != ""].groupby("address")["rater"].unique()
    return [
        f"raters {' and '.join(sorted(map(str, raters)))} have one e-mail address, {address}: if they are one person, "
        "that person counts twice"
        for address, raters in accounts.items()
        if len(raters) > 1
    ]
