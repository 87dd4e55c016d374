"""The official SDK's clients as judge clients: their replies as they are, their errors as ours."""

from __future__ import annotations

import asyncio
import inspect
import os
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from grader.errors import InputError
from grader.files.secrets import refuse_credentials
from grader.judge.clients.protocol import JudgeClient, Reply, Request, SendError
from grader.judge.clients.sender import _in_loop
from grader.judge.clients.translate import read_answer, request_id_of, translate

if TYPE_CHECKING:
    import anthropic

# Longer answers need streaming (the SDK's ten-minute rule), which the judge does not use.
MAX_TOKENS_LIMIT = 21_333


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
    message, request_id = read_answer(raw, content), request_id_of(raw.headers)
    if "content" not in message:
        raise SendError("the answer is not a message", request_id=request_id, retry="later")
    return Reply(message=message, request_id=request_id)


def _countable(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name != "max_tokens"}


def _counted(answer: Any) -> int | None:
    tokens = getattr(answer, "input_tokens", None)
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0 else None


def _translate(error: Exception) -> NoReturn:
    import anthropic

    translate(error, anthropic, "messages")
