"""lm-evaluation-harness: ``samples_<task>_<time>.jsonl``, a row per document and filter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text
from grader.readers.build import build_transcript, unread_transcript
from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.payload_facts import literal
from grader.readers.payloads import asked, is_message
from grader.readers.records import NoTranscripts, Record
from grader.readers.shapes.common import mapping
from grader.transcript import Transcript, canonical_json

_NAME = re.compile(r"samples_(?P<task>.+)_(?P<time>\d[\dT:.\-]*)\.jsonl")
_ANSWERED = frozenset({"doc_id", "arguments", "resps"})
_MAX_RESULT = 2**26


def parse_lm_eval(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per document and repeat, ``<task>/<doc_id>[/<repeat>]``; the task is the scenario.

    A row per filter repeats the same answer: it counts once. Rows of likelihoods hold no answer and are left out.
    """
    seen = set[str]()
    rows = 0
    place: Record | None = None
    for record in records:
        place = record
        for key, transcript in _read(record):
            rows += 1
            if key not in seen:
                seen.add(key)
                yield transcript
    if place is not None and not rows:
        raise NoTranscripts("holds likelihoods but no reply of the model", file=place.file)


def is_lm_eval(value: Any) -> bool:
    """Whether a record is a logged sample."""
    match value:
        case {"doc_id": _, "resps": [*_], "arguments": _}:
            return True
    return False


def _read(record: Record) -> Iterator[tuple[str, Transcript]]:
    value = record.value
    if not is_lm_eval(value):
        reason = "no sample of lm-evaluation-harness: it needs 'doc_id', 'resps' and 'arguments'"
        yield record.default_id, unread_transcript(record, reason)
        return
    name = _NAME.fullmatch(Path(record.file).name)
    task = name["task"] if name else Path(record.file).stem
    metadata = {key: item for key, item in value.items() if key not in _ANSWERED}
    metadata["settings"] = _settings(value["arguments"])
    metadata |= {"scenario": task, "model": _model(record.file, name["time"] if name else "")}
    metadata = {key: item for key, item in metadata.items() if item is not None}
    doc = f"{task}/{as_text(value['doc_id'])}"
    requests = _requests(value["arguments"])
    for number, replies in enumerate(value["resps"], 1):
        prompt = requests[min(number, len(requests)) - 1] if requests else None
        id_ = doc if number == 1 else f"{doc}/request-{number}"
        for repeat, reply in enumerate(replies if isinstance(replies, list) else [replies]):
            if not isinstance(reply, str) and reply is not None:
                continue  # a likelihood
            facts = dict(metadata) | ({"epoch": repeat} if isinstance(replies, list) and len(replies) > 1 else {})
            own = f"{id_}/{repeat}" if repeat else id_
            try:
                parts = conversation([*_prompt(prompt), {"role": "assistant", "content": reply}])
                facts |= ending(parts)
                built = build_transcript(own, parts, facts, source=record.file, raw={"input": prompt, "output": reply})
            except InputError as error:
                built = unread_transcript(record, error.reason)
            yield canonical_json([own, prompt, reply]), built


def _requests(arguments: Any) -> list[Any]:
    """The prompts of a row's requests: ``gen_args_0.arg_0``, or the first item of each list in older logs."""
    if isinstance(arguments, Mapping):
        keys = sorted(arguments, key=lambda key: int("".join(filter(str.isdecimal, key)) or 0))
        return [mapping(arguments[key]).get("arg_0") for key in keys]
    if isinstance(arguments, list):
        return [item[0] if isinstance(item, list) and item else item for item in arguments]
    return []


def _settings(arguments: Any) -> list[Any] | None:
    """What the requests asked for beside their prompts."""
    given = arguments.values() if isinstance(arguments, Mapping) else arguments
    others = [
        {key: item for key, item in one.items() if key != "arg_0"} if isinstance(one, Mapping) else one[1:]
        for one in (given if isinstance(given, (list, type({}.values()))) else [])
        if isinstance(one, (Mapping, list))
    ]
    return others or None


def _prompt(prompt: Any) -> list[Any]:
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
        prompt = prompt[0]  # how models behind an API get their chat
    parsed = literal(prompt)
    if isinstance(parsed, list) and any(is_message(item) for item in parsed):
        return asked(parsed)
    return [{"role": "user", "content": as_text(prompt)}] if prompt else []


def _model(file: str, time: str) -> str | None:
    """The model that the results of the same time name, else the folder's name."""
    folder = Path(file).parent
    path = folder / f"results_{time}.json"
    try:
        if time and path.is_file() and path.stat().st_size < _MAX_RESULT:
            name = mapping(json.loads(path.read_bytes())).get("model_name")
            if isinstance(name, str) and name:
                return name
    except (OSError, ValueError, RecursionError):
        pass
    return folder.name or None


FORMAT = Format(
    name="lm-eval",
    parse=parse_lm_eval,
    fits=is_lm_eval,
    unit="file",
    recognised_by="`doc_id`, `resps` and `arguments`",
    id="`<task>/<doc_id>[/<repeat>]`",
    model="`model_name` in `results_<time>.json`, else the folder",
    scenario="the task",
    failures="an empty reply",
)
