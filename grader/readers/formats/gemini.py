"""The Gemini API: requests with ``contents``, and logs of requests with their responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from grader.errors import InputError
from grader.readers.build import build_transcript, read_each, record_id, record_metadata
from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.formats.talks import Talk, parse_talks
from grader.readers.records import Record
from grader.readers.shapes.common import first_text, mapping, objects
from grader.readers.shapes.gemini import is_content, parts_of
from grader.transcript import Message, Transcript

_REQUEST = frozenset({"contents", "systemInstruction", "system_instruction", "request", "response", "candidates", "id"})
NAMED = frozenset(
    {
        "promptFeedback",
        "prompt_feedback",
        "inlineData",
        "inline_data",
        "mimeType",
        "mime_type",
        "language",
        "outcome",
        "toolType",
        "generationConfig",
        "generation_config",
        "safetySettings",
        "safety_settings",
        "safetyRatings",
        "safety_ratings",
        "groundingMetadata",
        "grounding_metadata",
        "citationMetadata",
        "citation_metadata",
        "avgLogprobs",
        "logprobsResult",
        "toolConfig",
        "finishMessage",
    }
)


def parse_gemini(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per request; one per candidate where the response has several."""
    first = next(records, None)
    if first is None:
        return
    if _is_bare(first.value):
        yield from parse_talks(chain([first], records), _read_talk, is_message=_is_bare)
        return
    yield from read_each(chain([first], records), _read)


def is_gemini(value: Any) -> bool:
    """Whether a record is a request of the Gemini API, a log of one, or a content with parts."""
    if not isinstance(value, Mapping):
        return isinstance(value, list) and any(map(_is_bare, value))
    request = mapping(value.get("request"))
    if isinstance(value.get("contents"), (list, Mapping)) or isinstance(request.get("contents"), (list, Mapping)):
        return True
    response = mapping(value.get("response")) or value
    if any(_is_bare(candidate.get("content")) for candidate in objects(response.get("candidates"))):
        return True
    return _is_bare(value) or any(map(_is_bare, objects(value.get("messages"))))


def _is_bare(value: Any) -> bool:
    """Whether a value is one content: a speaker and parts."""
    if not isinstance(value, Mapping) or not isinstance(value.get("role"), str):
        return False
    return bool(value.get("parts")) and is_content(value)


def _read(record: Record) -> Iterator[Transcript]:
    value = record.value
    if isinstance(value, list) or (isinstance(value, Mapping) and isinstance(value.get("messages"), list)):
        yield from parse_talks(iter([record]), _read_talk, is_message=_is_bare)
        return
    if not isinstance(value, Mapping):
        raise InputError(f"not a request but {type(value).__name__}")
    request = mapping(value.get("request")) or value
    response = mapping(value.get("response")) or value
    asked = _asked(request)
    candidates = objects(response.get("candidates"))
    if not asked and not candidates and not request.keys() & {"contents"}:
        raise InputError("has neither 'contents' nor 'candidates'")
    names = {"id": value.get("id") or value.get("key") or first_text(response, "responseId", "response_id")}
    id_ = record_id({**value, **names}, record.default_id)
    answers = candidates or [{}]
    for number, candidate in enumerate(answers, 1):
        facts = _facts(value, request, response)
        facts |= {"episode": id_} if len(answers) > 1 else {}
        one = {**response, "candidates": [candidate]}
        parts = conversation([*asked, *([candidate["content"]] if mapping(candidate.get("content")) else [])])
        facts |= _ending(parts, value, candidate)
        own = id_ if number == 1 else f"{id_}#choice={number}"
        raw = {**value, "response": one} if response is not value else one
        yield build_transcript(own, parts, facts, source=record.file, raw=raw, named=NAMED)


def _asked(request: Mapping[str, Any]) -> list[Any]:
    contents = request.get("contents", [])
    if isinstance(contents, (str, Mapping)):
        contents = [contents]
    if contents is not None and not isinstance(contents, list):
        raise InputError(f"contents: is not a list but {type(contents).__name__}")
    asked = [{"role": "user", "content": item} if isinstance(item, str) else item for item in contents or []]
    system = request.get("systemInstruction", request.get("system_instruction"))
    if isinstance(system, str):
        system = {"parts": [{"text": system}]}
    return [{**system, "role": "system"} if isinstance(system, Mapping) else system, *asked] if system else asked


def _facts(value: Mapping[str, Any], request: Mapping[str, Any], response: Mapping[str, Any]) -> dict[str, Any]:
    facts = record_metadata(value, without=_REQUEST)
    model = first_text(response, "modelVersion", "model_version") or first_text(request, "model")
    return facts | ({"model": model} if model else {})


def _ending(parts: list[Message], value: Mapping[str, Any], candidate: Mapping[str, Any]) -> dict[str, str]:
    """How a response ended; without one, what the request contains is all that there is."""
    response = mapping(value.get("response")) or value
    error = _error(value) or _error(response)
    feedback = mapping(response.get("promptFeedback", response.get("prompt_feedback")))
    error = first_text(feedback, "blockReason", "block_reason") or error
    if not error and response is value and not {"candidates", "promptFeedback", "prompt_feedback"} & value.keys():
        return ending(parts)
    stop = first_text(candidate, "finishReason", "finish_reason")
    reply = mapping(candidate.get("content")).get("parts")
    empty = not reply or not list(parts_of("assistant", reply, {}))
    return ending(parts, error=error, stop=stop, empty=empty and stop != "MAX_TOKENS")


def _error(value: Mapping[str, Any]) -> Any:
    error, status = value.get("error"), mapping(value.get("status"))
    return mapping(error).get("message", error) or (status.get("message") if status.get("code") else None)


def _read_talk(talk: Talk) -> Iterator[Transcript]:
    parts = conversation(talk.messages)
    yield talk.transcript(parts, ending(parts), named=NAMED)


FORMAT = Format(
    name="gemini",
    parse=parse_gemini,
    fits=is_gemini,
    recognised_by="`contents`, `request.contents`, or messages with `parts` and no `content`",
    id="`id`, `key` or `responseId`, else file and line; of a further candidate `...#choice=2`",
    model="`modelVersion`, else `model`",
    failures="`promptFeedback.blockReason`, no candidates, a filter's `finishReason` without text",
)
