"""The job on the shipped study, whose truth is known because it is simulated."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from calibration.findings.study import Report, group_name
from calibration.study.compute import Part, study
from calibration.study.folder import VERDICTS
from calibration.study.inputs import Sources
from calibration.study.run_job import Graders, run
from calibration.study.settings import StudySettings
from grader.errors import InputError
from grader.graders import GraderSetup
from grader.judge.setup import JudgeSetup
from grader.progress import Track, untracked
from grader.rubrics import load_rubrics
from grader.store.store import Store
from grader.verdict.read import read_verdicts
from labels.labelset import LabelSet
from labels.sampling.designs import draw_sample, read_design

# Fixed before anyone had seen an interval.
SEED = 20261123
JUDGE = "simulated-judge"
SIMULATED = "SIMULATED study: no model wrote these transcripts, no judge graded them, no person labelled them."
DESIGN = "flagged-40"
RATES: tuple[Part, ...] = ("rates",)

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """A report on the shipped study beside its truth.

    Parameters
    ----------
    report : Report
    truth : mapping of (harm, group name) to the true rate
    held : mapping of the same to how many redrawn label samples gave an interval that held it
    """

    report: Report
    truth: Mapping[Key, float]
    held: Mapping[Key, int]


def find_study() -> Path:
    """The folder of the shipped study: in the checkout, or where the package was installed.

    Raises
    ------
    InputError
        It is in neither place.
    """
    checkout = Path(__file__).resolve().parents[2] / "examples" / "study"
    installed = Path(sysconfig.get_path("data")) / "share" / "harmrate" / "study"
    for folder in (checkout, installed):
        if (folder / "transcripts.jsonl").is_file():
            return folder
    raise InputError("the shipped study is missing", file=checkout)


def run_demo(out: Path, *, n_redraws: int = 200, track: Track = untracked) -> Demo:
    """Grade, train, compare, calibrate and report on the shipped study; then label it anew `n_redraws` times."""
    folder = find_study()
    sources = Sources(
        transcripts=(str(folder / "transcripts.jsonl"),),
        labels=folder / "labels.json",
        design=folder / "design.csv",
    )
    graders = Graders(
        setup=GraderSetup(judge=JudgeSetup(model=JUDGE, replies=folder / "replies.jsonl"), rubrics=load_rubrics())
    )
    settings = StudySettings(by=("arm",))
    with Store(out / "store.sqlite") as store:
        report = run(sources, graders, out, settings, store=store, seed=SEED, command=("harmrate", "demo"), track=track)
    # Among what the report was made from, so that it stands there whenever the report is computed again.
    told = {**report.provenance, "remarks": [SIMULATED]}
    report = replace(report, notes=(SIMULATED, *report.notes), provenance=told)
    votes = pd.read_csv(folder / "votes.csv", dtype={"transcript_id": str})
    verdicts = read_verdicts(out / VERDICTS)
    truth = _truth(votes, verdicts)
    held = dict.fromkeys(truth, 0)
    n = int(read_design(folder / "design.csv").drop_duplicates("transcript_id")["drawn"].sum())
    for again in track(_redrawn(verdicts, votes, n, n_redraws, settings), "labelling anew", n_redraws):
        for finding in again.rates:
            key = finding.harm, group_name(finding.group)
            held[key] += finding.estimate.low <= truth[key] <= finding.estimate.high
    return Demo(report=report, truth=truth, held=held)


def _truth(votes: pd.DataFrame, verdicts: pd.DataFrame) -> dict[Key, float]:
    arms = verdicts.drop_duplicates("transcript_id").set_index("transcript_id")["arm"]
    share = votes.assign(arm=votes["transcript_id"].map(arms)).groupby(["harm", "arm"])["truth"].mean().reset_index()
    rows = zip(share["harm"], share["arm"], share["truth"], strict=True)
    return {(str(harm), group_name({"arm": str(arm)})): float(rate) for harm, arm, rate in rows}


def _redrawn(
    verdicts: pd.DataFrame, votes: pd.DataFrame, n: int, n_redraws: int, settings: StudySettings
) -> Iterator[Report]:
    """The rates from other samples of as many labels, by the same raters."""
    raters = [c for c in votes.columns if "@" in c]
    long = votes.melt(id_vars=["transcript_id", "harm"], value_vars=raters, var_name="rater", value_name="label")
    long["label"] = long["label"].map({"yes": 1.0, "no": 0.0})  # else unsure
    judge = verdicts[verdicts["grader"] == JUDGE]
    rng = np.random.default_rng(SEED)
    for _ in range(n_redraws):
        design = draw_sample(judge, n, design=DESIGN, rng=rng)
        drawn = design.loc[design["drawn"], "transcript_id"]
        labels = LabelSet(frame=long[long["transcript_id"].isin(drawn)])
        yield study(judge, labels, settings, design=design, parts=RATES)
