"""Real files, damaged by seeded accidents: of bytes, and of the JSON in them."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Only the first records of a long file are kept: every record is read by the same code.
_RECORDS = 3
_JUNK: tuple[Any, ...] = (
    None, True, 0, -1, 7.5, float("nan"), float("inf"), 10**400, "", "x", "assistant", "\ud800 half a pair", "\0", [],
    {}, [[]], [None], [1, 2], {"type": "text"}, {"role": "assistant", "content": [{"type": "tool_use"}]}, "attachment://",
)  # fmt: skip
_NAMED = ("id", "role", "type", "content", "messages", "metadata", "events", "edit", "name", "epoch", "uuid", "scores")


@dataclass(frozen=True, slots=True)
class Seed:
    """A sound file, short enough to be read often."""

    name: str
    data: bytes


def seeds(folder: Path) -> list[Seed]:
    """Every file under `folder`, cut to its first records."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "LICENSE")
    return [Seed(str(path.relative_to(folder)), _shortened(path)) for path in paths]


def made_seeds() -> list[Seed]:
    """A file of each format that has no real one here, in its documented shape."""
    message = {"role": "assistant", "content": "I will.", "tool_calls": [{"id": "c", "function": {"name": "f"}}]}
    call = {"type": "function_call", "call_id": "c", "name": "mail", "arguments": '{"to": "k"}'}
    reasoning = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}
    answer = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Done."}]}
    thought = {"type": "thinking", "thinking": "Hm."}
    anthropic = {"role": "assistant", "content": [thought, {"type": "tool_use", "id": "t", "name": "f", "input": {}}]}
    native = {"role": "assistant", "kind": "tool_call", "text": "to: k", "name": "mail", "arguments": {"to": "k"}}
    span = {"type": "span", "name": "target", "content": [{"type": "event", "event": "e1"}], "branches": []}
    model = {"event": "model", "uuid": "e1", "input_refs": [[0, 1]], "output": {"choices": [{"message": message}]}}
    audit = {
        "id": "s",
        "epoch": 1,
        "uuid": "u",
        "messages": [message],
        "events": [model],
        "scores": {"j": {"value": 7}},
    }
    audit |= {"events_data": {"messages": [message]}, "timelines": [{"name": "target", "root": span}]}
    reply = "<SCRATCHPAD_REASONING>Hm</SCRATCHPAD_REASONING><tool_use:email>\nto: k\nbody: x\n</tool_use:email>"
    condition = {"model": "m", "condition": "blackmail_none-none_replacement", "sample_id": 1}
    made: dict[str, Any] = {
        "docent.json": {"agent_runs": [{"id": "r", "transcripts": [{"id": "t", "messages": [message]}]}]},
        "responses.json": {
            "id": "r",
            "input": [{"role": "user", "content": "Hi"}],
            "output": [reasoning, call, answer],
        },
        "anthropic.json": {"id": "a", "system": "Be good.", "messages": [anthropic]},
        "batches.json": {"custom_id": "a", "result": {"type": "succeeded", "message": anthropic}},
        "openai_batches.json": {"custom_id": "a", "response": {"status_code": 200, "body": {"output": [answer]}}},
        "native.json": {"id": "a", "messages": [native], "metadata": {"model": "m"}},
        "petri3.json": {"eval": {"model": "m", "eval_id": "e"}, "samples": [audit]},
        "response.json": {"raw_response": reply, "metadata": condition, "classification": {"harmful_behavior": True}},
    }
    return [Seed(f"made/{name}", json.dumps(value).encode()) for name, value in made.items()]


def mutants(seed: Seed, number: int, rng: random.Random) -> Iterator[bytes]:
    """Yield `number` damaged copies."""
    for _ in range(number):
        data = seed.data
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            data = _json(data, rng) if rng.random() < 0.8 else rng.choice(_BYTES)(data, rng)
        yield data


def _shortened(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".jsonl" or path.suffix in (".csv", ".tsv"):
        return b"".join(data.splitlines(keepends=True)[:_RECORDS])
    if data[:1] == b"[":
        return json.dumps(json.loads(data)[:_RECORDS]).encode()
    return data if len(data) < 2**18 or data[:2] == b"PK" else data[: 2**18]


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 3, 20))):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(1, len(data) + 1)]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return (
        data[:at] + rng.choice((rng.randbytes(8), b"[" * 5000, b'{"a":' * 5000, b"\0", b"\xff\xfe", b"\n")) + data[at:]
    )


def _drop(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice((1, 10, 1000)) :] or b" "


def _repeat(data: bytes, rng: random.Random) -> bytes:
    at, length = rng.randrange(len(data)), rng.choice((1, 50, 5000))
    return data[:at] + data[at : at + length] * 2 + data[at + length :]


def _json(data: bytes, rng: random.Random) -> bytes:
    """One place of one JSON value put wrong; of an archive, of one member."""
    if data[:2] == b"PK":
        return _member(data, rng)
    try:
        return _dumped(_wrong(json.loads(data), rng))
    except (ValueError, RecursionError):
        pass
    lines = data.splitlines()
    at = rng.randrange(len(lines)) if lines else 0
    try:
        lines[at] = _dumped(_wrong(json.loads(lines[at]), rng))
    except (ValueError, IndexError, RecursionError):
        return _flip(data, rng)
    return b"\n".join(lines)


def _member(data: bytes, rng: random.Random) -> bytes:
    out = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
            chosen = rng.choice(old.namelist())
            for name in old.namelist():
                content = old.read(name)
                new.writestr(name, _json(content, rng) if name == chosen and content[:2] != b"PK" else content)
    except Exception:  # damaged already
        return _flip(data, rng)
    return out.getvalue()


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()


def _wrong(value: Any, rng: random.Random) -> Any:
    """`value` with one place changed; places near the top are likelier."""
    if not isinstance(value, (dict, list)) or not value or rng.random() < 0.03:
        return _deep(value) if rng.random() < 0.03 else rng.choice(_JUNK)
    key: Any = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
    match rng.randrange(8):
        case 0:
            del value[key]
        case 1 if isinstance(value, dict):
            value[rng.choice(_NAMED)] = value.pop(key)
        case 1:
            value.append(value[key])
        case 2 if isinstance(value, dict):
            value[rng.choice(_NAMED)] = rng.choice(_JUNK)
        case _:
            value[key] = _wrong(value[key], rng)
    return value


def _deep(value: Any) -> Any:
    for _ in range(300):
        value = [value]
    return value


_BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (_flip, _cut, _insert, _drop, _repeat)
