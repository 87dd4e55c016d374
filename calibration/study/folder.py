"""The folder of a study: what is left in it, and the report computed from that again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from calibration.findings.study import Report
from calibration.study.compute import study_data
from calibration.study.doctor.card import read_card
from calibration.study.inputs import Sources, load
from calibration.study.provenance import provenance
from calibration.study.settings import StudySettings
from grader.errors import InputError
from grader.files.atomic import written_whole
from grader.metadata import FACT_COLUMNS
from grader.verdict.frame import typed
from labels.labelset import LabelSet

# Beside those that `calibration.report` writes.
VERDICTS, LABELS, DESIGN, POOL = "verdicts.parquet", "labels.parquet", "design.csv", "pool.parquet"
CLASSIFIER = "classifier"
# What `harmrate doctor --out` may have left there.
CARD = "judge_card.json"


def study_again(folder: Path, settings: StudySettings | None = None) -> Report:
    """The report of a folder that `run` wrote (or of any folder with a table of verdicts), computed again.

    Parameters
    ----------
    folder : path
    settings : StudySettings, optional
        Default: those of the last report in it.

    Raises
    ------
    InputError
        There are no verdicts.
    """
    last = _last_provenance(folder)
    settings = settings or StudySettings.from_dict(last.get("settings") or {})
    seed = int(last.get("seed") or 0)
    labels = LabelSet(frame=pd.read_parquet(folder / LABELS)) if (folder / LABELS).is_file() else None
    pool = pd.read_parquet(folder / POOL) if (folder / POOL).is_file() else None
    declared: Literal["uniform"] | None = "uniform" if last.get("design") == "uniform" else None
    design = folder / DESIGN if (folder / DESIGN).is_file() else declared
    force = declared is not None and bool(last.get("forced"))
    told = last | provenance(
        settings, seed=seed, command=last.get("command") or (), inputs=last.get("inputs"), design=declared,
        rubrics=last.get("rubrics"),
    )  # fmt: skip
    sources = Sources(verdicts=folder / VERDICTS, labels=labels, pool=pool, design=design, force=force)
    report = study_data(load(sources, settings), rng=np.random.default_rng(seed), provenance=told)
    return with_card(report, folder)


def with_card(report: Report, folder: Path) -> Report:
    """The report with the judge's card that lies in its folder, if there is one."""
    card = folder / CARD
    return replace(report, judge_card=read_card(card)) if card.is_file() else report


def complete(verdicts: pd.DataFrame, pool: pd.DataFrame) -> pd.DataFrame:
    """Imported verdicts with the pool's facts, and a ``not_graded`` row wherever a grader said nothing.

    Parameters
    ----------
    verdicts : verdict frame
    pool : DataFrame with ``transcript_id`` and facts

    Raises
    ------
    InputError
        A verdict on a transcript outside the pool.
    """
    known = pool.set_index("transcript_id")
    stray = verdicts.loc[~verdicts["transcript_id"].isin(known.index), "transcript_id"]
    if len(stray):
        raise InputError("has a verdict, but is not among the transcripts", record=f"transcript {stray.iloc[0]!r}")
    said = verdicts.set_index(["transcript_id", "harm", "grader"]).index
    asked = verdicts[["harm", "grader", "grader_version", "grader_kind"]].drop_duplicates(["harm", "grader"])
    every = asked.merge(pd.DataFrame({"transcript_id": known.index}), how="cross")
    missing = every[~pd.MultiIndex.from_frame(every[list(said.names)]).isin(said)]
    rows = typed(pd.concat([verdicts, missing.assign(outcome="not_graded")], ignore_index=True))
    for column in FACT_COLUMNS:
        if column in known:
            rows[column] = rows["transcript_id"].map(known[column])
    return rows


def pool_hash(pool: pd.DataFrame) -> str:
    """SHA-256 over ids and contents of all transcripts, whatever their order."""
    rows = sorted(zip(pool["transcript_id"], pool["content_hash"], strict=True))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def write_pool(pool: pd.DataFrame, path: Path) -> None:
    """Write the pool's metadata. Scalars of mixed kinds become text, since a Parquet column has one type."""
    mixed = [c for c in pool.columns if pool[c].map(type).nunique() > 1 and pool[c].dtype == object]
    plain = pool.assign(**{c: pool[c].map(lambda v: v if v is None else str(v)) for c in mixed})
    with written_whole(path) as partial:
        plain.to_parquet(partial, index=False)


def read_report(folder: Path) -> dict[str, Any]:
    """The contents of a folder's ``report.json``; empty where there is none.

    Raises
    ------
    InputError
        It is not a report.
    """
    file = folder / "report.json"
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot be read as a report: {error}", file=file) from None
    return report if isinstance(report, dict) else {}


def _last_provenance(folder: Path) -> dict[str, Any]:
    recorded = read_report(folder).get("provenance")
    return recorded if isinstance(recorded, dict) else {}
