"""Which files a user means: paths, folders and globs, here or in object storage."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
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
        "experiment_state.json", "judgment.json", "understanding.json", "ideation.json", "rollout.json",
        "_scan.json", "_summary.json", "_errors.jsonl", "eval-set.json", "logs.json", "listing.json", "preds.json",
        "sessions-index.json", "base_state.json", "config.json", "package.json", "package-lock.json",
        "promptfooconfig.json", "tsconfig.json", "dataset_infos.json", "dataset_info.json",
    }
)  # fmt: skip
# Companions by a pattern of their names.
_COMPANION = re.compile(r"rollout_.*|\..*|.*\.meta\.json|results_.*\.json|output\.critic_attempt_\d+\.jsonl|.*\.lock")
# Folders in which tools keep what is no log.
_TOOL_FOLDERS = frozenset({"node_modules", "__pycache__"})
# Inspect names its logs by time. A retry copies finished samples and runs failed ones again, so the newest counts.
_INSPECT_NAME = re.compile(r"\d{4}-\d\d-\d\dT.+_.+_.+\.(?:eval|json)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file to read.

    Parameters
    ----------
    path : Path or str
        Where it is; an address in object storage as text.
    name : str
        Its path below the folder that the user named (ids begin with it): the same however that was typed.
    searched : bool
        Whether a search of a folder came upon it; the user did not name it.
    """

    path: Path | str
    name: str
    searched: bool


def list_sources(paths: tuple[str | Path, ...]) -> list[Source]:
    """The files that `paths` name, each once, folders and globs in sorted order, new logs of Inspect before old ones.

    Raises
    ------
    InputError
        When nothing is named, a path or glob matches nothing, or a symbolic link leads out of a folder.
    """
    if not paths:
        raise InputError("no transcripts named: give files, folders, globs, or '-' for standard input")
    sources: dict[Path | str, Source] = {}
    for path in paths:
        root, searched = _root(path)
        for file in _expand(path):
            sources.setdefault(file, Source(path=file, name=_below(file, root), searched=searched))
    return _newest_first(_told_apart(list(sources.values())))


def _root(path: str | Path) -> tuple[str, bool]:
    """The folder that ids are below, and whether it is searched."""
    if isinstance(path, str) and is_remote(path):
        folder = path if not glob.has_magic(path) else path[: re.search(r"[*?[]", path).start()]  # type: ignore[union-attr]
        named = not glob.has_magic(path) and is_file(path)
        return (folder.rpartition("/")[0] if named or glob.has_magic(path) else folder.rstrip("/")), not named
    if _exists(Path(path), is_folder=True):
        return str(Path(path)), True
    if Path(path) == STDIN or _exists(Path(path), is_folder=False):
        return str(Path(path).parent), False
    plain = str(path)[: next((i for i, character in enumerate(str(path)) if character in "*?["), None)]
    return str(Path(plain.rpartition("/")[0] or ".")), True


def _below(file: Path | str, root: str) -> str:
    """A file's path below a folder."""
    if isinstance(file, str):
        return file.removeprefix(root).lstrip("/") or file
    try:
        return file.relative_to(root).as_posix()
    except ValueError:
        return file.name


def _told_apart(sources: list[Source]) -> list[Source]:
    """Names below different folders that are equal become whole paths below what all files share."""
    n = Counter(source.name for source in sources)
    if max(n.values(), default=0) < 2:
        return sources
    shared = os.path.commonpath([os.path.dirname(source.path) for source in sources]) if sources else ""  # noqa: PTH120
    longer = (source.name if n[source.name] == 1 else _below_any(source.path, shared) for source in sources)
    return [replace(source, name=name) for source, name in zip(sources, longer, strict=True)]


def _below_any(path: Path | str, shared: str) -> str:
    return str(path).removeprefix(shared).lstrip("/")


def _newest_first(sources: list[Source]) -> list[Source]:
    """The same files, those of Inspect in the places of Inspect's from the newest to the oldest."""
    places = [i for i, source in enumerate(sources) if _INSPECT_NAME.fullmatch(PurePath(source.path).name)]
    newest = sorted((sources[i] for i in places), key=lambda source: PurePath(source.path).name, reverse=True)
    ordered = list(sources)
    for place, source in zip(places, newest, strict=True):
        ordered[place] = source
    return ordered


def iter_files(paths: tuple[str | Path, ...]) -> Iterator[Path | str]:
    """Yield the files that `paths` name, each once, folders and globs in sorted order; addresses as text.

    Raises
    ------
    InputError
        When nothing is named, a path or glob matches nothing, or a symbolic link leads out of a folder.
    """
    yield from (source.path for source in list_sources(paths))


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
    """Whether a file is a tool's companion of transcripts, by its name."""
    if path.name in _COMPANIONS or _COMPANION.fullmatch(path.name) or not _TOOL_FOLDERS.isdisjoint(path.parts):
        return True
    return path.name == "metadata.json" and path.parent.parent.name == "prompts"
