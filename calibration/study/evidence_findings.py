"""Whether a judge's quotes stand where raters marked the harm."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from scipy.stats import beta

from calibration.findings.study import AgreementFinding
from calibration.records import Agreement
from calibration.study.harm_table import HarmTable
from calibration.study.pairs import HUMAN
from calibration.study.settings import StudySettings
from labels.labelset import LabelSet

OVERLAP = "evidence_overlap"
NOTE = "valid only for this sample: of the transcripts on which a rater marked a passage"

Place = tuple[int, int, int, int]


def evidence_overlap(
    table: HarmTable, verdicts: pd.DataFrame, labels: LabelSet, settings: StudySettings
) -> Iterator[AgreementFinding]:
    """The share of each grader's verified quotes that a rater's marked passage touches.

    Of transcripts on which a rater marked the harm and the grader quoted something. The interval is Clopper and
    Pearson's with as many draws as there are transcripts: quotes of one transcript tell little more than one.

    Parameters
    ----------
    table : HarmTable
    verdicts : verdict frame
    labels : LabelSet
    settings : StudySettings
    """
    marked = _marked(labels, table.harm)
    if not marked:
        return
    own = verdicts[(verdicts["harm"] == table.harm) & verdicts["transcript_id"].isin(list(marked))]
    for grader in table.graders:
        touched, quotes, n = 0, 0, 0
        for id_, evidence in own.loc[own["grader"] == grader, ["transcript_id", "evidence"]].itertuples(index=False):
            places = [place for quote in evidence if (place := _quoted(quote)) is not None]
            n += bool(places)
            quotes += len(places)
            touched += sum(any(_touch(place, span) for span in marked[id_]) for place in places)
        if quotes:
            yield AgreementFinding(
                harm=table.harm,
                between=(HUMAN, grader),
                agreement=_share(touched / quotes, n, settings.confidence_level),
                weighted=False,
            )


def _marked(labels: LabelSet, harm: str) -> dict[str, list[Place]]:
    """By transcript, the passages that raters marked."""
    rows = labels.frame
    if "spans" not in rows:
        return {}
    rows = rows[(rows["harm"] == harm) & rows["spans"].notna() & (rows["source"] != "prediction")]
    marked: dict[str, list[Place]] = {}
    for id_, text in zip(rows["transcript_id"], rows["spans"], strict=True):
        for span in json.loads(text):
            end = span.get("end_message", span["message"])
            marked.setdefault(id_, []).append((span["message"], span["start"], end, span["end"]))
    return marked


def _quoted(quote: Mapping[str, Any]) -> Place | None:
    """Where a verified quote stands."""
    message, start, end = quote.get("message"), quote.get("start"), quote.get("end")
    if not quote.get("verified") or message is None or start is None or end is None:
        return None
    return int(message), int(start), int(message), int(end)


def _touch(a: Place, b: Place) -> bool:
    """Whether two passages have a character in common."""
    return a[:2] < b[2:] and b[:2] < a[2:]


def _share(value: float, n: int, confidence_level: float) -> Agreement:
    tail, x = (1 - confidence_level) / 2, value * n
    return Agreement(
        statistic=OVERLAP,
        value=value,
        low=0.0 if x == 0 else float(beta.ppf(tail, x, n - x + 1)),
        high=1.0 if x == n else float(beta.ppf(1 - tail, x + 1, n - x)),
        confidence_level=confidence_level,
        n_items=n,
        n_raters=2,
        n_positive=n,
        notes=(NOTE,),
    )
