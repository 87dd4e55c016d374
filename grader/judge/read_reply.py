"""From a reply to what it says of each harm, or why it says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grader.judge.clients.protocol import Reply, SendError
from grader.judge.reply import HarmReply, parse_reply
from grader.verdict.records import Outcome

# Stop reasons that end an answer as it should end.
_WHOLE = frozenset({"end_turn", "stop_sequence", None})
_CUT: dict[str, tuple[Outcome, str]] = {
    "max_tokens": ("truncated", "the answer was cut off at max_tokens"),
    "model_context_window_exceeded": ("too_long", "transcript and answer exceed the model's context window"),
}
_USAGE = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "service_tier",
)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer: an outcome other than ``scored``, and one line."""

    outcome: Outcome
    explanation: str


Reading = HarmReply | Failure


def read_reply(reply: Reply | SendError, harms: tuple[str, ...]) -> dict[str, Reading]:
    """What a reply says of each harm; `stop_reason` is looked at before the text.

    Examples
    --------
    >>> read_reply(Reply(message={"stop_reason": "max_tokens", "content": []}), ("leaking",))["leaking"].outcome
    'truncated'
    """
    if isinstance(reply, SendError):
        return dict.fromkeys(harms, Failure(reply.outcome, reply.reason))
    reason = reply.message.get("stop_reason")
    if reason == "refusal":
        return dict.fromkeys(harms, Failure("refused", _refusal(reply.message)))
    if reason in _CUT:
        return dict.fromkeys(harms, Failure(*_CUT[reason]))
    if reason not in _WHOLE:
        return dict.fromkeys(harms, Failure("unparseable", f"the answer stopped for {reason!r}"))
    parsed = parse_reply(reply_text(reply.message), harms)
    return {harm: Failure("unparseable", said) if isinstance(said, str) else said for harm, said in parsed.items()}


def reply_text(message: Mapping[str, Any]) -> str:
    """The text of a message, without its thinking."""
    blocks = message.get("content") or []
    if isinstance(blocks, str):
        return blocks
    return "".join(str(b.get("text", "")) for b in blocks if isinstance(b, dict) and b.get("type") == "text")


def reply_outcome(reply: Reply, harms: tuple[str, ...]) -> str:
    """One word for the store: ``scored``, or the first failure among the harms."""
    failures = (r.outcome for r in read_reply(reply, harms).values() if isinstance(r, Failure))
    return next(failures, "scored")


def reply_usage(reply: Reply | SendError) -> dict[str, Any]:
    """What a verdict records of the request behind it: its id, the model that answered, tokens, how it stopped."""
    if isinstance(reply, SendError):
        return {"request_id": reply.request_id, "status": reply.status}
    message = reply.message
    counted = message.get("usage") or {}
    usage: dict[str, Any] = {"request_id": reply.request_id or message.get("id"), "model": message.get("model")}
    usage |= {name: counted[name] for name in _USAGE if counted.get(name) is not None}
    thought = (counted.get("output_tokens_details") or {}).get("thinking_tokens")
    if thought is not None:
        usage["thinking_tokens"] = thought
    if message.get("stop_details"):
        usage["stop_details"] = message["stop_details"]
    if message.get("stop_reason") == "refusal":
        usage["refusal_category"] = (message.get("stop_details") or {}).get("category")
    return usage | {"stop_reason": message.get("stop_reason")}


def _refusal(message: Mapping[str, Any]) -> str:
    details = message.get("stop_details") or {}
    said = [str(details[key]) for key in ("category", "explanation") if details.get(key)]
    return ": ".join(["the judge refused", *said])
