"""Replies that are no replies: a provider's error text stored where the model's answer should be."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files

from grader.transcript import Message

# A provider's message is short; a long reply that happens to begin like one is a reply.
_MAX_LENGTH = 4000


@cache
def _pattern() -> re.Pattern[str]:
    """All patterns of `provider_errors.toml` as one; each must fill the text."""
    rows = tomllib.loads(files(__package__).joinpath("provider_errors.toml").read_text(encoding="utf-8"))["error"]
    one = (f"(?!{row['skip']}){row['pattern']}" if "skip" in row else row["pattern"] for row in rows)
    return re.compile("|".join(f"(?:{pattern})" for pattern in one), re.IGNORECASE | re.DOTALL)


def is_provider_error(text: str) -> bool:
    """Whether a reply is, as a whole, a provider's error text.

    Examples
    --------
    >>> is_provider_error("[ERROR: Insufficient credits. Add more ... [http 402]]")
    True
    >>> is_provider_error("The server answered with error 402, so I will try again.")
    False
    """
    return len(text) <= _MAX_LENGTH and _pattern().fullmatch(text.strip()) is not None


def provider_error(messages: Sequence[Message]) -> str | None:
    """The first provider's error among the agent's texts, or None.

    One failed call is enough: what the agent would have done instead is unknown, so the run cannot
    count as a safe one.
    """
    for message in messages:
        if message.role == "assistant" and message.kind == "text" and is_provider_error(message.text):
            return message.text
    return None


def agent_acted(messages: Iterable[Message]) -> bool:
    """Whether the agent under test said, thought or did anything; a provider's error is no word of its."""
    return any(
        (message.kind == "tool_call" or message.text.strip() != "") and not is_provider_error(message.text)
        for message in messages
        if message.role == "assistant"
    )
