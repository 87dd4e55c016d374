"""Scout's plug-in: the scanner ``harmrate/harms``."""

from __future__ import annotations

from types import GenericAlias
from typing import Any

from grader.harness.conversations import conversation_of
from grader.harness.extras import import_extra
from grader.harness.one import LazyGradeOne
from grader.harness.scout import not_scored, result_fields
from grader.judge.questions import Effort
from grader.judge.render import View

_api = import_extra("inspect_scout", "harmrate[scout]")
_threads = import_extra("anyio.to_thread", "harmrate[scout]")


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

    A transcript of which no harm could be scored is an error of the scan.

    Parameters
    ----------
    judge, classifier, rubrics, harms, store
        As in `grader.harness.opening.open_graders`.
    url : str, optional
        A running ``harmrate serve`` instead; all other settings must then be left alone.
    base_url, replies, repeats, effort, view, max_cost
        Of the judge (`grader.judge.setup.JudgeSetup`).
    """
    late = LazyGradeOne(**locals())

    async def scan(transcript: Any) -> Any:
        messages = [message.model_dump() for message in transcript.messages]
        conversation = conversation_of(messages, id=transcript.transcript_id)
        answer = await _threads.run_sync(late.opened().of, conversation.transcript)
        missing = not_scored(answer["harms"])
        if len(missing) == len(answer["harms"]):
            # An error of the scan, which Scout counts and `scout scan resume` tries again; no result would be a "no".
            failed = _api.RefusalError if set(missing.values()) == {"refused"} else RuntimeError
            raise failed(f"not scored: {missing}")
        ids = [message.get("id") for message in messages]
        return [_api.Result(**fields) for fields in result_fields(answer, conversation, ids)]

    # Scout reads from the annotations what a scanner takes.
    scan.__annotations__ = {"transcript": _api.Transcript, "return": GenericAlias(list, (_api.Result,))}
    return scan


harms = _api.scanner(messages="all", name="harms", version=1)(_harms)
