"""What the harmrate command shows: data on stdout, all else on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, Task
    from rich.text import Text

    from calibration.findings.ledger import Ledger as InputLedger
    from calibration.findings.study import Report
    from calibration.study.compute import Part
    from grader.judge.money.ledger import Ledger
    from grader.progress import Meter, Track

Item = TypeVar("Item")
# Of tables where no terminal says how wide it is.
WIDTH = 160
# Between two lines of progress where there is no terminal.
PROGRESS_SECONDS = 30.0


def stdout() -> Console:
    """Where data goes."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else WIDTH)


def print_report(report: Report, parts: Sequence[Part], *, as_json: bool) -> None:
    """The asked-for parts of a report, as tables or as JSON."""
    from calibration.report.console import print_notes, print_parts
    from calibration.report.plain import report_json

    if as_json:
        show_json(report_json(report, parts))
    else:
        print_parts(stdout(), report, parts)
        print_notes(stderr(), report)
    print_ledger(report.ledger)


def print_ledger(ledger: InputLedger) -> None:
    """One line: what was read, and what of it was not used."""
    if sentence := ledger.sentence():
        note(f"read {sentence}")


def stderr() -> Console:
    """Where notes and progress go."""
    from rich.console import Console

    return Console(stderr=True, width=None if sys.stderr.isatty() else WIDTH)


def say(text: str) -> None:
    """One line that says what went wrong."""
    typer.echo(f"harmrate: {escape_control_chars(' '.join(text.split()))}", err=True)


def show(text: str) -> None:
    """Text as data, which may hold names and words of others."""
    typer.echo(escape_control_chars(text))


def show_json(text: str) -> None:
    """JSON as data."""
    from grader.files.terminal import escape_control_chars_json

    typer.echo(escape_control_chars_json(text))


def escape_control_chars(text: str) -> str:
    """Text that cannot command a terminal: names and messages may be hostile."""
    if text.replace("\n", "").isprintable():  # nearly always: the library need not be loaded
        return text
    from grader.files.terminal import escape_control_chars as spelled

    return spelled(text)


@contextmanager
def quiet_mode(how: Literal["quietly", "as usual"]) -> Iterator[None]:
    """Whether progress and notes about files and money are shown inside; what qualifies a number always is."""
    token = _QUIET.set(how == "quietly")
    try:
        yield
    finally:
        _QUIET.reset(token)


_QUIET: ContextVar[bool] = ContextVar("quiet", default=False)


def note(text: str) -> None:
    """Something worth knowing that is no data."""
    if not _QUIET.get():
        typer.echo(escape_control_chars(text), err=True)


def watched() -> bool:
    """Whether somebody looks at stderr and wants to see how far work is."""
    return sys.stderr.isatty() and not _QUIET.get()


def track(
    items: Iterable[Item], what: str, total: int | None = None, /, *, meter: Meter | None = None
) -> Iterator[Item]:
    """Show progress on stderr, where somebody looks; what a `meter` tells of the items stands beside it."""
    if not watched():
        yield from _told_at_times(items, what, total, meter)
        return
    with _progress("" if meter is None else "{task.fields[meter]}") as progress:
        task = progress.add_task(what, total=total, meter=meter)
        for item in items:
            yield item
            if meter is None:
                progress.advance(task)
            else:
                meter.enter(cast("Mapping[str, Any]", item))
                progress.update(task, completed=meter.done)


def _told_at_times(items: Iterable[Item], what: str, total: int | None, meter: Meter | None) -> Iterator[Item]:
    """Without a terminal, one line now and then."""
    last = time.monotonic()
    for n_before, item in enumerate(items):
        yield item
        if meter is not None:
            meter.enter(cast("Mapping[str, Any]", item))
        if time.monotonic() - last >= PROGRESS_SECONDS:
            last = time.monotonic()
            done = n_before + 1 if meter is None else meter.done
            note(f"{what}: {done:,}{'' if total is None else f' of {total:,}'}{'' if meter is None else f', {meter}'}")


def metered(meter: Meter) -> Track:
    """Follows work as `track` does, and grading with its failures and its cost."""
    from grader.progress import GRADING

    def follow(items: Iterable[Item], what: str, total: int | None = None, /) -> Iterator[Item]:
        return track(items, what, total, meter=meter if what == GRADING else None)

    return follow


def _progress(told: str) -> Progress:
    """One line: what, how much of how much, how fast, since when, how long still, and what is told of the task."""
    from rich.progress import Progress, ProgressColumn, SpinnerColumn, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed
    from rich.progress import TimeRemainingColumn as Remaining
    from rich.text import Text

    class Done(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.completed:,.0f}" if task.total is None else f"{task.completed:,.0f}/{task.total:,.0f}")

    class Pace(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed or 0.0
            return Text("" if not speed else f"{speed:,.1f}/s" if speed >= 1 else f"{60 * speed:.1f}/min")

    class Left(Remaining):
        def render(self, task: Task) -> Text:
            return Text("") if task.total is None else super().render(task) + Text(" left")

    what = (SpinnerColumn(), TextColumn("{task.description}"), Done())
    columns = (*what, Pace(), Elapsed(), Left(), TextColumn(told, markup=False))
    return Progress(*columns, console=stderr(), transient=True)


@contextmanager
def bad_options() -> Iterator[None]:
    """What a function of the library refuses was refused as input."""
    from grader.errors import InputError

    try:
        yield
    except ValueError as error:
        raise InputError(str(error)) from None


@contextmanager
def spending(prices: Path | None) -> Iterator[Ledger]:
    """The sum of what new replies cost, told at the end."""
    from grader.judge.money.ledger import Ledger
    from grader.judge.money.prices import load_prices

    ledger = Ledger(load_prices(prices))
    try:
        yield ledger
    finally:
        if ledger.n_messages:
            note(ledger.summary())
