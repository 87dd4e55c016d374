"""Inspect logs: samples as transcripts, and ``.json`` logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text
from grader.readers.build import build_transcript, is_plain, record_metadata, unread_transcript
from grader.readers.conversation import conversation
from grader.readers.format_row import Format
from grader.readers.formats.inspect_branches import expand_refs, target_branches
from grader.readers.records import Record
from grader.transcript import Message, Transcript

_ATTACHMENT = "attachment://"
# What Inspect's messages hold beside their words: where they came from, and a rendering of calls for its viewer.
NAMED = frozenset({"source", "view", "parse_error", "perf", "internal", "working_start", "generator"})
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
        "message_refs",
        "message_pool",
        "transcript",
        "metadata",
    }
)


def parse_inspect(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield the transcripts of ``.json`` logs: one per sample and epoch, or per branch of an audit."""
    for record in records:
        if not is_log(record.value):
            raise record.error("is not an Inspect log: it has no 'eval' object")
        header = log_header(record.value, record.file)
        samples = record.value.get("samples") or []
        if not isinstance(samples, list):
            raise record.error("samples: is not a list")
        for number, sample in enumerate(samples, 1):
            yield from read_sample(sample, header, file=record.file, place=f"sample {number}", number=number)


def is_log(value: Any) -> bool:
    """Whether a record is a whole Inspect log."""
    return isinstance(value, Mapping) and isinstance(value.get("eval"), Mapping)


def read_sample(sample: Any, header: Mapping[str, Any], *, file: str, place: str, number: int) -> Iterator[Transcript]:
    """The transcripts of a sample, read when asked for; of one that cannot be read, an unread transcript."""
    try:
        yield from sample_transcripts(sample() if callable(sample) else sample, header, file=file, place=place)
    except InputError as error:
        value = {"model": header.get("model")}
        if isinstance(sample, Mapping) and (id_ := sample.get("uuid")):
            value["id"] = id_
        yield unread_transcript(Record(value=value, file=file, place=place, number=number), error.reason)


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


def log_header(log: Any, file: str) -> dict[str, Any]:
    """What the log knows of all its samples."""
    if not is_log(log):
        raise InputError("no Inspect log: the header has no 'eval' object", file=file)
    spec: Mapping[str, Any] = log["eval"]
    facts = {key: spec.get(key) for key in ("model", "task", "task_id", "eval_id", "run_id", "created")}
    facts["status"] = log.get("status")
    facts["model_roles"] = spec.get("model_roles") or None
    return {key: value for key, value in facts.items() if value is not None}


def sample_transcripts(sample: Any, header: Mapping[str, Any], *, file: str, place: str) -> Iterator[Transcript]:
    """Yield the transcript of a sample; of an audit with rollbacks, one per branch of the target's conversation.

    Branches share the ``episode``; the last one survived and has the sample's id.
    """
    try:
        if not isinstance(sample, Mapping):
            raise InputError(f"a sample is no object but {type(sample).__name__}")
        id_, metadata = _sample_id(sample, header), _metadata(sample, header)
        pool = _pool(sample)
        branches = target_branches(sample, pool)
        for number, (name, messages) in enumerate(branches[:-1], 1):
            own = {"episode": id_, "branch": name, "rolled_back": True}
            yield _build(f"{id_}/branch-{number}", sample, messages, metadata | own, file)
        if branches:
            metadata |= {"episode": id_, "branch": branches[-1][0], "rolled_back": False}
            yield _build(id_, sample, branches[-1][1], metadata, file)
        else:
            yield _build(id_, sample, _messages(sample, pool), metadata, file)
    except InputError as error:
        raise InputError(error.reason, file=file, record=place) from None


def _build(id_: str, sample: Mapping[str, Any], messages: list[Any], metadata: dict[str, Any], file: str) -> Transcript:
    attachments = sample.get("attachments")
    if isinstance(attachments, Mapping) and attachments:
        messages = resolve_attachments(messages, attachments)
    parts = conversation(messages)
    if isinstance(asked := sample.get("input"), str) and not any(asked.strip() in part.text for part in parts):
        metadata = metadata | {"log_input": asked}  # a solver asked in other words
    answer = _unsaid(sample.get("output"), parts)
    raw = {key: sample[key] for key in sample if key not in _HEAVY} | {"messages": [*messages, *answer]}
    return build_transcript(id_, [*parts, *conversation(answer)], metadata, source=file, raw=raw, named=NAMED)


def _unsaid(output: Any, parts: list[Message]) -> list[Any]:
    """The message of a sample's output where a solver gave an answer that is not among the messages."""
    match output:
        case {"choices": [{"message": Mapping() as message}, *_]}:
            words = "\n".join(part.text for part in parts if part.role == "assistant")
            answer = conversation([message])
            return [] if all(part.text.strip() in words for part in answer) else [message]
    return []


def _pool(sample: Mapping[str, Any]) -> Any:
    """The messages that are stored once and referred to, in either place."""
    data = sample.get("events_data")
    return data.get("messages") if isinstance(data, Mapping) else sample.get("message_pool")


def _sample_id(sample: Mapping[str, Any], header: Mapping[str, Any]) -> str:
    """The sample's uuid; logs from before it existed: ``eval_id/sample/epoch``."""
    if isinstance(uuid := sample.get("uuid"), str) and uuid:
        return uuid
    if sample.get("id") is None:
        raise InputError("a sample has neither 'uuid' nor 'id'")
    run = header.get("eval_id") or header.get("run_id") or header.get("created")
    return "/".join(as_text(part) for part in (run, sample["id"], sample.get("epoch", 1)) if part is not None)


def _messages(sample: Mapping[str, Any], pool: Any) -> list[Any]:
    """The messages of a sample; of one that ended before any, its input."""
    messages = sample.get("messages")
    if not messages and sample.get("message_refs"):
        messages = expand_refs(sample["message_refs"], pool)
    if not messages:
        messages = sample.get("input")
        if isinstance(messages, str) and messages:
            messages = [{"role": "user", "content": messages}]
    if messages == "" and sample.get("error"):
        return []
    if not isinstance(messages, list):
        raise InputError("a sample has neither messages nor input")
    return messages


def _metadata(sample: Mapping[str, Any], header: Mapping[str, Any]) -> dict[str, Any]:
    """The sample's own metadata and scores under the facts of the log; a fact it hides becomes ``log_<fact>``."""
    own = sample.get("metadata")
    fields = dict(own) if isinstance(own, Mapping) else {}
    fields |= {key: value for key, value in sample.items() if key not in _HEAVY and value not in (None, {}, [])}
    own_scenario = fields.get("scenario")
    scenario = str(own_scenario) if is_plain(own_scenario) and own_scenario != "" else as_text(sample.get("id"))
    facts = {**header, "scenario": scenario, "sample_id": as_text(sample.get("id")), "epoch": sample.get("epoch", 1)}
    hidden = {f"log_{key}": fields[key] for key in facts if key in fields and fields[key] != facts[key]}
    metadata = record_metadata(fields) | hidden | facts
    error = sample.get("error")
    if error:  # it ended the run: what the agent would have done instead is not known
        metadata["provider_error"] = as_text(error.get("message", error) if isinstance(error, Mapping) else error)
    return metadata


def _copy_of(transcript: Transcript) -> str:
    """What a retry of an evaluation runs again, or copies into its own log."""
    facts = transcript.metadata
    if facts.get("task_id") is None or facts.get("sample_id") is None:
        return transcript.id
    return "/".join(str(facts.get(key)) for key in ("task_id", "sample_id", "epoch", "branch"))


FORMAT = Format(
    name="inspect",
    parse=parse_inspect,
    fits=is_log,
    copies=_copy_of,
    recognised_by="an `.eval` archive, or JSON with `eval` and `samples`",
    id="the sample's `uuid`, else `eval_id/sample/epoch`; of a rolled-back branch `.../branch-N`",
    model="`eval.model`",
    scenario="`scenario` of the sample's metadata, else the sample's id (`sample_id` and `epoch` are columns, too)",
    failures="`error` of the sample; no word of the agent",
)
