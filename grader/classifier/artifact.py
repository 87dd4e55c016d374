"""Artifacts: a trained classifier as a folder of JSON and scikit-learn heads; no pickle, nothing trusted."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grader.classifier.training import HarmModel
from grader.errors import InputError
from grader.transcript import canonical_json

SCHEMA = 1
METADATA = "metadata.json"
HEADS = "heads.skops"


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


def describe(model: HarmModel) -> dict[str, Any]:
    """What metadata keeps of a harm's model: everything but the heads."""
    return {key: value for key, value in asdict_shallow(model).items() if key != "heads"}


def asdict_shallow(model: HarmModel) -> dict[str, Any]:
    """The fields of a harm's model, heads not copied."""
    return {name: getattr(model, name) for name in HarmModel.__dataclass_fields__}


def write_artifact(folder: Path, metadata: Mapping[str, Any], heads: Mapping[str, Any], card: str) -> None:
    """Write metadata, heads and model card; the metadata carries the hash of every file and its own.

    Parameters
    ----------
    folder : path
        Made when absent.
    metadata : mapping
        JSON-able.
    heads : mapping
        Harm to list of views to scikit-learn estimators.
    card : str
        Markdown.
    """
    import skops.io

    folder.mkdir(parents=True, exist_ok=True)
    data = skops.io.dumps(dict(heads))
    record = dict(metadata) | {"schema": SCHEMA, "files": {HEADS: hashlib.sha256(data).hexdigest()}}
    record["sha256"] = digest(record)
    (folder / HEADS).write_bytes(data)
    (folder / "README.md").write_text(card, encoding="utf-8")
    (folder / METADATA).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_artifact(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read and check what `write_artifact` wrote.

    Returns
    -------
    (metadata, heads)

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
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read as JSON: {error}", file=file) from None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        found = record.get("schema") if isinstance(record, dict) else type(record).__name__
        raise InputError(f"schema {found!r}, but this version reads schema {SCHEMA}", file=file)
    stated = record.pop("sha256", None)
    if stated != digest(record):
        raise InputError("was changed after it was written (its hash differs)", file=file)
    return record, _read_heads(folder / HEADS, record["files"].get(HEADS))


def _read_heads(file: Path, stated: str | None) -> dict[str, Any]:
    import skops.io

    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=file) from None
    if hashlib.sha256(data).hexdigest() != stated:
        raise InputError("is not the file that was saved (its hash differs)", file=file)
    try:
        untrusted = skops.io.get_untrusted_types(data=data)
        if untrusted:
            raise InputError(f"holds types that are not trusted: {', '.join(untrusted)}", file=file)
        heads: dict[str, Any] = skops.io.loads(data, trusted=[])
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise InputError(f"is no skops file: {error}", file=file) from None
    return heads


def differences(metadata: Mapping[str, Any]) -> list[str]:
    """What this installation has otherwise than the one that trained, one phrase each."""
    now = versions()
    return [
        f"trained with {package} {then}, running {now.get(package, 'none')}"
        for package, then in metadata.get("versions", {}).items()
        if package != "python" and now.get(package) != then
    ]
