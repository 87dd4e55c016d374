"""Bloom's ``judgment.json``: a score from 1 to 10 for the behaviour and for each quality, per conversation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.readers.build import clean
from grader.readers.formats.petri import parse_petri
from grader.readers.records import iter_records, parse_json
from grader.verdict.harness_verdict import HarnessVerdict

_BEHAVIOR = "behavior_presence"
_COUNTS = frozenset({"variation_number", "repetition_number", "num_samples"})
_GRADER = "judgment"
_NAME = re.compile(r"transcript_v\w{1,40}r\w{1,40}\.json")


def is_judgment(value: Any) -> bool:
    """Whether a JSON value is a run's judgment."""
    return isinstance(value, Mapping) and isinstance(value.get("judgments"), list)


def read_judgment(path: Path) -> Iterator[tuple[str, Mapping[str, Any], HarnessVerdict]]:
    """Yield transcript id, facts and verdict for each conversation and score.

    The behaviour's name is the harm; the other qualities are covariates. Ids are those of the transcripts
    ``transcript_v<variation>r<repetition>.json`` in the same folder; without them the file's name.

    Raises
    ------
    InputError
        When the file is no judgment, or a judgment does not say of which conversation it is.
    """
    value = _judgment(path)
    behavior = value.get("behavior_name")
    harm, model = behavior if isinstance(behavior, str) else _BEHAVIOR, value.get("model")
    version = model if isinstance(model, str) else ""
    failed = value.get("failed_judgments")
    for number, judgment in enumerate([*value["judgments"], *(failed if isinstance(failed, list) else [])], 1):
        name = _name(judgment, path, number)
        for id_, facts in _transcripts(path.parent / name):
            for held in _held(judgment, harm, version):
                yield id_, facts, held


def _judgment(path: Path) -> Any:
    try:
        value = clean(parse_json(path.read_bytes(), file=str(path)))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=path) from None
    except InputError as error:
        raise InputError(error.reason, file=path) from None
    if not is_judgment(value):
        raise InputError("no judgment of Bloom: it has no list 'judgments'", file=path)
    return value


def _name(judgment: Any, path: Path, number: int) -> str:
    match judgment:
        case {"variation_number": (int() | str()) as variation, "repetition_number": (int() | str()) as repetition}:
            name = f"transcript_v{variation}r{repetition}.json"
            if _NAME.fullmatch(name):  # a name, not a path to somewhere else
                return name
    raise InputError("names no variation and repetition", file=path, record=f"judgment {number}")


def _transcripts(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Id and facts of the conversation's branches: a score is of the whole run."""
    if not path.is_file():
        yield path.stem, {}
        return
    for transcript in parse_petri(iter_records(path)):
        yield transcript.id, transcript.facts()


def _held(judgment: Mapping[str, Any], harm: str, version: str) -> Iterator[HarnessVerdict]:
    common: dict[str, Any] = {"grader": _GRADER, "version": version}
    explanation = judgment.get("justification")
    common["explanation"] = explanation if isinstance(explanation, str) else ""
    score = judgment.get(_BEHAVIOR)
    scored = isinstance(score, (int, float))
    yield HarnessVerdict(
        harm=harm, value=score if scored else None, outcome="scored" if scored else "not_graded", **common
    )
    for quality, value in judgment.items():
        if quality not in {_BEHAVIOR, *_COUNTS} and isinstance(value, (int, float)):
            yield HarnessVerdict(harm=quality, value=value, covariate=True, **common)
