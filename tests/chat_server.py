"""A loopback server that speaks OpenAI's Chat Completions, with the gaps that real endpoints have."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Json = dict[str, Any]


class ChatServer:
    """Answers ``POST /v1/chat/completions`` while the ``with`` block runs.

    Parameters
    ----------
    reply : callable
        Body of a request -> the message's content, or a whole completion, or (status, body of an error).
    refuses : tuple of str
        Names of arguments, or types of response formats, that get a 400.
    """

    def __init__(self, reply: Callable[[Json], Any], *, refuses: tuple[str, ...] = ()) -> None:
        self.reply, self.refuses = reply, refuses
        self.requests: list[Json] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status, answer = server.answer(self.path, body)
                raw = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                self.send_header("x-request-id", f"req_{len(server.requests)}")
                self.end_headers()
                self.wfile.write(raw)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def answer(self, path: str, body: Json) -> tuple[int, Json]:
        if path != "/v1/chat/completions":
            return 404, {"error": {"message": f"no such path {path}", "type": "not_found"}}
        self.requests.append(body)
        given = {*body, body.get("response_format", {}).get("type")}
        for name in self.refuses:
            if name in given:
                what = "response_format" if name.startswith("json") else name
                message = f"{what}: {name} is not supported by this model"
                return 400, {"error": {"message": message, "type": "invalid_request_error", "code": None}}
        reply = self.reply(body)
        if isinstance(reply, tuple):
            return reply
        if isinstance(reply, dict) and "choices" in reply:
            return 200, reply
        content = reply if isinstance(reply, str) else json.dumps(reply)
        return 200, completion(body["model"], content)


def completion(model: str, content: str | None, *, finish: Any = "stop", logprobs: Any = None, **message: Any) -> Json:
    """A whole completion."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": model,
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": content} | message,
                "logprobs": logprobs,
            }
        ],
        "usage": {
            "prompt_tokens": 1000,
            "completion_tokens": 50,
            "prompt_tokens_details": {"cached_tokens": 600},
            "completion_tokens_details": {"reasoning_tokens": 20},
        },
    }
