"""What the scoring service takes and gives, as its OpenAPI document tells it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from grader.errors import InputError
from grader.harness.conversations import conversation_of
from grader.transcript import Transcript
from grader.verdict.records import Verdict

MAX_MESSAGES = 10_000


class TranscriptIn(BaseModel):
    """One run of the agent under test."""

    model_config = ConfigDict(extra="forbid")

    id: str | None = Field(default=None, min_length=1, max_length=1000, description="Default: its place, from 1.")
    messages: list[dict[str, Any]] = Field(
        min_length=1,
        max_length=MAX_MESSAGES,
        description="Chat messages as OpenAI, Anthropic or Inspect have them (role, content, tool_calls), or "
        "harmrate's own (role, kind, text).",
    )
    metadata: dict[str, Any] = Field(default_factory=dict, description="What rates may split by; no grader sees it.")


class BatchIn(BaseModel):
    """Several transcripts; their ids must differ."""

    model_config = ConfigDict(extra="forbid")

    transcripts: list[TranscriptIn] = Field(min_length=1)


class VerdictsOut(BaseModel):
    """A row for each transcript, harm, grader and repeat, with the transcript's facts beside."""

    verdicts: list[Verdict]


class Refusal(BaseModel):
    """Why there are no verdicts, in one line."""

    detail: str


class Health(BaseModel):
    """Who grades here."""

    status: str
    graders: list[dict[str, str]]


def transcripts_of(asked: TranscriptIn | BatchIn) -> list[Transcript]:
    """The transcripts of a request.

    Raises
    ------
    InputError
        Something is no message; two transcripts share an id.
    """
    given = asked.transcripts if isinstance(asked, BatchIn) else [asked]
    found: dict[str, Transcript] = {}
    for place, one in enumerate(given, 1):
        id_ = one.id or str(place)
        if id_ in found:
            raise InputError("the id of two transcripts", record=f"transcript {id_!r}")
        try:
            found[id_] = conversation_of(one.messages, id=id_, metadata=one.metadata).transcript
        except InputError as error:
            raise InputError(error.reason, record=f"transcript {id_!r}") from None
    return list(found.values())
