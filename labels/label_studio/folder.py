"""A campaign's folder and its project: push what was drawn, pull what was said, send back what is not settled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from grader.errors import InputError
from grader.redaction import Redaction
from labels.label_studio.adjudicate import adjudicate
from labels.label_studio.config import read_config
from labels.label_studio.connect import Project, Studio, config_hash, find_or_make_project, find_project
from labels.label_studio.pull import Pulled, pull_labels
from labels.label_studio.push import Pushed, push_tasks
from labels.label_studio.record import CampaignRecord, Marking, read_record, write_record
from labels.label_studio.shaping import prelabelled, redacted
from labels.label_studio.views import project_page, rater_links, raters_of
from labels.meaning import LabelMeaning
from labels.read import read_labels
from labels.sampling.designs import read_rounds

TASKS, DESIGN, CONFIG, LABELS = "tasks.json", "design.csv", "label_config.xml", "labels.parquet"
INSTRUCTIONS = "instructions.html"
# Of a pool in shards: a table of this size is no CSV.
SHARD_DESIGN = "design.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignFiles:
    """What a look at a campaign reads: its labels, and the design frames of its rounds."""

    labels: Path
    designs: tuple[Path, ...]


def campaign_files(folder: Path | None, *, labels: Path | None = None, designs: Sequence[Path] = ()) -> CampaignFiles:
    """The labels and designs that were named, else those in `folder`.

    Raises
    ------
    InputError
        Neither was named, or the folder has none (yet).
    """
    if folder is not None:
        labels = labels or folder / LABELS
        designs = designs or [folder / name for name in (DESIGN, SHARD_DESIGN) if (folder / name).is_file()]
        if not designs:
            raise InputError(f"holds no {DESIGN}: is it a folder of `labels sample`?", file=folder)
        if not labels.exists():
            raise InputError(
                "holds no labels yet: run `harmrate labels pull` on it, or name them (--labels)", file=folder
            )
    if labels is None or not designs:
        raise InputError("name the folder of `labels sample`, or --labels and --design")
    return CampaignFiles(labels=labels, designs=tuple(designs))


def push_campaign(
    studio: Studio,
    folder: Path,
    *,
    title: str | None = None,
    redaction: Redaction | None = None,
    verdicts: pd.DataFrame | None = None,
    grader: str | None = None,
) -> tuple[CampaignRecord, Pushed]:
    """Push the tasks in `folder` to their project, which is made at the first push.

    The result says where raters find them.

    Parameters
    ----------
    studio : Studio
    folder : path
        With ``tasks.json`` and ``label_config.xml``, and ``instructions.html`` for raters; gains ``campaign.json``.
    title : str, optional
        Of the project; default: the one pushed to before, else the folder's name. Rounds in folders of their own meet
        in one project under one title.
    redaction : Redaction, optional
        What is replaced before a task leaves the machine.
    verdicts : verdict frame, optional
        Pre-annotates: raters see these answers. Without, the campaign is blind.
    grader : str, optional
        Whose verdicts.

    Raises
    ------
    InputError
        A file is missing or broken; a refusal of the server; the campaign was begun blind and is to go on
        pre-annotated, or the like.
    """
    tasks: Sequence[Mapping[str, Any]] = _read_tasks(folder / TASKS)
    config = _read_text(folder / CONFIG)
    read_config(config, file=folder / CONFIG)
    marking: Marking = "blind" if verdicts is None else "pre-annotated"
    version = None if redaction is None else redaction.version
    counts: Mapping[str, int] = {}
    if redaction is not None:
        tasks, counts = redacted(tasks, redaction)
    if verdicts is not None:
        tasks = prelabelled(tasks, verdicts, grader)
    known = read_record(folder)
    if known is not None and title in (None, known.title):
        known.refuse_change(marking=marking, redaction=version)
        project = find_project(studio, known.project)
    else:
        text = _read_text(folder / INSTRUCTIONS) if (folder / INSTRUCTIONS).is_file() else ""
        project = _begun(studio, title or folder.resolve().name, config, tasks, marking, text)
    record = CampaignRecord(
        url=studio.url,
        project=project.id,
        title=project.title,
        config=config_hash(config),
        marking=marking,
        redaction=version,
        redacted=counts,
    )
    write_record(folder, record)
    pushed = push_tasks(studio, project, tasks)
    links = rater_links(studio, project, raters_of(tasks))
    return record, replace(pushed, page=project_page(studio, project), links=links)


def _begun(
    studio: Studio,
    title: str,
    config: str,
    tasks: Sequence[Mapping[str, Any]],
    marking: Marking,
    instructions: str,
) -> Project:
    raters = max((len(task["data"].get("raters") or ()) for task in tasks), default=0)
    project, _ = find_or_make_project(
        studio,
        title,
        config,
        description=f"harmrate campaign, {marking}",
        maximum_annotations=max(raters, 1),
        show_collab_predictions=marking == "pre-annotated",
        show_skip_button=True,
        expert_instruction=instructions,
        show_instruction=bool(instructions),
    )
    return project


def pull_campaign(
    studio: Studio,
    folder: Path,
    *,
    project: int | None = None,
    out: Path | None = None,
    meaning: LabelMeaning | None = None,
) -> Pulled:
    """Pull the labels of the folder's project into ``labels.parquet`` there.

    Parameters
    ----------
    studio : Studio
    folder : path
    project : int, optional
        Another than the one in ``campaign.json``: of a campaign that was set up by hand.
    out : path, optional
        Another history than ``labels.parquet``.
    meaning : LabelMeaning, optional
        How answers are to be read; default: as the labelling page of `labels sample` asks.

    Raises
    ------
    InputError
        No project is known; as `pull_labels`.
    """
    designs = [folder / name for name in (DESIGN, SHARD_DESIGN) if (folder / name).is_file()]
    pool = {id_ for design in designs for id_ in read_rounds(design)["transcript_id"].unique()} if designs else None
    return pull_labels(
        studio,
        _project_of(studio, folder, project),
        out or folder / LABELS,
        meaning=meaning,
        pool=pool,
    )


def adjudicate_campaign(studio: Studio, folder: Path) -> tuple[Pulled, Pushed]:
    """Pull, then push what raters could not settle as tasks whose answers are ground truth.

    Raises
    ------
    InputError
        As `pull_campaign` and `adjudicate`.
    """
    pulled = pull_campaign(studio, folder)
    project = _project_of(studio, folder, None)
    if pulled.growth.frame.empty:
        return pulled, Pushed(new=0, there=0, doubles=0)
    return pulled, adjudicate(studio, project, read_labels(folder / LABELS))


def _project_of(studio: Studio, folder: Path, number: int | None) -> Project:
    if number is None:
        record = read_record(folder)
        if record is None:
            raise InputError("nothing was pushed from here; push first, or name the project (--project)", file=folder)
        number = record.project
    return find_project(studio, number)


def _read_tasks(path: Path) -> list[Mapping[str, Any]]:
    try:
        tasks = json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not whole JSON ({str(error)[:80]})", file=path) from None
    if not isinstance(tasks, list) or not tasks:
        raise InputError("holds no tasks", file=path)
    for number, task in enumerate(tasks, 1):
        data = task.get("data") if isinstance(task, Mapping) else None
        if not isinstance(data, Mapping):
            raise InputError("is no task", file=path, record=f"record {number}")
    return tasks


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})", file=path) from None
