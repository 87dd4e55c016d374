"""Files are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def partial_path(path: Path) -> Path:
    """Where to write until `path` is complete: beside it, under a name that nobody reads."""
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def replace_whole(partial: Path, path: Path) -> None:
    """Put a complete `partial` in the place of `path`, safe against a crash at any moment."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` (UTF-8), whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(path)
    partial.write_text(text, encoding="utf-8")
    replace_whole(partial, path)
