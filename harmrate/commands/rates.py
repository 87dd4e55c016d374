"""Agreement, rates and plans from the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from harmrate.commands.data_options import BesideOptions, LabelOptions, PoolOptions, StudyOptions, sources_of
from harmrate.commands.options import Command, GateOptions, Json, Pairing, VerdictFile, shared
from harmrate.commands.output import bad_options, note, print_report, say, show_json, stdout, track
from harmrate.commands.study import StudyFile, given_on_command_line

if TYPE_CHECKING:
    from calibration.findings.study import Report
    from calibration.study.compute import Part
    from calibration.study.inputs import Sources


@shared(StudyOptions, LabelOptions, PoolOptions)
def agreement(
    study: StudyOptions,
    labels: LabelOptions,
    pool: PoolOptions,
    *,
    verdicts: VerdictFile = None,
    study_file: StudyFile = None,
    as_json: Json = False,
) -> None:
    """How far graders agree with humans, humans and graders with each other, with intervals."""
    sources = sources_of(pool, labels, study, verdicts=verdicts, asked=study.harm)
    print_report(_study(sources, study, ("agreement",)), ("agreement",), as_json=as_json)


@shared(StudyOptions, LabelOptions, PoolOptions, BesideOptions, GateOptions)
def rate(
    study: StudyOptions,
    labels: LabelOptions,
    pool: PoolOptions,
    beside: BesideOptions,
    gates: GateOptions,
    *,
    verdicts: VerdictFile = None,
    study_file: StudyFile = None,
    as_json: Json = False,
) -> None:
    """Harm rates with error bars; without labels, the grader's own rate, said to be just that."""
    sources = sources_of(pool, labels, study, verdicts=verdicts, asked=study.harm)
    report = _study(replace(sources, **vars(beside)), study, ("rates",))
    print_report(report, ("rates",), as_json=as_json)
    fail_by(report, gates)


@shared(StudyOptions, LabelOptions, PoolOptions)
def compare(
    study: StudyOptions,
    labels: LabelOptions,
    pool: PoolOptions,
    *,
    context: typer.Context,
    between: Annotated[str, typer.Option(help="Metadata key whose groups are compared: model, arm, set.")],
    pairing: Annotated[
        Literal["independent", "scenario"],
        typer.Option(help="Calibrated rates as they are, or labels only, scenario by scenario."),
    ] = "independent",
    verdicts: VerdictFile = None,
    study_file: StudyFile = None,
    as_json: Json = False,
) -> None:
    """Whether groups can be told apart: differences of their rates with intervals, Holm-adjusted."""
    from grader.errors import InputError

    if given_on_command_line(context, "by"):
        raise InputError("--between names the groups that are compared: no --by beside it")
    study.by = between
    sources = sources_of(pool, labels, study, verdicts=verdicts, asked=study.harm)
    found = _study(sources, study, ("rates", "comparisons"), pairing)
    if labels.labels is not None and not found.comparisons:
        n = len({tuple(f.group.items()) for f in found.rates})
        note(f"nothing was compared: --between {between} makes {n} groups; 2 to 8 are compared")
    print_report(found, ("rates", "comparisons"), as_json=as_json)


def plan(  # noqa: PLR0913 - one option per assumption
    *,
    rate: Annotated[float, typer.Option(min=0, max=1, help="The harm rate to expect.")],
    width: Annotated[float | None, typer.Option(help="Width of the interval to reach: 0.03 is 3 points.")] = None,
    number: Annotated[int | None, typer.Option("-n", "--number", min=1, help="Or: how many labels there are.")] = None,
    transcripts: Annotated[int, typer.Option(min=1, help="Size of the pool.")] = 5000,
    sensitivity: Annotated[float, typer.Option(min=0, max=1, help="The judge's, as far as known.")] = 0.8,
    specificity: Annotated[float, typer.Option(min=0, max=1, help="The judge's, as far as known.")] = 0.95,
    classifier_sensitivity: Annotated[
        float | None, typer.Option(min=0, max=1, help="A second grader's, which errs independently of the judge.")
    ] = None,
    classifier_specificity: Annotated[
        float | None, typer.Option(min=0, max=1, help="The second grader's; give both or neither.")
    ] = None,
    design: Annotated[
        list[str] | None, typer.Option(help="uniform, flagged-10, disagree-25, ... (repeatable).")
    ] = None,
    method: Annotated[Literal["likelihood-ratio", "post-stratified"], typer.Option()] = "likelihood-ratio",
    target: Annotated[Literal["scenarios", "pool"], typer.Option(help="What the rate is a rate of.")] = "scenarios",
    level: Annotated[float, typer.Option(help="Confidence level.", min=0.5, max=0.9999)] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 0,
    as_json: Json = False,
) -> None:
    """How many labels an error bar of a given width takes, by which design."""
    import numpy as np

    from calibration.plan.plan_labels import plan_labels
    from calibration.report.plan_console import plan_json, print_plan

    with bad_options():
        found = plan_labels(
            rate,
            width=width,
            n_labels=number,
            n_transcripts=transcripts,
            sensitivity=sensitivity,
            specificity=specificity,
            classifier=_second_grader(classifier_sensitivity, classifier_specificity),
            designs=design or None,
            target=target,
            method=method,
            confidence_level=level,
            rng=np.random.default_rng(seed),
        )
    if as_json:
        show_json(plan_json(found))
    else:
        print_plan(stdout(), found)


def _second_grader(sensitivity: float | None, specificity: float | None) -> tuple[float, float] | None:
    """Both of a second grader's figures; None where there is no such grader."""
    from grader.errors import InputError

    if sensitivity is None and specificity is None:
        return None
    if sensitivity is None or specificity is None:
        raise InputError("--classifier-sensitivity and --classifier-specificity go together; give both")
    return sensitivity, specificity


def _study(sources: Sources, study: StudyOptions, parts: Sequence[Part], pairing: Pairing = "independent") -> Report:
    from calibration.study.compute import study_of

    return study_of(sources, study.settings(pairing), seed=study.seed, command=sys.argv, parts=parts, track=track)


def fail_by(report: Report, gates: GateOptions) -> None:
    """Exit 1 when a result gate failed."""
    from calibration.findings.study import group_name
    from calibration.rates.gates import failed_gates

    named = [(f"{f.harm}, {group_name(f.group)}", f.estimate) for f in report.rates]
    failures = failed_gates(named, fail_above=gates.fail_above, require_below=gates.require_below)
    for failure in failures:
        say(failure)
    if failures:
        raise typer.Exit(1)


# Each command with an example of its use.
COMMANDS: dict[Command, str] = {
    agreement: "harmrate agreement --verdicts verdicts.parquet --labels export.json --design round1/design.csv",
    rate: "harmrate rate --verdicts verdicts.parquet --labels labels.parquet --design design.csv --by model",
    compare: "harmrate compare --between arm --verdicts verdicts.parquet --labels export.json --design uniform",
    plan: "harmrate plan --rate 0.03 --width 0.05",
}
