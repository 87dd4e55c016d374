"""What the report's transcript browser shows: each transcript with what graders and raters said of it.

A page can hold some thousand transcripts. Of a larger pool it holds those first that somebody labelled, then those
that graders see differently, then those that some grader finds harmful.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calibration.findings.study import Exhibits
from calibration.study.folder import LABELS, POOL, VERDICTS
from calibration.study.harm_table import group_values
from calibration.study.join import joined_pool
from calibration.study.settings import StudySettings
from grader.metadata import FACT_COLUMNS
from grader.transcript import Transcript, canonical_json
from grader.verdict.read import read_verdicts
from grader.verdict.scores import grader_scores
from labels.labelset import LabelSet

TRANSCRIPTS = "transcripts.jsonl.gz"
# What a browser opens at once, and how many characters of text come along.
MOST_SHOWN, MOST_TEXT = 5_000, 100_000_000
_HUMAN_COLUMNS = ("rater", "label", "status", "round", "seconds", "note", "task_url")


def keep_transcripts(transcripts: Iterable[Transcript], chosen: Collection[str], path: Path) -> None:
    """Write the `chosen` transcripts to `path`, for the browser; the texts stop at `MOST_TEXT` characters."""
    wanted, left = set(chosen), MOST_TEXT
    with gzip.GzipFile(path, "wb", compresslevel=5, mtime=0) as file:
        for transcript in transcripts:
            if transcript.id not in wanted:
                continue
            left -= sum(len(m.text) for m in transcript.messages)
            if left < 0:
                break
            file.write((canonical_json(transcript.to_dict()) + "\n").encode("utf-8", "surrogatepass"))


def chosen_ids(verdicts: pd.DataFrame, labels: LabelSet | None, most: int = MOST_SHOWN) -> list[str]:
    """The ids of the transcripts that the browser shows, the most telling first.

    Examples
    --------
    >>> from grader.verdict.frame import verdict_frame
    >>> said = {"harm": "leaking", "grader": "j"}
    >>> rows = [said | {"transcript_id": "a", "present": False}, said | {"transcript_id": "b", "present": True}]
    >>> chosen_ids(verdict_frame(rows), None)
    ['b', 'a']
    """
    scores = grader_scores(verdicts)
    sides = scores.groupby(["transcript_id", "harm"])["side"].agg(["min", "max"])
    differ = (sides["min"] != sides["max"]) & sides["min"].notna()
    worth = pd.DataFrame({"differ": differ, "flagged": sides["max"] == 1.0}).groupby("transcript_id").any()
    labelled = set() if labels is None else set(labels.frame["transcript_id"])
    worth.insert(0, "labelled", worth.index.isin(labelled))
    ranked = worth.sort_values(list(worth.columns), ascending=False, kind="stable")
    return [str(id_) for id_ in ranked.index[:most]]


def exhibits_of(folder: Path, settings: StudySettings | None = None) -> Exhibits:
    """The exhibits of a folder that `run` wrote, or of any folder with a table of verdicts.

    Parameters
    ----------
    folder : path
        With verdicts; labels, pool and kept transcripts where there are any.
    settings : StudySettings, optional
        Of the report that they are shown with: what forms its groups stands among a transcript's facts.
    """
    verdicts = read_verdicts(folder / VERDICTS)
    labels = LabelSet(frame=pd.read_parquet(folder / LABELS)) if (folder / LABELS).is_file() else None
    kept = _kept(folder / TRANSCRIPTS) if (folder / TRANSCRIPTS).is_file() else iter(())
    groups = None
    if settings is not None and settings.by:
        pool = pd.read_parquet(folder / POOL) if (folder / POOL).is_file() else None
        groups = group_values(joined_pool(verdicts, labels, settings, pool=pool).facts, settings.by)
    return exhibits(verdicts, labels, kept, groups=groups)


def exhibits(
    verdicts: pd.DataFrame,
    labels: LabelSet | None,
    transcripts: Iterable[Transcript],
    *,
    groups: pd.DataFrame | None = None,
) -> Exhibits:
    """Verdicts, labels and texts, transcript by transcript.

    Parameters
    ----------
    verdicts : verdict frame
    labels : LabelSet or None
    transcripts : iterable of Transcript
        Their texts; a transcript that is not among them is shown without.
    groups : DataFrame of text by transcript, optional
        More facts: what forms the groups of the report.

    Returns
    -------
    Exhibits
        At most `MOST_SHOWN`, in the order of their ids.
    """
    chosen = sorted(chosen_ids(verdicts, labels))
    own = verdicts[verdicts["transcript_id"].isin(set(chosen))]
    scores = grader_scores(own)
    said, voted = _by_id(_verdict_records(own)), _by_id(_label_records(labels))
    sides, settled = _by_id(_side_records(scores)), _by_id(_consensus_records(labels))
    facts = own.drop_duplicates("transcript_id").set_index("transcript_id")[list(FACT_COLUMNS)]
    texts = {t.id: [_message(m) for m in t.to_dict()["messages"]] for t in transcripts}
    items = []
    for id_ in chosen:
        known = {str(k): v for k, v in facts.loc[id_].items() if k != "content_hash" and not pd.isna(v)}
        if groups is not None and id_ in groups.index:  # --where leaves the others out
            known |= {str(k): v for k, v in groups.loc[id_].items()}
        items.append(
            {"id": id_, "facts": known, "sides": sides.get(id_, []), "human": settled.get(id_, []),
             "verdicts": said.get(id_, []), "labels": voted.get(id_, []), "messages": texts.get(id_)}
        )  # fmt: skip
    return Exhibits(items=tuple(items), n_pool=verdicts["transcript_id"].nunique())


def _kept(path: Path) -> Iterator[Transcript]:
    with gzip.open(path, "rb") as file:
        for line in file:
            yield Transcript.from_dict(json.loads(line.decode("utf-8", "surrogatepass")))


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    return {key: message[key] for key in ("role", "kind", "text", "name") if message.get(key) is not None}


def _by_id(records: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for id_, record in records:
        found.setdefault(id_, []).append({k: v for k, v in record.items() if v is not None and v == v and v != ""})
    return found


def _verdict_records(verdicts: pd.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
    columns = ["transcript_id", "harm", "grader", "present", "score", "stage", "outcome", "repeat", "explanation"]
    rows = verdicts[columns].astype(object).where(verdicts[columns].notna(), None)
    for row, evidence, usage in zip(
        rows.itertuples(index=False, name=None), verdicts["evidence"], verdicts["usage"], strict=True
    ):
        record = dict(zip(columns, row, strict=True))
        segments = usage.get("segments")
        yield str(record.pop("transcript_id")), record | {"evidence": evidence or None, "segments": segments or None}


def _side_records(scores: pd.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
    columns = ["transcript_id", "harm", "grader", "side", "score", "outcome", "unverified"]
    for id_, harm, grader, side, score, outcome, unverified in scores[columns].itertuples(index=False, name=None):
        word = {1.0: "yes", 0.0: "no"}.get(side, "unscored")
        record = {"harm": harm, "grader": grader, "side": word, "score": score, "unverified": unverified or None}
        yield str(id_), record | {"outcome": None if outcome == "scored" else outcome}


def _consensus_records(labels: LabelSet | None) -> Iterator[tuple[str, dict[str, Any]]]:
    if labels is None:
        return
    columns = ["transcript_id", "harm", "y", "share", "how"]
    for id_, harm, y, share, how in labels.consensus()[columns].itertuples(index=False, name=None):
        if not np.isnan(y):
            split = True if 0.0 < share < 1.0 else None
            yield str(id_), {"harm": harm, "side": {1.0: "yes", 0.0: "no"}.get(y, "tie"), "how": how, "split": split}


def _label_records(labels: LabelSet | None) -> Iterator[tuple[str, dict[str, Any]]]:
    if labels is None:
        return
    rows = labels.frame[labels.frame["source"] != "prediction"]
    columns = ["transcript_id", "harm", *(c for c in _HUMAN_COLUMNS if c in rows)]
    plain = rows[columns].astype(object).where(rows[columns].notna(), None)
    for row in plain.itertuples(index=False, name=None):
        record = dict(zip(columns, row, strict=True))
        yield str(record.pop("transcript_id")), record
