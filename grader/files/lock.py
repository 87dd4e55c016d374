"""One process at a time in a folder that is being written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grader.errors import InputError

LOCK = ".harmrate.lock"


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the folder, which is made if need be, while files that belong together are written into it.

    The lock ends with the process, however it ends. Without file locks (Windows) nothing is held.

    Raises
    ------
    InputError
        Another process writes into the folder.

    Examples
    --------
    >>> import tempfile
    >>> with writing(Path(tempfile.mkdtemp()) / "report"):
    ...     pass
    """
    try:
        import fcntl
    except ImportError:  # pragma: no cover - not on this platform
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                "another harmrate is writing here: wait for it, or name another folder", file=folder
            ) from None
        yield
    finally:
        os.close(handle)
