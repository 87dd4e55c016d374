"""Shards: transcripts in many files, verdicts in a folder with one file for each, and the manifest of them.

The footer of each file of verdicts records its inputs, so that no separate journal can contradict it; manifests
collect these footers.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from grader.errors import InputError
from grader.files.storage import beneath, fetched, is_remote, list_below, put_text, read_text
from grader.readers.paths import iter_files
from grader.readers.records import STDIN

SCHEMA = 1
# Where a file of verdicts says what it was made from.
NOTE = "harmrate.shard"
SUFFIX = ".verdicts.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One file of transcripts, and where its verdicts go.

    Parameters
    ----------
    input : str
        Path or address.
    output : str
        Name below the folder of verdicts.
    """

    input: str
    output: str

    @property
    def name(self) -> str:
        """The input below the folder that was named."""
        return self.output.removesuffix(SUFFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardRecord:
    """What a file of verdicts was made from, and what is in it.

    Parameters
    ----------
    input, output : str
        As in `Shard`.
    input_sha256 : str
    input_mark : str or None
        What the storage calls that content (S3: the ETag), where it does.
    n_transcripts, n_verdicts : int
    outcomes : mapping from outcome to int
    graders : tuple of mappings with name, version, kind
    settings : mapping
        What else decides what the rows are: format, scenario, repeats.
    output_sha256 : str
        Empty where the file itself tells.
    """

    input: str
    output: str
    input_sha256: str
    input_mark: str | None
    n_transcripts: int
    n_verdicts: int
    outcomes: Mapping[str, int]
    graders: Sequence[Mapping[str, str]]
    settings: Mapping[str, Any]
    output_sha256: str = ""

    @classmethod
    def from_dict(cls, fields: Any, *, file: str) -> ShardRecord:
        """Invert `dataclasses.asdict`; InputError for any other object and for a path out of the folder."""
        from pydantic import TypeAdapter, ValidationError

        try:
            record: ShardRecord = TypeAdapter(cls).validate_python(fields)
        except ValidationError:
            raise InputError("is not the record of a shard", file=file) from None
        if ".." in PurePosixPath(record.output).parts:
            raise InputError("a shard's name with '..' would lead out of the folder", file=file)
        return record


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The shards of a folder of verdicts.

    Parameters
    ----------
    records : mapping from output to ShardRecord
    failures : mapping from input to str
        Shards without verdicts, and why.
    written_at : str
        ISO 8601; of two that differ about a shard, the later is right.
    """

    records: Mapping[str, ShardRecord] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    written_at: str = ""

    def to_json(self) -> str:
        """The text of the file, sorted by shard so that it does not depend on the order of work."""
        records = [asdict(self.records[name]) for name in sorted(self.records)]
        outcomes: dict[str, int] = {}
        for record in self.records.values():
            for outcome, n in record.outcomes.items():
                outcomes[outcome] = outcomes.get(outcome, 0) + n
        fields = {
            "schema": SCHEMA,
            "written_at": self.written_at,
            "n_shards": len(records),
            "n_transcripts": sum(record.n_transcripts for record in self.records.values()),
            "n_verdicts": sum(record.n_verdicts for record in self.records.values()),
            "outcomes": dict(sorted(outcomes.items())),
            "failures": dict(sorted(self.failures.items())),
            "shards": records,
        }
        return json.dumps(fields, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, *, file: str) -> Manifest:
        """The inverse of `to_json`."""
        try:
            fields = json.loads(text)
            schema, shards = fields["schema"], list(fields["shards"])
            failures, written_at = dict(fields["failures"]), str(fields["written_at"])
        except (ValueError, TypeError, KeyError, RecursionError):
            raise InputError("is not a manifest of shards", file=file) from None
        if schema != SCHEMA:
            raise InputError(f"written by another harmrate: manifest schema {schema}, known is {SCHEMA}", file=file)
        records = [ShardRecord.from_dict(shard, file=file) for shard in shards]
        return cls(records={r.output: r for r in records}, failures=failures, written_at=written_at)


def is_shard_folder(out: str) -> bool:
    """Whether what verdicts are to be written to is a folder: an address, no suffix, a slash at the end, or one there.

    Examples
    --------
    >>> [is_shard_folder(out) for out in ("verdicts/", "verdicts", "s3://b/verdicts", "verdicts.parquet")]
    [True, True, True, False]
    """
    return is_remote(out) or out.endswith("/") or not Path(out).suffix or Path(out).is_dir()


def plan_shards(inputs: Sequence[str], *, part: tuple[int, int] = (1, 1)) -> list[Shard]:
    """One shard for each file that `inputs` name, sorted by output.

    An output is called as its input is below the folder that was named (or that holds the named file or glob), so
    that machines which take different files of one folder agree about names.

    Parameters
    ----------
    inputs : sequence of str
        As `grader.read_transcripts` takes them; not standard input.
    part : (k, n)
        Every n-th shard, from the k-th on; counted from 1.

    Raises
    ------
    InputError
        Nothing found; two inputs of one name.
    """
    found: dict[str, str] = {}
    for named in inputs:
        if named == str(STDIN):
            raise InputError("shards are files: save standard input to one first")
        for file in iter_files((named,)):
            output = _below(str(file), _root(named)) + SUFFIX
            if not _is_text(output):
                raise InputError("its name is not UTF-8, which a manifest cannot hold: rename it", file=repr(str(file)))
            if ".." in PurePosixPath(output).parts:
                raise InputError("a name with '..' would lead out of the folder of verdicts", file=str(file))
            if found.setdefault(output, str(file)) != str(file):
                reason = f"has the name of {found[output]}: name a folder above both"
                raise InputError(reason, file=str(file))
    k, n = part
    return [Shard(input=found[output], output=output) for output in sorted(found)[k - 1 :: n]]


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _root(named: str) -> str:
    """The folder that an input names, or in which its files are looked for."""
    if not is_remote(named) and Path(named).is_dir():
        return Path(named).as_posix()
    if glob.has_magic(named):
        plain = named[: next(i for i, character in enumerate(named) if character in "*?[")]
        return plain.rpartition("/")[0]
    return named


def _below(file: str, root: str) -> str:
    name = file if is_remote(file) else Path(file).as_posix()
    inside = name.removeprefix(root.rstrip("/") + "/") if root not in ("", ".") else name
    return inside if inside != name or root in ("", ".") else PurePosixPath(name).name


def join_manifests(manifests: Iterable[Manifest]) -> Manifest:
    """One manifest of several machines' shards; the order in which they are given makes no difference."""
    records: dict[str, ShardRecord] = {}
    failures: dict[str, str] = {}
    last = ""
    for manifest in sorted(manifests, key=lambda m: (m.written_at, m.to_json())):
        done = {record.input for record in manifest.records.values()}
        records = {name: r for name, r in records.items() if r.input not in manifest.failures} | dict(manifest.records)
        failures = {name: why for name, why in failures.items() if name not in done} | dict(manifest.failures)
        last = manifest.written_at
    return Manifest(records=records, failures=failures, written_at=last)


def read_manifest(folder: str) -> Manifest:
    """All manifests of a folder of verdicts, joined; an empty one where there is none."""
    names = [name for name in list_below(folder) if is_manifest(name)]
    files = [beneath(folder, name) for name in names]
    return join_manifests(Manifest.from_json(read_text(file), file=file) for file in files)


def outputs_in(folder: str) -> dict[str, str]:
    """Names and SHA-256 of the tables in a folder's manifests; empty without a manifest.

    Raises
    ------
    InputError
        Two shards hold the same transcripts, or were graded by different versions of one grader.
    """
    records = [record for _, record in sorted(read_manifest(folder).records.items())]
    inputs: dict[str, str] = {}
    versions: dict[str, tuple[str, str]] = {}
    for record in records:
        file = beneath(folder, record.output)
        if (other := inputs.setdefault(record.input_sha256, record.output)) != record.output:
            raise InputError(f"holds the transcripts of {other}: they would count twice", file=file)
        for grader in record.graders:
            version, first = versions.setdefault(grader["name"], (grader["version"], record.output))
            if version != grader["version"]:
                reason = f"graded by {grader['version']}, and {first} by {version}: grade again"
                raise InputError(reason, file=file)
    return {beneath(folder, record.output): record.output_sha256 for record in records}


def is_manifest(name: str) -> bool:
    """Whether a file of a folder of verdicts is a manifest.

    Examples
    --------
    >>> is_manifest("manifest-1-of-2.json"), is_manifest("x/manifest.json")
    (True, False)
    """
    return name == "manifest.json" or (name.startswith("manifest-") and name.endswith(".json") and "/" not in name)


def add_to_manifest(manifest: Manifest, folder: str, *, part: tuple[int, int] = (1, 1)) -> None:
    """Merge `manifest` into the folder's; each part of a job has its own file, so that none overwrites another's."""
    name = "manifest.json" if part == (1, 1) else f"manifest-{part[0]}-of-{part[1]}.json"
    file = beneath(folder, name)
    earlier = [Manifest.from_json(read_text(file), file=file)] if name in list_below(folder) else []
    put_text(join_manifests([*earlier, manifest]).to_json(), file)


def record_in(file: str) -> ShardRecord | None:
    """The record in the footer of a file of verdicts; None when it has none."""
    import pyarrow.parquet as pq

    with fetched(file) as path:
        try:
            notes = pq.read_metadata(path).metadata or {}
        except (ValueError, OSError):
            return None
        footer = notes.get(NOTE.encode())
        if footer is None:
            return None
        record = ShardRecord.from_dict(json.loads(footer), file=file)
        return replace(record, output_sha256=sha256_of(path))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
