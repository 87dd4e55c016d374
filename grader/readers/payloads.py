"""What a model was given and what it gave back, in whatever container a log keeps it, as chat messages.

Spans and logs of single calls hold the arguments and the reply of every provider's SDK: a list of messages, an
object with ``messages``, ``contents`` or ``prompt``, ``choices``, ``generations``, ``candidates``, a JSON text of
any of these, or plain text. This module finds the messages in them; `conversation` reads the messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grader.readers.blocks import as_text
from grader.readers.payload_facts import literal, stop_reason

_SYSTEM = ("system", "instructions", "system_instruction", "systemInstruction", "system_prompt")
_HISTORY = ("chat_history", "history")
_ASKED = ("messages", "contents", "input", "inputs", "prompt", "prompts", "question", "query", "task", "instruction")
_QUESTIONS = ("input", "inputs", "question", "query", "task", "instruction")
_ANSWERED = ("messages", "output", "outputs", "message", "content", "response", "completion", "answer", "text")
_LANGCHAIN = frozenset({"human", "ai", "system", "tool", "function", "chat", "developer", "AIMessageChunk", "remove"})
_CHOICES = ("choices", "generations", "candidates")
# What a reply says of itself beside its words.
_FRAME = frozenset(
    "id object created model role type usage usage_metadata token_usage tokenUsage finish_reason stop_reason stopReason"
    " system_fingerprint service_tier llm_output run metrics additionalModelResponseFields status"
    " response_metadata".split()
)
_DEEPEST = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One reply of a model: its messages, and why it ended where the log says so."""

    messages: list[Any]
    stop: str | None = None


def asked(value: Any, depth: int = 0) -> list[Any]:
    """The chat messages of a model's input; text that belongs to nobody is the user's.

    Examples
    --------
    >>> asked({"system": "Be kind.", "prompt": "Hi"})
    [{'role': 'system', 'content': 'Be kind.'}, {'role': 'user', 'content': 'Hi'}]
    """
    value = literal(value) if depth < _DEEPEST else value
    if value in (None, "", [], {}):
        return []
    match value:
        case list() if all(isinstance(item, list) for item in value):
            return [message for batch in value for message in asked(batch, depth + 1)]
        case list() if any(is_message(item) for item in value):
            return [item if isinstance(item, Mapping) else {"role": "user", "content": as_text(item)} for item in value]
        case Mapping() if is_message(value):
            return [value]
        case Mapping() if depth < _DEEPEST:
            return _asked_object(value, depth)
        case list() if not all(isinstance(item, str) or _is_block(item) for item in value):
            return _said("user", as_text(value))
    return [{"role": "user", "content": value}]


def answered(value: Any, depth: int = 0) -> list[Answer]:
    """The replies of a model: several where several choices were asked for.

    Examples
    --------
    >>> answered({"choices": [{"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]})
    [Answer(messages=[{'role': 'assistant', 'content': 'Hi'}], stop='stop')]
    """
    parsed = literal(value) if depth < _DEEPEST else value
    value = parsed if not isinstance(value, str) or _is_talk(parsed) else value
    if value in (None, "", [], {}):
        return []
    match value:
        case list() if depth < _DEEPEST:
            return list(_answered_list(value, depth))
        case Mapping() if depth < _DEEPEST:
            return list(_answered_object(value, depth))
    return [Answer(messages=_said("assistant", as_text(value)))]


def is_message(value: Any) -> bool:
    """Whether a value is a message of some vendor's, or an item of the Responses API."""
    if not isinstance(value, Mapping):
        return False
    if isinstance(value.get("role"), str) or isinstance(value.get("from"), str):
        return True
    if isinstance(value.get("kwargs"), Mapping):
        return True
    kind = value.get("type")
    if not isinstance(kind, str):
        return False
    if kind in _LANGCHAIN:
        return "content" in value or "data" in value
    return kind.endswith(("_call", "_call_output")) or (kind == "reasoning" and "summary" in value)


def beside_talk(record: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    """A record in which these fields keep only what they say beside their messages."""
    return {**record, **{field: settings(record.get(field)) for field in fields}}


def settings(value: Any) -> Any:
    """What a request or a reply says beside its messages: parameters, tools, usage; None where it says nothing."""
    value = literal(value)
    if not isinstance(value, Mapping) or is_message(value):
        return None
    talk = (*_SYSTEM, *_HISTORY, *_ASKED, *_ANSWERED, *_CHOICES)
    others = {k: item for k, item in value.items() if k not in talk or not isinstance(item, (str, list, Mapping))}
    return others | {key: _beside_messages(value[key]) for key in _CHOICES if key in value}


def _beside_messages(choices: Any) -> Any:
    """Choices without their messages."""
    if isinstance(choices, list):
        return [_beside_messages(choice) for choice in choices]
    if isinstance(choices, Mapping):
        return {key: item for key, item in choices.items() if key not in ("message", "content", "delta")}
    return None


def _asked_object(value: Mapping[str, Any], depth: int) -> list[Any]:
    system = next((value[key] for key in _SYSTEM if value.get(key)), None)
    if system is None and isinstance(config := value.get("config"), Mapping):
        system = next((config[key] for key in _SYSTEM if config.get(key)), None)
    messages = [{"role": "system", "content": _parts(system)}] if system else []
    for key in _HISTORY:
        messages += asked(value[key], depth + 1) if value.get(key) else []
    field = next((key for key in _ASKED if value.get(key)), None)
    others = any(isinstance(item, str) and item and key not in _FRAME for key, item in value.items() if key != field)
    if field is not None and not (field in _QUESTIONS and isinstance(value[field], str) and others and not messages):
        return messages + asked(value[field], depth + 1)
    texts = {key: item for key, item in value.items() if key not in (*_SYSTEM, *_HISTORY, "config")}
    if len(texts) == 1:
        return messages + asked(next(iter(texts.values())), depth + 1)
    return messages + (_said("user", as_text(texts)) if texts else [])


def _parts(system: Any) -> Any:
    """A system prompt: text, a list of parts, or Gemini's content with parts."""
    system = literal(system)
    if isinstance(system, Mapping) and isinstance(system.get("parts"), list):
        return system["parts"]
    return system


def _answered_list(value: list[Any], depth: int) -> Iterator[Answer]:
    if all(isinstance(item, list) for item in value):
        for batch in value:
            yield from answered(batch, depth + 1)
    elif all(_is_choice(item) for item in value):
        for item in value:
            yield _choice(item)
    elif any(is_message(item) for item in value):
        spoken = [item if is_message(item) else {"role": "assistant", "content": as_text(item)} for item in value]
        yield Answer(messages=[_message(item) for item in spoken], stop=stop_reason(value[-1]))
    elif all(_is_call(item) for item in value):
        yield Answer(messages=[{"role": "assistant", "content": None, "tool_calls": value}])
    elif all(isinstance(item, str) or _is_block(item) for item in value):
        yield Answer(messages=[{"role": "assistant", "content": value}])
    else:
        yield Answer(messages=_said("assistant", as_text(value)))


def _answered_object(value: Mapping[str, Any], depth: int) -> Iterator[Answer]:
    for key in _CHOICES:
        if isinstance(value.get(key), list):
            yield from answered(value[key], depth + 1)
            return
    if is_message(value):
        yield Answer(messages=[_message(value)], stop=stop_reason(value))
    elif isinstance(value.get("content"), list) or value.get("tool_calls"):
        yield Answer(messages=[{"role": "assistant", **value}], stop=stop_reason(value))
    elif field := next((key for key in _ANSWERED if value.get(key)), ""):
        rest = (item for key, item in value.items() if key != field and key not in _FRAME)
        if not _is_reply(value[field]) and any(_holds_text(item) for item in rest):
            yield Answer(messages=_said("assistant", as_text(value)))  # an answer in JSON: all of it is said
            return
        for answer in answered(value[field], depth + 1):
            yield Answer(messages=answer.messages, stop=answer.stop or stop_reason(value))
    elif stop_reason(value) is not None:
        yield Answer(messages=[], stop=stop_reason(value))
    elif not any(key in value for key in _ANSWERED):
        yield Answer(messages=_said("assistant", as_text(value)))


def _is_talk(value: Any) -> bool:
    """Whether what a text writes as JSON is a vendor's reply, not an answer that happens to be JSON."""
    match value:
        case [*items]:
            return bool(items) and all(is_message(i) or _is_choice(i) or _is_call(i) or _is_typed(i) for i in items)
        case Mapping():
            return is_message(value) or any(isinstance(value.get(key), list) for key in _CHOICES)
    return False


def _is_reply(value: Any) -> bool:
    """Whether a field of an object holds a reply as a vendor writes it."""
    return _is_talk(value) or (isinstance(value, Mapping) and ("message" in value or "messages" in value))


def _is_call(item: Any) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get("function"), Mapping)


def _is_typed(item: Any) -> bool:
    return isinstance(item, Mapping) and item.get("type") in (
        "text",
        "output_text",
        "thinking",
        "reasoning",
        "tool_use",
    )


def _holds_text(value: Any) -> bool:
    return bool(value) and isinstance(value, (str, list, Mapping))


def _is_choice(item: Any) -> bool:
    """One of ``choices``, ``generations`` or ``candidates``."""
    if not isinstance(item, Mapping) or isinstance(item.get("role"), str):
        return False
    if isinstance(item.get("message"), Mapping) or item.get("type") in ("Generation", "ChatGeneration"):
        return True
    return not item.keys().isdisjoint({"finish_reason", "finishReason", "generation_info"})


def _choice(item: Mapping[str, Any]) -> Answer:
    inner = next((item[key] for key in ("message", "content", "delta") if item.get(key)), None)
    if isinstance(inner, Mapping):
        messages = [_message(inner)]
    else:
        messages = _said("assistant", as_text(item.get("text") if inner is None else inner))
    return Answer(messages=messages, stop=stop_reason(item))


def _message(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message of the agent's with what its container left unsaid."""
    if isinstance(message.get("kwargs"), Mapping):
        return {"lc": 1, "type": "constructor", "id": ["AIMessage"], **message}
    if "role" not in message and "from" not in message and "type" not in message:
        return {"role": "model" if "parts" in message else "assistant", **message}
    return message


def _is_block(item: Any) -> bool:
    return isinstance(item, Mapping) and (isinstance(item.get("type"), str) or "text" in item)


def _said(role: str, text: str) -> list[Any]:
    return [{"role": role, "content": text}] if text.strip() else []
