"""``harmrate transcripts``: what is read from logs, before anything is paid for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from harmrate.commands.data_options import LogOptions, sources_of
from harmrate.commands.options import Json, Transcripts, shared
from harmrate.commands.output import show, show_json, track

if TYPE_CHECKING:
    from calibration.study.inputs import Sources


@shared(LogOptions)
def transcripts(
    reading: LogOptions,
    *,
    paths: Transcripts,
    shown: Annotated[
        str | None, typer.Option("--show", metavar="ID", help="Print this transcript as a judge would see it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What was read: formats, ids, models, scenarios, who said how much, which runs failed and why, notes.

    Ids are the logs' own; a record without one gets its file and line below the folder that you name. --id-from path
    makes ids from paths, --path-pattern takes model, scenario or id from them. docs/formats.md has a row per format.
    """
    from grader.readers.summary import ReadingSummary

    summary = ReadingSummary()
    sources = sources_of(reading, transcripts=paths)
    read = track(summary.watch(sources.read_transcripts(summary.ledger)), "reading transcripts")
    if shown is not None:
        show(_as_a_judge_sees(sources, shown))
        return
    for _ in read:
        pass
    if as_json:
        show_json(json.dumps(summary.to_dict(), indent=1))
    else:
        show(summary.text())


def _as_a_judge_sees(sources: Sources, id_: str) -> str:
    """One transcript, whole, with numbers and channels."""
    from grader.errors import InputError
    from grader.failed_runs import run_failure
    from grader.judge.render import render
    from grader.judge.windows import whole

    transcript = next((t for t in sources.read_transcripts() if t.id == id_), None)
    if transcript is None:
        raise InputError(f"no transcript has the id {id_!r}; `harmrate transcripts` lists the first ids")
    if (failure := run_failure(transcript)) is not None:
        outcome, reason = failure
        return f"{outcome}, no judge is asked: {reason}"
    return render(transcript.messages, whole(transcript.messages), nonce="0" * 12)
