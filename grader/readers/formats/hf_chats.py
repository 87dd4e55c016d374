"""Chats as data sets on Hugging Face keep them: ShareGPT, WildChat, TRL's prompts, completions and pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from grader.errors import InputError
from grader.readers.blocks import as_text, make_call
from grader.readers.build import build_transcript, read_each, record_id, record_metadata
from grader.readers.conversation import conversation, message_parts
from grader.readers.ending import ending
from grader.readers.format_row import Format
from grader.readers.records import Record, parse_json
from grader.readers.shapes.common import objects
from grader.transcript import Message, Transcript

_LISTS = ("conversations", "conversation")
_IDS = ("conversation_hash", "conversation_id")
_TALK = frozenset({"id", "conversations", "conversation", "system", "prompt", "completion", "chosen", "rejected"})
# What a data set notes beside each message.
NAMED = frozenset(
    {
        "language",
        "country",
        "state",
        "toxic",
        "redacted",
        "turn_identifier",
        "hashed_ip",
        "header",
        "weight",
        "label",
        "timestamp",
    }
)
_ROLES: Mapping[str, str] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bard": "assistant",
    "bing": "assistant",
    "model": "assistant",
    "assistant": "assistant",
    "system": "system",
    "tool": "tool",
    "observation": "tool",
    "function_response": "tool",
    "ipython": "tool",
}
# Of a pair, what one side must not have: the other side, and what was thought of either.
_RATINGS = frozenset(
    f"{side}{suffix}" for side in ("chosen", "rejected") for suffix in ("_score", "_rating", "_model")
) | {"score_chosen", "score_rejected", "rating_chosen", "rating_rejected"}
_PAIR = {"chosen": _RATINGS | {"rejected"}, "rejected": _RATINGS | {"chosen"}}
_RESPONSE_TAGS = ("<tool_response>", "</tool_response>")


def parse_hf_chats(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per chat; of a preference pair two, ``<id>/chosen`` and ``<id>/rejected``, one episode."""
    return read_each(records, _read)


def is_hf_chat(value: Any) -> bool:
    """Whether a record has a chat under one of the names that data sets use."""
    if not isinstance(value, Mapping):
        return False
    if value.get("chosen") is not None and value.get("rejected") is not None:
        return True
    chat = next((decoded(value[key]) for key in _LISTS if value.get(key)), None)
    if any("from" in turn or "role" in turn for turn in objects(chat)):
        return True
    return bool(objects(decoded(value.get("completion")))) and value.get("prompt") is not None


def decoded(value: Any) -> Any:
    """A list that a table keeps as JSON text, or in an array; any other value as it is."""
    if isinstance(value, str) and value.lstrip().startswith("[{"):
        try:
            return parse_json(value, file="")
        except InputError:
            return value
    return value


def _read(record: Record) -> Iterator[Transcript]:
    value = record.value
    if not isinstance(value, Mapping):
        raise InputError(f"not a chat but {type(value).__name__}")
    id_ = next((str(value[key]) for key in _IDS if value.get(key)), None) or record_id(value, record.default_id)
    if value.get("chosen") is not None and value.get("rejected") is not None:
        for side in ("chosen", "rejected"):
            asked = _asked(value.get("prompt"), value[side])
            turns = [*asked, *_turns(value[side], "assistant")]
            yield _transcript(record, f"{id_}/{side}", turns, {"episode": id_}, without=_PAIR[side])
        return
    key = next((key for key in _LISTS if value.get(key)), None)
    if key is not None:
        turns = _turns(value[key], "user")
    else:
        turns = [*_turns(value.get("prompt"), "user"), *_turns(value.get("completion"), "assistant")]
        if not turns:
            raise InputError("has no chat: neither 'conversations', 'conversation', 'prompt' nor 'completion'")
    yield _transcript(record, id_, turns, {}, without=frozenset())


def _turns(value: Any, speaker: str) -> list[Any]:
    """The messages of a column: a list, JSON text of one, or the text of one speaker."""
    value = decoded(value)
    if value is None:
        return []
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, Mapping) else [{"role": speaker, "content": value}]


def _asked(prompt: Any, answer: Any) -> list[Any]:
    """The prompt, unless the answer's column begins with it."""
    asked, answered = _turns(prompt, "user"), _turns(answer, "assistant")
    bare = [(turn.get("role"), turn.get("content")) for turn in objects(asked)]
    begins = [(turn.get("role"), turn.get("content")) for turn in objects(answered)][: len(bare)]
    return [] if bare == begins else asked


def _transcript(
    record: Record, id_: str, turns: list[Any], facts: dict[str, Any], *, without: frozenset[str]
) -> Transcript:
    """The transcript of these turns; of a pair without the other side, and without what tells the sides apart."""
    value = {key: item for key, item in record.value.items() if key not in without}
    system = value.get("system") if isinstance(value.get("system"), str) else None
    parts: list[Message] = conversation([], system=system)
    names: dict[str, str] = {}
    last: list[Message] = []
    unanswered: list[str | None] = []  # names of calls, for results that name neither the tool nor the call
    for number, turn in enumerate(turns):
        if not isinstance(turn, Mapping):
            raise InputError(f"message {number + 1} is not an object but {type(turn).__name__}")
        last = _parts({key: item for key, item in turn.items() if item is not None}, names)
        unanswered += [part.name for part in last if part.kind == "tool_call"]
        parts += _named(last, unanswered)
    agent_last = bool(turns) and _role(turns[-1]) == "assistant"
    metadata = record_metadata(value, without=_TALK) | facts | ending(parts, empty=agent_last and not last)
    return build_transcript(id_, parts, metadata, source=record.file, raw=value, named=NAMED)


def _named(parts: list[Message], unanswered: list[str | None]) -> Iterator[Message]:
    """The parts, each result under the name of the first call that has none."""
    for part in parts:
        if part.kind == "tool_result" and unanswered:
            name = unanswered.pop(0)
            yield part if part.name else replace(part, name=name)
        else:
            yield part


def _role(turn: Mapping[str, Any]) -> str:
    word = as_text(turn.get("from", turn.get("role"))).lower()
    return "assistant" if word == "function_call" else _ROLES.get(word, word)


def _parts(turn: Mapping[str, Any], names: dict[str, str]) -> list[Message]:
    """One turn, in ShareGPT's words or in those of chat messages."""
    if "from" not in turn:
        return _chat(turn, names)
    if as_text(turn["from"]).lower() == "function_call":
        return [make_call(call.get("name"), call.get("arguments")) for call in _calls(turn.get("value"))]
    content = turn.get("value", turn.get("content"))
    if _role(turn) == "tool" and isinstance(content, str):
        content = content.strip().removeprefix(_RESPONSE_TAGS[0]).removesuffix(_RESPONSE_TAGS[1]).strip()
    return _chat({**turn, "role": _role(turn), "content": content}, names)


def _chat(turn: Mapping[str, Any], names: dict[str, str]) -> list[Message]:
    return list(message_parts({key: item for key, item in turn.items() if key not in ("from", "value")}, names))


def _calls(value: Any) -> list[Mapping[str, Any]]:
    """The calls in a turn of LLaMA-Factory's: JSON of one or of several; broken JSON is a call's text."""
    try:
        parsed = parse_json(value, file="") if isinstance(value, str) else value
    except InputError:
        parsed = None
    calls = objects(parsed if isinstance(parsed, list) else [parsed])
    return calls or [{"name": None, "arguments": value}]


FORMAT = Format(
    name="hf-chats",
    parse=parse_hf_chats,
    fits=is_hf_chat,
    recognised_by="`conversations`, `conversation`, `chosen` with `rejected`, or lists `prompt` and `completion`",
    id="`conversation_hash`, `conversation_id`, `id`, else file and line; of a pair `.../chosen` and `.../rejected`",
    model="`model`",
    failures="an empty last answer",
)
