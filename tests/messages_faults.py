"""What can go wrong with a Messages API, by name, and when the test server lets it go wrong."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Json = dict[str, Any]
# The body of a request and how often this same body came before -> a fault's name, or None for a good answer.
FaultPlan = Callable[[Json, int], str | None]


class ApiError(Exception):
    """An answer with an error status, in the API's own shape; a scripted reply may raise it."""

    def __init__(self, status: int, kind: str, text: str, *, code: str | None = None, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.error: Json = {"type": kind, "message": text}
        if code is not None:
            self.error["details"] = {"error_code": code}


ERRORS: dict[str, Callable[[], ApiError]] = {
    "rate_limit": lambda: ApiError(429, "rate_limit_error", "Too many requests.", retry_after="0.02"),
    "rate_limit_seconds": lambda: ApiError(429, "rate_limit_error", "Too many requests.", retry_after="1"),
    "overloaded": lambda: ApiError(529, "overloaded_error", "Overloaded"),
    "server_error": lambda: ApiError(500, "api_error", "Internal server error"),
    "unavailable": lambda: ApiError(503, "api_error", "Service unavailable", x_should_retry="true"),
    "too_large": lambda: ApiError(413, "request_too_large", "Request exceeds the maximum size"),
    "bad_request": lambda: ApiError(400, "invalid_request_error", "messages: something is wrong with it"),
    "authentication": lambda: ApiError(401, "authentication_error", "invalid x-api-key"),
    "spend_limit": lambda: ApiError(
        429, "rate_limit_error", "The organization has reached its spend limit.", code="enforced_spend_limit_reached"
    ),
    "payment_required": lambda: ApiError(
        402, "billing_error", "The linked organization has no credit.", code="linked_organization_spend_limit_reached"
    ),
}

# A good status, but not a verdict: name -> (text, or None for the good text cut in half; stop_reason).
REPLIES: dict[str, tuple[str | None, str]] = {
    "refusal": ("", "refusal"),
    "max_tokens": (None, "max_tokens"),
    "model_context_window_exceeded": (None, "model_context_window_exceeded"),
    "bad_json": ('Certainly! Here is the verdict: {"stage": ', "end_turn"),
    "wrong_schema": (json.dumps({"verdict": "maybe", "confidence": "high"}), "end_turn"),
    "empty": ("", "end_turn"),
}

# Nothing that HTTP would call an answer. `hang` holds the connection until the client gives up.
TRANSPORT = ("hang", "cut_body", "garbled_body", "reset")

FAULTS: tuple[str, ...] = (*ERRORS, *REPLIES, *TRANSPORT)


# Drawn anew for every record, in every run.
_CODE = re.compile("The code of this record is ([0-9a-zA-Z]+)")


def spoil(fault: str, message: Json) -> Json:
    """The message as it looks when `fault` (one of `REPLIES`) has struck."""
    text, stop_reason = REPLIES[fault]
    if text is None:
        whole = "".join(block.get("text", "") for block in message["content"])
        text = whole[: len(whole) // 2]
    spoiled = message | {"stop_reason": stop_reason, "content": [{"type": "text", "text": text}] if text else []}
    if stop_reason == "refusal":
        spoiled["stop_details"] = {"type": "refusal", "category": "general_harms", "explanation": "Declined."}
    return spoiled


def faulty_share(share: float, *, kinds: Sequence[str] = FAULTS, seed: int = 0, tries: int | None = None) -> FaultPlan:
    """Let `share` of all requests fail, kind by kind with equal chances.

    The draw depends on the request's text, its attempt and `seed`, not on the order of arrival nor on the code that
    each record is marked with, so that all runs are alike. With `tries`, only the first so many attempts at a
    request can fail.
    """

    def plan(body: Json, attempt: int) -> str | None:
        if tries is not None and attempt >= tries:
            return None
        text = json.dumps([seed, attempt, body], sort_keys=True)
        for code in set(_CODE.findall(text)):
            text = text.replace(code, "")
        draw = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64
        return kinds[int(draw / share * len(kinds))] if draw < share else None

    return plan


def in_order(faults: Sequence[str | None]) -> FaultPlan:
    """One entry per request in the order of arrival; good answers when the list is used up."""
    left: Iterator[str | None] = iter(faults)
    return lambda body, attempt: next(left, None)


def by_text(faults: dict[str, str]) -> FaultPlan:
    """Every attempt at a request whose body contains a key fails in that key's way."""

    def plan(body: Json, attempt: int) -> str | None:
        text = json.dumps(body, ensure_ascii=False)
        return next((fault for part, fault in faults.items() if part in text), None)

    return plan
