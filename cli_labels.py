"""``harmrate labels``: the page raters see, and which transcripts to label."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli_options import OutFolder, TranscriptOptions, Transcripts, VerdictFile, shared
from cli_output import note, track

labels_app = typer.Typer(no_args_is_help=True, help="Labelling: the page raters see, and which transcripts to label.")


@labels_app.command("config")
def labels_config(
    rubrics: Annotated[Path | None, typer.Option(help="Folder of Markdown rubrics of your own.")] = None,
    harm: Annotated[list[str] | None, typer.Option(help="Only this harm (repeatable).")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; default: stdout.")] = None,
) -> None:
    """The labelling page for Label Studio, made from the rubrics."""
    from grader.files import write_text
    from grader.rubrics import load_rubrics
    from labels import label_config

    xml = label_config(load_rubrics(rubrics, harm or None))
    if out is None:
        typer.echo(xml, nl=False)
    else:
        write_text(out, xml)


@labels_app.command("sample")
@shared(TranscriptOptions)
def labels_sample(
    reading: TranscriptOptions,
    *,
    transcripts: Transcripts,
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="How many transcripts to label.")],
    out: OutFolder,
    verdicts: VerdictFile = None,
    design: Annotated[str, typer.Option(help="uniform, flagged-10, flagged-25, disagree-25, stratified.")] = "uniform",
    round_: Annotated[int, typer.Option("--round", min=1, help="Number of the round.")] = 1,
    earlier: Annotated[Path | None, typer.Option(help="Design frame of the rounds before.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
) -> None:
    """Draw which transcripts to label: blind tasks for Label Studio, and the design beside them."""
    from calibration.study.inputs import Sources
    from calibration.study.labelling import sample_for_labelling

    sources = Sources(
        transcripts=transcripts,
        format=reading.format,
        scenario_from=reading.scenario_from,
        verdicts=verdicts,
    )
    n_tasks = sample_for_labelling(
        sources, n, out, design=design, round=round_, earlier=earlier, rubrics=reading.rubrics, seed=seed, track=track
    )
    note(f"{n_tasks} tasks in {out / 'tasks.json'}; keep {out / 'design.csv'}: every rate needs it (--design)")
