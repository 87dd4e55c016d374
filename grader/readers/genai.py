"""The talk in a span of OpenTelemetry's GenAI conventions, old and new, and in Traceloop's numbered attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grader.readers.attributes import at, plain_value, whole_items
from grader.readers.payload_facts import literal, stop_reason
from grader.readers.payloads import Answer, answered, asked
from grader.readers.shapes.common import mapping

# Where an event of the older conventions holds words; the rest is frame.
_WORDS = ("content", "tool_calls", "message", "name", "reasoning_content", "refusal")
_MESSAGES = frozenset({"gen_ai.system_instructions", "gen_ai.input.messages", "gen_ai.output.messages"})
_NUMBERED = ("gen_ai.prompt", "gen_ai.completion")
_ROLES = {"gen_ai.system.message": "system", "gen_ai.user.message": "user", "gen_ai.assistant.message": "assistant"}
_ROLES |= {"gen_ai.tool.message": "tool"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """What went into a call and what came out; `cut` where a limit shortened it.

    `source` is what that was read from; the attributes `keys` hold no more than that.
    """

    asked: list[Any]
    answers: list[Answer]
    cut: bool = False
    source: Any = None
    keys: frozenset[str] = frozenset()

    def rest(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """The attributes beside the talk; all of them where a limit cut it, for pieces of it may be only there."""
        return {key: value for key, value in attributes.items() if self.cut or key not in self.keys}


def genai_talk(attributes: Mapping[str, Any], tree: Mapping[str, Any], events: list[dict[str, Any]]) -> Talk:
    """The talk of one span, from the first of its places that holds any."""
    for fields in (attributes, *(_fields(event) for event in events)):
        talk = _messages(fields)
        if talk.asked or talk.answers:
            return talk
    talk = _from_events(events)
    return talk if talk.asked or talk.answers else _numbered(attributes, tree)


def _fields(event: Mapping[str, Any]) -> dict[str, Any]:
    body = event.get("body")
    return {**event["attributes"], **(body if isinstance(body, Mapping) else {})}


def _messages(fields: Mapping[str, Any]) -> Talk:
    """Today's attributes: lists of messages, as lists or as JSON text."""
    system, cut = whole_items(plain_value(fields.get("gen_ai.system_instructions")))
    given, cut_given = whole_items(plain_value(fields.get("gen_ai.input.messages")))
    told, cut_told = whole_items(plain_value(fields.get("gen_ai.output.messages")))
    instructions = [{"role": "system", "parts": [_part(item) for item in system]}] if system else []
    questions = [*instructions, *asked([item for item in given if isinstance(item, Mapping)])]
    cut = cut or cut_given or cut_told
    source = None if cut else [system, _without_bytes(given), _without_bytes(told)]
    return Talk(asked=questions, answers=_choices(told), cut=cut, source=source, keys=_MESSAGES)


def _without_bytes(messages: list[Any]) -> list[Any]:
    """Messages without the bytes of pictures and sound, for which placeholders stand."""
    return [
        {**message, "parts": [part for part in message["parts"] if mapping(part).get("type") != "blob"]}
        if isinstance(message, Mapping) and isinstance(message.get("parts"), list)
        else message
        for message in messages
    ]


def _part(item: Any) -> Any:
    return {"type": "text", "content": item} if isinstance(item, str) else item


def _choices(told: list[Any]) -> list[Answer]:
    """Output messages that each say how they ended are choices of one request; others are one answer."""
    messages = [item for item in told if isinstance(item, Mapping)]
    if len(messages) > 1 and all(isinstance(item.get("finish_reason"), str) for item in messages):
        return [Answer(messages=[item], stop=stop_reason(item)) for item in messages]
    if not messages:
        return []
    empty = all(not item.get("parts") and not item.get("content") and not item.get("tool_calls") for item in messages)
    return [Answer(messages=[] if empty else messages, stop=stop_reason(messages[-1]))]


def _from_events(events: list[dict[str, Any]]) -> Talk:
    """The events of the conventions until 1.36: one per message."""
    questions: list[Any] = []
    choices: dict[Any, Answer] = {}
    for event in events:
        fields = {key.removeprefix("gen_ai.event."): literal(value) for key, value in _fields(event).items()}
        if event["name"] == "gen_ai.choice":
            choices[str(fields.get("index", len(choices)))] = _choice(fields)
        elif event["name"] in _ROLES:
            questions.append(_event_message(fields, _ROLES[event["name"]]))
        elif event["name"] == "gen_ai.content.prompt":
            questions += asked(fields.get("gen_ai.prompt"))
        elif event["name"] == "gen_ai.content.completion":
            choices |= {f"completion {n}": a for n, a in enumerate(answered(fields.get("gen_ai.completion")))}
    source = [
        {key: value for key, value in _fields(event).items() if key.removeprefix("gen_ai.event.") in _WORDS}
        for event in events
        if event["name"] in (*_ROLES, "gen_ai.choice")
    ]
    return Talk(asked=questions, answers=list(choices.values()), source=source)


def _choice(fields: Mapping[str, Any]) -> Answer:
    message = fields.get("message", fields)
    if not isinstance(message, Mapping):
        message = {"content": message}
    stop = fields.get("finish_reason")
    spoken = _event_message(message, "assistant")
    return Answer(messages=[spoken] if _says(spoken) else [], stop=stop if isinstance(stop, str) else None)


def _says(message: Mapping[str, Any]) -> bool:
    return any(value for key, value in message.items() if key not in ("role", "tool_call_id", "name"))


def _event_message(fields: Mapping[str, Any], role: str) -> dict[str, Any]:
    keys = ("content", "tool_calls", "name", "reasoning_content", "refusal")
    message: dict[str, Any] = {"role": fields["role"] if isinstance(fields.get("role"), str) else role}
    message |= {key: literal(fields[key]) if key == "tool_calls" else fields[key] for key in keys if fields.get(key)}
    if role == "tool":
        message["tool_call_id"] = fields.get("id")
        message["role"] = "tool"
    return message


def _numbered(attributes: Mapping[str, Any], tree: Mapping[str, Any]) -> Talk:
    """Traceloop: ``gen_ai.prompt.N.role``, ``gen_ai.completion.N.content``; older: one text of JSON."""
    prompt, completion = at(tree, "gen_ai.prompt"), at(tree, "gen_ai.completion")
    if not isinstance(prompt, list):
        prompt = literal(attributes.get("gen_ai.prompt"))
    if not isinstance(completion, list):
        completion = literal(attributes.get("gen_ai.completion"))
    keys = frozenset(key for key in attributes if key.startswith(_NUMBERED))
    questions = list(_numbered_messages(prompt, "user")) if isinstance(prompt, list) else asked(prompt)
    source = [prompt, completion]
    if not isinstance(completion, list):
        return Talk(asked=questions, answers=answered(completion), source=source, keys=keys)
    answers = [
        Answer(messages=[message] if _says(message) else [], stop=stop_reason(item))
        for item, message in zip(completion, _numbered_messages(completion, "assistant"), strict=False)
    ]
    return Talk(asked=questions, answers=answers, source=source, keys=keys)


def _numbered_messages(items: Iterable[Any], role: str) -> Iterator[dict[str, Any]]:
    for item in items:
        fields = item if isinstance(item, Mapping) else {"content": item}
        message = {key: value for key, value in fields.items() if key not in ("finish_reason", "tool_calls")}
        message["role"] = message["role"] if isinstance(message.get("role"), str) else role
        content = literal(message.get("content"))
        if isinstance(content, list) and all(isinstance(part, Mapping) and "type" in part for part in content):
            message["content"] = content
        if isinstance(calls := literal(fields.get("tool_calls")), list):
            message["tool_calls"] = calls
        yield message
