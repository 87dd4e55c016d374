"""Chats of every vendor, and a prompt with its reply: a record per conversation, or one conversation as a list."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

from grader.errors import InputError
from grader.readers.build import build_transcript, read_each, record_id, record_metadata
from grader.readers.conversation import conversation, is_plain_message
from grader.readers.format_row import Format, Parser
from grader.readers.formats.replies import REASONING_FIELDS, Reply, decoded, replies_of, reply_fields
from grader.readers.leaves import REPLY_KEYS
from grader.readers.records import Record
from grader.readers.texts import as_text
from grader.transcript import Message, Transcript

_MESSAGES = ("messages", "conversation", "conversations", "input", "items", "prompt")
_SYSTEM = ("system", "system_prompt", "instructions")
_PROMPTS = ("prompt", "user_prompt", "question", "instruction", "input", "query", "test_case", "context")
_ITEMS = frozenset({"reasoning", "function_call", "function_call_output"})  # of OpenAI's Responses API
# Datasets name the expected answer like a reply; beside a finished conversation nobody can tell which it is.
_AMBIGUOUS = frozenset({"answer", "prediction", "generation", "generations"})
# With `data`, these make a task of Label Studio's, not a transcript.
_TASK = frozenset({"annotations", "completions", "predictions"})
# What a message of a chat holds beside its words.
NAMED = frozenset({"detail", "weight", "prefix", "mask", "reasoning.effort", "reasoning.summary"})


def parse_chat(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield one transcript per record; bare messages are one conversation.

    Reads OpenAI's shape (tool calls with JSON text as arguments, role ``tool``), the items of its Responses API,
    Anthropic's shape (parts ``text, thinking, tool_use, tool_result``, a ``system`` prompt apart), prompts with a
    reply as text, and request-and-response pairs: the reply, in whichever field (`REPLY_KEYS`), comes last. ``n``
    replies to one request are ``n`` transcripts of one episode. All other fields become metadata.
    """
    first = next(records, None)
    if first is None:
        return
    if is_message(first.value):
        yield from read_each(iter([first]), lambda record: [_one_conversation(record, records)])
        return
    yield from read_each(chain([first], records), _read)


def is_message(value: Any) -> bool:
    """Whether a record is a single chat message, so that its file is one conversation."""
    if not isinstance(value, Mapping):
        return False
    if "role" in value and value.get("object") is None and value.get("type") in (None, "message"):
        return "content" in value or "tool_calls" in value
    return isinstance(kind := value.get("type"), str) and kind in _ITEMS


def _one_conversation(first: Record, rest: Iterator[Record]) -> Transcript:
    values = [record.value for record in chain([first], rest)]
    return build_transcript(first.file, conversation(values), {}, source=first.file, raw=values, named=NAMED)


def _read(record: Record) -> Iterator[Transcript]:
    value = {"messages": record.value} if isinstance(record.value, list) else record.value
    if not isinstance(value, Mapping):
        raise InputError(f"is not a conversation but {type(value).__name__}")
    yield from read_chat(value, default_id=record.default_id, source=record.file)


def read_chat(value: Mapping[str, Any], *, default_id: str, source: str) -> Iterator[Transcript]:
    """The transcripts of one record or table row: one, or one for each reply.

    Raises
    ------
    InputError
        When it holds neither messages nor a reply, or which of its texts the agent said is unclear.
    """
    asked_in, asked = _asked(value)
    fields = [key for key in reply_fields(value) if key not in asked_in]
    replies = replies_of({key: value[key] for key in fields})
    if not asked_in and not replies and is_message(value):  # a message of Anthropic's as its API returns it
        asked, asked_in = [value], {"content", "role"}
    if "messages" in value and not isinstance(value["messages"], list) and not asked_in and not replies:
        raise InputError(f"messages: is not a list but {type(value['messages']).__name__}{_own_reason(value)}")
    if not asked_in and not fields:
        raise InputError("holds neither messages nor a reply")
    if _ends_with_agent(asked):
        replies = _beside_a_finished_conversation(asked, replies, fields)
    system = next((key for key in _SYSTEM if value.get(key) and not isinstance(value[key], bool)), None)
    # A request's settings may be called like that, too: {"effort": "high"}.
    reasoned = {key: value[key] for key in REASONING_FIELDS if value.get(key) and isinstance(value[key], (str, list))}
    used = {"id", *asked_in, *fields, *reasoned} | ({system} if system else set())
    metadata = record_metadata(value, without=used)
    id_ = record_id(value, default_id)
    thoughts = [{"role": "assistant", "content": None} | reasoned] if reasoned else []
    is_plain = len(asked_in) == 1 and all(map(is_plain_message, asked))
    for number, reply in enumerate(replies or [Reply(messages=[])], 1):
        parts = conversation([*asked, *thoughts, *reply.messages], system=None if system is None else value[system])
        facts = metadata | ({"finish_reason": reply.finish} if reply.finish else {})
        facts |= _ending(reply, parts)
        # A list that a table or a field keeps as text is checked as the list that it is.
        raw: Any = {key: decoded(child) if key in asked_in else child for key, child in value.items()}
        if is_plain:  # whole in the messages, by construction
            raw = {key: child for key, child in value.items() if key not in asked_in}
        if len(replies) > 1:  # the others' words are in their own transcripts
            facts |= {"episode": id_, "choice": number}
            raw = [{k: v for k, v in value.items() if k not in fields}, {"messages": reply.messages}]
        yield build_transcript(
            id_ if number == 1 else f"{id_}#choice={number}", parts, facts, source=source, raw=raw, named=NAMED
        )


def _asked(value: Mapping[str, Any]) -> tuple[set[str], list[Any]]:
    """The fields that hold the request, and its messages."""
    for key in _MESSAGES:
        messages = decoded(value.get(key))
        if isinstance(messages, Mapping) and isinstance(messages.get("messages"), list):
            messages = messages["messages"]
        if isinstance(messages, list) and (messages or key == "messages"):
            if key in ("input", "items", "prompt") and not all(isinstance(message, Mapping) for message in messages):
                continue
            if not messages and (prompt := _prompt(value)):
                return {key, prompt}, [{"role": "user", "content": value[prompt]}]
            return {key}, messages
    prompt = _prompt(value)
    return ({prompt}, [{"role": "user", "content": as_text(value[prompt])}]) if prompt else (set(), [])


def _prompt(value: Mapping[str, Any]) -> str | None:
    return next((key for key in _PROMPTS if as_text(value.get(key)).strip()), None)


def _ends_with_agent(messages: list[Any]) -> bool:
    return bool(messages) and isinstance(messages[-1], Mapping) and messages[-1].get("role") == "assistant"


def _beside_a_finished_conversation(asked: list[Any], replies: list[Reply], fields: list[str]) -> list[Reply]:
    """A field that repeats the last message adds nothing; one that differs from it goes on, unless it may be a key."""
    last = asked[-1]
    text = last.get("content")
    if all(reply.messages == [last] or _same(reply, text) or not reply.messages for reply in replies):
        return []
    if _AMBIGUOUS.intersection(fields):
        raise InputError(
            f"{fields[0]}: the conversation has ended, so this may be the expected answer or one more reply; "
            f"call it 'expected_{fields[0]}' or 'output'"
        )
    return replies


def _same(reply: Reply, text: Any) -> bool:
    return isinstance(text, str) and [m.get("content") for m in reply.messages] == [text]


def _ending(reply: Reply, parts: list[Message]) -> dict[str, Any]:
    """How a reply that was cut or filtered is marked."""
    if reply.finish in ("length", "max_tokens", "MAX_TOKENS", "max_output_tokens"):
        return {"limit": reply.finish}
    if reply.finish in ("content_filter", "SAFETY", "PROHIBITED_CONTENT") and not reply.messages:
        return {"provider_error": f"the provider withheld the reply ({reply.finish})"}
    return {}


def _own_reason(value: Mapping[str, Any]) -> str:
    error = value.get("error")
    return f" (its error: {as_text(error)[:200]})" if error else ""


def _is_anthropic(value: Any) -> bool:
    """A chat with parts or keys that only Anthropic's messages have."""
    if is_message(value):
        return _has_anthropic_parts(value)
    match value:
        case {"messages": [*_], "system": _}:
            return True
        case {"messages": [*messages]} | [*messages]:
            return any(isinstance(m, Mapping) and _has_anthropic_parts(m) for m in messages)
    return False


def _has_anthropic_parts(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    kinds = [part.get("type") for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
    return any(kind in kinds for kind in ("thinking", "redacted_thinking", "tool_use", "tool_result"))


def _is_chat(value: Any) -> bool:
    if is_message(value):
        return True
    match value:
        case {"messages": _} | {"conversation": [*_]} | {"conversations": [*_]} | [{"role": _}, *_]:
            return True
        case {"conversation": str() as text} | {"conversations": str() as text}:
            return isinstance(decoded(text), list)
    return False


def _is_reply(value: Any) -> bool:
    if not isinstance(value, Mapping) or (isinstance(value.get("data"), Mapping) and not _TASK.isdisjoint(value)):
        return False
    return bool(reply_fields(value)) or isinstance(value.get("text"), str)


def _read_reply(record: Record) -> Iterator[Transcript]:
    """Like `_read`; a record whose only words are in ``text`` is the agent's reply."""
    value = record.value
    if isinstance(value, Mapping) and isinstance(value.get("text"), str) and not reply_fields(value):
        value = {"reply" if key == "text" else key: child for key, child in value.items()}
        record = Record(value=value, file=record.file, place=record.place, number=record.number)
    yield from _read(record)


def parse_replies(records: Iterator[Record]) -> Iterator[Transcript]:
    """Yield a transcript per record: system prompt and prompt where known, then the reply."""
    return read_each(records, _read_reply)


def _row(name: str, parse: Parser, fits: Callable[[Any], bool], recognised_by: str) -> Format:
    return Format(
        name=name,
        parse=parse,
        fits=fits,
        recognised_by=recognised_by,
        id="`id`, `transcript_id`, `uuid`, `sample_id` ...; else file and line; of a further choice `...#choice=2`",
        model="`model`, `model_name`, `model_id`",
        scenario="`scenario`, `condition`, `task`, `task_id`, `instance_id`",
        failures="no word of the agent (filtered, error, empty or null reply); a provider's error text as a reply",
    )


_REPLIES = "a reply field: " + ", ".join(f"`{key}`" for key in sorted(REPLY_KEYS)) + ", or `text`"
FORMATS = (
    _row(
        "anthropic",
        parse_chat,
        _is_anthropic,
        "`messages` with `system`, or parts `thinking`, `tool_use`, `tool_result`",
    ),
    _row("openai", parse_chat, _is_chat, "`messages`, `conversation(s)`; or lines with `role` and `content`"),
    _row("replies", parse_replies, _is_reply, _REPLIES),
)
