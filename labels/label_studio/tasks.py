"""Transcripts as Label Studio tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from grader.errors import InputError
from grader.files.atomic import write_text
from grader.transcript import Message, Transcript
from labels.label_studio.config import DIALOGUE

Purpose = Literal["labelling", "adjudication"]
_CHANNEL = {"text": "", "reasoning": " (thinks)", "tool_call": " calls ", "tool_result": " result of "}


def task_of(
    transcript: Transcript,
    *,
    round: int = 1,
    purpose: Purpose = "labelling",
    redact: Callable[[str], str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One task: the transcript's id, its content hash, and its messages as a dialogue; no metadata, no verdicts.

    Parameters
    ----------
    transcript : Transcript
    round : int
        Of the sampling design.
    purpose : {"labelling", "adjudication"}
        What an adjudicator says counts as ground truth.
    redact : callable, optional
        Applied to every text before it leaves; how many texts it changed is recorded as ``redacted``.
    extra : mapping, optional
        More fields of the task's data.

    Returns
    -------
    dict
        ``{"data": {...}}``. Paragraph i of the dialogue is message i, so that spans point into ``Message.text``
        (where it was not redacted).
    """
    texts = [message.text for message in transcript.messages]
    clean = texts if redact is None else [redact(text) for text in texts]
    changed = sum(a != b for a, b in zip(texts, clean, strict=True))
    dialogue = [{"role": role_of(m), "text": t} for m, t in zip(transcript.messages, clean, strict=True)]
    data: dict[str, Any] = {
        "transcript_id": transcript.id,
        "content_hash": transcript.content_hash,
        "round": round,
        "purpose": purpose,
        DIALOGUE: dialogue,
    }
    if redact is not None:
        data["redacted"] = changed
    return {"data": data | dict(extra or {})}


def role_of(message: Message) -> str:
    """Who speaks on which channel, for people: ``assistant (thinks)``, ``assistant calls email``."""
    channel = _CHANNEL[message.kind]
    if message.kind in ("tool_call", "tool_result"):
        return f"{message.role}{channel}{message.name or 'a tool'}"
    speaker = f"{message.role} {message.name}" if message.name else message.role
    return speaker + channel


def tasks(
    transcripts: Iterable[Transcript],
    design: pd.DataFrame | None = None,
    *,
    redact: Callable[[str], str] | None = None,
    purpose: Purpose = "labelling",
    assigned: Mapping[str, Iterable[str]] | None = None,
) -> Iterator[dict[str, Any]]:
    """Tasks for the drawn transcripts of `design` (all without one), in the order of `transcripts`.

    `assigned` (transcript id -> raters) becomes the task's ``raters``, by which raters can filter their view.

    Raises
    ------
    InputError
        When a drawn transcript is missing, or an id occurs twice.
    """
    drawn = None if design is None else _drawn(design)
    seen: set[str] = set()
    for transcript in transcripts:
        if transcript.id in seen:
            raise InputError("occurs twice", record=f"transcript {transcript.id!r}")
        if drawn is not None and transcript.id not in drawn:
            continue
        seen.add(transcript.id)
        who = None if assigned is None else sorted(assigned.get(transcript.id, ()))
        extra = {} if who is None else {"raters": who}
        number = 1 if drawn is None else drawn[transcript.id]
        yield task_of(transcript, round=number, purpose=purpose, redact=redact, extra=extra)
    missing = sorted(set(drawn or ()) - seen)
    if missing:
        raise InputError("was drawn but is not among the transcripts", record=f"transcript {missing[0]!r}")


def write_tasks(
    transcripts: Iterable[Transcript],
    design: pd.DataFrame | None,
    path: Path | str,
    *,
    redact: Callable[[str], str] | None = None,
    purpose: Purpose = "labelling",
    assigned: Mapping[str, Iterable[str]] | None = None,
) -> int:
    """Write `tasks` as a JSON file that Label Studio imports; how many is returned.

    Blind: neither metadata nor verdicts nor strata are in it. Parameters and errors: see `tasks`.
    """
    made = list(tasks(transcripts, design, redact=redact, purpose=purpose, assigned=assigned))
    write_text(Path(path), json.dumps(made, ensure_ascii=False, indent=1) + "\n")
    return len(made)


def _drawn(design: pd.DataFrame) -> dict[str, int]:
    rows = design[design["drawn"].astype(bool)]
    return {str(id_): int(number) for id_, number in zip(rows["transcript_id"], rows["round"], strict=True)}
