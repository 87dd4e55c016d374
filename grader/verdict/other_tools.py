"""Verdicts that harnesses already hold, as the verdict frame: from logs, scans and judgments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from grader.errors import InputError
from grader.readers import read_transcripts
from grader.verdict.bloom_judgment import read_judgment
from grader.verdict.frame import verdict_frame, verdict_row
from grader.verdict.harness_verdict import HarnessVerdict, held_verdicts
from grader.verdict.records import Verdict, without_failed_run
from grader.verdict.scale import ScoreScale, read_side
from grader.verdict.scout_results import is_scan, read_scan

_JUDGMENT = "judgment.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Log:
    """What a log holds: facts by transcript, failed calls of the agent, what was said of whom by harm and grader."""

    facts: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    failed_runs: dict[str, str] = field(default_factory=dict)
    said: dict[tuple[str, str], dict[str, HarnessVerdict]] = field(default_factory=dict)

    def add(self, id_: str, held: HarnessVerdict) -> None:
        """Keep a verdict; where a scanner gave several of one transcript, the largest."""
        own = self.said.setdefault((held.harm, held.grader), {})
        if id_ not in own or _rank(held) > _rank(own[id_]):
            own[id_] = held


def read_held(path: Path, *, scale: ScoreScale | None = None, take: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The verdict frame of what a log, a scan or a judgment holds; a transcript without a verdict is ``not_graded``.

    Parameters
    ----------
    path : path of a file or folder
        Logs that `grader.read_transcripts` reads; results of a Scout scan (its folder, or a scanner's Parquet file);
        Bloom's ``judgment.json``, or a folder with one.
    scale : ScoreScale, optional
        Of the numbers, where they are not in [0, 1].
    take : mapping, optional
        Which of the scores, and the harm that each is a verdict on.

    Raises
    ------
    InputError
        Nothing there is a verdict; a number lies outside the scale.
    """
    log = _read(path)
    questions = {key: own for key, own in log.said.items() if any(_is_verdict(h, scale) for h in own.values())}
    if take:
        known = sorted({harm for harm, _ in questions})
        if missing := sorted(set(take) - set(known)):
            raise InputError(f"holds no score {missing[0]!r}; there is {', '.join(known) or 'none'}", file=path)
        questions = {key: own for key, own in questions.items() if key[0] in take}
    if not questions:
        raise InputError("holds no verdicts", file=path)
    rows = []
    for id_, facts in log.facts.items():
        for (harm, grader), own in questions.items():
            held = own.get(id_) or _missing(log, id_, harm, grader, next(iter(own.values())))
            verdict = without_failed_run(_verdict(id_, held, scale, path), log.failed_runs.get(id_))
            rows.append(verdict_row(replace(verdict, harm=(take or {}).get(harm, harm)), facts))
    try:
        return verdict_frame(rows)
    except OverflowError:  # pandas before 3.1
        raise InputError("holds a whole number too large for a table", file=path) from None


def _read(path: Path) -> _Log:
    log = _Log()
    for id_, facts, failed, verdicts in _sources(path):
        log.facts[id_] = facts
        if failed is not None:
            log.failed_runs[id_] = failed
        for held in verdicts:
            log.add(id_, held)
    return log


def _sources(path: Path) -> Iterator[tuple[str, Mapping[str, Any], str | None, Iterable[HarnessVerdict]]]:
    if path.is_dir() and (scans := sorted(p for p in path.rglob("*.parquet") if is_scan(p))):
        for scan in scans:
            yield from ((id_, facts, None, [held]) for id_, facts, held in read_scan(scan))
    elif path.suffix == ".parquet" and is_scan(path):
        yield from ((id_, facts, None, [held]) for id_, facts, held in read_scan(path))
    elif path.name == _JUDGMENT or (path / _JUDGMENT).is_file():
        judgment = path / _JUDGMENT if path.is_dir() else path
        yield from ((id_, facts, None, [held]) for id_, facts, held in read_judgment(judgment))
    else:
        for transcript in read_transcripts(path):
            failed = transcript.metadata.get("provider_error")
            yield transcript.id, transcript.facts(), failed, held_verdicts(transcript)


def _rank(held: HarnessVerdict) -> float:
    """A verdict before none, a larger one before a smaller one."""
    if held.outcome != "scored":
        return -2.0
    return float(held.value) if isinstance(held.value, (bool, int, float)) else -1.0


def _is_verdict(held: HarnessVerdict, scale: ScoreScale | None) -> bool:
    """Whether it is a verdict at all; a number off the scale is one, to be complained of."""
    if held.outcome != "scored":
        return False
    try:
        return read_side(held.value, scale) is not None
    except InputError:
        return True


def _missing(log: _Log, id_: str, harm: str, grader: str, like: HarnessVerdict) -> HarnessVerdict:
    """Nothing was said of this harm; a grader that failed as a whole told why under its own name."""
    whole = log.said.get((grader, grader), {}).get(id_)
    if whole is not None and whole.outcome != "scored":
        return replace(whole, harm=harm, covariate=like.covariate)
    return replace(like, harm=harm, grader=grader, value=None, outcome="not_graded", explanation="")


def _verdict(id_: str, held: HarnessVerdict, scale: ScoreScale | None, path: Path) -> Verdict:
    try:
        side = read_side(held.value, scale) if held.outcome == "scored" else None
    except InputError as error:
        reason = f"{held.harm}: {error.reason}, or choose scores with --take"
        raise InputError(reason, file=path, record=f"transcript {id_!r}") from None
    unread = held.outcome == "scored" and side is None
    present, score = side or (None, None)
    usage: dict[str, Any] = {"rubric_kind": "covariate"} if held.covariate else {}
    if scale is not None and score is not None:
        usage |= scale.told()
    return Verdict(
        transcript_id=id_,
        harm=held.harm,
        grader=held.grader,
        grader_version=held.version,
        present=present,
        score=score,
        explanation=held.explanation,
        outcome="unparseable" if unread else held.outcome,
        usage=usage,
    )
