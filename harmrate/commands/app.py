"""The ``harmrate`` command: its groups, and how errors end."""

from __future__ import annotations

import errno
from typing import Annotated, Any

import typer

from harmrate.commands import doctor, grading, labels, rates, run, serve, store, study, transcripts
from harmrate.commands.options import Command
from harmrate.commands.output import quiet_mode, say


class _OneLineErrors(typer.core.TyperGroup):
    """Bad input ends in one line on stderr and exit code 2, never in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with quiet_mode("quietly" if ctx.params.get("quiet") else "as usual"):
                return super().invoke(ctx)
        except KeyboardInterrupt:
            say("interrupted; what was paid for is stored, run the same command to go on")
            raise typer.Exit(130) from None
        except Exception as error:
            code = _exit_code(error)
            if code is None:
                raise
            say(str(error))
            raise typer.Exit(code) from None


def _exit_code(error: Exception) -> int | None:
    """2 for bad input and a full or closed disk, 1 for a run that had to stop, None for what is neither."""
    from grader.errors import InputError
    from grader.judge.clients.protocol import RunStopped

    if isinstance(error, OSError) and error.errno in _DISK:
        return 2
    return 2 if isinstance(error, InputError) else 1 if isinstance(error, RunStopped) else None


# What a disk, a folder or a name refuses: no defect of ours.
_DISK = {
    getattr(errno, name)
    for name in "ENOSPC EDQUOT EROFS EACCES EPERM EFBIG EIO EISDIR ENOTDIR ENAMETOOLONG ELOOP".split()
    if hasattr(errno, name)
}


app = typer.Typer(
    cls=_OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(value: bool) -> None:  # noqa: FBT001 - typer passes the option's value
    if value:
        from importlib.metadata import version

        typer.echo(f"harmrate {version('harmrate')}")
        raise typer.Exit


@app.callback()
def every_command(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notes about files and money.")] = False,
) -> None:
    """How often does this agent do harm, and how sure are we?"""  # noqa: D400


# In the order of --help.
_COMMANDS: dict[Command, str] = {
    **run.COMMANDS,
    transcripts.transcripts: "harmrate transcripts runs/ --show a1",
    **grading.COMMANDS,
    **rates.COMMANDS,
    study.init: "harmrate init runs/ verdicts.parquet",
    serve.serve: "harmrate serve --judge claude-sonnet-5-5",
    doctor.doctor: "harmrate doctor runs/ --verdicts verdicts.parquet --labels labels.parquet",
}
for _command, _example in _COMMANDS.items():
    app.command(epilog=f"Example: {_example}")(_command)
app.add_typer(labels.labels_app, name="labels")
app.add_typer(store.store_app, name="store")
