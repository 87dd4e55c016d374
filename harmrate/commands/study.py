"""``harmrate init`` and the study file that commands follow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harmrate.commands.output import note

FILE = "harmrate.toml"


def follow(context: typer.Context, file: Path | None) -> Path | None:
    """Take the options that a study file sets as defaults of this command.

    ``harmrate run`` without transcripts follows the file of the current folder.
    """
    from calibration.study.start.study_file import read_study_file

    if file is None and Path(FILE).is_file() and context.command.name == "run":
        file = Path(FILE)
    if file is None or context.resilient_parsing:
        return None
    run = context.find_root().command.get_command(context, "run")  # type: ignore[attr-defined]
    known = {p.name: p for p in run.params if p.name not in ("study_file", "as_json")}
    options = read_study_file(file, list(known))
    for name, value in options.items():
        if isinstance(value, str) and getattr(known[name], "multiple", False):
            options[name] = [value]  # one text would be taken for a list of letters
    context.default_map = {**(context.default_map or {}), **options}
    return file


def given_on_command_line(context: typer.Context, name: str) -> bool:
    """Whether an option is on the command line, and not only in a study file."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


StudyFile = Annotated[
    Path | None,
    typer.Option("--study", is_eager=True, callback=follow, help="Study file whose options to follow (harmrate.toml)."),
]


def init(
    *,
    files: Annotated[list[str] | None, typer.Argument(help="Transcripts, verdicts, labels, a design.")] = None,
    out: Annotated[Path, typer.Option(help="Study file to write.")] = Path(FILE),
    force: Annotated[bool, typer.Option("--force", help="Write over a study file that is there.")] = False,
) -> None:
    """Write a study file: by looking at the files it is given, or by asking."""
    from calibration.study.start.start import start_study

    for line in start_study(files or _asked(), out, existing="replace" if force else "keep"):
        note(line)


def _asked() -> list[str]:
    """Paths, asked for one part after another; an empty answer leaves a part out."""
    parts: dict[str, Any] = {
        "Transcripts (files, folders; several with spaces between)": "",
        "Verdicts, if there are any": "",
        "Human labels (Label Studio export or table), if there are any": "",
        "Design file of the labels (design.csv), if there is one": "",
    }
    return [path for text in parts for path in typer.prompt(text, default="", show_default=False).split()]
