"""Label Studio exports of every shape, as one kind of record: what one rater submitted for one task."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from grader.errors import InputError

State = Literal["submitted", "skipped", "draft"]

# What a flat export says of the annotation; every other column is task data or a control.
_FLAT = frozenset({"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"})
_FLAT_NEEDED = frozenset({"annotator", "annotation_id"})
_ADJUDICATION = "adjudication"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One annotation, draft or prediction: who said what of which task."""

    task: str
    transcript_id: str
    rater: str
    rater_email: str | None = None
    state: State = "submitted"
    source: str = "annotation"
    round: int = 1
    annotation: str = ""
    created_at: str | None = None
    updated_at: str | None = None
    updated_by: str | None = None
    seconds: float | None = None
    content_hash: str | None = None
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    result: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """All answers of an export; `flat` when task data and controls cannot be told apart by its format."""

    answers: tuple[Answer, ...]
    n_tasks: int
    flat: bool


def read_export(path: Path | str, *, id_field: str | None = None) -> Export:
    """Read JSON, JSON_MIN, CSV, TSV, a snapshot or a page of the API; the content says which.

    Raises
    ------
    InputError
        When it is none of these; the message names the record.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 text (byte {error.start})", file=path) from None
    try:
        return parse_export(text, id_field=id_field)
    except InputError as error:
        raise InputError(error.reason, file=path, record=error.record) from None


def parse_export(text: str, *, id_field: str | None = None) -> Export:
    """`read_export` on text."""
    start = text.lstrip()[:1]
    if not start:
        raise InputError("is empty")
    if start not in "[{":
        return _flat_export(_rows_of_table(text), id_field)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else None
        raise InputError(f"is not whole JSON ({str(error)[:80]})", record=place) from None
    records = _records(document)
    if not records:
        raise InputError("holds no task")
    if any(_FLAT_NEEDED <= record.keys() and "annotations" not in record for record in records):
        return _flat_export(records, id_field)
    return tasks_export(records, id_field=id_field)


def _records(document: Any) -> list[dict[str, Any]]:
    if isinstance(document, dict):
        document = document["tasks"] if isinstance(document.get("tasks"), list) else [document]
    for i, record in enumerate(document, 1):
        if not isinstance(record, dict):
            raise InputError(f"a task must be an object, got {type(record).__name__}", record=f"record {i}")
    return list(document)


# ---- Task shapes: JSON, snapshot, API -------------------------------------------------------------------------------


def tasks_export(records: Iterable[Mapping[str, Any]], *, id_field: str | None = None) -> Export:
    """Answers of tasks as the JSON export, a snapshot or the API gives them."""
    answers: list[Answer] = []
    seen: dict[tuple[str, int, str], tuple[str, str]] = {}
    count = 0
    for i, task in enumerate(records, 1):
        name = str(task.get("id", f"number {i}"))
        data = task.get("data", task if "annotations" not in task else {})
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
        "transcript_id": _transcript_id(name, data, id_field),
        "round": _round(data.get("round")),
        "content_hash": _text_or_none(data.get("content_hash")),
    }
    adjudicating = data.get("purpose") == _ADJUDICATION
    predictions: dict[str, Mapping[str, Any]] = {}
    for number, annotation in enumerate(_objects(task, "annotations"), 1):
        rater, email = _rater(annotation.get("completed_by"), annotation.get("created_username"), number)
        truth = bool(annotation.get("ground_truth")) or adjudicating
        yield _answer(
            annotation,
            rater=rater,
            rater_email=email,
            state="skipped" if annotation.get("was_cancelled") else "submitted",
            source="ground_truth" if truth else "annotation",
            **common,
        )
        _collect_prediction(predictions, annotation.get("prediction"))
    for number, draft in enumerate(_objects(task, "drafts"), 1):
        rater, email = _rater(draft.get("user"), draft.get("created_username"), number)
        yield _answer(draft, rater=rater, rater_email=email, state="draft", **common)
    for prediction in _list(task, "predictions"):
        _collect_prediction(predictions, prediction)
    for prediction in predictions.values():
        machine = _text_or_none(prediction.get("model_version")) or "prediction"
        yield _answer(prediction, rater=machine, state="submitted", source="prediction", **common)


def _answer(record: Mapping[str, Any], **known: Any) -> Answer:
    values, kinds = _result_values(record.get("result"))
    return Answer(
        annotation=str(record.get("id", "")),
        created_at=_text_or_none(record.get("created_at")),
        updated_at=_text_or_none(record.get("updated_at")),
        updated_by=_id(record.get("updated_by")),
        seconds=_number(record.get("lead_time")),
        values=values,
        kinds=kinds,
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
        ignored = {"round", "purpose", "raters"}
        content = json.dumps({k: v for k, v in data.items() if k not in ignored}, sort_keys=True, default=str)
        other, before = seen.setdefault(key, (name, content))
        if before != content:
            raise InputError(
                f"carries transcript id {answer.transcript_id!r}, as does task {other} with other data "
                "(name the field of the id with --id-field)",
                record=f"task {name}",
            )


# ---- Flat shapes: JSON_MIN, CSV, TSV --------------------------------------------------------------------------------


def _rows_of_table(text: str) -> list[dict[str, Any]]:
    header = text.lstrip().split("\n", 1)[0]
    separator = "\t" if header.count("\t") >= header.count(",") and "\t" in header else ","
    try:
        table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False)
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"is neither JSON nor a whole table ({str(error).splitlines()[0][:80]})") from None
    missing = sorted(_FLAT_NEEDED - set(table.columns))
    if missing:
        raise InputError(f"is no Label Studio export: its columns lack {', '.join(missing)}")
    rows = table.to_dict("records")
    return [{str(k): _cell(v) for k, v in row.items() if isinstance(v, str) and v != ""} for row in rows]


def _cell(text: str) -> Any:
    if text[0] in "[{":
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def _flat_export(records: Iterable[Mapping[str, Any]], id_field: str | None) -> Export:
    rows = [(str(row.get("id", f"number {i}")), row) for i, row in enumerate(records, 1)]
    blank = [row for _, row in rows if _is_blank(row)]
    data = {name for row in blank for name, value in row.items() if value not in (None, "")}
    answers = []
    for name, row in rows:
        if not _is_blank(row):
            try:
                answers.append(_flat_answer(name, row, data, id_field))
            except InputError as error:
                raise InputError(error.reason, record=f"task {name}") from None
    if not rows:
        raise InputError("holds no task")
    return Export(answers=tuple(answers), n_tasks=len({name for name, _ in rows}), flat=True)


def _is_blank(row: Mapping[str, Any]) -> bool:
    """A task without annotation, exported with "all tasks": what it holds is task data."""
    return row.get("annotation_id") in (None, "") and row.get("annotator") in (None, "")


def _flat_answer(name: str, row: Mapping[str, Any], data: set[str], id_field: str | None) -> Answer:
    rater, email = _rater(row.get("annotator"), None, 1)
    cells = {str(k): v for k, v in row.items() if k not in _FLAT and k not in data}
    values = {k: tuple(dict.fromkeys(flat_values(v))) for k, v in cells.items()}
    return Answer(
        task=name,
        transcript_id=_transcript_id(name, row, id_field),
        rater=rater,
        rater_email=email,
        source="ground_truth" if row.get("purpose") == _ADJUDICATION else "annotation",
        round=_round(row.get("round")),
        annotation=str(row.get("annotation_id", "")),
        created_at=_text_or_none(row.get("created_at")),
        updated_at=_text_or_none(row.get("updated_at")),
        seconds=_number(row.get("lead_time")),
        content_hash=_text_or_none(row.get("content_hash")),
        values={k: v for k, v in values.items() if v},
        kinds={k: kind for k, v in cells.items() if (kind := _kind_of_cell(v))},
    )


def _kind_of_cell(value: Any) -> str | None:
    """The kind of control that writes such a cell, where its form tells."""
    first = value[0] if isinstance(value, list) and value else value
    if not isinstance(first, Mapping):
        return None
    return next((str(k) for k in first if k in _KINDS or str(k).endswith("labels")), None)


_KINDS = ("choices", "taxonomy", "rating", "number")


# ---- Values ---------------------------------------------------------------------------------------------------------


def _result_values(result: Any) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """What each control holds, per-region answers gathered, and each control's kind."""
    values: dict[str, list[str]] = {}
    kinds: dict[str, str] = {}
    if result is None:
        result = []
    if not isinstance(result, list):
        raise InputError(f"result must be a list, got {type(result).__name__}")
    for item in result:
        if not isinstance(item, Mapping):
            raise InputError(f"a result must be an object, got {type(item).__name__}")
        control, value = item.get("from_name"), item.get("value")
        if not isinstance(control, str) or value is None:
            continue  # a relation between regions
        kind = str(item.get("type", ""))
        region = isinstance(value, Mapping) and bool(value.keys() - {kind, "text"}) and not kind.endswith("labels")
        kinds[control] = f"{kind} per region" if region else kind
        values.setdefault(control, []).extend(flat_values(value))
    return {control: tuple(dict.fromkeys(found)) for control, found in values.items()}, kinds


def flat_values(value: Any) -> list[str]:
    """Everything that a value chose, as text: choices, labels, ratings, numbers, texts, taxonomy paths and their parts.

    Examples
    --------
    >>> flat_values([{"taxonomy": [["Harm", "Deception"]]}])
    ['Harm', 'Harm/Deception', 'Deception']
    >>> flat_values({"choices": ["yes"]}), flat_values([{"rating": 4}]), flat_values(None)
    (['yes'], ['4'], [])
    """
    match value:
        case None:
            return []
        case bool():
            return [str(value).lower()]
        case int() | float():
            return [f"{value:g}"]
        case str():
            return [value]
        case list():
            return [text for part in value for text in flat_values(part)]
        case {"taxonomy": list(paths)}:
            return [text for path in paths for text in _path_values(path)]
        case Mapping():
            chosen = [k for k in value if k in _KINDS or str(k).endswith("labels")]
            return flat_values([value[k] for k in chosen or (["text"] if "text" in value else [])])
    return []


def _path_values(path: Any) -> list[str]:
    names = [str(part) for part in path] if isinstance(path, list) else [str(path)]
    prefixes = ["/".join(names[: i + 1]) for i in range(len(names))]
    return list(dict.fromkeys([*prefixes, *names]))


# ---- Fields ---------------------------------------------------------------------------------------------------------


def _transcript_id(task: str, data: Mapping[str, Any], id_field: str | None) -> str:
    if id_field is not None:
        if data.get(id_field) in (None, ""):
            raise InputError(f"has no field {id_field!r} for the transcript's id; fields: {', '.join(map(str, data))}")
        return _scalar(id_field, data[id_field])
    for name in ("transcript_id", "id"):
        if data.get(name) not in (None, ""):
            return _scalar(name, data[name])
    return task


def _scalar(name: str, value: Any) -> str:
    if isinstance(value, list | dict):
        raise InputError(f"{name!r} must be text or a number to serve as id, got {type(value).__name__}")
    return str(value)


def _rater(who: Any, username: Any, number: int) -> tuple[str, str | None]:
    """A rater's id as text (what every format carries), and the e-mail where it is given.

    ``completed_by`` is an id or an object; a draft's ``user`` an e-mail, with ``created_username`` "e-mail, id".
    """
    named = re.fullmatch(r"\s*(.*?),\s*(\d+)\s*", username) if isinstance(username, str) else None
    email = named.group(1).split()[-1] if named and named.group(1).split() else None
    if isinstance(who, Mapping):
        email = _text_or_none(who.get("email")) or email
        who = who.get("id", email)
    elif isinstance(who, str) and "@" in who:
        email, who = who, (named.group(2) if named else who)
    if who in (None, "") or isinstance(who, list | Mapping):
        return f"unnamed {number}", email
    return _id(who) or f"unnamed {number}", email


def _id(value: Any) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("id")
    if value is None or isinstance(value, list | dict):
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _round(value: Any) -> int:
    if value in (None, ""):
        return 1
    number = _number(value)
    if number is None or number < 1 or number % 1:
        raise InputError(f"round must be 1, 2, ..., got {value!r}")
    return int(number)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number == number and abs(number) != float("inf") else None


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _list(task: Mapping[str, Any], name: str) -> list[Any]:
    found = task.get(name) or []
    if not isinstance(found, list):
        raise InputError(f"{name} must be a list, got {type(found).__name__}")
    return found


def _objects(task: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = _list(task, name)
    for part in found:
        if not isinstance(part, Mapping):
            raise InputError(f"{name} must hold objects, got {type(part).__name__}")
    return found
