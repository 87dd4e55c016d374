"""The harmrate command: parse, call the library, print. No logic."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli_doctor import doctor
from cli_labels import labels_app
from cli_options import (
    BesideOptions,
    GateOptions,
    Json,
    JudgeOptions,
    LabelOptions,
    MetadataFile,
    OfTranscripts,
    OutFolder,
    Pairing,
    RedactReport,
    StudyOptions,
    TranscriptOptions,
    Transcripts,
    VerdictFile,
    shared,
    sources_of,
)
from cli_output import bad_options, note, print_report, say, speaking, spending, stdout, track
from cli_serve import serve
from cli_store import store_app
from cli_study import StudyFile, init

if TYPE_CHECKING:
    from calibration.findings import Report
    from calibration.study.compute import Part
    from calibration.study.inputs import Sources
    from grader.judge.noise import RepeatTally
    from grader.rubrics import Rubric


class _OneLineErrors(typer.core.TyperGroup):
    """Bad input ends in one line on stderr and exit code 2, never in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with speaking("quietly" if ctx.params.get("quiet") else "as usual"):
                return super().invoke(ctx)
        except KeyboardInterrupt:
            say("interrupted; what was paid for is stored, run the same command to go on")
            raise typer.Exit(130) from None
        except Exception as error:
            code = _exit_code(error)
            if code is None:
                raise
            say(str(error))
            raise typer.Exit(code) from None


def _exit_code(error: Exception) -> int | None:
    """2 for bad input, 1 for a run that had to stop, None for what is neither."""
    from grader.errors import InputError
    from grader.judge.client import RunStopped

    return 2 if isinstance(error, InputError) else 1 if isinstance(error, RunStopped) else None


app = typer.Typer(
    cls=_OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def every_command(
    *,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notes about files and money.")] = False,
) -> None:
    """How often does this agent do harm, and how sure are we?"""  # noqa: D400


@app.command(epilog="Example: harmrate run runs/ --labels labels.parquet --design round1/design.csv --out report")
@shared(StudyOptions, LabelOptions, TranscriptOptions, JudgeOptions, GateOptions)
def run(  # noqa: PLR0913 - five records of options, and what is this command's own
    study: StudyOptions,
    labels: LabelOptions,
    reading: TranscriptOptions,
    judge: JudgeOptions,
    gates: GateOptions,
    *,
    transcripts: Transcripts,
    out: OutFolder,
    verdicts: VerdictFile = None,
    study_file: StudyFile = None,
    train: Annotated[
        Literal["when-possible", "never"], typer.Option(help="Whether to train a classifier on the labels.")
    ] = "when-possible",
    redact_report: RedactReport = False,
    as_json: Json = False,
) -> None:
    """Grade, compare with humans, calibrate and report: the whole job."""
    from calibration.study.pipeline import Graders
    from calibration.study.pipeline import run as run_job
    from grader.store import Store

    rubrics = _rubrics(reading, study)
    graders = Graders(
        judge=None if verdicts is not None and not judge.judge else judge.setup(),
        rubrics=rubrics,
        gate="keyword" if judge.keyword_gate else "none",
        classifier=judge.classifier,
        training=train,
    )
    sources = sources_of(labels, transcripts=transcripts, verdicts=verdicts, reading=reading, harms=tuple(rubrics))
    if graders.judge is not None:
        study.grader = study.grader or graders.judge.panel
    with Store(reading.store) as store, spending(judge.prices) as watch:
        report = run_job(
            study.reading(sources),
            graders,
            out,
            study.settings(),
            store=store,
            seed=study.seed,
            command=sys.argv,
            study_file=study_file,
            track=track,
            watch=watch,
        )
    _write_report(report, out, redact=redact_report)
    print_report(report, ("rates", "comparisons", "agreement"), as_json=as_json)
    note(f"report: {out / 'report.html'}")
    _gate(report, gates)


@app.command(epilog="Example: harmrate grade runs/ --judge claude-sonnet-5-5 --max-cost 20 --out verdicts.parquet")
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
    from grader.rubrics import load_rubrics
    from grader.store import Store
    from grader.verdict import Grader
    from grader.verdict_files import VerdictWriter

    rubrics = load_rubrics(reading.rubrics, harm or None)
    logs = Sources(transcripts=transcripts, format=reading.format, scenario_from=reading.scenario_from)
    writer, repeats = VerdictWriter(out), RepeatTally(judge.repeats)
    with Store(reading.store) as store, spending(judge.prices) as watch:
        if dry_run:
            typer.echo(estimate_judges(judge.setup(), rubrics, logs.read_transcripts(), store=store).summary())
            return
        graders: list[Grader] = []
        if judge.keyword_gate:
            graders.append(KeywordGate.among(rubrics))
        if judge.judge or not (judge.keyword_gate or judge.classifier):
            graders.append(open_judges(judge.setup(), rubrics, store=store, watch=watch))
        if judge.classifier is not None:
            graders.append(EmbeddingClassifier.load(judge.classifier))
        rows = repeats.watch(iter_rows(logs.read_transcripts(), graders, store=store))
        stopped = save_rows(track(rows, "grading"), writer)
    note(f"{out}: {writer.summary()}")
    _note_noise(repeats)
    if stopped is not None:
        raise stopped


@app.command()
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


@app.command(epilog="Example: harmrate train runs/ --labels export.json --out classifier")
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
    stdout().print(told, markup=False, highlight=False)


@app.command(
    epilog="Example: harmrate agreement --verdicts verdicts.parquet --labels export.json --design round1/design.csv"
)
@shared(StudyOptions, LabelOptions)
def agreement(
    study: StudyOptions,
    labels: LabelOptions,
    *,
    verdicts: VerdictFile = None,
    study_file: StudyFile = None,
    metadata: MetadataFile = None,
    transcripts: OfTranscripts = None,
    as_json: Json = False,
) -> None:
    """How far graders agree with humans, humans and graders with each other, with intervals."""
    sources = sources_of(labels, transcripts=transcripts or (), verdicts=verdicts, metadata=metadata)
    print_report(_study(sources, study, ("agreement",)), ("agreement",), as_json=as_json)


@app.command(
    epilog="Example: harmrate rate --verdicts verdicts.parquet --labels labels.parquet --design design.csv --by model"
)
@shared(StudyOptions, LabelOptions, BesideOptions, GateOptions)
def rate(
    study: StudyOptions,
    labels: LabelOptions,
    beside: BesideOptions,
    gates: GateOptions,
    *,
    verdicts: VerdictFile = None,
    study_file: StudyFile = None,
    metadata: MetadataFile = None,
    transcripts: OfTranscripts = None,
    as_json: Json = False,
) -> None:
    """Harm rates with error bars; without labels, the grader's own rate, said to be just that."""
    sources = sources_of(labels, transcripts=transcripts or (), verdicts=verdicts, metadata=metadata)
    report = _study(replace(sources, **vars(beside)), study, ("rates",))
    print_report(report, ("rates",), as_json=as_json)
    _gate(report, gates)


@app.command(
    epilog="Example: harmrate compare --between arm --verdicts verdicts.parquet --labels export.json --design uniform"
)
@shared(StudyOptions, LabelOptions)
def compare(
    study: StudyOptions,
    labels: LabelOptions,
    *,
    between: Annotated[str, typer.Option(help="Metadata key whose groups are compared: model, arm, set.")],
    pairing: Annotated[
        Literal["independent", "scenario"],
        typer.Option(help="Calibrated rates as they are, or labels only, scenario by scenario."),
    ] = "independent",
    verdicts: VerdictFile = None,
    study_file: StudyFile = None,
    metadata: MetadataFile = None,
    transcripts: OfTranscripts = None,
    as_json: Json = False,
) -> None:
    """Whether groups can be told apart: differences of their rates with intervals, Holm-adjusted."""
    study.by = between
    sources = sources_of(labels, transcripts=transcripts or (), verdicts=verdicts, metadata=metadata)
    found = _study(sources, study, ("rates", "comparisons"), pairing)
    print_report(found, ("rates", "comparisons"), as_json=as_json)


@app.command(epilog="Example: harmrate plan --rate 0.03 --width 0.05")
def plan(  # noqa: PLR0913 - one option per assumption
    *,
    rate: Annotated[float, typer.Option(min=0, max=1, help="The harm rate to expect.")],
    width: Annotated[float | None, typer.Option(help="Width of the interval to reach: 0.03 is 3 points.")] = None,
    number: Annotated[int | None, typer.Option("-n", "--number", min=1, help="Or: how many labels there are.")] = None,
    transcripts: Annotated[int, typer.Option(min=1, help="Size of the pool.")] = 5000,
    sensitivity: Annotated[float, typer.Option(min=0, max=1, help="The judge's, as far as known.")] = 0.8,
    specificity: Annotated[float, typer.Option(min=0, max=1, help="The judge's, as far as known.")] = 0.95,
    design: Annotated[list[str] | None, typer.Option(help="uniform, flagged-10, ... (repeatable).")] = None,
    method: Annotated[Literal["likelihood-ratio", "post-stratified"], typer.Option()] = "likelihood-ratio",
    target: Annotated[Literal["scenarios", "pool"], typer.Option(help="What the rate is a rate of.")] = "scenarios",
    level: Annotated[float, typer.Option(help="Confidence level.", min=0.5, max=0.9999)] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 0,
    as_json: Json = False,
) -> None:
    """How many labels an error bar of a given width takes, by which design."""
    import numpy as np

    from calibration.plan import DESIGNS, plan_labels
    from calibration.report.planning import plan_json, print_plan

    with bad_options():
        found = plan_labels(
            rate,
            width=width,
            n_labels=number,
            n_transcripts=transcripts,
            sensitivity=sensitivity,
            specificity=specificity,
            designs=design or DESIGNS,
            target=target,
            method=method,
            confidence_level=level,
            rng=np.random.default_rng(seed),
        )
    if as_json:
        typer.echo(plan_json(found))
    else:
        print_plan(stdout(), found)


@app.command(epilog="Example: harmrate report report/")
def report(
    folder: Annotated[Path, typer.Argument(help="Folder that `harmrate run` wrote.")],
    *,
    papers: Annotated[
        bool, typer.Option("--papers", help="Write figures (SVG, PNG) and tables (CSV, LaTeX) for papers, too.")
    ] = False,
    redact_report: RedactReport = False,
    as_json: Json = False,
) -> None:
    """Compute and write a folder's report again."""
    from calibration.report.papers import write_papers
    from calibration.study.folder import study_again

    found = study_again(folder)
    _write_report(found, folder, redact=redact_report)
    if papers:
        note(f"for papers: {len(write_papers(found, folder))} files in {folder / 'figures'} and {folder / 'tables'}")
    print_report(found, ("rates", "comparisons", "agreement"), as_json=as_json)
    note(f"report: {folder / 'report.html'}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("harmrate-demo"),
    redraws: Annotated[int, typer.Option(min=0, help="How often to draw other labels, to show coverage.")] = 200,
) -> None:
    """The whole job on a simulated study whose truth is known; offline, no key."""
    from calibration.report.console import print_comparisons, print_truth
    from calibration.study.demo import run_demo

    found = run_demo(out, n_redraws=redraws, track=track)
    _write_report(found.report, out)
    print_truth(stdout(), found.report, found.truth, found.held, redraws)
    print_comparisons(stdout(), found.report.comparisons)
    note(f"report: {out / 'report.html'}")


# ---- What commands share ---------------------------------------------------------------------------------------------


def _write_report(report: Report, folder: Path, *, redact: bool = False) -> None:
    from calibration.report import render_report
    from calibration.study.exhibits import exhibits_of

    render_report(report, folder, exhibits=exhibits_of(folder), redact=redact)


def _rubrics(reading: TranscriptOptions, study: StudyOptions) -> dict[str, Rubric]:
    from grader.rubrics import load_rubrics

    return load_rubrics(reading.rubrics, study.harm or None)


def _study(sources: Sources, study: StudyOptions, parts: Sequence[Part], pairing: Pairing = "independent") -> Report:
    from calibration.study.inputs import study_of

    read, settings = study.reading(sources), study.settings(pairing)
    return study_of(read, settings, seed=study.seed, command=sys.argv, parts=parts, track=track)


def _note_noise(repeats: RepeatTally) -> None:
    """How often a judge contradicts itself, where questions were asked more than once."""
    from calibration.study.doctor_judge import noise_rates

    for found in noise_rates(repeats.counts()):
        note(
            f"{found.grader} on {found.harm}: two answers to one question differ in {found.rate:.1%} "
            f"[{found.low:.1%}, {found.high:.1%}]; {found.n_flipped} of {found.n_transcripts} transcripts flipped"
        )


def _gate(report: Report, gates: GateOptions) -> None:
    """Exit 1 when a result gate failed."""
    from calibration.findings import group_name
    from calibration.gates import failed_gates

    named = [(f"{f.harm}, {group_name(f.group)}", f.estimate) for f in report.rates]
    failures = failed_gates(named, fail_above=gates.fail_above, require_below=gates.require_below)
    for failure in failures:
        say(failure)
    if failures:
        raise typer.Exit(1)


# Commands that live in files of their own, after those above in --help.
app.add_typer(labels_app, name="labels")
app.add_typer(store_app, name="store")
app.command()(init)
app.command()(serve)
app.command()(doctor)


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
