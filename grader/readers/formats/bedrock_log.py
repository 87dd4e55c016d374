"""Bedrock's invocation logs: what was sent to a model and what it answered, streamed or whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.errors import InputError
from grader.readers.build import build_transcript
from grader.readers.conversation import conversation
from grader.readers.ending import ending
from grader.readers.records import Record
from grader.readers.shapes.common import first_text, json_text, mapping, objects
from grader.transcript import Transcript

_FACTS = ("timestamp", "region", "operation", "accountId", "requestMetadata", "errorCode")
NAMED = frozenset(
    {
        "redactedContent",
        "cachePoint",
        "toolAddition",
        "toolRemoval",
        "schemaType",
        "schemaVersion",
        "identity",
        "inferenceRegion",
        "inputContentType",
        "outputContentType",
        "inferenceConfig",
        "toolConfig",
        "guardrailConfig",
        "tools",
        "trace",
        "metrics",
        "anthropic_version",
        "source.bytes",
        "format",
    }
)
# Where models of other providers keep a prompt, and an answer.
_PROMPTS = ("prompt", "inputText")
_ANSWERS = ("generation", "completion", "outputText", "text")


def is_log(value: Any) -> bool:
    """Whether a record is a line of an invocation log."""
    return isinstance(value, Mapping) and value.get("schemaType") == "ModelInvocationLog"


def read_log(record: Record) -> Iterator[Transcript]:
    """Yield the transcript of one call, named by its request id."""
    value = record.value
    asked, answer = _body(value.get("input"), "input"), _body(value.get("output"), "output")
    reply = answer_message(answer)
    parts = conversation([*_asked(asked), *([reply] if reply else [])])
    stop = first_text(mapping(answer), "stopReason", "stop_reason") or first_text(reply or {}, "stopReason")
    metadata = {key: value[key] for key in _FACTS if value.get(key) is not None}
    if model := first_text(value, "modelId"):
        metadata["model"] = model
    silent = reply is not None and not conversation([reply])
    metadata |= ending(parts, error=value.get("errorCode"), stop=stop, empty=silent)
    id_ = first_text(value, "requestId") or record.default_id
    yield build_transcript(id_, parts, metadata, source=record.file, raw=value, named=NAMED)


def _body(side: Any, name: str) -> Any:
    """The JSON body of a request or a reply; refused where Bedrock kept it elsewhere, for it was too long."""
    side = mapping(side)
    body = side.get(f"{name}BodyJson")
    if body is None and (path := side.get(f"{name}BodyS3Path")):
        raise InputError(f"the {name} is not in the log but in {json_text(path)[:200]}: put it into {name}BodyJson")
    return body


def _asked(body: Any) -> list[Any]:
    fields = mapping(body)
    system = fields.get("system")
    asked: list[Any] = [{"role": "system", "content": system}] if system else []
    messages = fields.get("messages")
    if isinstance(messages, list):
        return asked + messages
    prompt = next((fields[key] for key in _PROMPTS if fields.get(key)), body)
    return [*asked, {"role": "user", "content": json_text(prompt)}] if prompt else asked


def answer_message(body: Any) -> Mapping[str, Any] | None:
    """The reply in a body: of Converse, a list of stream events, or a provider's own shape; None without one."""
    if isinstance(body, list):
        return _joined(objects(body))
    fields = mapping(body)
    message = mapping(fields.get("output")).get("message")
    if isinstance(message, Mapping):
        return message
    if isinstance(fields.get("content"), list):
        return {**fields, "role": "assistant"}
    for choice in objects(fields.get("choices")):
        return mapping(choice.get("message")) or {"role": "assistant", "content": choice.get("text")}
    source = next(iter(objects(fields.get("results"))), fields)
    text = next((source[key] for key in _ANSWERS if isinstance(source.get(key), str)), None)
    if text is None and fields:
        raise InputError(f"the reply has an unknown shape: {', '.join(sorted(fields))[:80]}")
    return None if text is None else {"role": "assistant", "content": text}


def _joined(events: list[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The message that the events of a stream (of Converse, or of Anthropic's API) make up."""
    blocks: dict[str, dict[str, Any]] = {}
    stop = None
    for event in events:
        start, delta, at = _event(event)
        block = blocks.setdefault(json_text(at), {}) if start or delta else {}
        for key, text in {**start, **delta}.items():
            block[key] = block[key] + text if key in delta and isinstance(block.get(key), str) else text
        stop = (
            mapping(event.get("messageStop")).get("stopReason")
            or mapping(event.get("delta")).get("stop_reason")
            or stop
        )
    content = [_whole(blocks[at]) for at in blocks]
    return {"role": "assistant", "content": content, "stopReason": stop} if content or stop else None


def _event(event: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str], Any]:
    """What an event begins, what text it adds, and to which block."""
    started, added = mapping(event.get("contentBlockStart")), mapping(event.get("contentBlockDelta"))
    if started or added:
        delta = mapping(added.get("delta"))
        use, thought = mapping(delta.get("toolUse")), mapping(delta.get("reasoningContent"))
        texts = {"text": delta.get("text"), "input": use.get("input"), "thinking": thought.get("text")}
        begun = mapping(mapping(started.get("start")).get("toolUse"))
        at = (started or added).get("contentBlockIndex")
    else:
        delta, begun, at = mapping(event.get("delta")), mapping(event.get("content_block")), event.get("index")
        begun = {key: item for key, item in begun.items() if item and key != "type"}
        texts = {"text": delta.get("text"), "input": delta.get("partial_json"), "thinking": delta.get("thinking")}
    return dict(begun), {key: text for key, text in texts.items() if isinstance(text, str)}, at


def _whole(block: Mapping[str, Any]) -> dict[str, Any]:
    """A joined block in Anthropic's shape."""
    if "name" in block:
        return {**block, "type": "tool_use", "id": block.get("toolUseId", block.get("id"))}
    if "thinking" in block or "signature" in block:
        return {"type": "thinking", "thinking": block.get("thinking", "")}
    return {"type": "text", "text": block.get("text", "")}
