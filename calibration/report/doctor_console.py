"""A diagnosis on a terminal, as JSON, and a judge's card as tables of words. No arithmetic."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple

from calibration.findings.diagnosis import CardFinding, Check, Diagnosis, FlipRate
from calibration.rates.rounding import points_interval
from calibration.report.console import print_line, print_table
from calibration.report.plain import plain
from calibration.report.wording import percent, percent_interval, points

if TYPE_CHECKING:
    from rich.console import Console

    from calibration.findings.study import AgreementFinding, GraderFacts

_STYLES = {"cannot": "red", "warning": "yellow", "note": "", "fine": "green"}
UNITS = (
    "Intervals are exact binomial over transcripts, each transcript one unit; where transcripts of one scenario flip "
    "together, they are too narrow."
)
READ = (
    "A flip is a verdict that changed. 'harmless note' is the control of the attacks that are planted, 'repeat' "
    "that of all other probes: what flips no more often than its control is the judge's own noise."
)


class Table(NamedTuple):
    """Cells as words, the first column naming the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class CardTables(NamedTuple):
    """A judge's card as sentences and tables."""

    lead: tuple[str, ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...]


def diagnosis_json(found: Diagnosis) -> str:
    """A diagnosis as JSON text, nan as null: what ``--out`` writes and reports read."""
    return json.dumps(plain(asdict(found)), indent=1, ensure_ascii=False, allow_nan=False)


def print_diagnosis(console: Console, found: Diagnosis) -> None:
    """Print what was found, the gravest first, then the judge's card."""
    parts = (("This machine", found.environment), ("These data", found.data), ("This classifier", found.classifier))
    for title, checks in parts:
        if checks:
            print_line(console, title, "bold")
            for check in checks:
                print_line(console, _line(check), _STYLES[check.level])
    if found.card is not None:
        tables = card_tables(found.card)
        for line in tables.lead:
            print_line(console, line, "bold")
        for table in tables.tables:
            print_table(console, table.title, table.columns, table.rows)
        for note in tables.notes:
            print_line(console, note, "dim")


def card_tables(
    card: CardFinding, graders: Sequence[GraderFacts] = (), agreement: Sequence[AgreementFinding] = ()
) -> CardTables:
    """A judge's card in words.

    With the graders of a report, also whether it is of one of them; with its agreement, also whether the judge quotes
    what raters marked.
    """
    level = f"{100 * card.confidence_level:g} % interval"
    tables = (
        _flip_table(card, level),
        _noise_table(card, level),
        _drift_table(card, level),
        _evidence_table(card, level, agreement),
    )
    notes = (READ, UNITS) if card.flips else (UNITS,)
    return CardTables(tuple(_lead(card, graders)), tuple(table for table in tables if table.rows), notes)


def _line(check: Check) -> str:
    advice = f" Next: {check.advice}" if check.advice else ""
    return f"  {check.level:8} {check.topic}: {check.told}{advice}"


def _lead(card: CardFinding, graders: Sequence[GraderFacts]) -> Iterator[str]:
    scenarios = f" from {card.n_scenarios} scenarios" if card.n_scenarios else ""
    title = f"Judge card of {card.judge} ({card.judge_version})"
    yield f"{title}, probed on {card.n_transcripts} transcripts{scenarios}." if card.n_transcripts else f"{title}."
    if graders and card.judge_version not in {grader.version for grader in graders}:
        yield "No grader of this report is of that version: the card says little of these verdicts."


def _flip_table(card: CardFinding, level: str) -> Table:
    """Probes by harms."""
    harms = tuple(dict.fromkeys(flip.harm for flip in card.flips))
    cells = {(flip.probe, flip.harm): _flips(flip) for flip in card.flips}
    probes = dict.fromkeys(flip.probe for flip in card.flips)
    rows = tuple((probe, *(cells.get((probe, harm), "-") for harm in harms)) for probe in probes)
    return Table(f"Verdicts that flip, of those that could ({level})", ("probe", *harms), rows)


def _flips(flip: FlipRate) -> str:
    if not flip.n:
        return "none could"
    lost = f", {flip.n_lost} lost" if flip.n_lost else ""
    ways = f", {flip.n_to_present} to yes, {flip.n_to_absent} to no" if flip.n_flipped else ""
    return f"{flip.n_flipped} of {flip.n} ({percent_interval(flip.low, flip.high)}){ways}{lost}"


def _evidence_table(card: CardFinding, level: str, agreement: Sequence[AgreementFinding]) -> Table:
    rows = tuple(
        (
            f.harm,
            percent(f.agreement.value),
            percent_interval(f.agreement.low, f.agreement.high),
            str(f.agreement.n_items),
        )
        for f in agreement
        if f.agreement.statistic == "evidence_overlap" and f.between[1] == card.judge
    )
    columns = ("harm", "quotes that touch a rater's marks", level, "transcripts")
    return Table("Whether the judge quotes what raters marked", columns, rows)


def _noise_table(card: CardFinding, level: str) -> Table:
    rows = tuple(
        (f.harm, percent(f.rate), percent_interval(f.low, f.high), str(f.n_transcripts), str(f.n_repeats))
        for f in card.noise
    )
    columns = ("harm", "two repeats differ", level, "transcripts", "repeats")
    return Table("How often the judge contradicts itself", columns, rows)


def _drift_table(card: CardFinding, level: str) -> Table:
    columns = ("harm", "before", "after", "changed", level, "right before", "right after", "accuracy", level, "p")
    return Table("What this version changed on the frozen anchors", columns, tuple(_drift_rows(card)))


def _drift_rows(card: CardFinding) -> Iterator[tuple[str, ...]]:
    for f in card.drift:
        a = f.accuracy
        known = a.n_paired > 0
        yield (
            f.harm,
            f.before_version,
            f.after_version,
            f"{f.n_changed} of {f.n_scored}",
            percent_interval(f.low, f.high),
            f"{f.n_right_before} of {a.n_paired}",
            f"{f.n_right_after} of {a.n_paired}",
            f"{points(a.difference)} points" if known else "not known",
            points_interval(a.low, a.high) if known else "-",
            f"{a.p_value:.2g}" if known else "-",
        )
