"""Record files of openai/evals: a specification, events, a final report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text
from grader.readers.build import build_transcript, unread_transcript
from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.payloads import Answer, answered, asked
from grader.readers.records import Record
from grader.readers.shapes.common import mapping
from grader.readers.threads import Thread
from grader.transcript import Transcript


@dataclass(slots=True, kw_only=True)
class _Sample:
    """The events of one sample of one run."""

    run: str
    events: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)


def parse_openai_evals(records: Iterator[Record]) -> Iterator[Transcript]:
    """One transcript per sample, ``<run>/<sample>``; several completions of one prompt are an episode.

    The first sampling is the model's; a later one counts only if its prompt continues the talk, for a grader's
    sampling stands under the same sample. Matches, metrics and the ideal answer are metadata. One file in memory.
    """
    samples: dict[tuple[str, str], _Sample] = {}
    specs: dict[str, Mapping[str, Any]] = {}
    file = ""
    for record in records:
        file, value = record.file, record.value
        match value:
            case {"spec": Mapping() as spec}:
                specs[as_text(spec.get("run_id"))] = spec
            case {"event_id": _, "sample_id": sample, "type": _}:
                run = as_text(value.get("run_id"))
                known = samples.setdefault((run, as_text(sample)), _Sample(run=run))
                number = value["event_id"] if isinstance(value["event_id"], int) else len(known.events)
                known.events.append((number, value))
    if file and not samples:
        raise InputError("a record file of openai/evals without samples", file=file)
    for (run, name), sample in samples.items():
        spec = specs.get(run) or next(iter(specs.values()), {})
        try:
            yield from _transcripts(f"{run}/{name}" if run else name, sample, spec, file)
        except InputError as error:
            record = Record(value={}, file=file, place=f"sample {name!r}", number=1)
            yield replace(unread_transcript(record, error.reason), id=f"{run}/{name}")


def is_openai_evals(value: Any) -> bool:
    """Whether a record is a specification or an event of openai/evals."""
    match value:
        case {"spec": {"completion_fns": _}}:
            return True
        case {"run_id": _, "event_id": _, "sample_id": _, "type": str(), "data": _}:
            return True
    return False


def _transcripts(id_: str, sample: _Sample, spec: Mapping[str, Any], file: str) -> Iterator[Transcript]:
    events = [event for _, event in sorted(sample.events, key=lambda pair: pair[0])]
    threads: list[Thread] = []
    graders: list[Any] = []
    for event in events:
        if event.get("type") == "sampling" and not _take(threads, mapping(event.get("data"))):
            graders.append(event.get("data"))
    errors = [mapping(event.get("data")) for event in events if event.get("type") == "error"]
    models = spec.get("completion_fns")
    metadata: dict[str, Any] = {key: spec[key] for key in ("base_eval", "split", "created_at") if spec.get(key)}
    metadata |= {"model": models[0] if isinstance(models, list) and models else None}
    metadata |= {"scenario": spec.get("eval_name"), "graders": graders or None}
    metadata["events"] = [event for event in events if event.get("type") != "sampling"]
    known = {key: item for key, item in metadata.items() if item is not None}
    for number, thread in enumerate(threads or [Thread()], 1):
        parts = thread.messages()
        error = _error(errors) if not any(part.role == "assistant" for part in parts) else None
        facts = known | ending(parts, error=error, stop=thread.stop)
        if len(threads) > 1:
            facts["episode"] = id_
        own = id_ if number == 1 else f"{id_}#choice={number}"
        yield build_transcript(own, parts, facts, source=file, raw=thread.talks)


def _take(threads: list[Thread], data: Mapping[str, Any]) -> bool:
    """Take a sampling into the threads; False where it is a grader's."""
    given, choices = _prompt(data.get("prompt")), _sampled(data.get("sampled"))
    asked_parts = conversation(given)
    first = choices[0].messages if choices else []
    told = conversation([*given, *first])[len(asked_parts) :]
    if threads:
        thread = next((t for t in reversed(threads) if t.continues(asked_parts, told, set(), cut=False)), None)
        if thread is None:
            return False
        thread.extend(asked_parts, told, start=(0.0, ""), span="")
        thread.talks.append({"input": data.get("prompt"), "output": data.get("sampled")})
        return True
    for choice in choices or [Answer(messages=[])]:
        thread = Thread(stop=choice.stop)
        said = conversation([*given, *choice.messages])[len(asked_parts) :]
        thread.extend(asked_parts, said, start=(0.0, ""), span="")
        thread.talks.append({"input": data.get("prompt"), "output": choice.messages})
        threads.append(thread)
    return True


def _prompt(prompt: Any) -> list[Any]:
    return asked([{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt)


def _sampled(sampled: Any) -> list[Answer]:
    """A text, a message, or a list of them: one completion each."""
    items = sampled if isinstance(sampled, list) else [sampled]
    return [answer for item in items for answer in answered(item)[:1]]


def _error(errors: list[Mapping[str, Any]]) -> str | None:
    texts = [as_text(errors[-1].get(key)) for key in ("type", "message")] if errors else []
    return ": ".join(text for text in texts if text) or ("an error" if errors else None)


FORMAT = Format(
    name="openai-evals",
    parse=parse_openai_evals,
    fits=is_openai_evals,
    unit="file",
    recognised_by="`spec.completion_fns`, or `run_id`, `event_id` and `sample_id`",
    id="`<run>/<sample>`",
    model="the first of `completion_fns`",
    scenario="`eval_name`",
    failures="an `error` event and no sampling; no word of the agent",
)
