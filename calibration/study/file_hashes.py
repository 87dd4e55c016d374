"""SHA-256 of what a study read."""

from __future__ import annotations

import hashlib
from pathlib import Path

from grader.errors import InputError
from grader.files.storage import is_remote
from grader.shards.manifest import outputs_in
from grader.verdict.shards import holds_shards


def verdicts_hash(verdicts: Path | str) -> str:
    """As `file_hash`; of a folder of shards, over the hashes that its manifest records."""
    if holds_shards(verdicts) and (known := outputs_in(str(verdicts))):
        start = len(str(verdicts).rstrip("/")) + 1
        listing = "".join(f"{name[start:]} {digest}\n" for name, digest in sorted(known.items()))
        return hashlib.sha256(listing.encode()).hexdigest()
    if is_remote(verdicts):
        raise InputError("a folder of verdicts in object storage needs the manifest that `grade` writes", file=verdicts)
    return file_hash(Path(verdicts))


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes; of a folder, over the names and hashes of its files."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        listing = "".join(f"{file.relative_to(path)} {file_hash(file)}\n" for file in files)
        return hashlib.sha256(listing.encode()).hexdigest()
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(error.strerror or str(error), file=path) from None
