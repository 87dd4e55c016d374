"""Verdicts in the shapes that other tools open: Inspect's score records, a Scout scan, promptfoo's results."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd

from grader.errors import InputError
from grader.files.atomic import write_text, written_whole
from grader.verdict.scores import KEY, grader_scores

ExportFormat = Literal["inspect", "scout", "promptfoo"]
FORMATS: tuple[str, ...] = get_args(ExportFormat)
# Names of harms and graders come from tables; a file system takes some 255 bytes.
_LONGEST_NAME = 60

# Inspect's words for our outcomes (the other way round: `grader.verdict.harness_verdict`).
_REASONS = {"refused": "grader_refusal", "unparseable": "grader_parse_failure", "not_graded": "no_response"}
_FACTS = {"model": "transcript_model", "scenario": "transcript_task_id", "epoch": "transcript_task_repeat"}
_FACTS |= {"source": "transcript_source_uri"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What a grader says of one transcript and harm, its repeats reduced to one.

    Parameters
    ----------
    name : str
        The harm; where several graders spoke, ``grader/harm``.
    side : bool or None
        None when no repeat was scored; `outcome` says why.
    score : float in [0, 1] or None
    outcome, explanation, version : str
    quotes : tuple of str
        What the grader quoted, each with the message it stands in: ``[M3] ...``.
    """

    name: str
    side: bool | None
    score: float | None
    outcome: str
    explanation: str
    version: str
    quotes: tuple[str, ...]


def export_verdicts(verdicts: pd.DataFrame, path: str | Path, format: ExportFormat) -> None:
    """Write a verdict frame for another tool.

    Parameters
    ----------
    verdicts : verdict frame
    path : path
        A file; for ``scout`` a folder, which is made.
    format : {"inspect", "scout", "promptfoo"}
        ``inspect``: JSONL for `inspect_ai.scorer.precomputed_scores`, a record per sample and epoch with a value per
        harm, 1 or 0, NaN where it was not scored. ``scout``: a scan with a scanner per harm, as `scan_results_df` and
        Scout View read it. ``promptfoo``: JSONL, a grading result per transcript that passes when no harm is present
        and all were scored.

    Raises
    ------
    InputError
        There are no verdicts, or the format is unknown.

    Examples
    --------
    >>> import tempfile
    >>> from grader.verdict.records import Verdict
    >>> from grader.verdict.frame import verdict_frame
    >>> said = Verdict(transcript_id="a", harm="leaking", grader="j", grader_version="1", present=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_verdicts(verdict_frame([said.to_dict()]), Path(folder) / "scores.jsonl", "inspect")
    ...     record = json.loads((Path(folder) / "scores.jsonl").read_text())
    >>> record["id"], record["value"]
    ('a', {'leaking': 1.0})
    """
    if format not in _EXPORTS:
        raise InputError(f"unknown format {format!r}; known are {', '.join(FORMATS)}", file=path)
    if verdicts.empty:
        raise InputError("no verdicts to write", file=path)
    _EXPORTS[format](verdicts, Path(path))


def opinions(verdicts: pd.DataFrame) -> Iterator[tuple[str, Mapping[str, Any], list[Opinion]]]:
    """Yield each transcript's id, facts and opinions, in the order of the frame."""
    reduced = {tuple(row[key] for key in KEY): row for row in grader_scores(verdicts).to_dict("records")}
    several = verdicts["grader"].nunique() > 1
    for id_, own in verdicts.groupby("transcript_id", sort=False):
        first = own.iloc[0]
        facts = {name: first[name] for name in _FACTS if not pd.isna(first[name])}
        said = []
        for (harm, grader), rows in own.groupby(["harm", "grader"], sort=False):
            name = f"{grader}/{harm}" if several else str(harm)
            said.append(_opinion(name, reduced[id_, harm, grader], rows))
        yield str(id_), facts, said


def _opinion(name: str, whole: Mapping[Any, Any], rows: pd.DataFrame) -> Opinion:
    """The reduced verdict, told with the words of a repeat that says the same."""
    side = None if pd.isna(whole["side"]) else bool(whole["side"])
    same = rows[rows["present"].isna()] if side is None else rows[(rows["present"] == side).fillna(value=False)]
    told = (same if len(same) else rows).iloc[0]
    quotes = (f"[M{e['message'] + 1}] {e['quote']}" for e in told["evidence"] if e.get("message") is not None)
    return Opinion(
        name=name,
        side=side,
        score=None if pd.isna(whole["score"]) else float(whole["score"]),
        outcome=str(whole["outcome"]),
        explanation=str(told["explanation"] or ""),
        version=str(whole["grader_version"]),
        quotes=tuple(quotes),
    )


# ---- Inspect ---------------------------------------------------------------------------------------------------------


def _write_inspect(verdicts: pd.DataFrame, path: Path) -> None:
    """Samples are named by scenario and epoch, where these name each transcript; else by the transcript's id."""
    keys = verdicts.drop_duplicates("transcript_id")[["scenario", "epoch"]]
    by_sample = bool(keys.notna().all(axis=None)) and not keys.duplicated().any()
    lines = []
    for id_, facts, said in opinions(verdicts):
        named = {"id": facts["scenario"], "epoch": int(facts["epoch"])} if by_sample else {"id": id_}
        value = {o.name: float("nan") if o.side is None else float(o.side) for o in said}
        metadata: dict[str, Any] = {
            "transcript_id": id_,
            "scores": {o.name: o.score for o in said},
            "outcomes": {o.name: o.outcome for o in said},
            "versions": {o.name: o.version for o in said},
        }
        if (why := next((o.outcome for o in said if o.side is None), None)) and all(o.side is None for o in said):
            metadata["unscored_reason"] = _REASONS.get(why, "grader_failed")
        lines.append(json.dumps({**named, "value": value, "explanation": _told(said), "metadata": metadata}))
    write_text(path, "".join(f"{line}\n" for line in lines))


def _told(said: list[Opinion]) -> str:
    return "\n\n".join(f"{o.name}: {_words(o)}" for o in said)


def _words(opinion: Opinion) -> str:
    verdict = opinion.outcome if opinion.side is None else "present" if opinion.side else "not present"
    return "\n".join(part for part in (f"{verdict}. {opinion.explanation}".strip(), *opinion.quotes) if part)


# ---- promptfoo -------------------------------------------------------------------------------------------------------


def _write_promptfoo(verdicts: pd.DataFrame, path: Path) -> None:
    records = ({"id": id_, **grading_result(said)} for id_, _, said in opinions(verdicts))
    write_text(path, "".join(json.dumps(record, allow_nan=False) + "\n" for record in records))


def grading_result(said: list[Opinion]) -> dict[str, Any]:
    """A grading result of promptfoo's: it passes when no harm is present; what was not scored is a grader's error."""
    parts = [
        {
            "pass": opinion.side is False,
            "score": float(opinion.side is False),
            "reason": _words(opinion),
            "assertion": {"type": "python", "metric": opinion.name},
        }
        for opinion in said
    ]
    passed = all(opinion.side is False for opinion in said)
    failed = [opinion.name for opinion in said if opinion.side is None]
    return {
        "pass": passed,
        "score": float(passed),
        "reason": _told(said),
        "namedScores": {o.name: float(o.side) for o in said if o.side is not None},
        "componentResults": parts,
        "metadata": {"graderError": bool(failed), "unscored": failed},
    }


# ---- Scout -----------------------------------------------------------------------------------------------------------


def _write_scout(verdicts: pd.DataFrame, path: Path) -> None:
    scan_id = hashlib.sha256(path.name.encode()).hexdigest()[:22]
    rows: dict[str, list[dict[str, Any]]] = {}
    for id_, facts, said in opinions(verdicts):
        about = {column: facts[name] for name, column in _FACTS.items() if name in facts}
        for opinion in said:
            result = {"transcript_id": id_, **about, "scan_id": scan_id, **_scout_result(id_, opinion)}
            rows.setdefault(opinion.name, []).append(result)
    specs: dict[str, Any] = {}
    summaries: dict[str, Any] = {}
    for name, own in rows.items():
        file_name = _file_name(name, specs)
        frame = pd.DataFrame([{"scanner_key": file_name, "scanner_name": file_name, **row} for row in own])
        for column in _SCOUT_TEXT:
            frame[column] = frame[column].astype("string")
        with written_whole(path / f"{file_name}.parquet") as partial:
            frame.to_parquet(partial, index=False)
        specs[file_name] = {"name": file_name, "version": 0, "params": {}}
        failed = sum(row["scan_error"] is not None for row in own)
        summaries[file_name] = {"scans": len(own), "results": len(own) - failed, "errors": failed, "tokens": 0}
    spec = {"scan_id": scan_id, "scan_name": "harmrate", "scanners": specs, "timestamp": "1970-01-01T00:00:00+00:00"}
    write_text(path / "_scan.json", json.dumps(spec))
    write_text(path / "_summary.json", json.dumps({"complete": True, "scanners": summaries}))
    write_text(path / "_errors.jsonl", "")


def _file_name(name: str, taken: Container[str]) -> str:
    """A scanner's name, which is also that of its file: no path, not too long, and not that of another."""
    safe = re.sub(r"[^\w.-]", "_", name).lstrip(".")[:_LONGEST_NAME]
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
    return safe if safe and safe not in taken else f"{safe}-{digest}"


_SCOUT_TEXT = ("answer", "explanation", "label", "scan_error", "scan_error_traceback", "scan_error_type", "value")


def _scout_result(id_: str, opinion: Opinion) -> dict[str, Any]:
    failed = opinion.side is None
    return {
        "scanner_version": opinion.version,
        "input_type": "transcript",
        "input_ids": json.dumps([id_]),
        "uuid": hashlib.sha256(f"{id_}\0{opinion.name}".encode()).hexdigest()[:22],
        "label": None,
        "value": None if failed else "true" if opinion.side else "false",
        "value_type": "null" if failed else "boolean",
        "answer": None if failed else "Yes" if opinion.side else "No",
        "explanation": _words(opinion),
        "metadata": json.dumps({"score": opinion.score, "outcome": opinion.outcome}),
        "message_references": "[]",
        "event_references": "[]",
        "scan_error": opinion.outcome if failed else None,
        "scan_error_traceback": "" if failed else None,
        "scan_error_type": "refusal" if opinion.outcome == "refused" else None,
        "scan_total_tokens": 0,
        "scan_model_usage": "{}",
    }


_EXPORTS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "inspect": _write_inspect,
    "scout": _write_scout,
    "promptfoo": _write_promptfoo,
}
