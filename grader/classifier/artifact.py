"""Artifacts: a trained classifier as a folder of JSON and scikit-learn heads; no pickle, nothing trusted."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import platform
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.errors import InputError
from grader.files.atomic import write_text, written_whole
from grader.transcript import canonical_json

SCHEMA = 3
METADATA = "metadata.json"
HEADS = "heads.skops"
# Vectors, word pairs and reference values of novelty, each with its type.
ARRAYS: Mapping[str, type[np.generic]] = {
    "profiles": np.float32,
    "pairs": np.int64,
    "unseen": np.float64,
    "distance": np.float64,
}
# What heads and vectors may unpack to; the largest ones of ours take some 10 MB.
MAX_UNPACKED = 2**30


def versions() -> dict[str, str]:
    """Versions of what a score depends on."""
    found = {"python": platform.python_version()}
    for package in ("harmrate", "scikit-learn", "numpy", "sentence-transformers", "torch", "onnxruntime", "skops"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def digest(value: Any) -> str:
    """SHA-256 of JSON-able data."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()


def write_artifact(
    folder: Path,
    metadata: Mapping[str, Any],
    heads: Mapping[str, Any],
    arrays: Mapping[str, npt.NDArray[Any]],
    card: str,
) -> None:
    """Write metadata, heads, arrays and model card; the metadata carries the hash of every file and its own.

    Each file is written whole or not at all, the metadata last: a folder that was left half-way is refused.

    Parameters
    ----------
    folder : path
        Made when absent.
    metadata : mapping
        JSON-able.
    heads : mapping
        Harm to list of views to scikit-learn estimators.
    arrays : mapping with the keys of `ARRAYS`
    card : str
        Markdown.
    """
    import skops.io

    # Packed, since of the hashed words most never occurred.
    packed = skops.io.dumps(dict(heads), compression=zipfile.ZIP_DEFLATED)
    files = {HEADS: packed} | {f"{name}.npy": _array_bytes(array) for name, array in arrays.items()}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    record = dict(metadata) | {"schema": SCHEMA, "files": hashes}
    record["sha256"] = digest(record)
    for name, data in files.items():
        with written_whole(folder / name) as partial:
            partial.write_bytes(data)
    write_text(folder / "README.md", card)
    write_text(folder / METADATA, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def read_artifact(folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Read and check what `write_artifact` wrote.

    Returns
    -------
    (metadata, heads, arrays)

    Raises
    ------
    InputError
        When a file is missing or is not the one that was written, or the heads hold any type outside
        what skops trusts.
    """
    file = folder / METADATA
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("no trained classifier here", file=file) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot be read as JSON: {error}", file=file) from None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        found = record.get("schema") if isinstance(record, dict) else type(record).__name__
        raise InputError(f"schema {found!r}, but this version reads schema {SCHEMA}: train it again", file=file)
    stated = record.pop("sha256", None)
    if stated != digest(record):
        raise InputError("was changed after it was written (its hash differs)", file=file)
    hashes = record.get("files")
    if not isinstance(hashes, dict):
        raise InputError("names no files", file=file)
    heads = _read_heads(folder / HEADS, _same_bytes(folder / HEADS, hashes))
    files = {name: folder / f"{name}.npy" for name in ARRAYS}
    arrays = {name: _read_array(file, _same_bytes(file, hashes), ARRAYS[name]) for name, file in files.items()}
    return record, heads, arrays


def _array_bytes(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _same_bytes(file: Path, stated: Mapping[str, str]) -> bytes:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=file) from None
    if hashlib.sha256(data).hexdigest() != stated.get(file.name):
        raise InputError("is not the file that was saved (its hash differs)", file=file)
    return data


def _read_array(file: Path, data: bytes, dtype: type[np.generic]) -> npt.NDArray[Any]:
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:  # its head may claim any size
        raise InputError(f"is not an array of numbers: {str(error).splitlines()[0]}", file=file) from None
    return np.asarray(array, dtype=dtype)


def _read_heads(file: Path, data: bytes) -> dict[str, Any]:
    import skops.io

    try:
        # No member gives more bytes than it claims.
        if (size := sum(info.file_size for info in zipfile.ZipFile(io.BytesIO(data)).infolist())) > MAX_UNPACKED:
            raise InputError(f"unpacks to {size} bytes, over {MAX_UNPACKED}", file=file)
        untrusted = skops.io.get_untrusted_types(data=data)
        if untrusted:
            raise InputError(f"holds types that are not trusted: {', '.join(untrusted)}", file=file)
        heads: dict[str, Any] = skops.io.loads(data, trusted=[])
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise InputError(f"is not a skops file: {error}", file=file) from None
    return heads
