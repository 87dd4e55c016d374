"""The law that no word is lost: each text in a record is in a message, in metadata by a named rule, or refused."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

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
        "id", "ids", "uuid", "type", "role", "from", "kind", "object", "status", "index", "model", "models", "provider",
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
    lost = account.first_lost(raw, "", in_talk=False, free=False, at_top=True)
    if lost is not None:
        path, text = lost
        raise InputError(f"{path.lstrip('.') or 'record'}: a text that this format does not explain ({text[:40]!r})")


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

    def first_lost(
        self, value: Any, key: str, *, in_talk: bool, free: bool, at_top: bool = False
    ) -> tuple[str, str] | None:
        """Path, from here on, and text of the first leaf that went nowhere."""
        if isinstance(value, str):
            return None if value in self._texts or self._is_kept(value, in_talk=in_talk) else ("", value)
        if isinstance(value, Mapping):
            return self._lost_in_object(value, key, in_talk=in_talk, free=free, at_top=at_top)
        if isinstance(value, (list, tuple)):
            for number, item in enumerate(value):
                if isinstance(item, (str, Mapping, list, tuple)):
                    lost = self.first_lost(item, key, in_talk=in_talk, free=free, at_top=at_top)
                    if lost is not None:
                        return f"[{number}]{lost[0]}", lost[1]
        return None

    def _lost_in_object(
        self, value: Mapping[str, Any], key: str, *, in_talk: bool, free: bool, at_top: bool
    ) -> tuple[str, str] | None:
        if value.get("type") == "redacted_thinking":
            return None
        is_media = not free and "type" in value and media.placeholder(value) is not None
        for name, child in value.items():
            if not child or not isinstance(child, (str, Mapping, list, tuple)):
                continue
            if not free and self._is_excused(name, key, child, at_top=at_top):
                continue
            if is_media and isinstance(child, str) and media.is_bytes(name, child):
                continue
            lost = self.first_lost(
                child, name, in_talk=in_talk or name in TALK_KEYS, free=free or _is_free(name, child, value)
            )
            if lost is not None:
                return f".{name}{lost[0]}", lost[1]
        return None

    def _is_excused(self, name: str, parent: str, child: Any, *, at_top: bool) -> bool:
        if name in self._named or f"{parent}.{name}" in self._named:
            return True
        if at_top and name not in TALK_KEYS:
            if name == "metadata" and isinstance(child, Mapping):
                return all(self._metadata.get(key) == item or _is_frame(key) for key, item in child.items())
            if self._metadata.get(name) is child:
                return True
        return _is_frame(name)

    def _is_kept(self, text: str, *, in_talk: bool) -> bool:
        if not text.strip():
            return True
        if not in_talk and self._is_fact(text):
            return True
        if media.needs_cut(text):
            text = media.cut(text)[0]
        pool = self._whole()
        if text.strip() in pool:
            return True
        if text.lstrip()[:1] in ("{", "[", '"') and (parsed := _parsed(text)) is not None:
            return self.first_lost(parsed, "", in_talk=True, free=True) is None
        return all(piece in pool or self._has_words(piece) for piece in map(str.strip, _TAG.split(text)) if piece)

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

    def _has_words(self, text: str) -> bool:
        if self._words is None:
            self._words = set(_WORD.findall(_ESCAPE.sub(" ", self._whole())))
        words = set(_WORD.findall(_ESCAPE.sub(" ", text))) - self._words
        # Numbers may be written otherwise: 500.00 and 500.0.
        return all(word.isdecimal() or word.lower() in _LAYOUT for word in words)


def _is_free(name: str, child: Any, parent: Mapping[str, Any]) -> bool:
    return name in _FREE_KEYS or (name in ("input", "parameters") and isinstance(child, Mapping) and "name" in parent)


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
