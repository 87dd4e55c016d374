"""Events of OpenHands before its SDK: actions with arguments, observations with content."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from grader.readers.blocks import as_text, assistant_text, make_call
from grader.readers.payload_facts import literal, model_of
from grader.readers.shapes.common import mapping, objects
from grader.transcript import Message

NAMED: frozenset[str] = frozenset()
_SOURCES = frozenset({"agent", "user", "environment"})
_SILENT_ACTIONS = frozenset({"null", "recall", "change_agent_state", "condensation", "condensation_request", "noop"})
_SILENT_OBSERVATIONS = frozenset({"null", "recall", "agent_state_changed", "think", "finish", "success_state"})
# Arguments that the harness adds to an action.
_ASIDE = frozenset({"thought", "security_risk", "confirmation_state", "is_confirmed", "hidden", "wait_for_response"})
# The arguments that hold words in actions that only speak.
_WORDS: Mapping[str, Collection[str]] = {
    "system": ("content",),
    "message": ("content",),
    "think": ("thought",),
    "finish": ("final_thought", "thought", "outputs"),
}


@dataclass(slots=True, kw_only=True)
class Told:
    """What a stream of events tells."""

    messages: list[Message] = field(default_factory=list)
    model: str | None = None
    error: str | None = None
    limit: str | None = None
    hidden: list[Any] = field(default_factory=list)
    raw: list[Any] = field(default_factory=list)  # what events say, without copies inside them
    beside: list[Any] = field(default_factory=list)  # what they say beside it
    finished: bool = False  # the agent said that it was done


def is_event(value: Any) -> bool:
    """Whether a value is an event: it has a source, and an action or an observation."""
    if not isinstance(value, Mapping) or as_text(value.get("source")) not in _SOURCES:
        return False
    return isinstance(value.get("action"), str) or isinstance(value.get("observation"), str)


def read_events(events: list[Mapping[str, Any]]) -> Told:
    """The messages of a stream; an error counts when the agent does nothing after it."""
    told = Told()
    names: dict[str, str] = {}
    thoughts = set[str]()
    for event in events:
        response = mapping(mapping(event.get("tool_call_metadata")).get("model_response"))
        told.model = told.model or model_of(response)
        if isinstance(event.get("action"), str):
            parts = list(_reasoning(response, thoughts)) + list(
                _action(_with_thought(event, response, thoughts), names)
            )
            if event.get("source") == "user":
                parts = [replace(part, role="user") for part in parts]
        else:
            parts = list(_observation(event, names))
        told.messages += parts
        if any(part.role == "assistant" for part in parts):
            told.error, told.finished = None, event.get("action") == "finish"
        _state(event, told)
        if parts:
            told.raw.append(_talk(event))
            told.beside.append({key: item for key, item in event.items() if key not in ("args", "content")})
        else:
            told.hidden.append(event)
    return told


def is_limit(reason: str) -> bool:
    """Whether an error is the harness's word for a run that took too long or cost too much."""
    words = reason.lower().replace("_", " ")
    return "max iteration" in words or "maximum iteration" in words or "maxiterations" in words or "budget" in words


def _talk(event: Mapping[str, Any]) -> dict[str, Any]:
    """What an event says or does: of actions that only speak, the arguments that hold words."""
    arguments = mapping(event.get("args"))
    words = _WORDS.get(as_text(event.get("action")), arguments.keys() - (_ASIDE - {"thought"}))
    return {"args": {key: value for key, value in arguments.items() if key in words}, "content": event.get("content")}


def _state(event: Mapping[str, Any], told: Told) -> None:
    extras = mapping(event.get("extras"))
    if event.get("observation") == "agent_state_changed" and extras.get("agent_state") == "error":
        reason = as_text(extras.get("reason")) or "the agent ended in an error"
        told.error, told.limit = (None, reason) if is_limit(reason) else (reason, told.limit)


def _reasoning(response: Mapping[str, Any], thoughts: set[str]) -> Iterator[Message]:
    """The reasoning before an action; several actions may share one response."""
    choices = objects(literal(response.get("choices")))
    message = mapping(choices[0].get("message")) if choices else {}
    text = as_text(message.get("reasoning_content") or message.get("reasoning")).strip()
    key = f"{as_text(response.get('id'))}\0{text}"
    if text and key not in thoughts:
        thoughts.add(key)
        yield Message(role="assistant", kind="reasoning", text=text)


def _with_thought(event: Mapping[str, Any], response: Mapping[str, Any], thoughts: set[str]) -> Mapping[str, Any]:
    """An action with the text of its response, where the event has none and no other action of it had."""
    arguments = mapping(event.get("args"))
    choices = objects(literal(response.get("choices")))
    text = as_text(mapping(choices[0].get("message")).get("content")) if choices else ""
    key = f"text {as_text(response.get('id'))}\0{text}"
    if as_text(arguments.get("thought")).strip() or not text.strip() or key in thoughts:
        thoughts.add(key)
        return event
    thoughts.add(key)
    if event.get("action") in ("message", "finish", "think"):
        return event
    return {**event, "args": {**arguments, "thought": text}}


def _action(event: Mapping[str, Any], names: dict[str, str]) -> Iterator[Message]:
    action, arguments = event["action"], mapping(event.get("args"))
    match action:
        case "system":
            yield Message(role="system", kind="text", text=as_text(arguments.get("content")))
        case "message":
            yield from _message(event, arguments)
        case "think":
            yield Message(role="assistant", kind="reasoning", text=as_text(arguments.get("thought")))
        case "finish":
            outputs = mapping(arguments.get("outputs")).get("content")
            texts = [as_text(text) for text in (arguments.get("thought"), arguments.get("final_thought"), outputs)]
            for text in dict.fromkeys(texts):
                yield from assistant_text(text)
        case "reject":
            yield from assistant_text(as_text(arguments.get("thought") or arguments.get("outputs")))
        case _ if action not in _SILENT_ACTIONS:
            yield from assistant_text(as_text(arguments.get("thought")))
            call = _call(action, arguments)
            names[as_text(event.get("id"))] = call.name or action
            yield call


def _message(event: Mapping[str, Any], arguments: Mapping[str, Any]) -> Iterator[Message]:
    text = as_text(arguments.get("content"))
    if event.get("source") == "agent":
        yield from assistant_text(text)
    else:
        yield Message(role="user", kind="text", text=text)
    pictures = literal(arguments.get("image_urls"))
    for _ in pictures if isinstance(pictures, list) else []:
        yield Message(role="user" if event.get("source") != "agent" else "assistant", kind="text", text="[image]")


def _call(action: str, arguments: Mapping[str, Any]) -> Message:
    if action in ("call_tool_mcp", "mcp"):
        return make_call(arguments.get("name"), arguments.get("arguments"))
    own = {key: value for key, value in arguments.items() if key not in _ASIDE and value not in (None, "")}
    return make_call(action, own)


def _observation(event: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Message]:
    kind = as_text(event.get("observation"))
    if kind in _SILENT_OBSERVATIONS:
        return
    call = mapping(event.get("tool_call_metadata"))
    name = names.get(as_text(event.get("cause")))
    if name is None:
        name = as_text(call.get("function_name") or mapping(event.get("extras")).get("name")) or None
    text = as_text(event.get("content")) or as_text(mapping(event.get("extras")).get("outputs"))
    yield Message(role="tool", kind="tool_result", text=text, name=name)
