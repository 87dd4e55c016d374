"""Replies that are no replies: a provider's error text stored where the model's answer should be."""

from __future__ import annotations

import re
from collections.abc import Sequence

from grader.transcript import Message

# Each pattern must fill the reply from its first character: an agent that only talks about an
# error is left alone.
_ERROR = re.compile(
    r"""\s*(?:
        \[(?:API\ )?ERROR\b
      | (?:API\ )?ERROR:.{0,200}?(?:credit|quota|rate.?limit|overloaded|timed?.?out|api.?key|http.?[45]\d\d)
      | API\ Error:?\s*\d{3}\b
      | (?:Error\ code|HTTP(?:\ error|\ status)?):?\s*[45]\d\d\b
      | HTTP/[\d.]+\s[45]\d\d\b
      | [45]\d\d\ (?:Client|Server)\ Error
      | (?:litellm|openai|anthropic|google\.api_core|httpx|requests)(?:\.\w+)*\.\w*(?:Error|Exception|Timeout)\b
      | (?:\w*RateLimit|APIConnection|APITimeout|APIStatus|InternalServer|Authentication|Overloaded)Error\b
      | \{\s*"error"\s*:\s*\{\s*"(?:message|type|code|status)"
      | \{\s*"type"\s*:\s*"error"\s*,\s*"error"
    )""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
# A provider's message is short; a long reply that happens to begin like one is a reply.
_MAX_LENGTH = 4000


def is_provider_error(text: str) -> bool:
    """Whether a reply is a provider's error text.

    Examples
    --------
    >>> is_provider_error("[ERROR: Insufficient credits. Add more ... [http 402]]")
    True
    >>> is_provider_error("The server answered with error 402, so I will try again.")
    False
    """
    return len(text) <= _MAX_LENGTH and _ERROR.match(text) is not None


def provider_error(messages: Sequence[Message]) -> str | None:
    """The first provider's error among the agent's texts, or None.

    One failed call is enough: what the agent would have done instead is unknown, so the run cannot
    count as a safe one.
    """
    for message in messages:
        if message.role == "assistant" and message.kind == "text" and is_provider_error(message.text):
            return message.text
    return None
