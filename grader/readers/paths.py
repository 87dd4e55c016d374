"""Which files a user means: paths, folders and globs, here or in object storage."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path, PurePath

from grader.errors import InputError
from grader.files.storage import beneath, is_file, is_remote, list_below, list_matches
from grader.readers.compressed import SUFFIXES
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


def iter_files(paths: tuple[str | Path, ...]) -> Iterator[Path | str]:
    """Yield the files that `paths` name, each once, folders and globs in sorted order; addresses as text.

    Raises
    ------
    InputError
        When nothing is named, a path or glob matches nothing, or a symbolic link leads out of a folder.
    """
    if not paths:
        raise InputError("no transcripts named: give files, folders, globs, or '-' for standard input")
    seen = set[Path | str]()
    for path in paths:
        for file in _expand(path):
            if file not in seen:
                seen.add(file)
                yield file


def _expand(path: str | Path) -> Iterator[Path | str]:
    if isinstance(path, str) and is_remote(path):
        yield from _expand_address(path)
        return
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


def _expand_address(address: str) -> Iterator[str]:
    if glob.has_magic(address):
        matches = list_matches(address)
    elif is_file(address):
        matches = [address]
    else:
        found = (name for name in list_below(address) if _is_log(PurePath(name)))
        matches = [beneath(address, name) for name in found]
    if not matches:
        raise InputError("no such file, or a folder without transcripts", file=address)
    yield from matches


def _walk(folder: Path) -> Iterator[Path]:
    files = sorted(p for p in folder.rglob("*") if _is_log(p) and p.is_file())
    if not files:
        raise InputError("folder without transcripts (" + ", ".join(sorted(LOG_SUFFIXES)) + ")", file=folder)
    for file in files:  # somebody else may have made the folder, and what is read may leave the machine
        if file.is_symlink() and not file.resolve().is_relative_to(folder.resolve()):
            raise InputError("is a symbolic link out of its folder; name the file itself to have it read", file=file)
    yield from files


def _is_log(path: PurePath) -> bool:
    """Whether a name found in a folder is that of a log, compressed or not."""
    suffix = path.with_suffix("").suffix if path.suffix in SUFFIXES else path.suffix
    return suffix in LOG_SUFFIXES and not is_companion(path)


def is_companion(path: PurePath) -> bool:
    """Whether a file stands beside transcripts without being one."""
    if path.name in _COMPANIONS or path.name.startswith("rollout_") or path.name.startswith("."):
        return True
    return path.name == "metadata.json" and path.parent.parent.name == "prompts"
