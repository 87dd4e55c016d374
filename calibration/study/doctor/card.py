"""A judge's card from the file that ``harmrate doctor --out`` wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pydantic

from calibration.findings.diagnosis import CardFinding
from grader.errors import InputError

_CARD = pydantic.TypeAdapter(CardFinding)


def read_card(path: Path) -> CardFinding | None:
    """The judge card of a diagnosis; None where no judge was probed.

    Raises
    ------
    InputError
        It is no such file.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot be read as a judge card: {error}", file=path) from None
    if not isinstance(found, dict) or "card" not in found:
        raise InputError("is no diagnosis of `harmrate doctor --out`: it has no 'card'", file=path)
    if found["card"] is None:
        return None
    try:
        return _CARD.validate_python(_with_nan(found["card"]))
    except RecursionError:
        raise InputError("is no judge card: nested too deeply", file=path) from None
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"is no judge card: {first['msg']}", file=path, record=place or None) from None


def _with_nan(value: Any) -> Any:
    """JSON's null as nan: nothing in a card is ever absent, a number may be undefined."""
    match value:
        case dict():
            return {name: _with_nan(each) for name, each in value.items()}
        case list():
            return tuple(_with_nan(each) for each in value)
        case None:
            return float("nan")
    return value
