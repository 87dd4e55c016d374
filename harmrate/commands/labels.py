"""``harmrate labels``: the page raters see, which transcripts to label, and what they said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harmrate.commands.data_options import LogOptions, ScaleOptions, TranscriptOptions, sources_of
from harmrate.commands.label_options import DrawOptions, FileOptions, GoalOptions, ServerOptions
from harmrate.commands.options import Json, MeaningOptions, OutFolder, Transcripts, VerdictFile, shared
from harmrate.commands.output import note, print_ledger, show_json, stdout, track

if TYPE_CHECKING:
    from labels.label_studio.pull import Pulled
    from labels.label_studio.push import Pushed

# On one screen, below the answer.
NOTES_SHOWN = 4

labels_app = typer.Typer(no_args_is_help=True, help="Labelling campaigns: sample, push, pull, import, adjudicate.")

CampaignFolder = Annotated[Path, typer.Argument(help="Folder that `labels sample` wrote.")]


@labels_app.command("config")
def labels_config(
    rubrics: Annotated[Path | None, typer.Option(help="Folder of Markdown rubrics of your own.")] = None,
    harm: Annotated[list[str] | None, typer.Option(help="Only this harm (repeatable).")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; default: stdout.")] = None,
) -> None:
    """The labelling page for Label Studio, made from the rubrics."""
    from grader.files.atomic import write_text
    from grader.rubrics import load_rubrics
    from labels import label_config

    xml = label_config(load_rubrics(rubrics, harm or None))
    if out is None:
        typer.echo(xml, nl=False)
    else:
        write_text(out, xml)


@labels_app.command("sample")
@shared(DrawOptions, TranscriptOptions, ScaleOptions)
def labels_sample(
    drawing: DrawOptions,
    reading: TranscriptOptions,
    scale: ScaleOptions,
    *,
    transcripts: Transcripts,
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="How many transcripts to label.")],
    out: OutFolder,
    verdicts: VerdictFile = None,
) -> None:
    """Draw which transcripts to label: blind tasks for Label Studio, and the design beside them."""
    from calibration.study.campaign.sampling import sample_for_labelling

    sources = sources_of(reading, drawing, scale, transcripts=transcripts, verdicts=verdicts, asked=drawing.harm)
    sampled = sample_for_labelling(sources, drawing.plan(n, reading.rubrics), out, track=track)
    print_ledger(sampled.ledger)
    for line in sampled.notes:
        note(line)
    note(f"{sampled.n_tasks} tasks in {out / 'tasks.json'}; keep {sampled.design}: every rate needs it (--design)")


@labels_app.command("push")
@shared(ServerOptions, ScaleOptions)
def labels_push(
    server: ServerOptions,
    scale: ScaleOptions,
    *,
    folder: CampaignFolder,
    title: Annotated[str | None, typer.Option(help="Of the project (default: the folder's name).")] = None,
    prelabel: Annotated[bool, typer.Option("--prelabel", help="Show raters the verdicts; blind without.")] = False,
    verdicts: VerdictFile = None,
    grader: Annotated[str | None, typer.Option(help="Whose verdicts to show (default: the judge's).")] = None,
    redact: Annotated[
        bool, typer.Option("--redact", help="Replace addresses, numbers and keys before tasks leave the machine.")
    ] = False,
    redact_name: Annotated[list[str] | None, typer.Option(help="Replace this name, too (repeatable).")] = None,
) -> None:
    """Push the sampled tasks to Label Studio; a second push adds only what is not there yet."""
    from calibration.study.inputs import load
    from grader.errors import InputError
    from grader.redaction import Redaction
    from labels.label_studio.folder import push_campaign

    if prelabel and verdicts is None:
        raise InputError("--prelabel shows raters the verdicts of --verdicts FILE; none was named")
    if not prelabel and (verdicts is not None or grader is not None):
        raise InputError("--verdicts and --grader are shown to raters only with --prelabel")
    data = load(sources_of(LogOptions(), None, scale, verdicts=verdicts))
    with server.connect() as studio:
        record, pushed = push_campaign(
            studio,
            folder,
            title=title,
            redaction=Redaction(names=redact_name or ()) if redact or redact_name else None,
            verdicts=data.verdicts,
            grader=grader,
        )
    if record.redacted:
        note("replaced: " + ", ".join(f"{n} {kind}" for kind, n in record.redacted.items()))
    note(f"project {record.project} ({record.title}, {record.marking}): {_pushed(pushed)}")
    note(f"raters work at {pushed.page}")
    for rater, link in pushed.links.items():
        note(f"  {rater}: {link}")


@labels_app.command("pull")
@shared(ServerOptions, MeaningOptions)
def labels_pull(
    server: ServerOptions,
    meaning: MeaningOptions,
    *,
    folder: CampaignFolder,
    project: Annotated[int | None, typer.Option(help="Number of a project that was set up by hand.")] = None,
    out: Annotated[Path | None, typer.Option(help="History to add to (default: labels.parquet in the folder).")] = None,
) -> None:
    """Add what raters did since the last pull to labels.parquet; nothing that was pulled is ever lost."""
    from labels.label_studio.folder import pull_campaign

    with server.connect() as studio:
        pulled = pull_campaign(
            studio,
            folder,
            project=project,
            out=out,
            meaning=meaning.meaning(),
        )
    _tell(pulled)


@labels_app.command("adjudicate")
@shared(ServerOptions)
def labels_adjudicate(server: ServerOptions, *, folder: CampaignFolder) -> None:
    """Pull, then push what raters could not settle; the answers come back as ground truth."""
    from labels.label_studio.folder import adjudicate_campaign

    with server.connect() as studio:
        pulled, pushed = adjudicate_campaign(studio, folder)
    _tell(pulled)
    note(f"to adjudicate: {_pushed(pushed)}")


def _tell(pulled: Pulled) -> None:
    for line in pulled.notes:
        note(line)
    growth = pulled.growth
    gone = f", {growth.gone} gone from the server (kept)" if growth.gone else ""
    note(f"{pulled.n_tasks} tasks: {growth.new} new labels, {growth.changed} changed{gone}")


def _pushed(pushed: Pushed) -> str:
    doubles = f", {pushed.doubles} doubles removed" if pushed.doubles else ""
    return f"{pushed.new} tasks added, {pushed.there} were there{doubles}"


@labels_app.command("import")
@shared(MeaningOptions)
def labels_import(
    meaning: MeaningOptions,
    *,
    export: Annotated[Path, typer.Argument(help="Label Studio export: JSON, JSON_MIN, CSV, TSV or a snapshot.")],
    out: Annotated[Path, typer.Option(help="History of labels to add to (Parquet).")] = Path("labels.parquet"),
    project: Annotated[str, typer.Option(help="Name of the project that was exported.")] = "import",
) -> None:
    """Add an export to a history of labels; importing it again, or a later one, adds only what is new."""
    from labels.label_studio.importing import import_labels

    growth, notes = import_labels(export, out, meaning.meaning(), project=project)
    for line in notes:
        note(line)
    note(f"{growth.new} new labels, {growth.changed} changed, in {out}")


@labels_app.command("status")
@shared(MeaningOptions, GoalOptions, FileOptions, ScaleOptions)
def labels_status(  # noqa: PLR0913 - four records of options, and what is this command's own
    meaning: MeaningOptions,
    goal: GoalOptions,
    files: FileOptions,
    scale: ScaleOptions,
    *,
    folder: Annotated[Path | None, typer.Argument(help="Folder that `labels sample` wrote and `pull` filled.")] = None,
    verdicts: VerdictFile = None,
    show_all: Annotated[bool, typer.Option("--all", help="Print every table behind the answer, too.")] = False,
    harm: Annotated[list[str] | None, typer.Option(help="Only this harm (repeatable).")] = None,
    grader: Annotated[str | None, typer.Option(help="Whose verdicts make the strata (default: the judge).")] = None,
    level: Annotated[float, typer.Option(help="Confidence level.", min=0.5, max=0.9999)] = 0.95,
    as_json: Json = False,
) -> None:
    """The rate so far, how many labels are left, and what to do next."""
    from calibration.report.campaign_console import print_status, status_json
    from calibration.study.campaign.status import study_campaign
    from calibration.study.inputs import Sources, load
    from calibration.study.settings import StudySettings
    from labels.label_studio.folder import campaign_files

    scale.refuse_without(verdicts)
    place = campaign_files(folder, labels=files.labels, designs=files.design)
    sources = Sources(
        labels=place.labels,
        design=tuple(place.designs),
        verdicts=verdicts,
        meaning=meaning.meaning(asked=harm or ()),
        scale=scale.scale(),
        take=scale.harms_of_scores(),
    )
    data = load(sources, track=track)
    status = study_campaign(
        data,
        settings=StudySettings(harms=tuple(harm or ()) or None, grader=grader, confidence_level=level),
        **vars(goal),
    )
    print_ledger(data.ledger)
    if as_json:
        show_json(status_json(status))
        return
    print_status(stdout(), status, show="all" if show_all else "answer")
    for line in status.notes if show_all else status.notes[:NOTES_SHOWN]:
        note(line)
    if not show_all and len(status.notes) > NOTES_SHOWN:
        note(f"{len(status.notes) - NOTES_SHOWN} more notes, all tables: --all")
