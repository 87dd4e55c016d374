"""Inspect logs: ``.eval`` archives, read one sample at a time, and ``.json`` logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.readers.archive import open_archive
from grader.readers.blocks import as_text, conversation
from grader.readers.build import build_transcript, record_metadata
from grader.readers.records import Record, parse_json
from grader.transcript import Transcript

_ATTACHMENT = "attachment://"
# What a sample holds beside its metadata, or holds once more in another form.
_HEAVY = frozenset(
    {
        "id",
        "uuid",
        "input",
        "messages",
        "output",
        "attachments",
        "events",
        "events_data",
        "store",
        "timelines",
        "transcript",
        "metadata",
    }
)


def read_inspect_eval(path: Path) -> Iterator[Transcript]:
    """Yield one transcript per sample and epoch of an ``.eval`` archive; memory holds one sample.

    Raises
    ------
    InputError
        When the archive or a sample is damaged, or it is no Inspect log.
    """
    with open_archive(path) as archive:
        name = next((n for n in ("header.json", "_journal/start.json") if n in archive.members), None)
        if name is None:
            raise InputError("no Inspect log: the archive has no header.json", file=path)
        header = _header(parse_json(archive.read(name), file=str(path), place=name), str(path))
        for member in archive.members:
            if member.startswith("samples/") and member.endswith(".json"):
                sample = parse_json(archive.read(member), file=str(path), place=member)
                yield _transcript(sample, header, file=str(path), place=member)


def parse_inspect(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield one transcript per sample and epoch of ``.json`` logs."""
    for record in records:
        if not is_log(record.value):
            raise record.error("no Inspect log: it has no 'eval' object")
        header = _header(record.value, record.file)
        samples = record.value.get("samples") or []
        if not isinstance(samples, list):
            raise record.error("'samples' is no list")
        for number, sample in enumerate(samples, 1):
            yield _transcript(sample, header, file=record.file, place=f"sample {number}")


def is_log(value: Any) -> bool:
    """Whether a record is a whole Inspect log."""
    return isinstance(value, Mapping) and isinstance(value.get("eval"), Mapping)


def resolve_attachments(value: Any, attachments: Mapping[str, Any]) -> Any:
    """`value` with every ``attachment://<hash>`` text replaced by the text it stands for."""
    match value:
        case str() if value.startswith(_ATTACHMENT):
            found = attachments.get(value.removeprefix(_ATTACHMENT))
            return found if isinstance(found, str) else value
        case list():
            return [resolve_attachments(item, attachments) for item in value]
        case dict():
            return {key: resolve_attachments(item, attachments) for key, item in value.items()}
    return value


def _header(log: Any, file: str) -> dict[str, Any]:
    """What the log knows of all its samples."""
    if not is_log(log):
        raise InputError("no Inspect log: the header has no 'eval' object", file=file)
    spec: Mapping[str, Any] = log["eval"]
    facts = {key: spec.get(key) for key in ("model", "task", "eval_id", "run_id", "created")}
    facts["status"] = log.get("status")
    facts["model_roles"] = spec.get("model_roles") or None
    return {key: value for key, value in facts.items() if value is not None}


def _transcript(sample: Any, header: Mapping[str, Any], *, file: str, place: str) -> Transcript:
    try:
        if not isinstance(sample, Mapping):
            raise InputError(f"a sample is no object but {type(sample).__name__}")
        return build_transcript(
            _sample_id(sample, header), conversation(sample_messages(sample)), _metadata(sample, header), source=file
        )
    except InputError as error:
        raise InputError(error.reason, file=file, record=place) from None


def _sample_id(sample: Mapping[str, Any], header: Mapping[str, Any]) -> str:
    """The sample's uuid; logs from before it existed: ``eval_id/sample/epoch``."""
    if isinstance(uuid := sample.get("uuid"), str) and uuid:
        return uuid
    if sample.get("id") is None:
        raise InputError("a sample has neither 'uuid' nor 'id'")
    run = header.get("eval_id") or header.get("run_id") or header.get("created")
    return "/".join(as_text(part) for part in (run, sample["id"], sample.get("epoch", 1)) if part is not None)


def sample_messages(sample: Mapping[str, Any]) -> list[Any]:
    """The messages of a sample, attachments resolved; before any message, its input."""
    messages = sample.get("messages")
    if not messages:
        messages = sample.get("input")
        if isinstance(messages, str) and messages:
            messages = [{"role": "user", "content": messages}]
    if not isinstance(messages, list):
        raise InputError("a sample has neither messages nor input")
    attachments = sample.get("attachments")
    return list(resolve_attachments(messages, attachments)) if isinstance(attachments, Mapping) else messages


def _metadata(sample: Mapping[str, Any], header: Mapping[str, Any]) -> dict[str, Any]:
    """The sample's own metadata and scores under the facts of the log; a fact it hides becomes ``log_<fact>``."""
    own = sample.get("metadata")
    fields = dict(own) if isinstance(own, Mapping) else {}
    fields |= {key: value for key, value in sample.items() if key not in _HEAVY and value not in (None, {}, [])}
    facts = {**header, "scenario": as_text(sample.get("id")), "epoch": sample.get("epoch", 1)}
    hidden = {f"log_{key}": fields[key] for key in facts if key in fields and fields[key] != facts[key]}
    metadata = record_metadata(fields) | hidden | facts
    error = sample.get("error")
    if error and not _agent_spoke(sample):
        # The run ended before the agent did anything: no evidence of good conduct.
        metadata["provider_error"] = as_text(error.get("message", error) if isinstance(error, Mapping) else error)
    return metadata


def _agent_spoke(sample: Mapping[str, Any]) -> bool:
    messages = sample.get("messages")
    return isinstance(messages, list) and any(isinstance(m, Mapping) and m.get("role") == "assistant" for m in messages)
