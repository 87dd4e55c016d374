"""A study of a pool in shards, which is counted and never held in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from calibration.findings.ledger import Ledger, Tally
from calibration.findings.study import Report
from calibration.study.inputs import Sources, StudyData
from calibration.study.settings import StudySettings
from calibration.study.shards import shard_facts, study_shards
from grader.errors import InputError
from grader.progress import Track, untracked
from grader.shards.manifest import read_manifest
from grader.verdict.sides import holds_shards, verdict_shards


def counts_shards(sources: Sources, settings: StudySettings) -> bool:
    """Whether the sources are verdicts in shards and nothing that needs their rows: counts are enough then."""
    if sources.verdicts is None or isinstance(sources.verdicts, pd.DataFrame) or settings.pairing != "independent":
        return False
    others = (*sources.transcripts, sources.metadata, sources.external_verdicts, sources.controls)
    return not any(others) and holds_shards(sources.verdicts)


def study_counted(
    data: StudyData, settings: StudySettings, *, provenance: Mapping[str, Any], track: Track = untracked
) -> Report:
    """The rates of a pool in shards from counts, however many rows there are."""
    if data.shards is None:
        raise InputError("no folder of shards to count")
    shards = track(verdict_shards(data.shards, shard_facts(settings)), "counting shards")
    report = study_shards(shards, data.labels, settings, design=data.design, provenance=provenance)
    n = 0 if not report.rates else sum(f.estimate.n_transcripts for f in report.rates if f.harm == report.harms[0])
    ledger = Ledger(transcripts=Tally(read=n, used=n), labels=data.ledger.labels, design=data.ledger.design)
    missing = read_manifest(str(data.shards)).failures
    if not missing:
        return replace(report, ledger=ledger)
    first, why = min(missing.items())
    note = f"INCOMPLETE: {len(missing)} shards have no verdicts and are in no rate, the first {first} ({why})."
    return replace(report, ledger=ledger, notes=(note, *report.notes))
