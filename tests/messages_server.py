"""A loopback Messages API: real HTTP, so that the official SDK works against it unchanged.

>>> with MessagesServer() as server:  # doctest: +SKIP
...     client = anthropic.Anthropic(base_url=server.base_url, api_key="test")
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from messages_api import Batches, MessagesApi, check_params, model_info, schema_reply
from messages_faults import ERRORS, FAULTS, REPLIES, ApiError, FaultPlan, Json, by_text, faulty_share, in_order, spoil

__all__ = ["FAULTS", "ApiError", "MessagesServer", "Recorded", "by_text", "faulty_share", "in_order", "schema_reply"]

# A scripted reply: the request's body -> text, a JSON object that becomes the text, or a whole message (with `type`).
Reply = Callable[[Json], "str | Json | Awaitable[str | Json]"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: Json


class MessagesServer:
    """Serve the Messages API on 127.0.0.1 while the ``with`` block runs.

    Parameters
    ----------
    reply : callable, optional
        Request body -> reply (see `Reply`); it may be async and may raise `ApiError`. Default: the smallest value that
        fulfils the JSON schema in ``output_config``.
    latency : float
        Seconds before each answer of ``/v1/messages``.
    faults : callable, optional
        When to fail, and how: `in_order`, `faulty_share`, `by_text` or your own `FaultPlan`.
    context_window : int
        Longer prompts (4 characters a token) get a 400, as from the API.
    models : tuple of str
        What ``/v1/models`` lists; any other model is a 404.
    batch_polls : int
        How often a batch is still in progress when asked.
    name_request : callable, optional
        Body (bytes) of a request -> its ``request-id``; by default requests are numbered as they arrive.
    record : bool
        Keep requests in `requests`; switch off for runs that measure memory.

    Attributes
    ----------
    base_url : str
    requests : list of Recorded
        Everything that arrived, faulty or not.
    max_in_flight : int
        The most messages that were being answered at once.
    """

    def __init__(
        self,
        reply: Reply | None = None,
        *,
        latency: float = 0.0,
        faults: FaultPlan | None = None,
        context_window: int = 200_000,
        models: tuple[str, ...] = ("claude-sonnet-5-5", "claude-haiku-5-5"),
        batch_polls: int = 1,
        batch_limit: int = 100_000,
        port: int = 0,
        record: bool = True,
        count_tokens: Callable[[Json], int] | None = None,
        name_request: Callable[[bytes], str] | None = None,
    ) -> None:
        self.name_request = name_request
        self.reply: Reply = schema_reply if reply is None else reply
        self.latency = latency
        self.faults = faults
        self.models = models
        self.api = MessagesApi(context_window=context_window, count_tokens=count_tokens)
        self.batches = Batches(polls=batch_polls, limit=batch_limit)
        self.requests: list[Recorded] = []
        self.max_in_flight = 0
        self._in_flight = 0
        self._port = port
        self._record = record
        self._attempts: Counter[str] = Counter()
        self._request_number = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="messages-server", daemon=True)
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def base_url(self) -> str:
        """The address to give to a client."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def messages(self) -> list[Json]:
        """The bodies of all ``POST /v1/messages`` so far."""
        return [r.body for r in self.requests if (r.method, r.path) == ("POST", "/v1/messages")]

    def __enter__(self) -> Self:
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=512, limit=2**26), self._loop
        )
        self._server = started.result(10)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._loop.shutdown_default_executor()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._one_request(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _one_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False ends the connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        pairs = (line.split(":", 1) for line in head[1:] if ":" in line)
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        self._request_number += 1
        request_id = f"req_test_{self._request_number:08d}" if self.name_request is None else self.name_request(raw)
        fault = None
        try:
            status, extra = 200, {}
            body = _parsed(raw)
            path = path.split("?")[0]
            if self._record:
                self.requests.append(Recorded(method, path, headers, body))
            if "x-api-key" not in headers and "authorization" not in headers:
                raise ERRORS["authentication"]()
            if (method, path) == ("POST", "/v1/messages"):
                fault = self._fault(body)
                answer: Json | str = await self._message(body, fault)
            else:
                answer = await self._other(method, path, body)
        except ApiError as error:
            status, extra = error.status, error.headers
            answer = {"type": "error", "error": error.error, "request_id": request_id}
        return await _write(writer, status, answer, {"request-id": request_id, **extra}, fault)

    def _fault(self, body: Json) -> str | None:
        if self.faults is None:
            return None
        key = json.dumps(body, sort_keys=True)
        self._attempts[key] += 1
        return self.faults(body, self._attempts[key] - 1)

    async def _message(self, params: Json, fault: str | None) -> Json:
        self._in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self._in_flight)
        try:
            if self.latency:
                await asyncio.sleep(self.latency)
            if fault == "hang":
                await asyncio.Event().wait()
            if fault in ERRORS:
                raise ERRORS[fault]()
            check_params(params)
            self._known_model(params["model"])
            usage = self.api.input_usage(params)
            reply = self.reply(params)
            message = self.api.message(params, await reply if inspect.isawaitable(reply) else reply, usage)
            return spoil(fault, message) if fault in REPLIES else message
        finally:
            self._in_flight -= 1

    async def _other(self, method: str, path: str, body: Json) -> Json | str:
        match method, path.removeprefix("/v1/").split("/"):
            case "POST", ["messages", "count_tokens"]:
                return {"input_tokens": self.api.count_tokens(body)}
            case "GET", ["models"]:
                data = [model_info(name, self.api.context_window) for name in self.models]
                return {"data": data, "has_more": False, "first_id": None, "last_id": None}
            case "GET", ["models", name]:
                self._known_model(name)
                return model_info(name, self.api.context_window)
            case "POST", ["messages", "batches"]:
                return self.batches.create(body)
            case "GET", ["messages", "batches"]:
                return self.batches.list()
            case "GET", ["messages", "batches", id_]:
                return await self.batches.retrieve(id_, self._batch_item)
            case "POST", ["messages", "batches", id_, "cancel"]:
                return self.batches.cancel(id_)
            case "GET", ["messages", "batches", id_, "results"]:
                return self.batches.results(id_)
        raise ApiError(404, "not_found_error", f"Not found: {method} {path}")

    async def _batch_item(self, params: Json) -> Json:
        """One request of a batch: what the results file says of it."""
        fault = self._fault(params)
        if fault in ("hang", "cut_body", "garbled_body", "reset"):
            return {"type": "expired"}
        try:
            message = await self._message(params, fault)
        except ApiError as error:
            return {"type": "errored", "error": {"type": "error", "error": error.error, "request_id": None}}
        message["usage"]["service_tier"] = "batch"
        return {"type": "succeeded", "message": message}

    def _known_model(self, name: str) -> None:
        if name not in self.models:
            raise ApiError(404, "not_found_error", f"model: {name}")


def _parsed(raw: bytes) -> Json:
    try:
        body: Any = json.loads(raw) if raw else {}
    except ValueError:
        raise ApiError(400, "invalid_request_error", "The request body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise ApiError(400, "invalid_request_error", "The request body must be an object.")
    return body


async def _write(
    writer: asyncio.StreamWriter, status: int, answer: Json | str, headers: dict[str, str], fault: str | None
) -> bool:
    """Send an answer, broken if `fault` says so; True when the connection can be used again."""
    body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
    if fault == "reset":
        writer.transport.abort()
        return False
    if fault == "garbled_body":
        body = b"<html><body>upstream said something else</body></html>"
    head = [f"HTTP/1.1 {status} -", "content-type: application/json", f"content-length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*head, "\r\n"]).encode())
    writer.write(body[: len(body) // 2] if fault == "cut_body" else body)
    await writer.drain()
    return fault != "cut_body"


def main() -> None:
    """Serve scripted replies in a process of its own (for benchmarks) until standard input ends."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    options = parser.parse_args()
    with MessagesServer(port=options.port, latency=options.latency, record=False) as server:
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            sys.stdin.read()


if __name__ == "__main__":
    main()
