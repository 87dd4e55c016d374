"""Judges behind OpenAI's Chat Completions protocol: OpenAI, vLLM, Ollama, OpenRouter, Azure, llama.cpp, LiteLLM."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any, Literal

from grader.errors import InputError
from grader.files.secrets import refuse_credentials
from grader.judge.clients.message import printable
from grader.judge.clients.protocol import Reply, Request, SendError
from grader.judge.clients.sdk import endpoint_of, whole_seconds
from grader.judge.clients.stage_odds import stage_probabilities
from grader.judge.clients.translate import read_answer, request_id_of, translate

EXTRA = "harmrate[openai]"
ResponseFormat = Literal["json_schema", "json_object", "plain"]

# From the strictest way to ask for JSON to the one that every server takes.
_FORMATS: tuple[ResponseFormat, ...] = ("json_schema", "json_object", "plain")
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal", "tool_calls": "tool_use"}


class ChatClient:
    """Carries the judge's requests to an OpenAI-compatible endpoint (a `JudgeClient`).

    What an endpoint refuses is left out from then on: first the token probabilities, then the JSON schema in favour
    of ``json_object``, then any response format. Every reply's usage tells the format that it was asked in.

    Parameters
    ----------
    client : openai.AsyncOpenAI
    """

    is_async = True

    def __init__(self, client: Any) -> None:
        self._client = client.with_options(max_retries=0)
        self._create = self._client.chat.completions.with_raw_response.create
        self._seconds = whole_seconds(client.timeout)
        self.endpoint = f"openai:{endpoint_of(str(client.base_url))}"
        self.response_format: ResponseFormat = "json_schema"
        self.tokens_name = "max_completion_tokens" if "api.openai.com" in str(client.base_url) else "max_tokens"
        self.asks_logprobs = True

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def asend(self, request: Request) -> Reply:
        """Answer one request, with less than a JSON schema where the endpoint knows none."""
        while True:
            asked = (self.response_format, self.tokens_name, self.asks_logprobs)
            try:
                return await self._once(request)
            except SendError as failure:
                if not self._asks_less_after(failure, asked):
                    raise

    def send(self, request: Request) -> Reply:
        """Not there: this client is async."""
        raise NotImplementedError

    async def _once(self, request: Request) -> Reply:
        import openai

        response_format = self.response_format
        try:
            async with asyncio.timeout(self._seconds):
                raw = await self._create(**self._arguments(request.params))
                answer = read_answer(raw, await raw.http_response.aread())
        except Exception as error:
            translate(error, openai, "chat completions")
        message = as_message(answer, request.harms)
        message["usage"]["response_format"] = response_format
        return Reply(message=message, request_id=request_id_of(raw.headers))

    def _arguments(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The request in OpenAI's words."""
        config = params.get("output_config", {})
        schema = config.get("format", {}).get("schema")
        messages = [{"role": "system", "content": text_of(params["system"])}] if params.get("system") else []
        messages += [{"role": m["role"], "content": text_of(m["content"])} for m in params["messages"]]
        arguments: dict[str, Any] = {"model": params["model"], "messages": messages}
        arguments[self.tokens_name] = params["max_tokens"]
        if "effort" in config:
            arguments["reasoning_effort"] = config["effort"]
        if self.response_format == "json_schema" and schema is not None:
            named = {"name": "verdicts", "schema": schema, "strict": True}
            arguments["response_format"] = {"type": "json_schema", "json_schema": named}
        elif self.response_format == "json_object":
            arguments["response_format"] = {"type": "json_object"}
        if self.asks_logprobs:
            arguments |= {"logprobs": True, "top_logprobs": 20}
        return arguments

    def _asks_less_after(self, failure: SendError, asked: tuple[ResponseFormat, str, bool]) -> bool:
        """Whether the endpoint refused something that the next attempt leaves out."""
        if failure.status not in (400, 404, 422, 501) or failure.outcome == "too_long":
            return False
        if asked != (self.response_format, self.tokens_name, self.asks_logprobs):
            return True  # another request has found out already
        reason = failure.reason.lower()
        if "max_completion_tokens" in reason and self.tokens_name == "max_tokens":
            self.tokens_name = "max_completion_tokens"
        elif "max_completion_tokens" in reason:
            self.tokens_name = "max_tokens"
        elif "logprobs" in reason and self.asks_logprobs:
            self.asks_logprobs = False
        elif self.response_format != "plain" and any(w in reason for w in ("response_format", "schema", "json")):
            self.response_format = _FORMATS[_FORMATS.index(self.response_format) + 1]
        else:
            return False
        return True


def chat_client(base_url: str | None = None, *, timeout: float | None = None) -> ChatClient:
    """The client of ``--provider openai``.

    Parameters
    ----------
    base_url : str, optional
        Address of the endpoint, mostly ending in ``/v1``; default that of OpenAI (or ``OPENAI_BASE_URL``).
    timeout : float, optional
        Seconds for one request.

    Raises
    ------
    InputError
        The extra ``openai`` is not installed, or there is neither a key nor another address.
    """
    try:
        import openai
    except ImportError:
        raise InputError(f"provider openai needs OpenAI's SDK: pip install '{EXTRA}'") from None
    if base_url is not None:
        refuse_credentials(base_url, "the judge's API", "the environment (OPENAI_API_KEY)")
    elsewhere = base_url is not None or "OPENAI_BASE_URL" in os.environ
    key = os.environ.get("OPENAI_API_KEY") or ("no-key-needed" if elsewhere else None)
    if key is None:
        raise InputError("no API key for the judge: set OPENAI_API_KEY, or name another endpoint with --base-url")
    http_client = openai.DefaultAsyncHttpxClient(follow_redirects=False)
    more: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
    client = openai.AsyncOpenAI(api_key=key, base_url=base_url, max_retries=0, http_client=http_client, **more)
    return ChatClient(client)


def as_message(answer: Mapping[str, Any], harms: tuple[str, ...] = ()) -> dict[str, Any]:
    """A chat completion in the shape of the Messages API; whatever is missing or of a wrong type stays away.

    Examples
    --------
    >>> choice = {"finish_reason": "length", "message": {"content": "{"}}
    >>> as_message({"choices": [choice]})["stop_reason"]
    'max_tokens'
    """
    choices = answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    said = _dict(choice.get("message"))
    content = said.get("content") if isinstance(said.get("content"), str | list) else ""
    finish, refusal = choice.get("finish_reason"), said.get("refusal")
    message: dict[str, Any] = {
        "id": answer.get("id"),
        "model": answer.get("model"),
        "content": content,
        "stop_reason": _STOP_REASONS.get(finish, finish) if isinstance(finish, str) else finish,
        "usage": _usage(_dict(answer.get("usage"))),
    }
    if isinstance(refusal, str) and refusal:
        message |= {"stop_reason": "refusal", "stop_details": {"category": None, "explanation": printable(refusal)}}
    elif finish == "content_filter":
        message["stop_details"] = {"category": "content_filter", "explanation": None}
    if isinstance(content, str):
        odds = stage_probabilities(content, _dict(choice.get("logprobs")).get("content"), harms)
        message["usage"] |= {"yes_probability": odds} if odds else {}
    return message


def text_of(content: Any) -> str:
    """The text of a message whose blocks are all text."""
    return content if isinstance(content, str) else "\n\n".join(block["text"] for block in content)


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Tokens by the names of the Messages API, where cached ones are not part of the input."""
    prompt, output = usage.get("prompt_tokens"), usage.get("completion_tokens")
    cached = _dict(usage.get("prompt_tokens_details")).get("cached_tokens")
    cached = cached if isinstance(cached, int) and isinstance(prompt, int) and 0 <= cached <= prompt else 0
    thought = _dict(usage.get("completion_tokens_details")).get("reasoning_tokens")
    return {
        "input_tokens": prompt - cached if isinstance(prompt, int) else prompt,
        "output_tokens": output,
        "cache_read_input_tokens": cached,
        "output_tokens_details": {"thinking_tokens": thought},
    }


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
