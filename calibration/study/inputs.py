"""What a study reads: transcripts, verdicts, labels, design, each from where the user says it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from calibration.findings.study import Report
from calibration.study.compute import PARTS, Beside, Part, study
from calibration.study.join import Design
from calibration.study.provenance import provenance
from calibration.study.settings import StudySettings
from calibration.study.shards import shard_facts, study_shards
from grader.errors import InputError
from grader.files.storage import is_remote
from grader.metadata import metadata_frame, read_metadata, with_scenario
from grader.progress import Track, untracked
from grader.readers import read_transcripts
from grader.shards.manifest import outputs_in, read_manifest
from grader.transcript import Transcript
from grader.verdict.read import read_verdicts
from grader.verdict.scale import ScoreScale
from grader.verdict.sides import holds_shards, verdict_shards
from labels.labelset import LabelSet
from labels.meaning import LabelMeaning
from labels.read import labels_in
from labels.sampling.designs import read_design, read_draws

UNIFORM = "uniform"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the parts of a study are; every part but one of `verdicts` and `transcripts` may be missing.

    Parameters
    ----------
    transcripts : sequence of str
        Files, folders, globs (`grader.read_transcripts`).
    format : str
    scenario_from : str, optional
        Metadata key that names the scenario.
    verdicts : path, or address in object storage, optional
        A table, a folder of shards, or a log that holds verdicts.
    labels, metadata : path, optional
    design : path or "uniform", optional
        The design frame, or the declaration that labels are a simple random sample of the pool.
    meaning : LabelMeaning
        How labels are to be read.
    external_verdicts, external_labels : path, optional
        Another campaign, for rates that assume that the judge errs here as it did there; both or none.
    controls : path, optional
        Verdicts on transcripts known to be harmful, for rates that assume the sensitivity on them.
    scale, take
        Of all verdicts, as in `grader.read_verdicts`.
    """

    transcripts: Sequence[str] = ()
    format: str = "auto"
    scenario_from: str | None = None
    verdicts: Path | str | None = None
    labels: Path | None = None
    metadata: Path | None = None
    design: Path | str | None = None
    meaning: LabelMeaning = field(default_factory=LabelMeaning)
    external_verdicts: Path | None = None
    external_labels: Path | None = None
    controls: Path | None = None
    scale: ScoreScale | None = None
    take: Mapping[str, str] | None = None

    def read_transcripts(self) -> Iterable[Transcript]:
        """The transcripts, read anew at each call."""
        return with_scenario(read_transcripts(*self.transcripts, format=self.format), self.scenario_from)

    def count_transcripts(self, track: Track = untracked) -> int | None:
        """How many transcripts there are; None where they can be read only once, or would be fetched twice."""
        if any(place == "-" or "://" in place for place in self.transcripts):
            return None
        return sum(1 for _ in track(self.read_transcripts(), "counting transcripts"))

    def read_pool(self, track: Track = untracked) -> pd.DataFrame | None:
        """Metadata of every transcript that rates count; None when only the verdicts tell."""
        if self.transcripts:
            return metadata_frame(track(self.read_transcripts(), "reading transcripts"))
        return None if self.metadata is None else read_metadata(self.metadata)

    def read_verdicts(self) -> pd.DataFrame | None:
        """What graders said, where it was named."""
        return None if self.verdicts is None else self._verdicts_in(self.verdicts)

    def _verdicts_in(self, path: Path | str) -> pd.DataFrame:
        return read_verdicts(path, scale=self.scale, take=self.take)

    def read_labels(self) -> LabelSet | None:
        """The human labels, where there are any."""
        return None if self.labels is None else self._labels_in(self.labels)

    def _labels_in(self, path: Path) -> LabelSet:
        return labels_in(path, self.meaning).named()

    def read_beside(self) -> Beside | None:
        """Another campaign and planted harms, where they were named."""
        if (self.external_verdicts is None) != (self.external_labels is None):
            raise InputError("another campaign takes both --external-verdicts and --external-labels")
        if self.external_verdicts is None and self.controls is None:
            return None
        external = None
        if self.external_verdicts is not None and self.external_labels is not None:
            external = self._verdicts_in(self.external_verdicts), self._labels_in(self.external_labels)
        return Beside(external=external, controls=None if self.controls is None else self._verdicts_in(self.controls))

    def read_design(self) -> Design:
        """How transcripts were drawn for labelling."""
        if self.design is None:
            return None
        return "uniform" if str(self.design) == UNIFORM else read_design(self.design)

    def read_draws(self) -> Design:
        """As `read_design`, of a large pool only what counts need."""
        return (
            read_draws(self.design) if self.design is not None and str(self.design) != UNIFORM else self.read_design()
        )

    def hashes(self) -> dict[str, str]:
        """SHA-256 of the files of verdicts, labels, design and metadata."""
        files = {"labels": self.labels, "metadata": self.metadata}
        files |= {"external_verdicts": self.external_verdicts, "external_labels": self.external_labels}
        files |= {"controls": self.controls}
        named = files | {"design": None if self.design in (None, UNIFORM) else Path(str(self.design))}
        verdicts = {} if self.verdicts is None else {"verdicts": _verdicts_hash(self.verdicts)}
        return verdicts | {name: file_hash(path) for name, path in named.items() if path is not None}

    def counts_shards(self, settings: StudySettings, parts: Sequence[Part]) -> bool:
        """Whether shards of verdicts are all there is, and counts of them are enough."""
        if self.verdicts is None or "agreement" in parts or settings.pairing != "independent":
            return False
        others = (*self.transcripts, self.metadata, self.external_verdicts, self.external_labels, self.controls)
        return not any(others) and holds_shards(self.verdicts)


def study_of(
    sources: Sources,
    settings: StudySettings,
    *,
    seed: int = 0,
    command: Sequence[str] = (),
    parts: Sequence[Part] = PARTS,
    track: Track = untracked,
) -> Report:
    """Read the sources and compute the study: what ``agreement``, ``rate`` and ``compare`` print.

    Raises
    ------
    InputError
        A file that cannot be used; no verdicts.
    """
    import numpy as np

    if sources.verdicts is None:
        raise InputError("no verdicts: name a table or a log with --verdicts")
    counts_shards = sources.counts_shards(settings, parts)
    verdicts, labels = None if counts_shards else sources.read_verdicts(), sources.read_labels()
    pool = sources.read_pool(track)
    told = provenance(settings, seed=seed, command=command, inputs=sources.hashes(), design=_declared(sources))
    if verdicts is None:
        return _counted(sources.verdicts, labels, settings, sources.read_draws(), told, track)
    check_labels(labels, verdicts if pool is None else pool, sources.labels)
    return study(
        verdicts,
        labels,
        settings,
        pool=pool,
        design=sources.read_design(),
        rng=np.random.default_rng(seed),
        provenance=told,
        parts=parts,
        beside=sources.read_beside(),
    )


def _counted(
    verdicts: Path | str,
    labels: LabelSet | None,
    settings: StudySettings,
    design: Design,
    told: Mapping[str, Any],
    track: Track,
) -> Report:
    """A study of shards from counts, however many rows there are."""
    shards = track(verdict_shards(verdicts, shard_facts(settings)), "counting shards")
    report = study_shards(shards, labels, settings, design=design, provenance=told)
    missing = read_manifest(str(verdicts)).failures
    if not missing:
        return report
    first, why = min(missing.items())
    note = f"INCOMPLETE: {len(missing)} shards have no verdicts and are in no rate, the first {first} ({why})."
    return replace(report, notes=(note, *report.notes))


def check_labels(labels: LabelSet | None, pool: pd.DataFrame, file: Path | None) -> None:
    """Refuse labels of transcripts that are not in the pool, naming the file they came from."""
    if labels is not None:
        labels.check(pool["transcript_id"], file=file)


def _verdicts_hash(verdicts: Path | str) -> str:
    """As `file_hash`; of a folder of shards, over the hashes that its manifest knows."""
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


def _declared(sources: Sources) -> Any:
    return UNIFORM if str(sources.design) == UNIFORM else None
