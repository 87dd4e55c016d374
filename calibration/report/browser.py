"""What the page's transcript browser reads: an index of all transcripts, and their texts in packs opened on demand.

Everything is gzipped JSON in base64, whose letters cannot end a script element nor start a comment: no text of a
transcript is ever part of the page's markup.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibration.findings.study import Exhibits, Report
from calibration.report.plain import plain

# Transcripts in one pack: opening one unpacks no more than these.
PACK = 32
# All that a page for sharing says of a transcript: no text, no quote, no address.
_SHARED = {
    "facts": ("model", "scenario", "family", "arm", "epoch", "episode"),
    "verdicts": ("harm", "grader", "present", "score", "stage", "outcome", "repeat"),
    "labels": ("harm", "rater", "label", "status", "round", "seconds"),
    "messages": ("role", "kind"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """The browser's data as base64: the index, and packs of `PACK` transcripts in its order."""

    index: str
    packs: tuple[str, ...]


def packed(exhibits: Exhibits, report: Report, *, redact: bool) -> Packed:
    """Pack the exhibits for the page.

    Parameters
    ----------
    exhibits : Exhibits
    report : Report
        Names harms and graders.
    redact : bool
        Leave out texts, quotes, explanations, notes and links; ids, facts, verdicts and labels stay.
    """
    # What the report itself names its groups by does not reveal a transcript.
    by = list(dict.fromkeys(key for finding in report.rates for key in finding.group))
    items = [_shared(item, by) if redact else item for item in exhibits.items]
    index = {
        "harms": list(report.harms),
        "graders": [{"name": g.name, "kind": g.kind} for g in report.graders],
        "by": by,
        "pool": exhibits.n_pool,
        "pack": PACK,
        "redacted": redact,
        "items": [{key: item[key] for key in ("id", "facts", "sides", "human")} for item in items],
    }
    texts = [{key: item[key] for key in ("verdicts", "labels", "messages")} for item in items]
    packs = tuple(_pack(texts[i : i + PACK]) for i in range(0, len(texts), PACK))
    return Packed(index=_pack(index), packs=packs)


def _pack(value: Any) -> str:
    text = json.dumps(plain(value), separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode("ascii"), 6, mtime=0)).decode("ascii")


def _shared(item: Mapping[str, Any], by: Sequence[str]) -> dict[str, Any]:
    """What of an exhibit may be shown to anyone; named here, so that a new field is left out until it is."""
    shared = {key: item[key] for key in ("id", "sides", "human")}
    shared["facts"] = _only(item["facts"], (*_SHARED["facts"], *by))
    for part in ("verdicts", "labels"):
        shared[part] = [_only(record, _SHARED[part]) for record in item[part]]
    messages = item["messages"]
    shared["messages"] = None if messages is None else [
        _only(m, _SHARED["messages"]) | {"length": len(m["text"])} for m in messages
    ]  # fmt: skip
    return shared


def _only(record: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: record[key] for key in keys if key in record}
