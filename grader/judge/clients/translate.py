"""Answers and errors of the official SDKs, which are built alike, in the words of a run."""

from __future__ import annotations

import email.utils
import json
import ssl
import time
from collections.abc import Mapping
from typing import Any, Literal, NoReturn
from urllib.parse import urlsplit

from grader.errors import InputError
from grader.files.secrets import hidden, secrets_of
from grader.judge.clients.message import printable
from grader.judge.clients.problems import Problem, Protocol, not_found
from grader.judge.clients.protocol import RunStopped, SendError, SpendLimitReached
from grader.judge.extract import without_doubled_keys
from grader.readers.records import is_too_deep

_PASSING = frozenset({408, 409, 429})
_UNUSABLE = {401: "the API key was refused", 403: "this key may not do that"}
# How connections fail before anything is sent.
_UNSENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "ProxyError"})


def read_answer(raw: Any, content: bytes) -> dict[str, Any]:
    """The JSON object of a good answer.

    Raises
    ------
    SendError
        It is not one, or names a key twice.
    """
    request_id = request_id_of(raw.headers)
    try:
        answer = json.loads(content, object_pairs_hook=without_doubled_keys)
    except (ValueError, RecursionError) as error:
        raise SendError(f"the answer cannot be read: {error}", request_id=request_id, retry="later") from None
    if not isinstance(answer, dict) or is_too_deep(answer):
        raise SendError("the answer is not a message", request_id=request_id, retry="later")
    shown: dict[str, Any] = hidden(answer, secrets_of(raw.http_request.headers))
    return shown


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The server's name for a request, under the headers of several makers."""
    names = ("request-id", "x-request-id", "x-amzn-requestid")
    return next((headers[name] for name in names if headers.get(name)), None)


def translate(error: Exception, sdk: Any, protocol: Protocol) -> NoReturn:
    """Raise what an error of an official SDK means to a run.

    Parameters
    ----------
    error : Exception
    sdk : module
        ``anthropic`` or ``openai``, whose errors have the same names.
    protocol : {"messages", "chat completions"}
    """
    match error:
        case SendError() | RunStopped() | InputError():
            raise error
        case sdk.APIStatusError():
            raise _of_status(error, protocol) from None
        case TimeoutError() | sdk.APITimeoutError():
            raise SendError("the request timed out", retry="later", billed=_billed(error)) from None
        case sdk.APIConnectionError():
            if (reason := _unverified(error)) is not None:
                raise InputError(f"the certificate of the judge's API cannot be verified: {reason}") from None
            reason = f"no connection: {error.__cause__ or error}"
            raise SendError(reason, retry="later", billed=_billed(error)) from None
        case TypeError() if "authentication method" in str(error):
            raise InputError("no API key for the judge: set ANTHROPIC_API_KEY") from None
        case _ if type(error).__name__ in ("CredentialsError", "OAuthError") or _is_about_credentials(error):
            raise InputError(f"credentials of the judge's API cannot be used: {' '.join(str(error).split())}") from None
        case ValueError() | RecursionError():  # the body is not JSON, or has no bottom
            raise SendError(f"the answer cannot be read: {error}", retry="later") from None
    raise SendError(f"the client failed: {type(error).__name__}: {error}") from error


def _billed(error: Exception) -> Literal["no", "unknown"]:
    """``no`` where the connection failed before the request was sent."""
    return "no" if type(error.__cause__).__name__ in _UNSENT else "unknown"


def _unverified(error: BaseException) -> str | None:
    """Why a server could not show who it is, where that is what ended the connection: no later request can pass."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        cause = cause.__cause__ or cause.__context__
    return None


def _is_about_credentials(error: Exception) -> bool:
    """Whether a cloud's own package, which signs requests, could not do so."""
    if isinstance(error, RuntimeError):  # the SDK's, when that package has found nothing
        return "credentials" in str(error) or "API token" in str(error)
    return type(error).__module__.partition(".")[0] in ("botocore", "boto3", "google")


def _of_status(error: Any, protocol: Protocol) -> Exception:
    request_id = request_id_of(error.response.headers)
    problem = Problem.of(error.body)
    status = error.status_code
    reason = f"{status} {problem.type or ''}: {problem.message or error.message}"
    reason = " ".join(hidden(printable(reason), secrets_of(error.request.headers)).split())
    if problem.says_no_money(status):
        return SpendLimitReached(f"{reason} (request {request_id})")
    if status == 404:
        where = not_found(error.request.method, str(error.request.url), protocol=protocol)
        return InputError(f"not found: {reason} (request {request_id}); {where}")
    if status in _UNUSABLE:
        return InputError(f"{_UNUSABLE[status]}: {reason} (request {request_id})")
    if 300 <= status < 400:
        host = urlsplit(error.response.headers.get("location", "")).hostname or "another address"
        return InputError(f"the judge's API redirects to {host}; nothing was sent there, name it with --base-url")
    hint = error.response.headers.get("x-should-retry")
    passing = status in _PASSING or status >= 500
    return SendError(
        reason,
        outcome="too_long" if problem.says_too_long(status) else "api_error",
        request_id=request_id,
        status=status,
        retry="later" if hint == "true" or (passing and hint != "false") else "never",
        retry_after=_retry_after(error.response.headers),
        # A gateway's own 5xx says nothing of what became of the request behind it.
        billed="no" if status < 500 or problem.type is not None else "unknown",
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from ``retry-after-ms`` or ``retry-after`` (seconds or a date)."""
    milliseconds, told = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if milliseconds is not None:
            return max(0.0, float(milliseconds) / 1000)
        return None if told is None else max(0.0, float(told))
    except ValueError:
        date = email.utils.parsedate_tz(told or "")
        return None if date is None else max(0.0, email.utils.mktime_tz(date) - time.time())
