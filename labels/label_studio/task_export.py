"""Answers of tasks as the JSON export, a snapshot or the API gives them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from grader.errors import InputError
from labels.label_studio.answers import ADJUDICATION, Answer, Export, State
from labels.label_studio.fields import (
    Person,
    id_of,
    list_of,
    number_of,
    objects_of,
    person_of,
    round_of,
    text_or_none,
    time_of,
    transcript_id_of,
)
from labels.label_studio.values import result_values, spans_of


def tasks_export(records: Iterable[Mapping[str, Any]], *, id_field: str | None = None) -> Export:
    """Answers of tasks as the JSON export, a snapshot or the API gives them."""
    answers: list[Answer] = []
    seen: dict[tuple[str, int, str], tuple[str, str]] = {}
    count = 0
    for i, task in enumerate(records, 1):
        name = str(task.get("id", f"number {i}"))
        data = task.get("data", task if "annotations" not in task and "completions" not in task else {})
        if not isinstance(data, Mapping):
            raise InputError(f"data must be an object, got {type(data).__name__}", record=f"task {name}")
        try:
            found = list(_answers_of_task(name, task, data, id_field))
        except InputError as error:
            raise InputError(error.reason, record=error.record or f"task {name}") from None
        _refuse_double(seen, name, data, found)
        answers.extend(found)
        count += 1
    return Export(answers=tuple(answers), n_tasks=count, flat=False)


def _answers_of_task(
    name: str, task: Mapping[str, Any], data: Mapping[str, Any], id_field: str | None
) -> Iterator[Answer]:
    common: dict[str, Any] = {
        "task": name,
        "transcript_id": transcript_id_of(name, data, id_field),
        "round": round_of(data.get("round")),
        "content_hash": text_or_none(data.get("content_hash")),
        "prelabelled": data.get("prelabelled") is True,
    }
    adjudicating = data.get("purpose") == ADJUDICATION
    predictions: dict[str, Mapping[str, Any]] = {}
    # Label Studio before 1.0 called them completions.
    for annotation in objects_of(task, "annotations") or objects_of(task, "completions"):
        person = person_of(annotation.get("completed_by"), annotation.get("created_username"))
        truth = bool(annotation.get("ground_truth")) or adjudicating
        yield _answer(
            annotation,
            person,
            state=_state_of(annotation),
            source="ground_truth" if truth else "annotation",
            **common,
        )
        _collect_prediction(predictions, annotation.get("prediction"))
    for draft in objects_of(task, "drafts"):
        person = person_of(draft.get("user"), draft.get("created_username"))
        yield _answer(draft, person, state="draft", **common)
    for prediction in list_of(task, "predictions"):
        _collect_prediction(predictions, prediction)
    for prediction in predictions.values():
        machine = text_or_none(prediction.get("model_version")) or "prediction"
        yield _answer(prediction, Person(rater=machine), state="submitted", source="prediction", **common)


def _state_of(annotation: Mapping[str, Any]) -> State:
    """What became of an annotation; the enterprise edition's reviewers may have rejected it."""
    if annotation.get("was_cancelled") or annotation.get("skipped"):
        return "skipped"
    action = annotation.get("last_action")
    reviews = [review for review in list_of(annotation, "reviews") if isinstance(review, Mapping)]
    last = max(reviews, key=lambda review: str(review.get("created_at") or ""), default=None)
    if action == "rejected" or (
        last is not None and last.get("accepted") is False and action in (None, "", "reviewed")
    ):
        return "rejected"
    return "submitted"


def _answer(record: Mapping[str, Any], person: Person, **known: Any) -> Answer:
    values, kinds = result_values(record.get("result"))
    return Answer(
        rater=person.rater,
        rater_email=person.rater_email,
        rater_name=person.rater_name,
        annotation=str(record.get("id", "")),
        created_at=time_of(record.get("created_at")),
        updated_at=time_of(record.get("updated_at")),
        updated_by=id_of(record.get("updated_by")),
        seconds=number_of(record.get("lead_time")),
        values=values,
        kinds=kinds,
        spans=spans_of(record.get("result")),
        result=record.get("result"),
        **known,
    )


def _collect_prediction(into: dict[str, Mapping[str, Any]], prediction: Any) -> None:
    """The JSON export gives a task's predictions as bare ids, and whole ones inside the annotations."""
    if isinstance(prediction, Mapping) and prediction.get("result"):
        into.setdefault(str(prediction.get("id", len(into))), prediction)


def _refuse_double(
    seen: dict[tuple[str, int, str], tuple[str, str]], name: str, data: Mapping[str, Any], found: list[Answer]
) -> None:
    """Two tasks may carry one transcript (one task per rater), but not two different texts under one id."""
    for answer in found[:1]:
        key = (answer.transcript_id, answer.round, str(data.get("purpose")))
        ignored = {"round", "purpose", "raters", "why"}
        content = json.dumps({k: v for k, v in data.items() if k not in ignored}, sort_keys=True, default=str)
        other, before = seen.setdefault(key, (name, content))
        if before != content:
            raise InputError(
                f"carries transcript id {answer.transcript_id!r}, as does task {other} with other data "
                "(name the field of the id with --id-field)",
                record=f"task {name}",
            )
