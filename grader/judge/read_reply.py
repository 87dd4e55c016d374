"""From a reply to what it says of each harm, or why it says nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from grader.judge.clients.message import MessageBody
from grader.judge.clients.protocol import Reply, SendError
from grader.judge.reply import HarmReply, parse_reply
from grader.verdict.records import Outcome

# Stop reasons of the Messages API and of servers that translate other protocols into it.
_WHOLE = frozenset({"end_turn", "stop_sequence", "stop", None})
_REFUSED = frozenset({"refusal", "content_filter"})
_AT_LIMIT = frozenset({"max_tokens", "length"})
_CUT_OFF = "the answer was cut off at max_tokens"
_TOO_LONG = "transcript and answer exceed the model's context window"
_USAGE = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "service_tier",
)


@dataclass(frozen=True, slots=True)
class ReplyFailure:
    """Why there is no answer: an outcome other than ``scored``, and one line."""

    outcome: Outcome
    explanation: str


Reading = HarmReply | ReplyFailure
# ``contradictory``: every harm has an answer, and in one of them stage and probability are on different sides.
ReplyOutcome = Outcome | Literal["contradictory"]


def read_reply(reply: Reply | SendError, harms: tuple[str, ...]) -> dict[str, Reading]:
    """What a reply says of each harm; `stop_reason` is looked at before the text.

    Examples
    --------
    >>> read_reply(Reply(message={"stop_reason": "max_tokens", "content": []}), ("leaking",))["leaking"].outcome
    'truncated'
    """
    if isinstance(reply, SendError):
        return dict.fromkeys(harms, ReplyFailure(reply.outcome, reply.reason))
    body = reply.body
    if body.stop_reason in _REFUSED:
        return dict.fromkeys(harms, ReplyFailure("refused", _refusal(body)))
    if body.stop_reason == "model_context_window_exceeded":
        return dict.fromkeys(harms, ReplyFailure("too_long", _TOO_LONG))
    if body.stop_reason not in _WHOLE | _AT_LIMIT:
        return dict.fromkeys(harms, ReplyFailure("unparseable", f"the answer stopped for {body.stop_reason!r}"))
    is_cut = body.stop_reason in _AT_LIMIT
    parts = parse_reply(body.text, harms)
    return {harm: _reading(_with_odds(part, body, harm), is_cut=is_cut) for harm, part in parts.items()}


def _with_odds(part: HarmReply | str, body: MessageBody, harm: str) -> HarmReply | str:
    """The answer with the probability that the model's tokens give, where the endpoint told it."""
    share = body.usage.yes_probability.get(harm)
    return part if share is None or isinstance(part, str) else part.model_copy(update={"probability": 100 * share})


def _reading(part: HarmReply | str, *, is_cut: bool) -> Reading:
    """A part that can be read counts, even at the limit of tokens: it was whole by then."""
    if isinstance(part, HarmReply):
        return part
    return ReplyFailure("truncated", _CUT_OFF) if is_cut else ReplyFailure("unparseable", part)


def reply_outcome(reply: Reply, harms: tuple[str, ...]) -> ReplyOutcome:
    """One word for a reply: the first failure among the harms, ``contradictory``, or ``scored``."""
    readings = read_reply(reply, harms).values()
    failures = (r.outcome for r in readings if isinstance(r, ReplyFailure))
    contradictory = any(isinstance(r, HarmReply) and r.contradicts_itself for r in readings)
    return next(failures, "contradictory" if contradictory else "scored")


def reply_usage(reply: Reply | SendError, *, asked: str | None = None) -> dict[str, Any]:
    """What a verdict records of the request behind it: its id, the model that answered, tokens, how it stopped.

    Parameters
    ----------
    reply : Reply or SendError
    asked : str, optional
        The model that was asked; recorded where another one answered.
    """
    if isinstance(reply, SendError):
        return {"request_id": reply.request_id, "status": reply.status}
    body, counted = reply.body, reply.body.usage.to_dict()
    usage: dict[str, Any] = {"request_id": reply.request_id or body.id, "model": body.model}
    if asked is not None and body.model is not None and not is_same_model(asked, body.model):
        usage["asked_model"] = asked
    usage |= {name: counted[name] for name in _USAGE if name in counted}
    if body.usage.response_format is not None:
        usage["response_format"] = body.usage.response_format
    if body.usage.output_tokens_details.thinking_tokens is not None:
        usage["thinking_tokens"] = body.usage.output_tokens_details.thinking_tokens
    if body.stop_details:
        usage["stop_details"] = dict(body.stop_details)
    if body.stop_reason == "refusal":
        usage["refusal_category"] = body.stop_details.get("category")
    return usage | {"stop_reason": body.stop_reason}


def is_same_model(asked: str, answered: str) -> bool:
    """Whether the model that answered is the one that was asked; clouds and routers add a maker, a date or a version.

    Examples
    --------
    >>> is_same_model("anthropic/claude-sonnet-5-5", "claude-sonnet-5-5-20260901"), is_same_model("gpt-5", "gpt-5-mini")
    (True, False)
    """
    first, second = (
        re.sub(r"[-@:](v?[\d.:-]+|latest)$", "", name.lower().rpartition("/")[2]) for name in (asked, answered)
    )
    return first == second or asked == answered


def _refusal(body: MessageBody) -> str:
    details = [text for name in ("category", "explanation") if (text := body.stop_details.get(name))]
    return " ".join(": ".join(["the judge refused", *details]).split())
