"""How a run ended, by the rules that all formats share: failed, cut, or neither."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from grader.readers.blocks import as_text
from grader.transcript import Message

# Stop reasons of all vendors, in lower case with underscores.
_CUT = frozenset(
    {
        "length",
        "max_tokens",
        "max_output_tokens",
        "model_context_window_exceeded",
        "max_turns",
        "max_steps",
        "error_max_turns",
        "error_max_budget_usd",
        "error_max_structured_output_retries",
    }
)
# The provider took the answer; a reply that has words all the same is an answer.
_FILTERED = frozenset(
    {
        "content_filter",
        "safety",
        "recitation",
        "blocklist",
        "prohibited_content",
        "spii",
        "language",
        "image_safety",
        "malformed_function_call",
        "unexpected_tool_call",
        "other",
        "error",
        "refusal",
    }
)
# Here the words of the reply are the guardrail's, not the agent's.
_REPLACED = frozenset({"guardrail_intervened", "content_filtered", "malformed_model_output", "malformed_tool_use"})


def ending(parts: Iterable[Message], *, error: Any = None, stop: Any = None, empty: bool = False) -> dict[str, str]:
    """Metadata ``provider_error`` of a failed run, and ``limit`` of a cut one.

    Parameters
    ----------
    parts : iterable of Message
        The whole transcript.
    error : optional
        What the provider or the harness reported after the agent's last part; None where the agent went on.
    stop : optional
        The provider's stop reason of the last reply, in any vendor's words.
    empty : bool
        Whether the last reply has no part at all, although earlier ones have.

    Examples
    --------
    >>> reply = Message(role="assistant", kind="text", text="Yes")
    >>> ending([reply], stop="MAX_TOKENS"), ending([], stop="SAFETY"), ending([reply], stop="end_turn")
    ({'limit': 'MAX_TOKENS'}, {'provider_error': 'SAFETY'}, {})
    """
    messages = list(parts)
    silent = not any(part.role == "assistant" for part in messages)
    unanswered = silent or empty or messages[-1].role != "assistant"
    reason = stop if isinstance(stop, str) else ""
    word = reason.lower().replace("-", "_")
    facts: dict[str, str] = {}
    if word in _CUT:
        facts["limit"] = reason
    if error:
        facts["provider_error"] = as_text(error)
    elif word in _REPLACED or (word in _FILTERED and unanswered):
        facts["provider_error"] = reason
    elif silent or empty:
        facts["provider_error"] = "an empty reply" if not reason else f"an empty reply ({reason})"
    return facts
