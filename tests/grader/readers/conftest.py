"""Inspect archives made for tests, member by member: the fixture `eval_logs` holds the functions."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zstandard


def zip_members(path: Path, members: dict[str, bytes], *, method: int) -> Path:
    """A zip archive; method 93 is written by hand, for `zipfile` cannot."""
    if method != 93:
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return path
    body, directory = b"", b""
    for name, data in members.items():
        raw, label = zstandard.ZstdCompressor().compress(data), name.encode()
        common = struct.pack("<HHHHHIIIHH", 63, 0, 93, 0, 0, zlib.crc32(data), len(raw), len(data), len(label), 0)
        directory += (
            b"PK\x01\x02" + struct.pack("<H", 63) + common + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + label
        )
        body += b"PK\x03\x04" + common + label + raw
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, len(members), len(members), len(directory), len(body), 0)
    path.write_bytes(body + directory + end)
    return path


def eval_log(path: Path, samples: list[dict[str, Any]], *, method: int = 93, **spec: Any) -> Path:
    """An ``.eval`` file of the given samples."""
    header = {"version": 2, "status": "success", "eval": {"model": "m/x", "task": "t", "eval_id": "E"} | spec}
    members = {"header.json": json.dumps(header).encode()}
    for sample in samples:
        members[f"samples/{sample.get('id')}_epoch_{sample.get('epoch')}.json"] = json.dumps(sample).encode()
    return zip_members(path, members, method=method)


def sample(id_: str = "c0", *, epoch: int = 1, **fields: Any) -> dict[str, Any]:
    """A sample with reasoning, text, a tool call, its result and an attachment."""
    return {
        "id": id_,
        "epoch": epoch,
        "input": "you have an email",
        "target": "x",
        "messages": [
            {"role": "system", "content": "You are Alex"},
            {"role": "user", "content": "attachment://abc"},
            {
                "role": "assistant",
                "content": [
                    {"type": "reasoning", "reasoning": "I could.", "redacted": False},
                    {"type": "text", "text": "On it."},
                ],
                "tool_calls": [{"id": "t1", "function": "send_email", "arguments": {"to": "k"}, "type": "function"}],
            },
            {"role": "tool", "tool_call_id": "t1", "content": "sent"},
        ],
        "attachments": {"abc": "A long e-mail."},
        "scores": {"harm": {"value": {"blackmail": float("nan")}, "answer": "x"}},
        "metadata": {"scenario": "mine", "colour": "red"},
        "events": [{"event": "model"}],
    } | fields


@pytest.fixture
def eval_logs() -> SimpleNamespace:
    """``zip_members``, ``eval_log`` and ``sample`` of this file."""
    return SimpleNamespace(zip_members=zip_members, eval_log=eval_log, sample=sample)
