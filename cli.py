"""The harmrate command: parse, call the library, print. No logic."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from grader.errors import InputError


class _OneLineErrors(typer.core.TyperGroup):
    """Bad input ends in one line on stderr and exit code 2, never in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except InputError as error:
            typer.echo(f"harmrate: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            typer.echo("harmrate: interrupted; what was paid for is stored, run the same command to go on", err=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=_OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="How often does this agent do harm, and how sure are we?",
)

TARGETS = Literal["pool", "scenarios", "new-scenarios"]

Transcripts = Annotated[list[str], typer.Argument(help="Files, folders, globs, or - for JSONL on stdin.")]
Format = Annotated[str, typer.Option("--format", help="Log format; auto finds out.")]
ScenarioFrom = Annotated[str | None, typer.Option(help="Metadata key that names the scenario.")]
Rubrics = Annotated[Path | None, typer.Option(help="Folder of Markdown rubrics of your own.")]
StoreFile = Annotated[Path, typer.Option("--store", envvar="HARMRATE_STORE", help="Where paid-for replies are kept.")]
STORE = Path(".harmrate/store.sqlite")
