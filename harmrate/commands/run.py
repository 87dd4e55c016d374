"""The whole job, its report, and the demonstration."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from harmrate.commands.data_options import LabelOptions, StudyOptions, TranscriptOptions, sources_of
from harmrate.commands.options import (
    CLASSIFIER,
    Command,
    GateOptions,
    Json,
    JudgeOptions,
    OutFolder,
    RedactReport,
    Transcripts,
    VerdictFile,
    shared,
)
from harmrate.commands.output import metered, note, print_report, show, show_json, spending, stdout, track
from harmrate.commands.rates import fail_by
from harmrate.commands.study import StudyFile

if TYPE_CHECKING:
    from calibration.findings.study import Report
    from grader.rubrics import Rubric


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
        Literal["when-possible", "never"],
        typer.Option(help="Whether to train a classifier on the labels.", rich_help_panel=CLASSIFIER),
    ] = "when-possible",
    redact_report: RedactReport = False,
    as_json: Json = False,
) -> None:
    """Grade, compare with humans, calibrate and report: the whole job."""
    from calibration.study.run_job import Graders
    from calibration.study.run_job import run as run_job
    from grader.progress import Meter
    from grader.store.store import Store

    rubrics = _rubrics(reading, study)
    unnamed: Literal["default judge", "no judge"] = "default judge" if verdicts is None else "no judge"
    graders = Graders(setup=judge.graders(rubrics, unnamed=unnamed), training=train)
    sources = sources_of(
        reading, labels, study, transcripts=transcripts, verdicts=verdicts, harms=tuple(rubrics), asked=study.harm
    )
    if graders.setup.judge is not None:
        study.grader = study.grader or graders.setup.judge.panel
    with Store(reading.store) as store, spending(judge.prices) as ledger:
        report = run_job(
            sources,
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


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder that `harmrate run` wrote.")], *, as_json: Json = False
) -> None:
    """Whether a folder's files are those that were sealed, and its numbers those that they give: exit 1 when not."""
    from calibration.report import report_dict
    from calibration.study import seal
    from calibration.study.folder import read_report, study_again

    differences = seal.changes(folder)
    if not differences:
        differences = seal.different_numbers(read_report(folder), report_dict(study_again(folder)))
        for name in seal.added(folder):
            note(f"{folder / name}: came after the seal; no number rests on it")
    if as_json:
        show_json(json.dumps({"verified": not differences, "differences": differences}, ensure_ascii=False))
    elif differences:
        show("\n".join(f"differs: {line}" for line in differences))
    else:
        show(f"verified: every file of {folder} is as it was sealed, and every number follows from them")
    if differences:
        raise typer.Exit(1)


# ---- What commands share ---------------------------------------------------------------------------------------------


def _write_report(report: Report, folder: Path, *, redact: bool = False) -> None:
    from calibration.report import render_report
    from calibration.study.browser_items import exhibits_of
    from calibration.study.seal import write_seal
    from calibration.study.settings import StudySettings

    settings = StudySettings.from_dict(report.provenance.get("settings") or {})
    render_report(report, folder, exhibits=exhibits_of(folder, settings), redact=redact)
    write_seal(folder)


def _rubrics(reading: TranscriptOptions, study: StudyOptions) -> dict[str, Rubric]:
    from grader.rubrics import load_rubrics

    return load_rubrics(reading.rubrics, study.harm or None)


# In the order of --help, each with an example of its use.
COMMANDS: dict[Command, str] = {
    run: "harmrate run runs/ --labels labels.parquet --design round1/design.csv --out report",
    report: "harmrate report report/",
    verify: "harmrate verify report/",
    demo: "harmrate demo",
}
