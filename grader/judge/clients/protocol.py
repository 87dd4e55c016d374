"""What the judge asks and what it gets back: one request, one reply, and who carries them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from grader.judge.clients.message import MessageBody

FailedOutcome = Literal["refused", "truncated", "too_long", "api_error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question to the judge: some harms of one window of one transcript, once.

    Parameters
    ----------
    key : str
        Content key: hash of transcript, window, rubrics, prompt version, model, settings, harms and
        repeat, and of nothing else (the nonce is not in it). Name of the reply in the store, and
        ``custom_id`` in a batch (64 hexadecimal characters).
    transcript_id, content_hash : str
    harms : tuple of str
    repeat : int
        From 0.
    params : mapping
        Exactly the keyword arguments of ``messages.create``.
    window : int
        Which window of a long transcript, from 0.
    """

    key: str
    transcript_id: str
    content_hash: str
    harms: tuple[str, ...]
    repeat: int
    params: Mapping[str, Any]
    window: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back.

    Parameters
    ----------
    message : dict
        A message in the JSON shape of the Messages API: ``content``, ``stop_reason``, ``usage``, ...
    request_id : str, optional
        The server's name for the request, for questions to the provider.

    Attributes
    ----------
    body : MessageBody
        The message as it was read: typed, and never an error. Everything but the store uses this.
    """

    message: dict[str, Any]
    request_id: str | None = None
    body: MessageBody = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "body", MessageBody.of(self.message))

    def to_dict(self) -> dict[str, Any]:
        """The reply as the store keeps it."""
        return {"message": self.message, "request_id": self.request_id}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Reply:
        """The inverse of `to_dict`."""
        message, request_id = record.get("message"), record.get("request_id")
        return cls(
            message=message if isinstance(message, dict) else {},
            request_id=request_id if isinstance(request_id, str) else None,
        )


@runtime_checkable
class JudgeClient(Protocol):
    """Carries one request to a model.

    `send` may be called from several threads at once. It raises `SendError` for a request that
    failed, `RunStopped` when no further request can succeed. A client may also offer
    ``count_tokens(params) -> int | None``, used before long transcripts are cut into windows.
    """

    def send(self, request: Request) -> Reply:
        """Answer one request."""
        ...


class SendError(Exception):
    """One request failed; the others may still succeed.

    Parameters
    ----------
    reason : str
        One line for the verdict's explanation.
    outcome : str
        ``api_error``, ``too_long``, ...
    request_id : str, optional
    status : int, optional
        HTTP status; 429 and 529 also lower the number of requests in flight.
    retry : {"never", "later"}
        Whether the same request can pass when sent again.
    retry_after : float, optional
        Seconds that the server asked to wait.
    billed : {"no", "unknown"}
        ``no`` only where the provider said that it did not answer, or the request never left.
    """

    def __init__(
        self,
        reason: str,
        *,
        outcome: FailedOutcome = "api_error",
        request_id: str | None = None,
        status: int | None = None,
        retry: Literal["never", "later"] = "never",
        retry_after: float | None = None,
        billed: Literal["no", "unknown"] = "unknown",
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.outcome: FailedOutcome = outcome
        self.request_id = request_id
        self.status = status
        self.retry: Literal["never", "later"] = retry
        self.retry_after = retry_after
        self.billed: Literal["no", "unknown"] = billed


class RunStopped(Exception):
    """The run cannot go on. What has been paid for is in the store; a rerun continues from there."""


class SpendLimitReached(RunStopped):
    """The account's spend limit, or the run's own, is reached."""


class FailureBudgetSpent(RunStopped):
    """More transcripts failed to grade than the run allows."""
