"""Single fields of exports, each read with care: an export may be broken anywhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from grader.errors import InputError
from labels.rater_names import UNKNOWN


def transcript_id_of(task: str, data: Mapping[str, Any], id_field: str | None) -> str:
    """The transcript's id: the field that was named, else ``transcript_id``, else ``id``, else the task's number."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A rater: an id as text (what every format carries), and e-mail and name where they are given."""

    rater: str
    rater_email: str | None = None
    rater_name: str | None = None


def person_of(who: Any, username: Any = None) -> Person:
    """Who gave an answer; ``unknown`` when it names no account.

    ``completed_by`` is an id or an object; a draft's ``user`` an e-mail, with ``created_username`` "name e-mail, id".
    """
    named = re.fullmatch(r"\s*(.*?),\s*(\d+)\s*", username) if isinstance(username, str) else None
    words = named.group(1).split() if named else []
    email, name = (words[-1] if words else None), None
    if isinstance(who, Mapping):
        email = text_or_none(who.get("email")) or email
        parts = (text_or_none(who.get("first_name")), text_or_none(who.get("last_name")))
        name = " ".join(part.strip() for part in parts if part) or None
        who = who.get("id", email)
    elif isinstance(who, str) and "@" in who:
        email, who = who, (named.group(2) if named else who)
    id_ = None if who in (None, "") or isinstance(who, list | Mapping) else id_of(who)
    return Person(rater=id_ or UNKNOWN, rater_email=email, rater_name=name)


def time_of(value: Any) -> str | None:
    """A moment as text; exports of early versions give seconds since 1970."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 1e8 < value < 1e11:
        return datetime.fromtimestamp(float(value), UTC).isoformat()
    return text_or_none(value)


def id_of(value: Any) -> str | None:
    """An id as text, from a number or an object that holds it."""
    if isinstance(value, Mapping):
        value = value.get("id")
    if value is None or isinstance(value, list | dict):
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def round_of(value: Any) -> int:
    """The round of the design; 1 where none is given."""
    if value in (None, ""):
        return 1
    number = number_of(value)
    if number is None or number < 1 or number % 1:
        raise InputError(f"round must be 1, 2, ..., got {value!r}")
    return int(number)


def number_of(value: Any) -> float | None:
    """A finite number, else None."""
    if isinstance(value, str) and value.count(",") == 1 and "." not in value:
        value = value.replace(",", ".")  # as spreadsheet programs of many countries write it
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number == number and abs(number) != float("inf") else None


def text_or_none(value: Any) -> str | None:
    """Text that is not empty, else None."""
    return value if isinstance(value, str) and value else None


def list_of(task: Mapping[str, Any], name: str) -> list[Any]:
    """The list under `name`, empty when it is missing."""
    found = task.get(name) or []
    if not isinstance(found, list):
        raise InputError(f"{name} must be a list, got {type(found).__name__}")
    return found


def objects_of(task: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The list of objects under `name`."""
    found = list_of(task, name)
    for part in found:
        if not isinstance(part, Mapping):
            raise InputError(f"{name} must hold objects, got {type(part).__name__}")
    return found
