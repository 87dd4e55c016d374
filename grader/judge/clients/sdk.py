"""The official SDK's clients as judge clients: their replies as they are, their errors as ours."""

from __future__ import annotations

import asyncio
import email.utils
import inspect
import json
import os
import ssl
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NoReturn
from urllib.parse import urlsplit

from grader.errors import InputError
from grader.files.secrets import hidden, refuse_credentials, secrets_of
from grader.judge.clients.message import printable
from grader.judge.clients.problems import Problem, not_found
from grader.judge.clients.protocol import JudgeClient, Reply, Request, RunStopped, SendError, SpendLimitReached
from grader.judge.clients.sender import _in_loop
from grader.judge.extract import without_doubled_keys
from grader.readers.records import is_too_deep

if TYPE_CHECKING:
    import anthropic

# Longer answers need streaming (the SDK's ten-minute rule), which the judge does not use.
MAX_TOKENS_LIMIT = 21_333

_PASSING = frozenset({408, 409, 429})
_UNUSABLE = {401: "the API key was refused", 403: "this key may not do that"}
# How connections fail before anything is sent.
_UNSENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "ProxyError"})


class SdkClient:
    """An ``anthropic`` client of any kind (plain, Bedrock, Vertex; sync or async) behind one door.

    Parameters
    ----------
    client : Anthropic, AsyncAnthropic or one of their kin
        Its retries are switched off: the judge retries, with what it knows of the whole run. Its ``timeout``, where
        that is a number, also limits a whole request of an async client, however slowly the answer trickles in.
    """

    def __init__(self, client: Any) -> None:
        self._client = client.with_options(max_retries=0)
        self._messages = self._client.messages
        self._create = self._messages.with_raw_response.create
        self._seconds = whole_seconds(client.timeout)
        self.is_async = inspect.iscoroutinefunction(inspect.unwrap(self._messages.create))
        is_cloud = not type(client).__name__.endswith("Anthropic")  # whose models have ids of their own
        self.endpoint = None if is_cloud else endpoint_of(str(client.base_url))

    def send(self, request: Request) -> Reply:
        """Answer one request (sync clients)."""
        try:
            raw = self._create(**request.params)
            return _reply(raw, raw.http_response.content)
        except Exception as error:
            _translate(error)

    async def asend(self, request: Request) -> Reply:
        """Answer one request (async clients)."""
        try:
            async with asyncio.timeout(self._seconds):
                raw = await self._create(**request.params)
                return _reply(raw, await raw.http_response.aread())
        except Exception as error:
            _translate(error)

    def count_tokens(self, params: Mapping[str, Any]) -> int | None:
        """Input tokens of a request by the API's own count (sync clients); None when it cannot say."""
        with suppress(Exception):  # whatever is wrong, the request itself will tell
            return _counted(self._messages.count_tokens(**_countable(params)))
        return None

    async def acount_tokens(self, params: Mapping[str, Any]) -> int | None:
        """As `count_tokens`, for async clients."""
        with suppress(Exception):
            async with asyncio.timeout(self._seconds):
                return _counted(await self._messages.count_tokens(**_countable(params)))
        return None


def as_judge_client(client: Any) -> JudgeClient:
    """An SDK client wrapped; anything with ``send`` as it is.

    Raises
    ------
    TypeError
        `client` is neither.
    """
    if hasattr(client, "messages") and hasattr(client, "with_options"):
        return SdkClient(client)
    if hasattr(client, "send") or hasattr(client, "asend"):
        wrapped: JudgeClient = client
        return wrapped
    raise TypeError(f"client must be an anthropic client or have a method 'send', got {type(client).__name__}.")


def make_client(base_url: str | None = None, *, timeout: float | None = None) -> anthropic.AsyncAnthropic:
    """The client that a command line uses, with the SDK's own ways of finding credentials.

    Parameters
    ----------
    base_url : str, optional
        Another server that speaks the Messages API. One that needs no key gets a placeholder.
    timeout : float, optional
        Seconds for one request; default the SDK's (600).

    Raises
    ------
    InputError
        There are no credentials and no `base_url`, or that holds a password.
    """
    import anthropic

    if base_url is not None:
        refuse_credentials(base_url, "the judge's API", "the environment (ANTHROPIC_API_KEY, ANTHROPIC_CUSTOM_HEADERS)")

    more: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
    try:
        # A redirect would carry key and transcripts to a host that nobody named.
        more["http_client"] = anthropic.DefaultAsyncHttpxClient(follow_redirects=False)
        client = anthropic.AsyncAnthropic(base_url=base_url, max_retries=0, **more)
    except (anthropic.AnthropicError, ValueError) as error:
        raise InputError(f"credentials of the judge's API cannot be used: {error}") from None
    if client.api_key or client.auth_token or getattr(client, "credentials", None) is not None:
        return client
    if base_url is None and "ANTHROPIC_BASE_URL" not in os.environ:
        raise InputError(
            "no API key for the judge: set ANTHROPIC_API_KEY (e.g. export ANTHROPIC_API_KEY=sk-ant-...), "
            "or name another Messages server with --base-url, or bring existing verdicts with --verdicts"
        )
    return anthropic.AsyncAnthropic(api_key="no-key-needed", base_url=base_url, max_retries=0, **more)


def close_with(owner: object, client: Any) -> None:
    """Close an async `client` that nobody else has when `owner` is gone, in the loop that its connections belong to."""
    weakref.finalize(owner, lambda: _in_loop(client.close())).atexit = False  # a process that ends closes them anyway


def endpoint_of(url: str) -> str | None:
    """A server's address without credentials, for content keys; None for the maker's own.

    Examples
    --------
    >>> endpoint_of("http://me:secret@127.0.0.1:8000/"), endpoint_of("https://api.anthropic.com")
    ('http://127.0.0.1:8000', None)
    """
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    address = f"{parts.scheme}://{parts.hostname}{port}{parts.path}".rstrip("/")
    return None if parts.hostname == "api.anthropic.com" else address


def whole_seconds(timeout: Any) -> float | None:
    """The limit of a whole request: a client's timeout as a number, or its longest part; None without a limit."""
    parts = (
        [timeout] if isinstance(timeout, int | float) else [getattr(timeout, name, None) for name in ("read", "pool")]
    )
    return max((part for part in parts if isinstance(part, int | float)), default=None)


def _reply(raw: Any, content: bytes) -> Reply:
    request_id = _request_id(raw.headers)
    try:
        message = json.loads(content, object_pairs_hook=without_doubled_keys)
    except (ValueError, RecursionError) as error:
        raise SendError(f"the answer cannot be read: {error}", request_id=request_id, retry="later") from None
    if not isinstance(message, dict) or "content" not in message or is_too_deep(message):
        raise SendError("the answer is not a message", request_id=request_id, retry="later")
    return Reply(message=hidden(message, secrets_of(raw.http_request.headers)), request_id=request_id)


def _request_id(headers: Mapping[str, str]) -> str | None:
    """The server's name for a request; Bedrock has a header of its own."""
    return headers.get("request-id") or headers.get("x-amzn-requestid")


def _countable(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name != "max_tokens"}


def _counted(answer: Any) -> int | None:
    tokens = getattr(answer, "input_tokens", None)
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0 else None


def _translate(error: Exception) -> NoReturn:
    """Raise what `error` of the SDK means to a run."""
    import anthropic

    match error:
        case SendError() | RunStopped() | InputError():
            raise error
        case anthropic.APIStatusError():
            raise _of_status(error) from None
        case TimeoutError() | anthropic.APITimeoutError():
            raise SendError("the request timed out", retry="later", billed=_billed(error)) from None
        case anthropic.APIConnectionError():
            if (reason := _unverified(error)) is not None:
                raise InputError(f"the certificate of the judge's API cannot be verified: {reason}") from None
            reason = f"no connection: {error.__cause__ or error}"
            raise SendError(reason, retry="later", billed=_billed(error)) from None
        case anthropic.CredentialsError():
            raise InputError(f"credentials of the judge's API cannot be used: {error}") from None
        case TypeError() if "authentication method" in str(error):
            raise InputError("no API key for the judge: set ANTHROPIC_API_KEY") from None
        case _ if _is_about_credentials(error):
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


def _of_status(error: anthropic.APIStatusError) -> Exception:
    request_id = _request_id(error.response.headers)
    problem = Problem.of(error.body)
    status = error.status_code
    reason = f"{status} {problem.type or ''}: {problem.message or error.message}"
    reason = " ".join(hidden(printable(reason), secrets_of(error.request.headers)).split())
    if problem.says_no_money(status):
        return SpendLimitReached(f"{reason} (request {request_id})")
    if status == 404:
        where = not_found(error.request.method, str(error.request.url), protocol="messages")
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
