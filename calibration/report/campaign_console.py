"""The state of a labelling campaign on a terminal and as plain data. No arithmetic."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

from calibration.report.console import print_agreement, print_line, print_raters, print_table
from calibration.report.plain import plain
from calibration.report.wording import count, percent, percent_interval

if TYPE_CHECKING:
    from rich.console import Console

    from calibration.findings.status import CampaignStatus, Goal, HarmStatus, Pace

# Of the queue, on a terminal; all of it is in the JSON.
QUEUE_SHOWN = 10
ONE_LOOK = (
    "The interval for one look holds when it is looked at once, at a number of labels fixed before: looked at every 10 "
    "labels it misses at some look in 6-20 % of campaigns. The confidence sequence may be looked at after every label "
    "(it misses in at most 1 %), at about twice the labels."
)
REASONS = {
    "chance": "no better than chance",
    "outlier": "far less accurate than the others",
    "fast": "much faster than the others",
    "streak": "a long run of equal answers",
}


def status_json(status: CampaignStatus) -> str:
    """The status as JSON text, nan as null."""
    return json.dumps(plain(asdict(status)), indent=1, ensure_ascii=False, allow_nan=False)


def print_status(console: Console, status: CampaignStatus, *, show: Literal["answer", "all"] = "answer") -> None:
    """Print the rate so far, what is left and what comes next; with `show` "all" every table behind it."""
    rounds = ", ".join(map(str, status.rounds))
    print_line(
        console, f"{status.n_drawn} of {status.n_transcripts} transcripts drawn, rounds: {rounds}. The rate so far:"
    )
    for harm in status.harms:
        for line in answer_lines(harm, status.goal):
            print_line(console, line)
    if show == "all":
        _print_tables(console, status)
        print_line(console, ONE_LOOK)


def answer_lines(harm: HarmStatus, goal: Goal) -> Iterator[str]:
    """The rate so far, how much is left, and what to do next."""
    drawn = sum(s.drawn for s in harm.strata)
    open_, undecided = (sum(getattr(s, name) for s in harm.strata) for name in ("unlabelled", "unsure"))
    progress = f"{harm.n_labelled} of {drawn} drawn are labelled"
    if harm.rate is None:
        yield f"{harm.harm}: {progress}."
    else:
        e = harm.rate.estimate
        rate = "not known" if e.rate != e.rate else percent(e.rate)
        interval = percent_interval(e.low, e.high)
        yield f"{harm.harm}: rate so far {rate} ({interval}); {progress}, {count(e.n_harmful)} harmful."
        if harm.sequence is not None:
            held = percent_interval(harm.sequence.low, harm.sequence.high)
            yield f"  However often you look: {held}."
    left = [f"{open_} open"] if open_ else []
    left += [f"{undecided} unsure only"] if undecided else []
    left += [f"{len(harm.queue)} to adjudicate"] if harm.queue else []
    more = next((w.n_more for w in harm.to_width if w.interval == "fixed-n" and w.n_more is not None), None)
    left += [f"about {more} more labels to {100 * (goal.width or 0):g} points"] if more else []
    if left:
        yield f"  Left: {', '.join(left)}."
    yield f"  Next: {_next_step(harm, goal, open_)}"


def _next_step(harm: HarmStatus, goal: Goal, n_open: int) -> str:
    decision = decision_sentence(harm, goal).removeprefix(f"{harm.harm}: ")
    if decision.startswith("may stop"):
        return decision
    if n_open:
        return f"label the {n_open} open ones; {decision}"
    if harm.queue:
        return f"let somebody decide the {len(harm.queue)} disputed ones (harmrate labels adjudicate); {decision}"
    return f"everything drawn is settled; {decision}"


def _print_tables(console: Console, status: CampaignStatus) -> None:
    _table(console, "Labels so far", PROGRESS, status.harms, _progress_rows)
    if status.pace:
        print_table(console, "Time per transcript", PACE, (_pace_row(pace) for pace in status.pace))
    print_agreement(console, [finding for harm in status.harms for finding in harm.agreement])
    print_raters(console, [finding for harm in status.harms for finding in harm.alone])
    for harm in status.harms:
        for rater, signs in harm.flags.items():
            words = "; ".join(REASONS.get(sign, sign) for sign in signs)
            print_line(console, f"{harm.harm}: look at rater {rater}: {words}.")
    total = ", ".join(f"{len(harm.queue)} on {harm.harm}" for harm in status.harms)
    _table(console, f"To adjudicate: {total}", QUEUE, status.harms, _queue_rows)
    _table(console, "The rate so far", RATE, status.harms, _rate_rows)
    _table(console, "The rate by kind of consensus", CONSENSUS, status.harms, _consensus_rows)
    if status.goal.width is not None:
        title = f"Labels to an interval of {100 * status.goal.width:g} points"
        _table(console, title, TO_WIDTH, status.harms, _width_rows)


Rows = Iterator[Sequence[str]]

PROGRESS = ("harm", "stratum", "rater", "transcripts", "drawn", "labelled", "unsure", "skipped", "open", "drafts")
PACE = ("rater", "transcripts", "median seconds", "quartiles", "too fast", "look at")
QUEUE = ("harm", "transcript", "why", "yes", "no", "unsure")
RATE = ("harm", "labelled", "harmful", "rate", "interval for one look", "confidence sequence", "so")
CONSENSUS = ("harm", "consensus", "rate", "interval for one look", "")
TO_WIDTH = ("harm", "interval", "design", "labels in all", "more")


def _table(
    console: Console,
    title: str,
    columns: Sequence[str],
    harms: Sequence[HarmStatus],
    rows_of: Callable[[HarmStatus], Rows],
) -> None:
    """A table over all harms, where there is anything to show."""
    if rows := [row for harm in harms for row in rows_of(harm)]:
        print_table(console, title, columns, rows)


def decision_sentence(harm: HarmStatus, goal: Goal) -> str:
    """Whether labelling may stop for this harm, by the confidence sequence."""
    if harm.sequence is None:
        return f"{harm.harm}: no confidence sequence, so nothing says when to stop."
    match harm.sequence.decision:
        case "below" if goal.below is not None:
            return f"{harm.harm}: may stop: the rate is shown to be below {percent(goal.below)}."
        case "above" if goal.above is not None:
            return f"{harm.harm}: may stop: the rate is shown to be above {percent(goal.above)}."
        case "narrow enough" if goal.width is not None:
            return f"{harm.harm}: may stop: the sequence is narrower than {100 * goal.width:g} points."
    if goal.width is goal.below is goal.above is None:
        return f"{harm.harm}: go on; name a width or a bound to be told when to stop."
    return f"{harm.harm}: go on: neither width nor bound is reached."


def _progress_rows(harm: HarmStatus) -> Rows:
    for s in harm.strata:
        counts = (s.n_transcripts, s.drawn, s.labelled, s.unsure, s.skipped, s.unlabelled)
        yield (harm.harm, s.stratum, "anybody", *map(str, counts), "")
        for p in harm.progress:
            if p.stratum == s.stratum:
                yield ("", "", p.rater, "", "", str(p.labelled), str(p.unsure), str(p.skipped), "", str(p.drafts))


def _pace_row(pace: Pace) -> Sequence[str]:
    quartiles = f"{pace.low_seconds:.0f}-{pace.high_seconds:.0f}"
    look = REASONS["fast"] if pace.fast else ""
    return pace.rater, str(pace.n_transcripts), f"{pace.median_seconds:.0f}", quartiles, str(pace.n_fast), look


def _queue_rows(harm: HarmStatus) -> Rows:
    for item in harm.queue[:QUEUE_SHOWN]:
        yield harm.harm, item.transcript_id, item.why, str(item.n_yes), str(item.n_no), str(item.n_unsure)


def _rate_rows(harm: HarmStatus) -> Rows:
    if harm.rate is None:
        return
    e, s = harm.rate.estimate, harm.sequence
    sequence, so = ("-", "-") if s is None else (percent_interval(s.low, s.high), s.decision)
    basis = (harm.harm, str(e.n_labeled), count(e.n_harmful))
    yield *basis, percent(e.rate), percent_interval(e.low, e.high), sequence, so


def _consensus_rows(harm: HarmStatus) -> Rows:
    for c in harm.consensus:
        if c.estimate is None:
            yield harm.harm, c.kind, "-", "-", c.reason
        else:
            yield harm.harm, c.kind, percent(c.estimate.rate), percent_interval(c.estimate.low, c.estimate.high), ""


def _width_rows(harm: HarmStatus) -> Rows:
    names = {"sequence": "confidence sequence", "fixed-n": "one look"}
    for w in harm.to_width:
        n = ("not reached", "-") if w.n_labels is None or w.n_more is None else (str(w.n_labels), str(w.n_more))
        yield harm.harm, names[w.interval], w.design, *n
