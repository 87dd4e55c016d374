"""Files that are read together: one conversation or one evaluation that a tool wrote into several files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.readers.compressed import SUFFIXES
from grader.readers.records import STDIN, open_text

# A session is known by its first lines; what stands at its head is bookkeeping with the same id.
_PEEKED_LINES = 40
_PEEKED_CHARACTERS = 2**22
_ROLLOUT = re.compile(r"rollout-.*?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:_[^.]*)?\.jsonl")
_NUMBER = re.compile(r"\d+")
# A folder whose files are the messages of one conversation, by the pattern of their names.
_MESSAGE_FILE = re.compile(r"(?:message_\d+|event-\d+.*)\.json")


def group_files(files: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield the files in groups, each in reading order; a group comes where its first file stands.

    Claude Code sessions that share a session id or their first line (resumed, forked, sub-agents), the segments of
    a Codex thread, and the message files of a Strands agent or an OpenHands conversation are read together.
    """
    root = list(range(len(files)))

    def root_of(number: int) -> int:
        while root[number] != number:
            number = root[number]
        return number

    first: dict[str, int] = {}  # key -> the first file that has it
    for number, file in enumerate(files):
        for key in _keys(file) if len(files) > 1 else ():
            low, high = sorted((root_of(first.setdefault(key, number)), root_of(number)))
            root[high] = low
    groups: dict[int, list[Path]] = {}
    for number, file in enumerate(files):
        groups.setdefault(root_of(number), []).append(file)
    for members in groups.values():
        yield sorted(members, key=_reading_order) if len(members) > 1 else members


def _keys(file: Path) -> Iterator[str]:
    """Names that a file shares with the files that belong to it."""
    if file == STDIN:
        return
    name = file.with_suffix("").name if file.suffix in SUFFIXES else file.name
    if _MESSAGE_FILE.fullmatch(name) or file.parent.parent.name == "llm_completions":
        yield f"folder {file.parent}"
    elif rollout := _ROLLOUT.fullmatch(name):
        yield f"thread {rollout[1]}"
    elif name.endswith(".jsonl"):
        yield from _session_keys(file)


def _session_keys(file: Path) -> Iterator[str]:
    """Session id and first message of a Claude Code session."""
    for line in _first_lines(file):
        if isinstance(session := line.get("sessionId"), str) and isinstance(line.get("type"), str):
            yield f"session {session}"
            if isinstance(uuid := line.get("uuid"), str) and isinstance(line.get("message"), dict):
                yield f"line {uuid} {json.dumps(line['message'], sort_keys=True)}"
                return


def _first_lines(file: Path) -> Iterator[dict[str, Any]]:
    """The first lines that mention a session, decoded; others are not worth the time."""
    try:
        with open_text(file) as stream:
            for _ in range(_PEEKED_LINES):
                line = stream.readline(_PEEKED_CHARACTERS)
                value = json.loads(line) if '"sessionId"' in line else None
                if isinstance(value, dict):
                    yield value
    except (InputError, OSError, ValueError, RecursionError):
        return  # the reader of the file will say what is wrong with it


def _reading_order(file: Path) -> tuple[str, list[int], str]:
    """Numbers in a name count as numbers: ``message_10`` comes after ``message_9``."""
    return str(file.parent), [int(number) for number in _NUMBER.findall(file.name)], file.name
