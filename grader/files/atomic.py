"""Files are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from grader.errors import InputError


def partial_path(path: Path) -> Path:
    """A temporary file beside `path`, with an unused and unguessable name, to write until it is complete."""
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}.partial")


def replace_whole(partial: Path, path: Path) -> None:
    """Put a complete `partial` in the place of `path`, safe against a crash at any moment."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
    with suppress(OSError):  # not every file system can have its folders flushed
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def unwritable(path: Path) -> Iterator[None]:
    """What the system refuses inside (no space, a folder that is only read) as an `InputError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", file=path) from None


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Where to write what becomes `path` at the end of the block; after an error nothing is left of it.

    Raises
    ------
    InputError
        It cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "new" / "a.txt"
    >>> with written_whole(target) as partial:
    ...     _ = partial.write_text("all of it")
    >>> target.read_text(), len(list(target.parent.iterdir()))
    ('all of it', 1)
    """
    partial = partial_path(path)
    try:
        with unwritable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            replace_whole(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` (UTF-8; halves of characters become question marks), whole or not at all."""
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="replace")
