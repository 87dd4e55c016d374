"""Grading from the command line: verdicts made, handed on, and a classifier trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli_options import (
    Command,
    JudgeOptions,
    LabelOptions,
    OutFolder,
    TranscriptOptions,
    Transcripts,
    VerdictFile,
    shared,
    sources_of,
)
from cli_output import metered, note, show, spending, track, watched

if TYPE_CHECKING:
    from grader.judge.noise import RepeatTally


@shared(TranscriptOptions, JudgeOptions)
def grade(
    reading: TranscriptOptions,
    judge: JudgeOptions,
    *,
    transcripts: Transcripts,
    out: Annotated[Path, typer.Option(help="Verdicts: .parquet, .jsonl or .csv.")],
    harm: Annotated[list[str] | None, typer.Option(help="Only this harm (repeatable).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would ask and cost; send nothing.")] = False,
) -> None:
    """Grade transcripts with judges, with a trained classifier (--classifier), or both."""
    from calibration.study.inputs import Sources
    from grader import EmbeddingClassifier
    from grader.grading import iter_rows, save_rows
    from grader.judge.keyword_gate import KeywordGate
    from grader.judge.noise import RepeatTally
    from grader.judge.setup import estimate_judges, open_judges
    from grader.progress import GRADING, Meter
    from grader.rubrics import load_rubrics
    from grader.store import Store
    from grader.verdict import Grader
    from grader.verdict_files import VerdictWriter

    rubrics = load_rubrics(reading.rubrics, harm or None)
    logs = Sources(transcripts=transcripts, format=reading.format, scenario_from=reading.scenario_from)
    writer, repeats = VerdictWriter(out), RepeatTally(judge.repeats)
    with Store(reading.store) as store, spending(judge.prices) as ledger:
        if dry_run:
            show(estimate_judges(judge.setup(), rubrics, logs.read_transcripts(), store=store).summary())
            return
        graders: list[Grader] = []
        if judge.keyword_gate:
            graders.append(KeywordGate.among(rubrics))
        if judge.judge or not (judge.keyword_gate or judge.classifier):
            graders.append(open_judges(judge.setup(), rubrics, store=store, watch=ledger.watch))
        if judge.classifier is not None:
            graders.append(EmbeddingClassifier.load(judge.classifier))
        total = logs.count_transcripts(track) if watched() else None
        rows = repeats.watch(iter_rows(logs.read_transcripts(), graders, store=store))
        follow = metered(Meter(lambda: ledger.cost, judge.max_cost))
        stopped = save_rows(follow(rows, GRADING, total), writer)
    note(f"{out}: {writer.summary()}")
    _note_noise(repeats)
    if stopped is not None:
        raise stopped


def export(
    verdicts: Annotated[Path, typer.Argument(help="Table of verdicts, or a log that holds some.")],
    *,
    to: Annotated[Literal["inspect", "scout", "promptfoo"], typer.Option(help="Whose format.")],
    out: Annotated[Path, typer.Option(help="File to write; for scout a folder.")],
) -> None:
    """Write verdicts for another tool: Inspect's precomputed_scores, a Scout scan, promptfoo's results."""
    from grader.verdict_export import export_verdicts
    from grader.verdict_files import read_verdicts

    export_verdicts(read_verdicts(verdicts), out, to)
    note(str(out))


@shared(LabelOptions, TranscriptOptions)
def train(
    labels: LabelOptions,
    reading: TranscriptOptions,
    *,
    transcripts: Transcripts,
    out: OutFolder,
    verdicts: VerdictFile = None,
    model: Annotated[str, typer.Option(help="sentence-transformers name or folder.")] = "all-MiniLM-L6-v2",
    backend: Annotated[Literal["torch", "onnx-int8"], typer.Option(help="What computes the embeddings.")] = "torch",
    seed: Annotated[int, typer.Option(help="Seed of the folds.")] = 0,
) -> None:
    """Train the classifier on labels, or on a judge's --verdicts; with under 20 positives rank by rubric examples.

    A transcript that was labelled is never scored by a fold that saw its label.
    """
    from calibration.study.labelling import learn
    from grader import EmbeddingClassifier
    from grader.rubrics import load_rubrics
    from grader.store import Store

    harms = tuple(load_rubrics(reading.rubrics))
    sources = sources_of(labels, transcripts=transcripts, verdicts=verdicts, reading=reading, harms=harms)
    with Store(reading.store) as store:
        untrained = EmbeddingClassifier(model, backend=backend, seed=seed, store=store)
        told = learn(untrained, sources, out, rubrics=reading.rubrics, track=track)
    show(told)


def _note_noise(repeats: RepeatTally) -> None:
    """How often a judge contradicts itself, where questions were asked more than once."""
    from calibration.study.doctor_judge import noise_rates

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
