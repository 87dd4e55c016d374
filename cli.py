"""The harmrate command: parse, call the library, print. No logic."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import cli_grading
import cli_rates
from cli_doctor import doctor
from cli_labels import labels_app
from cli_options import (
    Command,
    GateOptions,
    Json,
    JudgeOptions,
    LabelOptions,
    OutFolder,
    RedactReport,
    StudyOptions,
    TranscriptOptions,
    Transcripts,
    VerdictFile,
    shared,
    sources_of,
)
from cli_output import metered, note, print_report, say, speaking, spending, stdout, track
from cli_rates import fail_by
from cli_serve import serve
from cli_store import store_app
from cli_study import StudyFile, init

if TYPE_CHECKING:
    from calibration.findings import Report
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
    """2 for bad input and a full or closed disk, 1 for a run that had to stop, None for what is neither."""
    from grader.errors import InputError
    from grader.judge.client import RunStopped

    if isinstance(error, OSError) and error.errno in _DISK:
        return 2
    return 2 if isinstance(error, InputError) else 1 if isinstance(error, RunStopped) else None


# What a disk, a folder or a name refuses: no defect of ours.
_DISK = {
    getattr(errno, name)
    for name in "ENOSPC EDQUOT EROFS EACCES EPERM EFBIG EIO EISDIR ENOTDIR ENAMETOOLONG ELOOP".split()
    if hasattr(errno, name)
}


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
    from grader.progress import Meter
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
    with Store(reading.store) as store, spending(judge.prices) as ledger:
        report = run_job(
            study.reading(sources),
            graders,
            out,
            study.settings(),
            store=store,
            seed=study.seed,
            command=sys.argv,
            study_file=study_file,
            track=metered(Meter(lambda: ledger.cost, judge.max_cost)),
            watch=ledger.watch,
        )
    _write_report(report, out, redact=redact_report)
    print_report(report, ("rates", "comparisons", "agreement"), as_json=as_json)
    note(f"report: {out / 'report.html'}")
    fail_by(report, gates)


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
    from calibration.study.settings import StudySettings

    settings = StudySettings.from_dict(report.provenance.get("settings") or {})
    render_report(report, folder, exhibits=exhibits_of(folder, settings), redact=redact)


def _rubrics(reading: TranscriptOptions, study: StudyOptions) -> dict[str, Rubric]:
    from grader.rubrics import load_rubrics

    return load_rubrics(reading.rubrics, study.harm or None)


# In the order of --help, each with an example of its use.
_COMMANDS: dict[Command, str] = {
    **cli_grading.COMMANDS,
    **cli_rates.COMMANDS,
    report: "harmrate report report/",
    demo: "harmrate demo",
    init: "harmrate init runs/ verdicts.parquet",
    serve: "harmrate serve --judge claude-sonnet-5-5",
    doctor: "harmrate doctor runs/ --verdicts verdicts.parquet --labels labels.parquet",
}
for _command, _example in _COMMANDS.items():
    app.command(epilog=f"Example: {_example}")(_command)
app.add_typer(labels_app, name="labels")
app.add_typer(store_app, name="store")


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
