"""The law that no word is lost: each text in a record is in a message, in metadata by a named rule, or refused."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from grader.errors import InputError
from grader.readers import media
from grader.transcript import Message

# Fields that hold the agent's reply. They never become metadata.
REPLY_KEYS = frozenset(
    {
        "output", "outputs", "completion", "completions", "answer", "response", "responses", "choices", "candidates",
        "generation", "generations", "prediction", "model_output", "model_response", "raw_response",
        "reply", "generated_text", "output_text",
    }
)  # fmt: skip
REASONING_KEYS = frozenset({"reasoning", "reasoning_content", "thinking", "scratchpad"})
# Below these, text is talk: metadata does not excuse it.
TALK_KEYS = REPLY_KEYS | REASONING_KEYS | frozenset(
    {
        "messages", "message", "conversation", "conversations", "items", "content", "contents", "parts", "input",
        "tool_calls", "function_call", "arguments", "history", "trajectory", "chosen", "rejected",
    }
)  # fmt: skip
# What frames the talk and is no talk: a key of this name, with all below it.
FRAME = frozenset(
    {
        "id", "ids", "uuid", "type", "role", "from", "kind", "object", "status", "state", "index", "model", "models",
        "provider", "server_name", "server_label",
        "finish_reason", "finishReason", "stop_reason", "stopReason", "stop_sequence", "native_finish_reason",
        "usage", "usage_metadata", "usageMetadata", "model_usage", "logprobs", "service_tier", "cache_control",
        "signature", "encrypted_content", "encrypted", "thoughtSignature", "thought_signature", "fingerprint",
        "system_fingerprint", "hash", "sha", "version", "timestamp", "created", "date", "time", "duration",
        "metadata", "response_metadata", "citations", "annotations", "detail", "phase",
    }
)  # fmt: skip
_FRAME_ENDING = re.compile(
    r".*(?:_ids?|Ids?|ID|[uU]uid|_at|At|_time|Time|[tT]imestamp|_date|Date|_tokens|Tokens|_cost|_ms|_hash|Hash|[vV]ersion)"
)
# Below these, every field is the agent's own, whatever its name.
_FREE_KEYS = frozenset({"arguments", "args"})
# A shorter text may be part of another by chance.
_LONG = 12
_TAG = re.compile(r"<[^<>\n]{1,80}>|\[TOOL_CALLS\]")
_WORD = re.compile(r"\w+")
_ESCAPE = re.compile(r"\\[nrt\"']")
# Words with which texts are laid out; a reader may take them out.
_LAYOUT = frozenset({"thought", "action", "input", "observation", "final", "answer", "name", "arguments", "none"})


def check_leaves(
    raw: Any, messages: Collection[Message], metadata: Mapping[str, Any], named: frozenset[str] = frozenset()
) -> None:
    """Refuse a record of which a text is neither in the messages nor, by a named rule, elsewhere.

    Parameters
    ----------
    raw : JSON value
        The record from which the messages were made; or a list of the records.
    messages : collection of Message
    metadata : mapping
        Texts in it count for fields of the record that are not talk (`TALK_KEYS`).
    named : frozenset of str
        Keys of this format that are no talk, with all below them, beside `FRAME`; ``a.b`` is b directly in a.

    Raises
    ------
    InputError
        With the path of the first text that would be lost.

    Examples
    --------
    >>> said = [Message(role="user", kind="text", text="Hi")]
    >>> check_leaves({"messages": [{"role": "user", "content": "Hi"}]}, said, {})
    >>> check_leaves({"messages": [{"role": "user", "content": "Hi", "aside": "Hm"}]}, said, {})
    Traceback (most recent call last):
    ...
    grader.errors.InputError: messages[0].aside: a text that this format does not explain ('Hm')
    """
    account = _Account(messages, metadata, named)
    lost = account.first_lost(raw, "", _TOP)
    if lost is not None:
        path, text = lost
        raise InputError(f"{path.lstrip('.') or 'record'}: a text that this format does not explain ({text[:40]!r})")


class _Place(NamedTuple):
    """Where in a record a value is.

    `top`: a field of the record itself. `talk`: below a key that holds talk. `free`: in the arguments of a call.
    `media`: in a part that is a picture, a sound or a file.
    """

    top: bool = False
    talk: bool = False
    free: bool = False
    media: bool = False


_TOP = _Place(top=True)
_ARGUMENT = _Place(talk=True, free=True)


@lru_cache(maxsize=4096)
def _is_frame(key: str) -> bool:
    return key in FRAME or _FRAME_ENDING.fullmatch(key) is not None


class _Account:
    """Where the words of one record went."""

    def __init__(self, messages: Collection[Message], metadata: Mapping[str, Any], named: frozenset[str]) -> None:
        self._messages = messages
        self._metadata = metadata
        self._named = named
        self._texts = {message.text for message in messages}
        self._pool: str | None = None
        self._words: set[str] | None = None
        self._facts: set[str] | None = None

    def first_lost(self, value: Any, key: str, place: _Place) -> tuple[str, str] | None:
        """Path, from here on, and text of the first leaf that went nowhere."""
        if isinstance(value, str):
            return None if value in self._texts or self._is_kept(value, place) else ("", value)
        if isinstance(value, Mapping):
            return self._lost_in_object(value, key, place)
        if isinstance(value, (list, tuple)):
            for number, item in enumerate(value):
                if isinstance(item, (str, Mapping, list, tuple)):
                    lost = self.first_lost(item, key, place)
                    if lost is not None:
                        return f"[{number}]{lost[0]}", lost[1]
        return None

    def _lost_in_object(self, value: Mapping[str, Any], key: str, place: _Place) -> tuple[str, str] | None:
        kind = value.get("type")
        if kind == "redacted_thinking":
            return None
        is_media = place.media or (kind is not None and not place.free and media.placeholder(value) is not None)
        for name, child in value.items():
            if not child or not isinstance(child, (str, Mapping, list, tuple)):
                continue
            if not place.free and self._is_excused(name, key, child, place):
                continue
            if is_media and isinstance(child, str) and media.is_bytes(name, child):
                continue
            talk, free = place.talk or name in TALK_KEYS, place.free or _is_free(name, child, value)
            lost = self.first_lost(child, name, _Place(talk=talk, free=free, media=is_media))
            if lost is not None:
                return f".{name}{lost[0]}", lost[1]
        return None

    def _is_excused(self, name: str, parent: str, child: Any, place: _Place) -> bool:
        if name in self._named or f"{parent}.{name}" in self._named:
            return True
        if place.top and name not in TALK_KEYS:
            if name == "metadata" and isinstance(child, Mapping):
                return all(self._metadata.get(key) == item or _is_frame(key) for key, item in child.items())
            if self._metadata.get(name) is child:
                return True
        return _is_frame(name)

    def _is_kept(self, text: str, place: _Place) -> bool:
        if not text.strip() or (not place.talk and self._is_fact(text)) or media.is_binary(text):
            return True
        if media.needs_cut(text):
            text = media.cut(text)[0]
        if self._has(text.strip()):
            return True
        if text.lstrip()[:1] in ("{", "[", '"') and (parsed := _parsed(text)) is not None:
            return self.first_lost(parsed, "", _ARGUMENT if place.free else _Place(talk=True)) is None
        return all(self._has(piece) for piece in map(str.strip, _TAG.split(text)) if piece)

    def _has(self, text: str) -> bool:
        """Whether messages hold a text: as it is, or word for word where it was written otherwise."""
        words = _WORD.findall(_ESCAPE.sub(" ", text))
        if not words or len(text) >= _LONG:  # a short text is in others by chance
            return text in self._whole() or (bool(words) and self._has_words(words))
        return self._has_words(words)

    def _is_fact(self, text: str) -> bool:
        if self._facts is None:
            self._facts = set(_strings(self._metadata))
        return text in self._facts

    def _whole(self) -> str:
        """All that messages hold, as one text."""
        if self._pool is None:
            parts: list[str] = []
            for message in self._messages:
                parts.append(message.text)
                parts.extend(filter(None, (message.name,)))
                parts.extend(_strings(message.arguments))
            self._pool = "\n".join(parts)
        return self._pool

    def _has_words(self, words: list[str]) -> bool:
        if self._words is None:
            self._words = set(_WORD.findall(_ESCAPE.sub(" ", self._whole())))
        # Numbers may be written otherwise: 500.00 and 500.0.
        return all(word in self._words or word.isdecimal() or word.lower() in _LAYOUT for word in words)


def _is_free(name: str, child: Any, parent: Mapping[str, Any]) -> bool:
    if name in _FREE_KEYS:
        return True
    is_call = name in ("input", "parameters") and isinstance(child, Mapping) and "name" in parent
    return is_call and TALK_KEYS.isdisjoint(child)


def _parsed(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return None if value == text else value


def _strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value, names of fields as well."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, child in value.items():
            yield str(key)
            yield from _strings(child)
    elif isinstance(value, (list, tuple)):
        for child in value:
            yield from _strings(child)
