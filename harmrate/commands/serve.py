"""``harmrate serve``: verdicts over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harmrate.commands.options import STORE, JudgeOptions, shared
from harmrate.commands.output import spending


@shared(JudgeOptions)
def serve(
    judge: JudgeOptions,
    *,
    host: Annotated[
        str, typer.Option(help="Address to listen at; any but this machine's own needs HARMRATE_SERVE_TOKEN.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8765,
    harm: Annotated[list[str] | None, typer.Option(help="Only this harm (repeatable).")] = None,
    rubrics: Annotated[Path | None, typer.Option(help="Folder of Markdown rubrics of your own.")] = None,
    store: Annotated[
        Path, typer.Option(envvar="HARMRATE_STORE", help="Where paid-for replies and embeddings are kept.")
    ] = STORE,
    max_waiting: Annotated[int, typer.Option(min=1, help="Transcripts waiting or in work; more get 429.")] = 256,
    max_batch: Annotated[int, typer.Option(min=1, help="Transcripts of one request.")] = 64,
    max_megabytes: Annotated[float, typer.Option(min=0.001, help="Of one request's body.")] = 16,
) -> None:
    """Grade transcripts that harnesses send over HTTP, with judges, a classifier (--classifier), the keyword gates."""
    from grader.errors import InputError
    from grader.rubrics import load_rubrics
    from grader.service.serve import serve as serve_graders
    from grader.store.store import Store

    if judge.batch:
        raise InputError("a service answers at once: no --batch")
    if "max_failed" in judge.given():
        raise InputError("a service has no last verdict to judge a share of failures by: no --max-failed")
    setup = judge.graders(load_rubrics(rubrics, harm or None))
    with Store(store) as kept, spending(judge.prices) as ledger:
        graders = setup.open(store=kept, watch=ledger.watch)
        limits = {"max_waiting": max_waiting, "max_batch": max_batch, "max_bytes": int(max_megabytes * 1e6)}
        serve_graders(graders, host=host, port=port, **limits)
