"""What the Messages API does with a request, without the HTTP: rules, token counts, prompt cache, batches."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from messages_faults import ApiError, Json

KNOWN_KEYS = frozenset(
    "model max_tokens messages system output_config thinking tools tool_choice stop_sequences metadata service_tier"
    " speed cache_control inference_geo container diagnostics stream".split()
)
SAMPLING = ("temperature", "top_p", "top_k")
MAX_BREAKPOINTS = 4


def check_params(params: Json) -> None:
    """Refuse what the API refuses, with its status and kind of error."""
    problem = _problem(params)
    if problem is not None:
        raise ApiError(400, "invalid_request_error", problem)


def _problem(params: Json) -> str | None:
    for name in params:
        if name in SAMPLING:
            return f"{name}: sampling parameters are not supported by this model."
        if name not in KNOWN_KEYS:
            return f"{name}: Extra inputs are not permitted"
    for name in ("model", "max_tokens", "messages"):
        if name not in params:
            return f"{name}: Field required"
    if params.get("stream"):
        return "stream: this server answers in one piece only."
    if not params["messages"] or params["messages"][-1]["role"] != "user":
        return "This model does not support assistant message prefill. The conversation must end with a user message."
    if json.dumps(params).count('"cache_control"') > MAX_BREAKPOINTS:
        return f"A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided."
    if not _closed(params.get("output_config", {}).get("format", {}).get("schema")):
        return "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
    return None


def _closed(schema: Any) -> bool:
    """Whether every object of a JSON schema forbids additional properties."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
            return False
        return all(_closed(part) for part in schema.values())
    return not isinstance(schema, list) or all(_closed(part) for part in schema)


def schema_reply(params: Json) -> Any:
    """The smallest value that fulfils the request's JSON schema; "OK" when it has none."""
    output_format = params.get("output_config", {}).get("format")
    if output_format is None:
        return "OK"
    schema = output_format["schema"]
    return smallest(schema, schema.get("$defs", {}))


def smallest(schema: Json, definitions: Json) -> Any:
    """The first allowed value of every choice, every required property, no list item."""
    match schema:
        case {"$ref": str(ref)}:
            return smallest(definitions[ref.rsplit("/", 1)[1]], definitions)
        case {"const": value} | {"enum": [value, *_]}:
            return value
        case {"anyOf": [first, *_]}:
            return smallest(first, definitions)
        case {"type": "object"}:
            properties = schema.get("properties", {})
            return {name: smallest(properties[name], definitions) for name in schema.get("required") or properties}
        case {"type": "array"}:
            return []
    return {"integer": 0, "number": 0, "boolean": False, "null": None}.get(str(schema.get("type")), "")


def model_info(name: str, context_window: int) -> Json:
    """One entry of ``/v1/models``."""
    yes: Json = {"supported": True}
    no: Json = {"supported": False}
    capabilities = {name: yes for name in ("batch", "citations", "image_input", "pdf_input", "structured_outputs")}
    capabilities |= {
        "code_execution": no,
        "context_management": no,
        "server_tools": {**no, "code_execution": no, "web_search": no},
        "effort": {**yes, "low": yes, "medium": yes, "high": yes, "xhigh": yes, "max": yes},
        "thinking": {**yes, "types": dict.fromkeys(("adaptive", "between_tools", "disabled"), yes) | {"enabled": no}},
    }
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "line": None,
        "max_input_tokens": context_window,
        "max_tokens": 64_000,
        "capabilities": capabilities,
    }


def four_characters_a_token(params: Json) -> int:
    """A count that is good enough for tests and the same on every machine."""
    return len(json.dumps([params.get("system"), params.get("tools"), params.get("messages")])) // 4 + 1


class MessagesApi:
    """Token counts, a prompt cache and the shape of a message."""

    def __init__(self, *, context_window: int, count_tokens: Callable[[Json], int] | None) -> None:
        self.context_window = context_window
        self.count_tokens = count_tokens or four_characters_a_token
        self._cached: set[str] = set()
        self._number = 0

    def input_usage(self, params: Json) -> Json:
        """Input tokens as billed: what the prompt cache held, what it took in, and the rest."""
        total = self.count_tokens(params)
        if total > self.context_window:
            text = f"prompt is too long: {total} tokens > {self.context_window} maximum"
            raise ApiError(400, "invalid_request_error", text)
        read = written = 0
        for key, tokens in _cacheable_prefixes(params):
            if key in self._cached:
                read = min(tokens, total)
            else:
                written = min(tokens, total) - read
        usage = {"input_tokens": total - read - written, "service_tier": "standard"}
        return usage | {"cache_read_input_tokens": read, "cache_creation_input_tokens": written}

    def message(self, params: Json, reply: str | Json, usage: Json) -> Json:
        """The reply as the API sends it, with the output counted."""
        if isinstance(reply, dict) and reply.get("type") == "message":
            return reply
        self._cached.update(key for key, _ in _cacheable_prefixes(params))  # from now on, not while it was answered
        text = reply if isinstance(reply, str) else json.dumps(reply, ensure_ascii=False)
        self._number += 1
        return {
            "id": f"msg_test_{self._number:08d}",
            "type": "message",
            "role": "assistant",
            "model": params["model"],
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "stop_details": None,
            "usage": usage | {"output_tokens": len(text) // 4 + 1},
        }


def _cacheable_prefixes(params: Json) -> list[tuple[str, int]]:
    """A key of the prompt up to each block with ``cache_control``, shortest first, with its token count."""
    blocks = _as_blocks(params.get("system"))
    for message in params["messages"]:
        blocks += _as_blocks(message["content"])
    prefixes, before = [], str(params["model"])
    for block in blocks:
        before += json.dumps({name: value for name, value in block.items() if name != "cache_control"})
        if "cache_control" in block:
            prefixes.append((hashlib.sha256(before.encode()).hexdigest(), len(before) // 4))
    return prefixes


def _as_blocks(content: Any) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or [])


class Batches:
    """The Message Batches API: a batch ends after it was asked for `polls` times."""

    def __init__(self, *, polls: int, limit: int) -> None:
        self.polls = polls
        self.limit = limit
        self.created: list[Json] = []
        self._requests: dict[str, list[Json]] = {}
        self._results: dict[str, list[Json]] = {}
        self._asked: dict[str, int] = {}

    def create(self, body: Json) -> Json:
        """Take in a batch, or refuse it whole."""
        requests = body.get("requests") or []
        ids = [request.get("custom_id") for request in requests]
        if not requests or len(requests) > self.limit:
            raise ApiError(400, "invalid_request_error", f"requests: must hold 1 to {self.limit} items")
        if len(set(ids)) < len(ids):
            raise ApiError(400, "invalid_request_error", "requests: custom_id must be unique")
        for id_ in ids:
            if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", str(id_)):
                raise ApiError(400, "invalid_request_error", f"custom_id: String should match pattern, got {id_!r}")
        now = datetime.now(UTC)
        batch: Json = {
            "id": f"msgbatch_test_{len(self.created) + 1:04d}",
            "type": "message_batch",
            "processing_status": "in_progress",
            "created_at": now.isoformat(),
            "expires_at": (now + timedelta(hours=24)).isoformat(),
            "ended_at": None,
            "archived_at": None,
            "cancel_initiated_at": None,
            "results_url": None,
            "request_counts": _counts(["processing"] * len(requests)),
        }
        self.created.append(batch)
        self._requests[batch["id"]] = requests
        self._asked[batch["id"]] = 0
        return batch

    def list(self) -> Json:
        """All batches, newest first."""
        return {"data": self.created[::-1], "has_more": False, "first_id": None, "last_id": None}

    def find(self, id_: str) -> Json:
        """One batch, or a 404."""
        for batch in self.created:
            if batch["id"] == id_:
                return batch
        raise ApiError(404, "not_found_error", f"Batch not found: {id_}")

    async def retrieve(self, id_: str, answer: Callable[[Json], Awaitable[Json]]) -> Json:
        """The batch's state; its requests are answered when it ends."""
        batch = self.find(id_)
        self._asked[id_] += 1
        if batch["processing_status"] != "ended" and self._asked[id_] > self.polls:
            canceled = batch["processing_status"] == "canceling"
            results = [
                {"custom_id": r["custom_id"], "result": {"type": "canceled"} if canceled else await answer(r["params"])}
                for r in self._requests[id_]
            ]
            random.Random(id_).shuffle(results)  # the API promises no order
            self._results[id_] = results
            batch["processing_status"] = "ended"
            batch["ended_at"] = datetime.now(UTC).isoformat()
            batch["results_url"] = f"/v1/messages/batches/{id_}/results"
            batch["request_counts"] = _counts([result["result"]["type"] for result in results])
        return batch

    def cancel(self, id_: str) -> Json:
        """Begin to cancel: what is not answered yet never will be."""
        batch = self.find(id_)
        if batch["processing_status"] == "in_progress":
            batch["processing_status"] = "canceling"
            batch["cancel_initiated_at"] = datetime.now(UTC).isoformat()
        return batch

    def results(self, id_: str) -> str:
        """The results file: JSON lines."""
        self.find(id_)
        if id_ not in self._results:
            raise ApiError(400, "invalid_request_error", f"Batch {id_} has not finished processing.")
        return "".join(json.dumps(result) + "\n" for result in self._results[id_])


def _counts(kinds: list[str]) -> dict[str, int]:
    return {kind: kinds.count(kind) for kind in ("processing", "succeeded", "errored", "canceled", "expired")}
