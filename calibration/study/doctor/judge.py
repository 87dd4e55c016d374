"""The judge on the couch: counts of probes, repeats and anchors turned into rates with intervals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from calibration.compare import compare_paired
from calibration.findings.diagnosis import CardFinding, DriftFinding, FlipRate, NoiseRate
from calibration.rates.intervals import clopper_pearson
from grader.errors import InputError
from grader.judge.llm_judge import LLMJudge
from grader.judge.stress.card import ProbeCounts, judge_card
from grader.judge.stress.repeats import RepeatCounts, repeat_counts
from grader.judge.stress.version_drift import AnchorSet, Drift, DriftCounts, drift, freeze_anchors
from grader.transcript import Transcript
from grader.verdict.records import Verdict
from labels.labelset import LabelSet

NAN = float("nan")


def examine_judge(
    judge: LLMJudge,
    transcripts: Iterable[Transcript],
    *,
    rng: np.random.Generator,
    n: int = 20,
    anchors: AnchorSet | None = None,
    cluster: str = "scenario",
    confidence_level: float = 0.95,
) -> CardFinding:
    """Probe a judge on a sample of one's own transcripts, and see what its version changed on frozen anchors.

    Parameters
    ----------
    judge : LLMJudge
        With a store, a second look asks nothing again. With more than two repeats, noise is measured over all of them.
    transcripts : iterable of Transcript
        None at all: only the anchors are looked at.
    rng : numpy Generator
    n : int
        Size of the sample; some 17 requests for each (`grader.judge.stress.card.judge_card`).
    anchors : AnchorSet, optional
    cluster : metadata key of the scenario
    confidence_level : float in (0, 1)

    Returns
    -------
    CardFinding
        Intervals are exact binomial over transcripts, each transcript one unit. They speak of transcripts like those
        in the sample; where several come from one scenario and tend to flip together, they are too narrow.

    Raises
    ------
    RunStopped, InputError
        As from `LLMJudge.grade`.
    """
    pool = list(transcripts)
    found = CardFinding(
        judge=judge.name,
        judge_version=judge.version,
        n_transcripts=0,
        n_scenarios=0,
        confidence_level=confidence_level,
        drift=() if anchors is None else drift_findings(drift(anchors, judge), confidence_level),
    )
    if not pool or n < 1:
        return found
    card = judge_card(judge, pool, rng=rng, n=n)
    drawn = set(card.transcripts)
    sample = [transcript for transcript in pool if transcript.id in drawn]
    repeats = judge.varied(repeats=max(judge.repeats, 2)).grade(sample)
    scenarios = {str(t.metadata[cluster]) for t in sample if t.metadata.get(cluster) is not None}
    return replace(
        found,
        n_transcripts=len(sample),
        n_scenarios=len(scenarios),
        flips=tuple(_flip_rate(counts, confidence_level) for counts in card.counts),
        noise=noise_rates(repeat_counts(repeats), confidence_level),
    )


def noise_rates(counts: Iterable[RepeatCounts], confidence_level: float = 0.95) -> tuple[NoiseRate, ...]:
    """How likely two repeats of one question differ, per grader version and harm; what has no two repeats is left out.

    Examples
    --------
    >>> once = dict(harm="h", grader="j", grader_version="1", n_repeats=3, n_scored=3)
    >>> counts = [RepeatCounts(transcript_id=str(i), n_present=int(i == 0), **once) for i in range(10)]
    >>> (found,) = noise_rates(counts)
    >>> print(f"{found.rate:.3f} {found.n_flipped} of {found.n_transcripts}")
    0.067 1 of 10
    """
    rows: dict[tuple[str, str, str], list[RepeatCounts]] = {}
    for one in counts:
        if one.n_pairs:
            rows.setdefault((one.grader, one.grader_version, one.harm), []).append(one)
    found = []
    for (grader, version, harm), own in rows.items():
        rate = float(np.mean([one.n_differing / one.n_pairs for one in own]))
        low, high = _exact(rate * len(own), len(own), confidence_level)
        found.append(
            NoiseRate(
                grader=grader,
                grader_version=version,
                harm=harm,
                n_transcripts=len(own),
                n_repeats=max(one.n_repeats for one in own),
                n_flipped=sum(one.is_flipped for one in own),
                rate=rate,
                low=low,
                high=high,
            )
        )
    return tuple(found)


def noise_in(verdicts: pd.DataFrame, confidence_level: float = 0.95) -> tuple[NoiseRate, ...]:
    """The noise in a verdict frame with repeats; empty where each question was asked once."""
    if (verdicts["repeat"] == 0).all():
        return ()
    columns = ["transcript_id", "harm", "grader", "grader_version", "present", "outcome", "repeat"]
    rows = verdicts[columns].astype({"present": object}).itertuples(index=False, name=None)
    said = (dict(zip(columns, row, strict=True)) for row in rows)
    return noise_rates(
        repeat_counts(
            Verdict(**row | {"present": None if pd.isna(row["present"]) else row["present"]}) for row in said
        ),
        confidence_level,
    )


def drift_findings(found: Drift, confidence_level: float = 0.95) -> tuple[DriftFinding, ...]:
    """What a new version changed, per harm."""
    return tuple(_drift_finding(found, counts, confidence_level) for counts in found.counts)


def freeze_labelled(transcripts: Iterable[Transcript], labels: LabelSet, judge: LLMJudge) -> AnchorSet:
    """Freeze what a judge says of the labelled transcripts; ties count as not labelled.

    Raises
    ------
    InputError
        None of the transcripts has a label.
    """
    consensus = labels.consensus()
    settled = consensus[consensus["y"].isin([0.0, 1.0])]
    known: dict[str, dict[str, float]] = {}
    for row in settled.to_dict("records"):
        known.setdefault(str(row["transcript_id"]), {})[str(row["harm"])] = float(row["y"])
    labelled = [transcript for transcript in transcripts if transcript.id in known]
    if not labelled:
        raise InputError("no transcript with a label to freeze")
    return freeze_anchors(labelled, known, judge)


def _flip_rate(counts: ProbeCounts, level: float) -> FlipRate:
    low, high = _exact(counts.n_flipped, counts.n, level)
    return FlipRate(
        probe=counts.probe,
        harm=counts.harm,
        n=counts.n,
        n_to_present=len(counts.to_present),
        n_to_absent=len(counts.to_absent),
        n_lost=len(counts.lost),
        rate=counts.n_flipped / counts.n if counts.n else NAN,
        low=low,
        high=high,
    )


def _drift_finding(found: Drift, counts: DriftCounts, level: float) -> DriftFinding:
    low, high = _exact(counts.n_changed, counts.n_scored, level)
    cells = (counts.n_both_right, counts.n_before_right, counts.n_after_right, counts.n_both_wrong)
    before, after = np.repeat([1.0, 1.0, 0.0, 0.0], cells), np.repeat([1.0, 0.0, 1.0, 0.0], cells)
    return DriftFinding(
        harm=counts.harm,
        before_version=found.before_version,
        after_version=found.after_version,
        n_scored=counts.n_scored,
        n_changed=counts.n_changed,
        rate=counts.n_changed / counts.n_scored if counts.n_scored else NAN,
        low=low,
        high=high,
        n_lost=counts.n_lost,
        n_gained=counts.n_gained,
        n_right_before=int(before.sum()),
        n_right_after=int(after.sum()),
        accuracy=compare_paired(after, before, confidence_level=level),
    )


def _exact(x: float, n: int, level: float) -> tuple[float, float]:
    if not n:
        return NAN, NAN
    low, high = clopper_pearson(x, n, confidence_level=level)
    return float(low), float(high)
