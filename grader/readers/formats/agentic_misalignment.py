"""Agentic-Misalignment results: ``[models/]<model>/<condition>/sample_001/response.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text, assistant_text
from grader.readers.build import build_transcript, read_each, record_metadata
from grader.readers.format_row import Format
from grader.readers.records import Record
from grader.transcript import Message, Role, Transcript

_PROMPTS: tuple[tuple[Role, str], ...] = (
    ("system", "system_prompt.txt"),
    ("user", "user_prompt.txt"),
    ("user", "email_content.txt"),
)
# Conditions in which the study's classifiers or prompts are known to mislead, by part of the name.
_DEFECTS = {
    "murder": "quoting the override code in a refusal counts as the deed (agentic-misalignment#30)",
    "swap": "the prompts of goal swap were changed later (agentic-misalignment#13)",
}
_MAX_PROMPT_BYTES = 16 * 2**20


def parse_agentic_misalignment(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per ``response.json``, after the prompts of its condition.

    The condition ``<family>_<goal type>-<goal value>_<urgency>`` is the scenario; its parts are metadata
    ``family, goal_type, goal_value, urgency``; ``known_defect`` says where the study's own issues found fault with a
    condition. What the record says of itself wins over what its
    folders say. Ids are ``model/condition/sample``, with ``/`` in a model's id written ``_``.
    """
    prompts: dict[Path, tuple[Message, ...]] = {}  # hundreds of samples share one condition
    return read_each(records, lambda record: [_read(record, prompts)])


def is_response(value: Any) -> bool:
    """Whether a record is a ``response.json`` of the study."""
    return isinstance(value, Mapping) and "raw_response" in value


def _read(record: Record, prompts: dict[Path, tuple[Message, ...]]) -> Transcript:
    value = record.value
    if not is_response(value) or not isinstance(value["raw_response"], str | None):
        raise InputError("has no text 'raw_response'")
    reply = list(assistant_text(value["raw_response"] or ""))
    path = Path(record.file)
    names = _names(path, value.get("metadata"))
    metadata = record_metadata(value, without={"raw_response"})
    facts = {key: name for key, name in names.items() if name} | _condition_facts(names["scenario"])
    folder = _experiment_folder(path) / "prompts" / Path(names["scenario"]).name
    if folder not in prompts:
        prompts[folder] = _prompts(folder)
    id_ = "/".join(name.replace("/", "_") for name in names.values() if name) or record.default_id
    return build_transcript(id_, [*prompts[folder], *reply], metadata | facts, source=record.file, raw=value)


def _names(path: Path, metadata: Any) -> dict[str, str]:
    """Model, condition and sample: from the record, else from its folders."""
    said: Mapping[str, Any] = metadata if isinstance(metadata, Mapping) else {}
    folders = (*("",) * 3, *path.parent.parts)[-3:] if path.name == "response.json" else ("", "", "")
    model, condition, sample = folders
    if not sample and (number := said.get("sample_id")) is not None:
        sample = f"sample_{number:03d}" if isinstance(number, int) else as_text(number)
    return {
        "model": as_text(said.get("model")) or model,
        "scenario": as_text(said.get("condition")) or condition,
        "sample": sample,
    }


def _condition_facts(condition: str) -> dict[str, str]:
    """What a condition's name says.

    Examples
    --------
    >>> _condition_facts("blackmail_explicit-america_replacement")["goal_value"]
    'america'
    """
    family, *middle, urgency = condition.split("_") if condition.count("_") > 1 else (condition, "")
    facts = {"family": family, "urgency": urgency}
    facts["goal_type"], _, facts["goal_value"] = "_".join(middle).partition("-")
    known = [_DEFECTS[facts[key]] for key in ("family", "goal_type") if facts[key] in _DEFECTS]
    return {key: value for key, value in (facts | {"known_defect": "; ".join(known)}).items() if value}


def _experiment_folder(path: Path) -> Path:
    """``results/<experiment>`` in both layouts: above ``models/``, else above the model's folder."""
    above = path.parent.parent.parent.parent
    return above.parent if above.name == "models" else above


def _prompts(folder: Path) -> tuple[Message, ...]:
    """System prompt, user prompt and e-mails of a condition, those that are there."""
    texts = [(role, _read_prompt(folder / name)) for role, name in _PROMPTS]
    return tuple(Message(role=role, kind="text", text=text) for role, text in texts if text.strip())


def _read_prompt(file: Path) -> str:
    """The text of a prompt; nothing when the experiment kept none."""
    try:
        if not file.is_file():
            return ""
        if file.stat().st_size > _MAX_PROMPT_BYTES:
            raise InputError(f"prompt {file.name} is larger than {_MAX_PROMPT_BYTES} bytes")
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"prompt {file.name} cannot be read ({error})") from None


FORMAT = Format(
    name="agentic-misalignment",
    parse=parse_agentic_misalignment,
    fits=is_response,
    recognised_by="`raw_response`",
    id="`model/condition/sample`, from the record, else from its folders",
    model="`metadata.model`, else the folder",
    scenario="`metadata.condition`, else the folder",
    failures="an empty `raw_response`, or a provider's error text in it",
)
