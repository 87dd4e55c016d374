"""Writes the page of commands from the commands themselves, so that it cannot lag behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True}


def _write(app: Sphinx) -> None:
    import typer
    from typer.cli import get_docs_for_click

    from cli import app as commands

    root = typer.main.get_command(commands)
    text = get_docs_for_click(
        obj=root, ctx=typer.Context(root, info_name="harmrate"), name="harmrate", title="Commands"
    )
    target = Path(app.srcdir) / "commands.md"
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")
