"""What a provider's error means to a run: no money left, too long a prompt, the wrong address."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict

from grader.judge.clients.message import Text

Protocol = Literal["messages", "chat completions"]

_NO_MONEY = re.compile(
    r"credit balance|insufficient[_ ](quota|credit|funds|balance)|exceeded your current quota|spend(ing)? limit"
    r"|billing_error|payment required|out of credits",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"too long|exceeds? (the )?(context|maximum)|context[_ ](length|window|limit)|maximum context", re.IGNORECASE
)
_OTHER: dict[Protocol, str] = {
    "messages": "for a server with OpenAI's protocol (/chat/completions) add --provider openai",
    "chat completions": "for a server with Anthropic's protocol (/v1/messages) leave --provider openai out",
}


def _code(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


class Problem(BaseModel):
    """The body of an error, in Anthropic's shape or OpenAI's; building it never fails.

    Examples
    --------
    >>> Problem.of({"error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}}).type
    'invalid_request_error'
    >>> Problem.of("<html>").type
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: Text = None
    message: Text = None
    code: Annotated[str | None, BeforeValidator(_code)] = None

    @classmethod
    def of(cls, body: Any) -> Problem:
        """Read the body of an error, whatever it is."""
        error = body.get("error", body) if isinstance(body, dict) else {}
        if not isinstance(error, dict):
            return cls(message=error if isinstance(error, str) else None)
        details = error.get("details")
        code = details.get("error_code") if isinstance(details, dict) else None
        return cls.model_validate({**error, "code": code if code is not None else error.get("code")})

    def says_no_money(self, status: int) -> bool:
        """Whether no further request can pass, for want of credit, quota or a spend limit."""
        if status == 402 or (self.code or "").endswith(("spend_limit_reached", "insufficient_quota")):
            return True
        text = f"{self.type or ''} {self.message or ''}"
        return status in (400, 403, 429) and _NO_MONEY.search(text) is not None

    def says_too_long(self, status: int) -> bool:
        """Whether prompt and answer do not fit into the model's context."""
        text = f"{self.code or ''} {self.message or ''}"
        return status == 413 or (status in (400, 422) and _TOO_LONG.search(text) is not None)


def not_found(method: str, url: str, *, protocol: Protocol) -> str:
    """What a 404 may come from: which address was asked, in which protocol, and which option fits.

    Examples
    --------
    >>> not_found("POST", "http://127.0.0.1:1/v1/v1/messages", protocol="messages")
    "asked was POST http://127.0.0.1:1/v1/v1/messages (messages protocol): leave /v1 out of --base-url; for ..."
    """
    parts = urlsplit(url)
    address = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    doubled = "leave /v1 out of --base-url; " if "/v1/v1/" in parts.path else ""
    missing = protocol == "chat completions" and "/v1/" not in parts.path
    version = "end --base-url with /v1; " if missing else ""
    return f"asked was {method} {address} ({protocol} protocol): {doubled}{version}{_OTHER[protocol]}"
