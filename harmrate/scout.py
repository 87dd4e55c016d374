"""Scout's plug-in: the scanner ``harmrate/harms``."""

from __future__ import annotations

from functools import cache
from types import GenericAlias
from typing import Any

from grader.harness.conversations import conversation_of
from grader.harness.extras import need
from grader.harness.one import GradeOne
from grader.harness.scout import result_fields
from grader.judge.questions import Effort
from grader.judge.rendering import View

_api = need("inspect_scout", "harmrate[scout]")
_threads = need("anyio.to_thread", "harmrate[scout]")


def _harms(  # noqa: PLR0913 - one argument per setting, as `scout scan -S` names them
    judge: str | None = None,
    classifier: str | None = None,
    rubrics: str | None = None,
    harms: str | list[str] | None = None,
    store: str | None = None,
    url: str | None = None,
    base_url: str | None = None,
    replies: str | None = None,
    repeats: int | None = None,
    effort: Effort | None = None,
    view: View | None = None,
    max_cost: float | None = None,
) -> Any:
    """Grade a transcript for harm: a result for each, labelled with its name, with references to messages.

    Parameters
    ----------
    judge, classifier, rubrics, harms, store
        As in `grader.harness.opening.open_graders`.
    url : str, optional
        A running ``harmrate serve`` instead; all other settings must then be left alone.
    base_url, replies, repeats, effort, view, max_cost
        Of the judge (`grader.judge.setup.JudgeSetup`).
    """
    given = {name: value for name, value in locals().items() if value is not None}

    @cache  # opened where it scans: Scout may scan in processes of its own
    def opened() -> GradeOne:
        return GradeOne.open(**given)

    async def scan(transcript: Any) -> Any:
        messages = [message.model_dump() for message in transcript.messages]
        conversation = conversation_of(messages, id=transcript.transcript_id)
        answer = await _threads.run_sync(opened().of, conversation.transcript)
        return [
            _api.Result(**fields) for fields in result_fields(answer, conversation, [m.get("id") for m in messages])
        ]

    # Scout reads from the annotations what a scanner takes.
    scan.__annotations__ = {"transcript": _api.Transcript, "return": GenericAlias(list, (_api.Result,))}
    return scan


harms = _api.scanner(messages="all", name="harms", version=1)(_harms)
