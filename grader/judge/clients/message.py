"""A reply of the Messages API as the judge reads it: a field of a wrong type counts as not given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

# JSON allows larger numbers than tables and prices can hold.
_MOST_TOKENS = 2**53


def printable(text: str) -> str:
    """The text with halves of characters, which no file can hold, replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _text(value: Any) -> str | None:
    return printable(value) if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS
    return value if is_count else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _stop_reason(value: Any) -> str | None:
    """The word, or a stand-in that no outcome knows, so that a wrong type never passes for a whole answer."""
    return None if value is None else printable(value)[:100] if isinstance(value, str) else "(not a word)"


def _content(value: Any) -> str:
    """The text of all text blocks, without the thinking."""
    if isinstance(value, str):
        return printable(value)
    blocks = value if isinstance(value, list) else []
    texts = [b.get("text") for b in blocks if isinstance(b, Mapping) and b.get("type") == "text"]
    return printable("".join(text for text in texts if isinstance(text, str)))


def _details(value: Any) -> Mapping[str, str | None]:
    return {
        printable(name): None if text is None else printable(text)[:2000]
        for name, text in _mapping(value).items()
        if text is None or isinstance(text, str)
    }


def _shares(value: Any) -> Mapping[str, float]:
    """Numbers in [0, 1] by name."""
    return {
        name: float(share)
        for name, share in _mapping(value).items()
        if isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1
    }


Text = Annotated[str | None, BeforeValidator(_text)]
Count = Annotated[int | None, BeforeValidator(_count)]


class _Lenient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class CacheCreation(_Lenient):
    """Tokens written into the prompt cache, by how long they stay."""

    ephemeral_1h_input_tokens: Count = None


class OutputDetails(_Lenient):
    """What the output tokens were spent on."""

    thinking_tokens: Count = None


class Usage(_Lenient):
    """Tokens as the provider counts and bills them, and what our clients add.

    `response_format` is how JSON was asked for, where an endpoint may not know schemas; `yes_probability` is each
    harm's probability as the model's tokens give it.
    """

    input_tokens: Count = None
    output_tokens: Count = None
    cache_creation_input_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation: Annotated[CacheCreation, BeforeValidator(_mapping)] = CacheCreation()
    output_tokens_details: Annotated[OutputDetails, BeforeValidator(_mapping)] = OutputDetails()
    service_tier: Text = None
    response_format: Text = None
    yes_probability: Annotated[Mapping[str, float], BeforeValidator(_shares)] = {}

    @property
    def is_usable(self) -> bool:
        """Whether it says what the request cost."""
        return self.input_tokens is not None and self.output_tokens is not None

    def to_dict(self) -> dict[str, Any]:
        """What is given, in the API's shape."""
        given = self.model_dump(exclude_none=True, exclude={"response_format", "yes_probability"})
        return {name: value for name, value in given.items() if value != {}}


class MessageBody(_Lenient):
    """One reply, read leniently; building it never fails.

    Examples
    --------
    >>> MessageBody.of({"content": 5, "stop_reason": ["end_turn"], "usage": "lots"}).usage.is_usable
    False
    """

    id: Text = None
    model: Text = None
    text: Annotated[str, BeforeValidator(_content), Field(alias="content")] = ""
    stop_reason: Annotated[str | None, BeforeValidator(_stop_reason)] = None
    stop_details: Annotated[Mapping[str, str | None], BeforeValidator(_details)] = {}
    usage: Annotated[Usage, BeforeValidator(_mapping)] = Usage()

    @classmethod
    def of(cls, message: Any) -> MessageBody:
        """Read what a server sent, whatever it is."""
        return cls.model_validate(_mapping(message))
