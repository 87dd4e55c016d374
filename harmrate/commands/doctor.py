"""``harmrate doctor``: whether machine, data and judge can be relied on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harmrate.commands.data_options import LabelOptions, SelectionOptions, TranscriptOptions, sources_of
from harmrate.commands.options import Json, JudgeOptions, VerdictFile, shared
from harmrate.commands.output import note, show_json, spending, stdout, track


@shared(SelectionOptions, LabelOptions, TranscriptOptions, JudgeOptions)
def doctor(  # noqa: PLR0913 - four records of options, and what is this command's own
    study: SelectionOptions,
    labels: LabelOptions,
    reading: TranscriptOptions,
    judge: JudgeOptions,
    *,
    transcripts: Annotated[list[str] | None, typer.Argument(help="Files, folders, globs.")] = None,
    verdicts: VerdictFile = None,
    number: Annotated[
        int, typer.Option("-n", "--number", min=0, help="Transcripts to probe the judge on, some 17 requests each.")
    ] = 20,
    anchors: Annotated[
        Path | None, typer.Option(help="Frozen anchors: what did this version of the judge change?")
    ] = None,
    freeze: Annotated[
        Path | None,
        typer.Option(help="Freeze labelled transcripts and what the judge says of them, instead of probing."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write it all as JSON; DIR/judge_card.json goes into the report of DIR.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Look at machine, data, a --classifier and (with --judge) the judge; say what they can and cannot support."""
    from calibration.report.doctor_console import diagnosis_json, print_diagnosis
    from calibration.study.doctor.diagnose import DoctorInputs, ProbePlan, diagnose
    from grader.errors import InputError
    from grader.files.atomic import write_text
    from grader.rubrics import load_rubrics

    rubrics = load_rubrics(reading.rubrics, study.harm or None)
    chosen = judge.graders(rubrics, unnamed="no judge").judge is not None
    if (anchors or freeze) and not chosen:
        raise InputError("--anchors and --freeze ask a judge: name it with --judge")
    asked = chosen and bool(anchors or freeze or (transcripts and number))
    patient = DoctorInputs(
        sources=sources_of(
            reading, labels, study, transcripts=transcripts or (), verdicts=verdicts, harms=tuple(rubrics),
            asked=study.harm,
        ),
        setup=judge.setup(),
        rubrics=rubrics,
        store=reading.store,
        settings=study.settings(),
        classifier=judge.classifier,
    )  # fmt: skip
    probing = ProbePlan(n=number, anchors=anchors, freeze=freeze, seed=study.seed) if asked else None
    with spending(judge.prices) as ledger:
        found = diagnose(patient, probing, track=track, watch=ledger.watch)
    if out is not None:
        write_text(out, diagnosis_json(found) + "\n")
    if as_json:
        show_json(diagnosis_json(found))
    else:
        print_diagnosis(stdout(), found)
    for path in filter(None, (freeze, out)):
        note(f"wrote {path}")
