"""Which files a user means: paths, folders and globs."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path

from grader.errors import InputError
from grader.readers.records import STDIN

# Read when they are found in a folder. Tables and plain text are read only when named (or by glob):
# a results folder is full of those that hold no transcript.
LOG_SUFFIXES = frozenset({".json", ".jsonl", ".ndjson", ".eval", ".traj", ".parquet"})
# Files that harnesses write beside the transcripts.
_COMPANIONS = frozenset(
    {
        "experiment_state.json",
        "judgment.json",
        "understanding.json",
        "ideation.json",
        "rollout.json",
        "_scan.json",
        "_summary.json",
        "_errors.jsonl",
    }
)


def iter_files(paths: tuple[str | Path, ...]) -> Iterator[Path]:
    """Yield the files that `paths` name, each once, folders and globs in sorted order.

    Raises
    ------
    InputError
        When nothing is named, or a path or glob matches nothing.
    """
    if not paths:
        raise InputError("no transcripts named: give files, folders, globs, or '-' for standard input")
    seen = set()
    for path in paths:
        for file in _expand(path):
            if file not in seen:
                seen.add(file)
                yield file


def _expand(path: str | Path) -> Iterator[Path]:
    named = Path(path)
    if named == STDIN or _exists(named, is_folder=False):
        yield named
    elif _exists(named, is_folder=True):
        yield from _walk(named)
    else:
        matches = sorted(glob.glob(str(path), recursive=True)) if glob.has_magic(str(path)) else []  # noqa: PTH207
        if not matches:
            raise InputError("no such file or folder", file=path)
        for match in matches:
            yield from _walk(Path(match)) if Path(match).is_dir() else [Path(match)]


def _exists(path: Path, *, is_folder: bool) -> bool:
    try:
        return path.is_dir() if is_folder else path.exists() and not path.is_dir()
    except (OSError, ValueError):
        return False  # too long a name, or a null byte: no such file


def _walk(folder: Path) -> Iterator[Path]:
    files = sorted(p for p in folder.rglob("*") if p.suffix in LOG_SUFFIXES and p.is_file() and not is_companion(p))
    if not files:
        raise InputError("folder without transcripts (" + ", ".join(sorted(LOG_SUFFIXES)) + ")", file=folder)
    yield from files


def is_companion(path: Path) -> bool:
    """Whether a file stands beside transcripts without being one."""
    if path.name in _COMPANIONS or path.name.startswith("rollout_") or path.name.startswith("."):
        return True
    return path.name == "metadata.json" and path.parent.parent.name == "prompts"
