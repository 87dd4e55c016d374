"""What a study reads: transcripts, verdicts, labels, design, each from where the user says it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from calibration.study.counts import WeightedPool, used_facts, weighted_pool
from calibration.study.design import UNIFORM, Design
from calibration.study.file_hashes import file_hash, verdicts_hash
from calibration.study.join import OpenItems
from calibration.study.settings import StudySettings
from grader.errors import InputError
from grader.metadata import metadata_frame, read_metadata, scenario_column, with_metadata, with_scenario
from grader.progress import Track, untracked
from grader.readers import read_transcripts
from grader.readers.ledger import ReadingLedger
from grader.transcript import Transcript
from grader.verdict.read import read_verdicts
from grader.verdict.scale import ScoreScale
from grader.verdict.shards import holds_shards, verdict_shards
from labels.labelset import LabelSet
from labels.meaning import LabelMeaning
from labels.read import labels_in
from labels.sampling.designs import checked_design, read_design
from labels.sampling.draws import read_draws
from labels.sampling.rounds import combine_rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumptionInputs:
    """What rates under an assumption rest on.

    Parameters
    ----------
    external : (verdict frame, LabelSet), optional
        Another campaign: verdicts of the same judge, and labels.
    controls : verdict frame, optional
        The judge's verdicts on transcripts known to be harmful.
    """

    external: tuple[pd.DataFrame, LabelSet] | None = None
    controls: pd.DataFrame | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the parts of a study are; each may be missing. A part that is in memory takes the place of its path.

    Parameters
    ----------
    transcripts : sequence of str
        Files, folders, globs (`grader.read_transcripts`).
    format : str
    scenario_from : str, optional
        Metadata key that names the scenario.
    id_from, path_pattern : see `grader.read_transcripts`
    strict : bool
        What is otherwise noted while reading transcripts is an error.
    verdicts : path, address in object storage or verdict frame, optional
        A table, a folder of shards, or a log that holds verdicts.
    labels : path or LabelSet, optional
    metadata : path, optional
        Table by ``transcript_id``: facts of the transcripts, over those that the logs give.
    pool : DataFrame, optional
        Metadata of every transcript, where it was read before.
    design : path, sequence of paths, design frame or "uniform", optional
        The design frame (several: rounds), or the declaration that labels are a simple random sample of the pool.
    force : bool
        Keep a declaration that the labels contradict, with a note.
    open_items : {"undecided", "to come"}
        Drawn transcripts that nobody answered on: of a finished campaign, or of one that goes on.
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
    id_from: Literal["record", "path"] = "record"
    path_pattern: str | None = None
    strict: bool = False
    verdicts: Path | str | pd.DataFrame | None = None
    labels: Path | LabelSet | None = None
    metadata: Path | None = None
    pool: pd.DataFrame | None = None
    design: Path | str | Sequence[Path | str | pd.DataFrame] | pd.DataFrame | None = None
    force: bool = False
    open_items: OpenItems = "undecided"
    meaning: LabelMeaning = field(default_factory=LabelMeaning)
    external_verdicts: Path | None = None
    external_labels: Path | None = None
    controls: Path | None = None
    scale: ScoreScale | None = None
    take: Mapping[str, str] | None = None

    def read_transcripts(self, ledger: ReadingLedger | None = None) -> Iterable[Transcript]:
        """The transcripts, read anew at each call; `ledger` counts what became of everything that was read."""
        found: Iterable[Transcript] = read_transcripts(
            *self.transcripts,
            format=self.format,
            id_from=self.id_from,
            path_pattern=self.path_pattern,
            on_bad="refuse" if self.strict else "outcome",
            ledger=ledger,
        )
        if self.metadata is not None:
            found = with_metadata(found, read_metadata(self.metadata))
        return with_scenario(found, self.scenario_from)

    def count_transcripts(self, track: Track = untracked) -> int | None:
        """How many transcripts there are; None where they can be read only once, or would be fetched twice."""
        if any(place == "-" or "://" in place for place in self.transcripts):
            return None
        return sum(1 for _ in track(self.read_transcripts(), "counting transcripts"))

    def read_pool(self, track: Track = untracked, ledger: ReadingLedger | None = None) -> pd.DataFrame | None:
        """Metadata of every transcript that rates count; None when only the verdicts name them."""
        if self.pool is not None:
            return self.pool
        if self.transcripts:
            return metadata_frame(track(self.read_transcripts(ledger), "reading transcripts"))
        return None if self.metadata is None else scenario_column(read_metadata(self.metadata), self.scenario_from)

    def read_verdicts(self) -> pd.DataFrame | None:
        """The graders' verdicts, where they were named."""
        if self.verdicts is None:
            return None
        verdicts = self._verdicts_in(self.verdicts)
        known_elsewhere = self.transcripts or self.metadata is not None or self.pool is not None
        return verdicts if known_elsewhere else scenario_column(verdicts, self.scenario_from)

    def _verdicts_in(self, source: Path | str | pd.DataFrame) -> pd.DataFrame:
        if isinstance(source, pd.DataFrame):
            return source
        return read_verdicts(source, scale=self.scale, take=self.take)

    def read_labels(self) -> LabelSet | None:
        """The human labels, where there are any."""
        return None if self.labels is None else self._labels_in(self.labels)

    def _labels_in(self, source: Path | LabelSet) -> LabelSet:
        return source if isinstance(source, LabelSet) else labels_in(source, self.meaning).named()

    def read_beside(self) -> AssumptionInputs | None:
        """Another campaign and planted harms, where they were named."""
        if (self.external_verdicts is None) != (self.external_labels is None):
            raise InputError("another campaign takes both --external-verdicts and --external-labels")
        if self.external_verdicts is None and self.controls is None:
            return None
        external = None
        if self.external_verdicts is not None and self.external_labels is not None:
            external = self._verdicts_in(self.external_verdicts), self._labels_in(self.external_labels)
        controls = None if self.controls is None else self._verdicts_in(self.controls)
        return AssumptionInputs(external=external, controls=controls)

    def counts_shards(self, settings: StudySettings) -> bool:
        """Whether these are verdicts in shards and nothing that needs their rows: counts are enough then."""
        if self.verdicts is None or isinstance(self.verdicts, pd.DataFrame) or settings.pairing != "independent":
            return False
        others = (*self.transcripts, self.metadata, self.scenario_from, self.external_verdicts, self.controls)
        return not any(others) and self.pool is None and holds_shards(self.verdicts)

    def read_counted(self, labels: LabelSet | None, settings: StudySettings, track: Track) -> WeightedPool:
        """The verdicts and the design in shards as counts, however many rows there are."""
        is_file = isinstance(self.design, str | Path) and str(self.design) != UNIFORM
        design = read_draws(str(self.design)) if is_file else self.read_design()
        keys = used_facts(settings, is_uniform=isinstance(design, str))
        shards = verdict_shards(str(self.verdicts), keys, scale=self.scale, take=self.take)
        return weighted_pool(track(shards, "counting shards"), labels, settings, design=design)

    def read_design(self) -> Design:
        """How transcripts were drawn for labelling."""
        match self.design:
            case None:
                return None
            case pd.DataFrame():
                return checked_design(self.design)
            case str() | Path() if str(self.design) == UNIFORM:
                return UNIFORM
            case str() | Path():
                return read_design(self.design)
        rounds = self.design
        frames = [checked_design(one) if isinstance(one, pd.DataFrame) else read_design(one) for one in rounds]
        try:
            several = len(frames) > 1 or frames[0].duplicated(["transcript_id", "harm"]).any()
            return combine_rounds(*frames) if several else frames[0]
        except ValueError as error:
            raise InputError(str(error)) from None

    def hashes(self) -> dict[str, str]:
        """SHA-256 of the files of verdicts, labels, design and metadata; frames have none."""
        names = ("verdicts", "labels", "metadata", "external_verdicts", "external_labels", "controls", "design")
        hashes = {}
        for name in names:
            place = getattr(self, name)
            if isinstance(place, str | Path) and str(place) != UNIFORM:
                hashes[name] = verdicts_hash(place) if name == "verdicts" else file_hash(Path(place))
        return hashes
