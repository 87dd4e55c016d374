"""A report on a terminal: tables that say what each number is of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from calibration.findings.study import (
    AgreementFinding,
    AssumedFinding,
    ComparisonFinding,
    ConsideredFinding,
    RateFinding,
    RaterFinding,
    Report,
    ThresholdFinding,
    group_name,
)
from calibration.rates.rounding import decimal_interval
from calibration.report.threshold_table import threshold_table
from calibration.report.wording import (
    TARGETS,
    comparison_sentence,
    count,
    outcome_words,
    percent,
    percent_interval,
    points,
    unlike_words,
)
from grader.files.terminal import escape_control_chars

SAMPLE_ONLY = "valid only for this sample"
_ENDLESS = 100_000
Truth = Mapping[tuple[str, str], float]
Held = Mapping[tuple[str, str], int]


def print_parts(console: Console, report: Report, parts: Collection[str]) -> None:
    """Print the asked-for parts of a report, the rates first."""
    if "rates" in parts:
        print_rates(console, report)
        print_assumed(console, report.assumed)
        print_thresholds(console, report.thresholds)
    if "comparisons" in parts:
        print_comparisons(console, report.comparisons)
    if "agreement" in parts:
        print_agreement(console, report.agreement)
        print_considered(console, report.considered)
        print_raters(console, report.raters)


def print_rates(console: Console, report: Report) -> None:
    """Print every rate with its error bar."""
    target = report.rates[0].estimate.target
    title = f"Harm rates ({target}: {TARGETS[target]})"
    columns = ("harm", "group", "rate", "interval", "labelled", "harmful", "scored", "grader's own", "labels alone")
    compared = any(f.n_compared for f in report.rates)
    unlike = ("unlike anything labelled",) if compared else ()
    rows = ((*_rate_cells(f), *((unlike_words(f),) if compared else ())) for f in report.rates)
    print_table(console, title, (*columns, *unlike), rows)


def print_notes(console: Console, report: Report) -> None:
    """Print the notes; one that applies to many groups is printed once with the groups."""
    places_of: dict[str, list[str]] = {}
    for finding in report.rates:
        for note in finding.estimate.notes:
            places_of.setdefault(note, []).append(f"{finding.harm}, {group_name(finding.group)}")
    for coefficient in report.agreement:
        for note in coefficient.agreement.notes:
            if note.startswith(SAMPLE_ONLY):
                places_of.setdefault(note, []).append(f"{' - '.join(coefficient.between)} on {coefficient.harm}")
    for line in report.notes:
        print_line(console, line, "dim")
    for note, places in places_of.items():
        where = "all rates" if len(places) == len(report.rates) > 1 else "; ".join(dict.fromkeys(places))
        print_line(console, f"{where}: {note}", "dim")


def print_comparisons(console: Console, comparisons: Iterable[ComparisonFinding]) -> None:
    """Print, a sentence each, which groups can be told apart."""
    for comparison in comparisons:
        print_line(console, comparison_sentence(comparison))


def print_agreement(console: Console, findings: Sequence[AgreementFinding]) -> None:
    """Print all coefficients with intervals and counts."""
    columns = ("harm", "between", "statistic", "value", "interval", "items", "positive", "design")
    print_table(console, "Agreement", columns, (_agreement_cells(f) for f in findings))


def print_considered(console: Console, findings: Sequence[ConsideredFinding]) -> None:
    """Print how often harm was considered and not done."""
    if not findings:
        return
    columns = ("harm", "group", "rate", "interval", "labelled", "considered")
    rows = [
        (
            f.harm,
            group_name(f.group),
            percent(f.estimate.rate),
            percent_interval(f.estimate.low, f.estimate.high),
            str(f.estimate.n_labeled),
            f"{f.estimate.n_harmful:g}",
        )
        for f in findings
    ]
    print_table(console, "Considered, but not done (as raters say)", columns, rows)


def print_raters(console: Console, findings: Sequence[RaterFinding]) -> None:
    """Print the rate as each rater alone would have it, and reasons to look at a rater."""
    if not findings:
        return
    columns = ("harm", "rater", "votes", "rate alone", "interval", "sensitivity", "specificity", "seconds", "look at")
    rows = [
        (
            f.harm,
            f.rater,
            str(f.n_votes),
            percent(f.estimate.rate),
            percent_interval(f.estimate.low, f.estimate.high),
            *(("-" if v != v else f"{v:.2f}") for v in (f.sensitivity, f.specificity)),
            "-" if f.median_seconds != f.median_seconds else f"{f.median_seconds:.0f}",
            ", ".join(f.flags),
        )
        for f in findings
    ]
    print_table(console, "Each rater alone, and against the others", columns, rows)


def print_assumed(console: Console, findings: Sequence[AssumedFinding]) -> None:
    """Print rates that rest on an assumption, each with it."""
    for f in findings:
        e = f.estimate
        interval = percent_interval(e.low, e.high)
        line = f"{f.harm}, {group_name(f.group)}: {percent(e.rate)} ({interval}) by {e.method}. {e.notes[0]}"
        print_line(console, line)


def print_thresholds(console: Console, findings: Sequence[ThresholdFinding]) -> None:
    """Print the rates at each threshold of a grader's scores."""
    if findings:
        table = threshold_table(findings)
        print_table(console, "What other thresholds would have said", table.columns, table.rows)
        print_line(console, table.exploratory, "dim")


def print_truth(console: Console, report: Report, truth: Truth, held: Held, n_redraws: int) -> None:
    """Print rates beside a known truth: what the grader alone would have said, and what calibration says.

    Parameters
    ----------
    truth : mapping of (harm, group name) to the true share
    held : mapping of the same to how many of `n_redraws` campaigns with other labels held the truth
    """
    columns = ("harm", "group", "true rate", "judge's own rate", "off by", "calibrated rate", "interval", "holds truth")
    redrawn = f"held by, of {n_redraws} redrawn samples" if n_redraws else ""
    rows = []
    for f in report.rates:
        key = f.harm, group_name(f.group)
        holds = "yes" if f.estimate.low <= truth[key] <= f.estimate.high else "no"
        own = f.grader_rates[f.grader]
        interval = percent_interval(f.estimate.low, f.estimate.high)
        again = [str(held[key])] if n_redraws else []
        off = f"{points(own - truth[key])} points"
        rates = (percent(truth[key]), percent(own), off, percent(f.estimate.rate))
        rows.append((*key, *rates, interval, holds, *again))
    title = "True, apparent and calibrated rates of a SIMULATED study"
    print_table(console, title, (*columns, *([redrawn] if redrawn else [])), rows)


def _rate_cells(f: RateFinding) -> tuple[str, ...]:
    e = f.estimate
    return (
        f.harm,
        group_name(f.group),
        percent(e.rate) if e.n_labeled else "not known",
        percent_interval(e.low, e.high),
        str(e.n_labeled),
        count(e.n_harmful),
        outcome_words(f),
        percent(f.grader_rates[f.grader]),
        percent_interval(f.human_only.low, f.human_only.high) if f.human_only else "-",
    )


def _agreement_cells(f: AgreementFinding) -> tuple[str, ...]:
    a = f.agreement
    value = "-" if a.value != a.value else f"{a.value:.3f}"
    interval = "-" if a.low != a.low else decimal_interval(a.low, a.high)
    interval = str(getattr(a, "outcome", interval))  # a test passes or not
    design = "weighted" if f.weighted else "as it is"
    harm = f"{f.harm}, {group_name(f.group)}" if f.group else f.harm
    return harm, " - ".join(f.between), a.statistic, value, interval, str(a.n_items), str(a.n_positive), design


def print_table(console: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table whose cells cannot steer the terminal; where it is too narrow for their words, a list."""
    cells = [tuple(row) for row in rows]
    table = Table(title=_safe(title), title_justify="left")
    for column in columns:
        table.add_column(_safe(column))
    for row in cells:
        table.add_row(*(_safe(cell) for cell in row))
    needed = Measurement.get(console, console.options.update(max_width=_ENDLESS), table).minimum
    if needed <= console.width or not cells:
        console.print(table)
    else:
        _print_list(console, title, columns, cells)


def _print_list(console: Console, title: str, columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
    """Each row under what tells it from the others, so that no cell is cut."""
    whole: list[tuple[str, ...]] = []
    for row in rows:  # a cell left empty at the front stands for the one above
        empty = next((n for n, cell in enumerate(row) if cell), 0)
        whole.append((*(whole[-1][:empty] if whole else row[:empty]), *row[empty:]))
    names = next((n for n in range(1, len(columns)) if len({row[:n] for row in whole}) == len(whole)), 1)
    console.print(_safe(title), style="italic")
    for row in whole:
        cells = list(zip(columns, row, strict=True))
        of = (f"{column} {cell}" if cell.isdecimal() else cell for column, cell in cells[:names])
        cells_in_words = (f"{column} {cell}".strip() for column, cell in cells[names:] if cell)
        console.print(_safe(", ".join(of)), style="bold")
        console.print(Padding(_safe("; ".join(cells_in_words)), (0, 0, 0, 2)))


def print_line(console: Console, text: str, style: str = "") -> None:
    """Print a sentence that cannot steer the terminal."""
    console.print(_safe(text), style=style)


def _safe(text: str) -> Text:
    """The text without terminal control characters, and not read as markup."""
    return Text(escape_control_chars(text))
