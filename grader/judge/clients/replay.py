"""Recorded replies instead of a model: offline runs, demos and tests without a key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.files.atomic import written_whole
from grader.judge.clients.protocol import Reply, Request, SendError

_Key = tuple[str, tuple[str, ...], int]


class ReplayClient:
    """Answers from a file of recorded replies.

    Parameters
    ----------
    path : path or str
        JSON Lines: ``{"content_hash": ..., "harms": [...], "repeat": 0, "reply": {...}}`` with the
        reply in the Messages API's shape. ``window`` may be given for long transcripts (0).

    Raises
    ------
    InputError
        A line is not such a record, or answers the same question twice.

    Notes
    -----
    A question that was not recorded fails as ``api_error``, never as an answer.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._replies: dict[tuple[_Key, int], dict[str, Any]] = {}
        try:
            with self.path.open(encoding="utf-8") as lines:
                self._read(lines)
        except OSError as error:
            raise InputError(error.strerror or str(error), file=self.path) from None
        except UnicodeDecodeError:
            raise InputError("is not UTF-8 text", file=self.path) from None

    def send(self, request: Request) -> Reply:
        """The recorded reply to `request`."""
        key = (request.content_hash, tuple(sorted(request.harms)), request.repeat)
        message = self._replies.get((key, request.window))
        if message is None:
            raise SendError(f"no recorded reply for repeat {request.repeat} of {', '.join(request.harms)}")
        return Reply(message=message, request_id=message.get("id"))

    def _read(self, lines: Iterable[str]) -> None:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            key, window, message = self._parse(number, line)
            if (key, window) in self._replies:
                raise InputError("answers the same question twice", file=self.path, record=f"line {number}")
            self._replies[key, window] = message

    def _parse(self, number: int, line: str) -> tuple[_Key, int, dict[str, Any]]:
        try:
            record: Mapping[str, Any] = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"not JSON: {error}", file=self.path, record=f"line {number}") from None
        match record:
            case {"content_hash": str(content), "harms": [*harms], "reply": dict(message)}:
                key = (content, tuple(sorted(map(str, harms))), int(record.get("repeat", 0)))
                return key, int(record.get("window", 0)), message
        raise InputError(
            "a recorded reply needs 'content_hash', 'harms' and 'reply'", file=self.path, record=f"line {number}"
        )


def write_replay(path: Path | str, records: Iterable[tuple[Request, Reply]]) -> None:
    """Write replies so that `ReplayClient` can answer from them; the file is whole or not there."""
    with written_whole(Path(path)) as partial, partial.open("w", encoding="utf-8") as file:
        for request, reply in records:
            line = {
                "content_hash": request.content_hash,
                "harms": list(request.harms),
                "repeat": request.repeat,
                "window": request.window,
                "reply": reply.message,
            }
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
