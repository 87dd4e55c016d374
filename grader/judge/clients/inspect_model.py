"""Judges behind any model that Inspect can ask (``--provider inspect``)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from grader.errors import InputError
from grader.judge.clients.chat_completions import text_of
from grader.judge.clients.protocol import Reply, Request, RunStopped, SendError

EXTRA = "harmrate[inspect]"
_STOP_REASONS = {
    "stop": "end_turn",
    "max_tokens": "max_tokens",
    "model_length": "model_context_window_exceeded",
    "content_filter": "refusal",
    "tool_calls": "tool_use",
}


class InspectClient:
    """Carries the judge's requests to a model of Inspect (a `JudgeClient`).

    Parameters
    ----------
    model : str or inspect_ai.model.Model
        As Inspect names it (``google/gemini-...``), or a model that is already open.
    base_url : str, optional
    timeout : float
        Seconds for one request.

    Raises
    ------
    InputError
        The extra ``inspect`` is not installed, or Inspect does not know the model.
    """

    is_async = True

    def __init__(self, model: Any, *, base_url: str | None = None, timeout: float = 600.0) -> None:
        try:
            from inspect_ai.model import get_model
        except ImportError:
            raise InputError(f"provider inspect needs Inspect: pip install '{EXTRA}'") from None
        self.endpoint = f"inspect:{base_url or ''}"
        self._seconds = timeout
        try:
            self._model: Any = get_model(model, base_url=base_url) if isinstance(model, str) else model
        except Exception as error:  # each provider of Inspect has errors of its own
            raise InputError(f"Inspect cannot use the model {model!r}: {' '.join(str(error).split())}") from None

    async def asend(self, request: Request) -> Reply:
        """Answer one request."""
        from inspect_ai.model import ChatMessageSystem, ChatMessageUser, GenerateConfig, ResponseSchema

        params = request.params
        schema = params.get("output_config", {}).get("format", {}).get("schema")
        wanted = None if schema is None else ResponseSchema(name="verdicts", json_schema=schema)
        config = GenerateConfig(max_tokens=params["max_tokens"], response_schema=wanted, max_retries=0)
        messages = [ChatMessageSystem(content=text_of(params.get("system") or ""))]
        messages += [ChatMessageUser(content=text_of(m["content"])) for m in params["messages"]]
        try:
            async with asyncio.timeout(self._seconds):
                output = await self._model.generate(messages, config=config)
        except (RunStopped, InputError):
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise SendError(reason, status=getattr(error, "status_code", None), retry="later") from None
        return Reply(message=_message(json.loads(output.model_dump_json())))

    def send(self, request: Request) -> Reply:
        """Not there: this client is async."""
        raise NotImplementedError


def _message(output: dict[str, Any]) -> dict[str, Any]:
    """Inspect's output in the shape of the Messages API."""
    choice = (output.get("choices") or [{}])[0]
    content = choice.get("message", {}).get("content") or ""
    usage = output.get("usage") or {}
    return {
        "id": choice.get("message", {}).get("id"),
        "model": output.get("model"),
        "content": content,
        "stop_reason": _STOP_REASONS.get(choice.get("stop_reason"), choice.get("stop_reason")),
        "usage": {
            "input_tokens": usage.get("input_tokens"),
            "output_tokens": usage.get("output_tokens"),
            "cache_read_input_tokens": usage.get("input_tokens_cache_read"),
            "cache_creation_input_tokens": usage.get("input_tokens_cache_write"),
            "output_tokens_details": {"thinking_tokens": usage.get("reasoning_tokens")},
        },
    }
