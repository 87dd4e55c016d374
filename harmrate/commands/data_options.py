"""Options that say what a command reads and which numbers it computes, a record each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from harmrate.commands.options import NUMBERS, READ, STORE, MeaningOptions, Pairing

if TYPE_CHECKING:
    from calibration.study.inputs import Sources
    from calibration.study.settings import StudySettings
    from grader.verdict.scale import ScoreScale

Target = Literal["scenarios", "pool", "new-scenarios"]
Method = Literal["post-stratified", "likelihood-ratio", "apparent", "human-only", "rogan-gladen", "ppi", "aipw"]


@dataclass(kw_only=True)
class LogOptions:
    """How transcripts are read, and what is known of them beside their text."""

    PANEL: ClassVar[str] = READ

    format: Annotated[str, typer.Option(help="Log format; auto finds out.")] = "auto"
    id_from: Annotated[
        Literal["record", "path"], typer.Option(help="Ids: the log's own, or the file's path and number.")
    ] = "record"
    path_pattern: Annotated[
        str | None, typer.Option(help="{model}/{scenario}/{epoch}.json: metadata from the path of a file.")
    ] = None
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a record that cannot be read, instead of counting it.")
    ] = False
    scenario_from: Annotated[str | None, typer.Option(help="Metadata key that names the scenario.")] = None
    metadata: Annotated[
        Path | None, typer.Option(help="Table of metadata by transcript_id, over that of the logs.")
    ] = None

    def of_transcripts(self) -> list[str]:
        """The options that only transcripts can follow, where they differ from their defaults."""
        names = ("format", "id_from", "path_pattern", "strict")
        return [f"--{n.replace('_', '-')}" for n in names if getattr(self, n) != getattr(type(self)(), n)]

    def sources(self) -> dict[str, Any]:
        """The fields of `Sources` that these options set."""
        return {
            "format": self.format,
            "id_from": self.id_from,
            "path_pattern": self.path_pattern,
            "strict": self.strict,
            "scenario_from": self.scenario_from,
            "metadata": self.metadata,
        }


@dataclass(kw_only=True)
class PoolOptions(LogOptions):
    """Transcripts whose metadata and count matter beside verdicts."""

    transcripts: Annotated[
        list[str], typer.Option(help="The pool: transcripts whose metadata and count matter (repeatable).")
    ] = field(default_factory=list)


@dataclass(kw_only=True)
class TranscriptOptions(LogOptions):
    """How transcripts are read that a command takes as its arguments."""

    rubrics: Annotated[Path | None, typer.Option(help="Folder of Markdown rubrics of your own.")] = None
    store: Annotated[
        Path, typer.Option(envvar="HARMRATE_STORE", help="Where paid-for replies and embeddings are kept.")
    ] = STORE


@dataclass(kw_only=True)
class ScaleOptions:
    """How another tool's verdicts are read."""

    PANEL: ClassVar[str] = READ

    score_range: Annotated[str | None, typer.Option(help="LOW:HIGH: another tool's scores are on this scale.")] = None
    threshold: Annotated[
        float | None, typer.Option(help="From which score on a verdict is present; the report shows the others.")
    ] = None
    take: Annotated[
        list[str], typer.Option(help="SCORE[=HARM]: read only this score of a log, as verdicts on HARM (repeatable).")
    ] = field(default_factory=list)

    def scale(self) -> ScoreScale | None:
        """The scale, where one was given."""
        from grader.verdict.scale import parse_scale

        return parse_scale(self.score_range, self.threshold)

    def harms_of_scores(self) -> dict[str, str] | None:
        """Which scores to read, and the harm that each is a verdict on; None for all."""
        pairs = (entry.partition("=") for entry in self.take)
        return {name: harm or name for name, _, harm in pairs} or None

    def refuse_without(self, verdicts: object) -> None:
        """Refuse these options where no verdicts are read."""
        if verdicts is None and (self.score_range is not None or self.threshold is not None or self.take):
            _refuse("--score-range, --threshold and --take say how --verdicts are read; none were named")


@dataclass(kw_only=True)
class SelectionOptions(ScaleOptions):
    """Which transcripts, harms and graders the numbers are about."""

    PANEL: ClassVar[str] = NUMBERS

    cluster: Annotated[str, typer.Option(help="Metadata key of the scenario.")] = "scenario"
    where: Annotated[list[str], typer.Option(help="KEY=VALUE: which transcripts count (repeatable).")] = field(
        default_factory=list
    )
    set: Annotated[
        list[str], typer.Option(help="NAME=SCENARIO|SCENARIO: a set of scenarios; groups by `set` (repeatable).")
    ] = field(default_factory=list)
    harm: Annotated[list[str], typer.Option(help="Only this harm (repeatable).")] = field(default_factory=list)
    grader: Annotated[str | None, typer.Option(help="Whose verdicts make the strata (default: the judge).")] = None
    level: Annotated[float, typer.Option(help="Confidence level.", min=0.5, max=0.9999)] = 0.95
    seed: Annotated[int, typer.Option(help="Seed of resampling.")] = 0

    def settings(self) -> StudySettings:
        """As the library takes them."""
        from calibration.study.settings import StudySettings

        return StudySettings(**self._settings())

    def _groups(self) -> tuple[str, ...]:
        """The keys that form groups."""
        return ()

    def _settings(self) -> dict[str, Any]:
        sets = {name: tuple(scenarios.split("|")) for name, scenarios in _pairs("--set", self.set).items()}
        where = _pairs("--where", self.where)
        if sets and "set" not in {*self._groups(), *where}:
            _refuse(
                "--set makes the key `set`: group by it (--by set), compare it (--between set) or use --where set=NAME"
            )
        return {
            "cluster": self.cluster,
            "where": where,
            "sets": sets,
            "harms": tuple(self.harm) or None,
            "grader": self.grader,
            "confidence_level": self.level,
        }


@dataclass(kw_only=True)
class StudyOptions(SelectionOptions):
    """How rates are computed."""

    by: Annotated[str, typer.Option(help="Metadata keys that form groups, comma-separated: model,arm.")] = ""
    target: Annotated[Target, typer.Option(help="What the rate is a rate of.")] = "scenarios"
    method: Annotated[Method, typer.Option(help="How the interval is computed.")] = "likelihood-ratio"

    def settings(self, pairing: Pairing = "independent") -> StudySettings:
        """As the library takes them."""
        from calibration.study.settings import StudySettings

        return StudySettings(
            by=self._groups(),
            target=self.target,
            method=self.method,
            pairing=pairing,
            **self._settings(),
        )

    def _groups(self) -> tuple[str, ...]:
        return tuple(key.strip() for key in self.by.split(",") if key.strip())


@dataclass(kw_only=True)
class LabelFile(MeaningOptions):
    """Where human labels are and what they mean."""

    labels: Annotated[Path | None, typer.Option(help="Label Studio export, or a table of labels.")] = None

    def refuse_without_labels(self) -> None:
        """Refuse what says how labels are read where there are none."""
        defaults = MeaningOptions()
        names = [n for n in vars(defaults) if getattr(self, n) != getattr(defaults, n)]
        if self.allow_unused and not (self.map or self.unsure or self.raters):
            _refuse("--allow-unused is about names in --map, --unsure and --raters; none was given")
        if self.labels is None and names:
            _refuse(f"--{names[0].replace('_', '-')} says how --labels are read; none were named")


@dataclass(kw_only=True)
class LabelOptions(LabelFile):
    """Labels, and how the labelled transcripts were drawn."""

    design: Annotated[
        str | None, typer.Option(help="Design frame of `labels sample`, or `uniform`: a random sample of the pool.")
    ] = None
    force: Annotated[
        bool, typer.Option("--force", help="Keep a --design uniform that the labels contradict; every rate says so.")
    ] = False


@dataclass(kw_only=True)
class BesideOptions:
    """What rates under an assumption rest on: shown beside the others, never instead."""

    PANEL: ClassVar[str] = READ

    external_verdicts: Annotated[Path | None, typer.Option(help="Another campaign: verdicts of the same judge.")] = None
    external_labels: Annotated[Path | None, typer.Option(help="Another campaign: its labels.")] = None
    controls: Annotated[Path | None, typer.Option(help="Verdicts on planted or known harms.")] = None


def sources_of(
    logs: LogOptions,
    labels: LabelFile | None = None,
    scale: ScaleOptions | None = None,
    *,
    transcripts: Sequence[str] = (),
    verdicts: Path | str | None = None,
    harms: tuple[str, ...] | None = None,
    asked: Sequence[str] = (),
) -> Sources:
    """Where the parts of a study are, as these options say.

    Raises
    ------
    InputError
        An option that says how something is read that is not read.
    """
    from calibration.study.inputs import Sources

    named = list(transcripts) or (logs.transcripts if isinstance(logs, PoolOptions) else [])
    if not named and (idle := logs.of_transcripts()):
        _refuse(f"{idle[0]} says how transcripts are read; none were named")
    if scale is not None:
        scale.refuse_without(verdicts)
    fields: dict[str, Any] = logs.sources()
    if labels is not None:
        labels.refuse_without_labels()
        fields |= {"labels": labels.labels, "meaning": labels.meaning(harms=harms, asked=asked)}
    if isinstance(labels, LabelOptions):
        fields |= {"design": labels.design, "force": labels.force}
    if scale is not None:
        fields |= {"scale": scale.scale(), "take": scale.harms_of_scores()}
    return Sources(transcripts=named, verdicts=verdicts, **fields)


def _pairs(option: str, entries: list[str]) -> dict[str, str]:
    """``NAME=VALUE`` entries."""
    found: dict[str, str] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not (name and equals):
            _refuse(f"{option} must read NAME=VALUE, got {entry!r}")
        if name in found:
            _refuse(f"{option} names {name!r} twice")
        found[name] = value
    return found


def _refuse(reason: str) -> None:
    from grader.errors import InputError

    raise InputError(reason)
