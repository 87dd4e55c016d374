"""Events of OpenHands' SDK (version 1): kinds that end in ``Event``, with the agent's calls and their results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grader.readers.blocks import as_text, assistant_text, make_call
from grader.readers.conversation import conversation
from grader.readers.formats.openhands_v0 import Told, is_limit
from grader.readers.shapes.common import mapping, objects, thought
from grader.transcript import Message

NAMED = frozenset({"origin", "responses_item_id", "responses_reasoning_item.type"})
_TALK = frozenset(
    "system_prompt dynamic_context llm_message extended_content thought reasoning_content thinking_blocks"
    " responses_reasoning_item action tool_call observation rejection_reason error raw_input raw_output content".split()
)
_OBSERVED = ("content", "output", "error")
_KINDS = frozenset({"UserRejectObservation", "Condensation", "CondensationRequest"})
_ECHOES = ("FinishObservation", "ThinkObservation")


def is_event(value: Any) -> bool:
    """Whether a value is an event: a kind that says so, and a source."""
    if not isinstance(value, Mapping) or not isinstance(kind := value.get("kind"), str):
        return False
    return "source" in value and (kind.endswith("Event") or kind in _KINDS)


def read_events(events: list[Mapping[str, Any]]) -> Told:
    """The messages of a stream; an error counts when the agent does nothing after it."""
    told = Told()
    names: dict[str, str] = {}
    thoughts = set[str]()
    echoes = set[str]()  # ids of calls whose result repeats what the agent said
    for event in events:
        kind = as_text(event.get("kind"))
        parts = list(_parts(kind, event, names, echoes))
        told.messages += [part for part in parts if not _is_repeated(part, event, thoughts)]
        if any(part.role == "assistant" for part in parts):
            told.error, told.finished = None, mapping(event.get("action")).get("kind") == "FinishAction"
        if kind == "ConversationErrorEvent":
            texts = [as_text(event.get(key)) for key in ("code", "detail")]
            reason = ": ".join(text for text in texts if text) or "an error"
            told.error, told.limit = (None, reason) if is_limit(reason) else (reason, told.limit)
        if parts:
            told.raw.append(talk := _talk(event))
            told.beside.append({key: item for key, item in event.items() if talk.get(key) is not item})
        else:
            told.hidden.append(event)
    return told


def _is_repeated(part: Message, event: Mapping[str, Any], thoughts: set[str]) -> bool:
    """Whether a reasoning was told with another action of the same response."""
    if part.kind != "reasoning" or _thinks(event) or not event.get("llm_response_id"):
        return False
    key = f"{as_text(event['llm_response_id'])}\0{part.text}"
    repeated = key in thoughts
    thoughts.add(key)
    return repeated


def _talk(event: Mapping[str, Any]) -> dict[str, Any]:
    """What an event says, each thing once: an action and its call are copies, and of an observation one field is."""
    action = mapping(event.get("action"))
    says = action.get("kind") in ("FinishAction", "ThinkAction")
    talk = {key: item for key, item in event.items() if key in _TALK and key != ("tool_call" if says else "action")}
    observation = mapping(event.get("observation"))
    shown = next((key for key in _OBSERVED if observation.get(key)), None)
    return talk | ({"observation": {shown: observation[shown]}} if shown else {})


def branches(events: list[Mapping[str, Any]], leaf: str) -> list[list[Mapping[str, Any]]]:
    """The paths through a stream that forked, that to `leaf` first; one without forks as it is.

    An event without a parent follows the one before it.
    """
    by_id = {as_text(event.get("id")): event for event in events if is_event(event)}
    if not any(as_text(event.get("parent_id")) in by_id for event in by_id.values()):
        return [events]
    parents: dict[str, str] = {}
    before = ""
    for id_, event in by_id.items():
        named = as_text(event.get("parent_id"))
        parents[id_] = named if named in by_id and named != id_ else before
        before = id_
    inner = set(parents.values())
    leaves = [id_ for id_ in by_id if id_ not in inner]
    if len(leaves) < 2:
        return [events]
    main = leaf if leaf in leaves else leaves[-1]
    return [_path(id_, parents, by_id) for id_ in (main, *(other for other in leaves if other != main))]


def _path(id_: str, parents: Mapping[str, str], by_id: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    path: dict[str, Mapping[str, Any]] = {}
    while id_ in by_id and id_ not in path:
        path[id_] = by_id[id_]
        id_ = parents.get(id_, "")
    return list(path.values())[::-1]


def _thinks(event: Mapping[str, Any]) -> bool:
    return mapping(event.get("action")).get("kind") == "ThinkAction"


def _parts(kind: str, event: Mapping[str, Any], names: dict[str, str], echoes: set[str]) -> Iterator[Message]:
    match kind:
        case "SystemPromptEvent":
            for key in ("system_prompt", "dynamic_context"):
                text = _text(event.get(key))
                if text.strip():
                    yield Message(role="system", kind="text", text=text)
        case "MessageEvent":
            yield from _message(event)
        case "ActionEvent":
            yield from _action(event, names, echoes)
        case "ObservationEvent" | "UserRejectObservation" | "AgentErrorEvent":
            yield from _result(event, names, echoes)
        case "ACPToolCallEvent":
            name = event.get("title") or event.get("tool_kind")
            yield make_call(name, event.get("raw_input"))
            if event.get("raw_output") is not None or event.get("content") is not None:
                text = _text(event.get("raw_output") if event.get("raw_output") is not None else event.get("content"))
                yield Message(role="tool", kind="tool_result", text=text, name=as_text(name) or None)


def _message(event: Mapping[str, Any]) -> Iterator[Message]:
    message = mapping(event.get("llm_message"))
    role = message.get("role") or ("assistant" if event.get("source") == "agent" else "user")
    reasoning = _reasoning(message)
    own = {key: message[key] for key in ("content", "name", "tool_calls", "tool_call_id") if message.get(key)}
    if reasoning is not None and role == "assistant":
        yield reasoning
    yield from conversation([{"role": role, **own}])
    if (extra := _text(event.get("extended_content"))).strip():
        yield Message(role="user", kind="text", text=extra)


def _action(event: Mapping[str, Any], names: dict[str, str], echoes: set[str]) -> Iterator[Message]:
    action, call = mapping(event.get("action")), mapping(event.get("tool_call"))
    if (reasoning := _reasoning(event)) is not None:
        yield reasoning
    yield from assistant_text(_text(event.get("thought")))
    call_id = as_text(event.get("tool_call_id") or call.get("id"))
    if action.get("kind") == "FinishAction":
        echoes.add(call_id)
        yield from assistant_text(as_text(action.get("message")))
    elif action.get("kind") == "ThinkAction":
        echoes.add(call_id)
        yield thought(action.get("thought"))
    else:
        own = {key: value for key, value in action.items() if key != "kind"}
        arguments = call.get("arguments") if call.get("arguments") is not None else own.get("data", own)
        made = make_call(call.get("name") or event.get("tool_name"), arguments)
        names[call_id] = made.name or ""
        yield made


def _reasoning(fields: Mapping[str, Any]) -> Message | None:
    """The first of the places that hold the reasoning of a response."""
    if as_text(fields.get("reasoning_content")).strip():
        return thought(fields["reasoning_content"])
    blocks = objects(fields.get("thinking_blocks"))
    if blocks:
        return thought("\n".join(as_text(block.get("thinking")) for block in blocks))
    item = mapping(fields.get("responses_reasoning_item"))
    texts = [*_texts(item.get("content")), *_texts(item.get("summary"))]
    return thought("\n".join(texts)) if item else None


def _texts(value: Any) -> list[str]:
    items = value if isinstance(value, list) else []
    return [text for item in items if (text := as_text(mapping(item).get("text", item) if item else "")).strip()]


def _text(value: Any) -> str:
    """The text of a text part, or of a list of parts with placeholders for pictures."""
    if isinstance(value, Mapping):
        return as_text(value.get("text")) if "text" in value else as_text(value)
    if isinstance(value, list):
        return "\n".join("[image]" if mapping(part).get("type") == "image" else _text(part) for part in value)
    return as_text(value)


def _result(event: Mapping[str, Any], names: Mapping[str, str], echoes: set[str]) -> Iterator[Message]:
    call_id = as_text(event.get("tool_call_id"))
    observation = event.get("observation")
    if mapping(observation).get("kind") in _ECHOES or (call_id in echoes and "observation" in event):
        return
    if "observation" in event:
        text = _observed(observation)
    elif "rejection_reason" in event:
        text = f"rejected: {as_text(event.get('rejection_reason'))}"
    else:
        text = as_text(event.get("error"))
    name = names.get(call_id) or as_text(event.get("tool_name")) or None
    yield Message(role="tool", kind="tool_result", text=text, name=name)


def _observed(observation: Any) -> str:
    fields = mapping(observation)
    for key in _OBSERVED:
        if fields.get(key):
            return _text(fields[key])
    rest = {key: value for key, value in fields.items() if key not in ("kind", "is_error", "content") and value}
    return as_text(rest) if rest else as_text(observation) if not isinstance(observation, Mapping) else ""
