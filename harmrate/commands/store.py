"""``harmrate store``: what was paid for, listed, exported, pruned, joined and mended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from harmrate.commands.options import STORE, Json
from harmrate.commands.output import note, show, show_json, stdout

store_app = typer.Typer(no_args_is_help=True, help="What was paid for: replies of judges, and embeddings.")

StoreFile = Annotated[Path, typer.Option("--store", envvar="HARMRATE_STORE", help="The store's file.")]
Model = Annotated[str | None, typer.Option(help="Only replies of this model.")]
Outcome = Annotated[str | None, typer.Option(help="Only replies with this outcome: scored, refused, ...")]


@store_app.command("list")
def list_entries(
    store: StoreFile = STORE, model: Model = None, outcome: Outcome = None, *, as_json: Json = False
) -> None:
    """How many replies and embeddings there are, and the replies, oldest first."""
    from grader.store.store import META, open_store

    wanted = _wanted(model, outcome)
    with open_store(store) as opened:
        counts = opened.counts()
        rows = [e for e in opened.entries() if all(e[name] == value for name, value in wanted.items())]
    if as_json:
        show_json(json.dumps({"counts": counts, "replies": rows}, indent=1))
        return
    from calibration.report.console import print_table

    columns = ("when", *META)
    cells = (
        (_time(row["created_at"]), *("" if row[name] is None else str(row[name])[:40] for name in META)) for row in rows
    )
    print_table(stdout(), f"{len(rows)} of {counts['reply']} replies; {counts['embedding']} embeddings", columns, cells)


@store_app.command("export")
def export(
    out: Annotated[Path, typer.Argument(help="JSON Lines to write: one reply a line.")], store: StoreFile = STORE
) -> None:
    """Write all replies as JSON Lines."""
    from grader.store.store import open_store

    with open_store(store) as opened:
        note(f"{opened.export(out)} replies in {out}")


@store_app.command("prune")
def prune(
    store: StoreFile = STORE,
    kind: Annotated[Literal["reply", "embedding"], typer.Option(help="What to delete.")] = "reply",
    model: Model = None,
    outcome: Outcome = None,
    older_than_days: Annotated[float | None, typer.Option(min=0, help="Only entries older than this.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--everything", help="Delete without any condition.")] = False,
) -> None:
    """Delete entries and give the space back; what is deleted must be paid for again."""
    from grader.errors import InputError
    from grader.store.store import open_store

    wanted = _wanted(model, outcome)
    if kind == "embedding":
        wanted = {} if model is None else {"model_key": model}
    if not (wanted or older_than_days is not None or everything):
        raise InputError(
            "prune deletes what was paid for: say which (--model, --outcome, --older-than-days) or --everything"
        )
    before = None
    if older_than_days is not None:
        before = (datetime.now(UTC) - timedelta(days=older_than_days)).timestamp()
    with open_store(store) as opened:
        note(f"{opened.prune(kind, before=before, **wanted)} deleted")


@store_app.command("merge")
def merge(
    destination: Annotated[Path, typer.Argument(help="The store to add to; made when absent.")],
    sources: Annotated[list[Path], typer.Argument(help="The stores to add, in order of precedence.")],
    *,
    as_json: Json = False,
) -> None:
    """Join stores by content; where two hold different answers to one question, the first stays and is named."""
    from dataclasses import asdict

    from grader.store.care import merge_stores

    merged = merge_stores(destination, sources)
    if as_json:
        show_json(json.dumps(asdict(merged), indent=1))
        return
    for conflict in merged.conflicts:
        note(f"kept the first: {conflict}")
    told = f"{merged.n_same} there already, {len(merged.conflicts)} there with another content"
    note(f"{destination}: new: {_counted(merged.added)}; {told}")


@store_app.command("verify")
def verify(
    store: StoreFile = STORE,
    repair: Annotated[Path | None, typer.Option(help="New store to write all that is sound into.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Look for damage and name it; exit 1 when there is any, unless what is sound was saved with --repair."""
    from dataclasses import asdict

    from grader.store.care import verify_store

    found = verify_store(store, repair=repair)
    if as_json:
        show_json(json.dumps(asdict(found), indent=1))
    else:
        for line in found.damage:
            show(line)
        note(f"{store}: {'sound' if found.is_sound else 'DAMAGED'}; as they were put: {_counted(found.n_sound)}")
    if repair is not None:
        note(f"what is sound is in {repair}")
    elif not found.is_sound:
        raise typer.Exit(1)


def _counted(counts: Mapping[Any, int]) -> str:
    return f"{counts['reply']} replies, {counts['embedding']} embeddings"


def _wanted(model: str | None, outcome: str | None) -> dict[str, Any]:
    return {name: value for name, value in (("model", model), ("outcome", outcome)) if value is not None}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
