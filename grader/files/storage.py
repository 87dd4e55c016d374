"""Files on this machine or in object storage (through fsspec): listed, fetched, put back whole."""

from __future__ import annotations

import importlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from grader.errors import InputError
from grader.files.atomic import written_whole

_ADDRESS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+)://(?P<user>[^/]*@)?", re.IGNORECASE)
# Names of the content hash in object stores: an unchanged file is recognised without fetching it.
_CONTENT_MARKS = ("ETag", "etag", "md5Hash", "content_md5")
# What brings the file systems that fsspec does not carry itself.
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}


def is_remote(name: str | Path) -> bool:
    """Whether a name is an address such as ``s3://bucket/folder`` and no path of this machine.

    Examples
    --------
    >>> is_remote("s3://bucket/runs"), is_remote("runs/a.jsonl"), is_remote(Path("runs"))
    (True, False, False)
    """
    return isinstance(name, str) and _ADDRESS.match(name) is not None


def beneath(folder: str, name: str) -> str:
    """The name of a file below a folder, both of this machine or both addresses.

    Examples
    --------
    >>> beneath("s3://bucket/out/", "a.parquet"), beneath("out", "a.parquet")
    ('s3://bucket/out/a.parquet', 'out/a.parquet')
    """
    return f"{folder.rstrip('/')}/{name}"


def list_below(folder: str) -> list[str]:
    """Names of all files below a folder, relative to it, sorted; empty where there is no such folder."""
    if not is_remote(folder):
        top = Path(folder)
        return sorted(p.relative_to(top).as_posix() for p in top.rglob("*") if p.is_file())
    system, path = _system(folder)
    with _told(folder):
        found = system.find(path)
    return sorted(PurePosixPath(str(name)).relative_to(PurePosixPath(path.rstrip("/"))).as_posix() for name in found)


def list_matches(pattern: str) -> list[str]:
    """Addresses of the files that an address with ``*`` names, sorted."""
    system, path = _system(pattern)
    start = pattern.removesuffix(path.lstrip("/"))  # so that a file is called the same in whatever way it was found
    with _told(pattern):
        return sorted(start + str(name).lstrip("/") for name in system.glob(path) if system.isfile(name))


def is_file(address: str) -> bool:
    """Whether there is a file of this address."""
    system, path = _system(address)
    with _told(address):
        return bool(system.isfile(path))


def content_mark(name: str) -> str | None:
    """What the storage itself calls the content of a file; None where it does not say."""
    if not is_remote(name):
        return None
    system, path = _system(name)
    with _told(name):
        facts = system.info(path)
    return next((str(facts[mark]).strip('"') for mark in _CONTENT_MARKS if facts.get(mark)), None)


@contextmanager
def fetched(name: str) -> Iterator[Path]:
    """A file as one of this machine while the ``with`` block runs: itself, or a copy of a remote one.

    The copy keeps the names of the file and of the folders above it, which some formats take facts from.

    Raises
    ------
    InputError
        No such file, or the storage cannot be used.
    """
    if not is_remote(name):
        yield Path(name)
        return
    system, path = _system(name)
    with tempfile.TemporaryDirectory(prefix="harmrate-") as folder:
        # An object can be called anything: no part of its name leads out of the folder.
        parts = [part for part in PurePosixPath(path).parts[-4:] if part not in ("/", "..")]
        copy = Path(folder, *parts)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with _told(name):
            system.get_file(path, str(copy))
        yield copy


def put_whole(file: Path, name: str) -> None:
    """Copy a complete file to `name`, where it appears whole or not at all."""
    if is_remote(name):
        system, path = _system(name)
        with _told(name):  # an object appears when its last byte has arrived
            system.put_file(str(file), path)
        return
    with written_whole(Path(name)) as partial:
        shutil.copyfile(file, partial)


def read_text(name: str) -> str:
    """The text of a small file (UTF-8)."""
    with fetched(name) as path:
        return path.read_text(encoding="utf-8")


def put_text(text: str, name: str) -> None:
    """Write a small file (UTF-8), whole or not at all."""
    with tempfile.TemporaryDirectory(prefix="harmrate-") as folder:
        file = Path(folder, "text")
        file.write_text(text, encoding="utf-8")
        put_whole(file, name)


def _system(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it."""
    found = _ADDRESS.match(address)
    if found is None or found["user"]:
        # Addresses are written to tables and manifests.
        raise InputError("credentials do not belong into an address: give them by the environment")
    scheme = found["scheme"].lower()
    try:
        core = importlib.import_module("fsspec.core")
        system, path = core.url_to_fs(address)
    except ImportError:
        package = _PACKAGES.get(scheme, "the package that fsspec names for it")
        raise InputError(f"{scheme}:// needs {package}: pip install 'harmrate[shards]'", file=address) from None
    except ValueError as error:
        raise InputError(f"{scheme}:// is not a storage that fsspec supports ({error})", file=address) from None
    return system, str(path)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Whatever a storage's client raises is an `InputError`: each has errors of its own."""
    try:
        yield
    except FileNotFoundError:
        raise InputError("no such file or folder", file=name) from None
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"the storage cannot be used: {reason}", file=name) from None
