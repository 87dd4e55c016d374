"""Grading from the command line: verdicts made, handed on, and a classifier trained."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from harmrate.commands.data_options import LabelFile, LogOptions, ScaleOptions, TranscriptOptions, sources_of
from harmrate.commands.options import OUTPUT, READ, Command, JudgeOptions, OutFolder, Transcripts, VerdictFile, shared
from harmrate.commands.output import bad_options, metered, note, print_ledger, show, spending, track, watched

if TYPE_CHECKING:
    from calibration.study.inputs import Sources
    from grader.judge.stress.repeats import RepeatTally
    from grader.rubrics import Rubric
    from grader.shards.cluster import Cluster


@dataclass(kw_only=True)
class EngineOptions:
    """Where shards are graded, and which of them."""

    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="This process, or workers of a Ray cluster (shards only).")
    ] = "local"
    address: Annotated[str | None, typer.Option(help="Of a running Ray cluster; default one on this machine.")] = None
    workers: Annotated[int | None, typer.Option(min=1, help="Most Ray workers; default one for each CPU.")] = None
    gpus: Annotated[float | None, typer.Option(min=0, help="GPUs of one classifier; default 1 where there are.")] = None
    part: Annotated[str | None, typer.Option(help="K/N: only every N-th shard, from the K-th on.")] = None

    def cluster(self) -> Cluster | None:
        """As the library takes it; None for this process."""
        if self.engine == "local":
            return None
        from grader.shards.cluster import Cluster

        return Cluster(address=self.address, workers=self.workers, gpus=self.gpus)

    def refuse(self, reason: str) -> None:
        """Refuse what only shards can have, where there are none."""
        from grader.errors import InputError

        if self.engine != "local" or self.part is not None:
            raise InputError(f"--engine and --part are for shards, and {reason}: name a folder, --out DIR/")

    def parts(self) -> tuple[int, int]:
        """Which part of how many."""
        from grader.errors import InputError

        if self.part is None:
            return 1, 1
        k, slash, n = self.part.partition("/")
        if not (slash and k.isdecimal() and n.isdecimal() and 1 <= int(k) <= int(n)):
            raise InputError(f"--part must read K/N with 1 <= K <= N, got {self.part!r}")
        return int(k), int(n)


@shared(TranscriptOptions, JudgeOptions, EngineOptions)
def grade(
    reading: TranscriptOptions,
    judge: JudgeOptions,
    engine: EngineOptions,
    *,
    transcripts: Transcripts,
    out: Annotated[
        str,
        typer.Option(
            help="Verdicts: .parquet, .jsonl or .csv; or a folder (DIR/, s3://...): one file a shard.",
            rich_help_panel=OUTPUT,
        ),
    ],
    harm: Annotated[list[str] | None, typer.Option(help="Only this harm (repeatable).", rich_help_panel=READ)] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what it would ask and cost; send nothing.", rich_help_panel=OUTPUT),
    ] = False,
) -> None:
    """Grade transcripts with judges, with a trained classifier (--classifier), or both."""
    from grader.errors import InputError
    from grader.judge.setup import estimate_judges
    from grader.readers.summary import ReadingSummary
    from grader.rubrics import load_rubrics
    from grader.shards.manifest import is_shard_folder
    from grader.store.store import Store

    rubrics = load_rubrics(reading.rubrics, harm or None)
    logs = sources_of(reading, transcripts=transcripts)
    if dry_run:
        with Store(reading.store) as store:
            read = ReadingSummary()
            estimate = estimate_judges(
                judge.setup(), rubrics, read.watch(logs.read_transcripts(read.ledger)), store=store
            )
            show(f"{read.text()}\n{estimate.summary()}")
    elif is_shard_folder(out):
        if reading.metadata is not None or reading.path_pattern or reading.id_from != "record" or reading.strict:
            raise InputError("--metadata, --path-pattern, --id-from and --strict are for one file: --out FILE")
        _grade_shards(logs, judge, engine, out, rubrics, reading.store)
    else:
        engine.refuse("verdicts go into one file")
        _grade_file(logs, judge, Path(out), rubrics, reading.store)


def _grade_file(logs: Sources, judge: JudgeOptions, out: Path, rubrics: Mapping[str, Rubric], store_file: Path) -> None:
    """All verdicts into one file."""
    from grader.failure_budget import FailureBudget
    from grader.grading import iter_rows, save_rows
    from grader.judge.stress.repeats import RepeatTally
    from grader.progress import GRADING, Meter
    from grader.store.store import Store
    from grader.verdict.read import VerdictWriter

    writer, repeats = VerdictWriter(out), RepeatTally(judge.repeats)
    with Store(store_file) as store, spending(judge.prices) as ledger:
        graders = judge.graders(rubrics).open(store=store, watch=ledger.watch)
        for grader in graders:
            for difference in getattr(grader, "differences_", ()):
                note(f"{grader.name}: {difference}")
        total = logs.count_transcripts(track) if watched() else None
        follow = metered(Meter(lambda: ledger.cost, judge.max_cost))
        with closing(iter_rows(logs.read_transcripts(), graders, store=store)) as graded:
            rows = FailureBudget(judge.max_failed).watch(repeats.watch(graded))
            stopped = save_rows(follow(rows, GRADING, total), writer)
    note(f"{out}: {writer.summary()}")
    if writer.outcomes["api_error"]:
        note("the same command again asks only for what failed at the server")
    _note_noise(repeats)
    if stopped is not None:
        raise stopped


def _grade_shards(
    logs: Sources, judge: JudgeOptions, engine: EngineOptions, out: str, rubrics: Mapping[str, Rubric], store: Path
) -> None:
    """Verdicts into a folder, a file for each file of transcripts."""
    from grader.failure_budget import FailureBudget
    from grader.shards.run import grade_shards
    from grader.shards.stages import ReadOptions

    # Whatever a cluster prints of itself is no data.
    with redirect_stdout(sys.stderr), spending(judge.prices) as ledger:
        done = grade_shards(
            logs.transcripts,
            out,
            judge.graders(rubrics),
            store=store,
            reading=ReadOptions(
                format=logs.format,
                scenario_from=logs.scenario_from,
                id_from=logs.id_from,
                path_pattern=logs.path_pattern,
                on_bad="refuse" if logs.strict else "outcome",
            ),
            part=engine.parts(),
            cluster=engine.cluster(),
            watch=ledger.watch,
            track=track,
        )
    for name, why in done.again.items():
        note(f"graded again: {name}: {why}")
    for failure in done.failures.values():
        note(f"no verdicts: {failure.reason}")
    note(f"{out}: {done.summary()}")
    done.check()
    budget = FailureBudget(judge.max_failed)
    for record in done.records.values():
        budget.add(record.outcomes)
    budget.check()


@shared(ScaleOptions)
def export(
    scale: ScaleOptions,
    *,
    verdicts: Annotated[Path, typer.Argument(help="Table of verdicts, or a log that has some.")],
    to: Annotated[Literal["inspect", "scout", "promptfoo"], typer.Option(help="Whose format.")],
    out: Annotated[Path, typer.Option(help="File to write; for scout a folder.")],
) -> None:
    """Write verdicts for another tool: Inspect's precomputed_scores, a Scout scan, promptfoo's results."""
    from calibration.study.inputs import load
    from grader.verdict.export import export_verdicts

    data = load(sources_of(LogOptions(), None, scale, verdicts=verdicts))
    if data.verdicts is not None:
        export_verdicts(data.verdicts, out, to)
    print_ledger(data.ledger)
    note(str(out))


@shared(LabelFile, TranscriptOptions, ScaleOptions)
def train(
    labels: LabelFile,
    reading: TranscriptOptions,
    scale: ScaleOptions,
    *,
    transcripts: Transcripts,
    out: OutFolder,
    verdicts: VerdictFile = None,
    model: Annotated[str, typer.Option(help="sentence-transformers name or folder.")] = "all-MiniLM-L6-v2",
    backend: Annotated[Literal["torch", "onnx-int8"], typer.Option(help="What computes the embeddings.")] = "torch",
    aim: Annotated[
        str | None, typer.Option(help="What the threshold is to reach out of fold: sensitivity=0.9 or precision=0.8.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the folds.")] = 0,
) -> None:
    """Train the classifier on labels, or on a judge's --verdicts; with under 8 positives rank by rubric examples.

    A transcript that was labelled is never scored by a fold that saw its label.
    """
    from calibration.study.learn import learn
    from grader import EmbeddingClassifier
    from grader.classifier.probability import read_aim
    from grader.errors import InputError
    from grader.rubrics import load_rubrics
    from grader.store.store import Store

    harms = tuple(load_rubrics(reading.rubrics))
    if labels.labels is not None and verdicts is not None:
        raise InputError("the classifier learns from --labels or from a judge's --verdicts: name one of them")
    sources = sources_of(reading, labels, scale, transcripts=transcripts, verdicts=verdicts, harms=harms)
    with Store(reading.store) as store, bad_options():
        wanted = None if aim is None else read_aim(aim)
        untrained = EmbeddingClassifier(model, backend=backend, aim=wanted, seed=seed, store=store)
        told = learn(untrained, sources, out, rubrics=reading.rubrics, track=track)
    show(told)


def _note_noise(repeats: RepeatTally) -> None:
    """How often a judge contradicts itself, where questions were asked more than once."""
    from calibration.study.doctor.judge import noise_rates

    for found in noise_rates(repeats.counts()):
        note(
            f"{found.grader} on {found.harm}: two answers to one question differ in {found.rate:.1%} "
            f"[{found.low:.1%}, {found.high:.1%}]; {found.n_flipped} of {found.n_transcripts} transcripts flipped"
        )


# Each command with an example of its use.
COMMANDS: dict[Command, str] = {
    grade: "harmrate grade runs/ --judge claude-sonnet-5-5 --max-cost 20 --out verdicts.parquet",
    export: "harmrate export verdicts.parquet --to inspect --out ratings.jsonl",
    train: "harmrate train runs/ --labels export.json --out classifier",
}
