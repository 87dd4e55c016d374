"""How far it went, and where: raters with each other and with the judge, from the definitions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from calibration.agreement.statistics import krippendorff_alpha
from calibration.findings.study import AgreementFinding, Report
from calibration.study import run_study
from grader.verdict.frame import typed
from labels import LabelSet, read_label_studio
from labels.sampling.designs import read_design

HARM = "fraud"
STAGES = ("none", "considered", "attempted", "completed")
STUDY = Path(__file__).resolve().parents[3] / "examples" / "study"


def study(n: int = 60, seed: int = 3) -> tuple[pd.DataFrame, LabelSet, dict[str, np.ndarray]]:
    """Two raters and a judge, each a stage off now and then."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 4, n)
    off = {who: np.clip(true + (rng.random(n) < 0.3) * rng.choice([-1, 1], n), 0, 3) for who in ("ana", "bo", "judge")}
    ids = [f"t{i:02}" for i in range(n)]
    rows = [
        (id_, HARM, who, float(code >= 2), STAGES[code])
        for who in ("ana", "bo")
        for id_, code in zip(ids, off[who], strict=True)
    ]
    labels = LabelSet(frame=pd.DataFrame(rows, columns=["transcript_id", "harm", "rater", "label", "stage"]))
    verdicts = pd.DataFrame({"transcript_id": ids, "harm": HARM, "grader": "judge", "arm": ["a", "b"] * (n // 2)})
    stage = [STAGES[code] for code in off["judge"]]
    return typed(verdicts.assign(present=off["judge"] >= 2, stage=stage)), labels, off


def of(report: Report, statistic: str, *between: str) -> AgreementFinding:
    (found,) = [f for f in report.agreement if f.agreement.statistic == statistic and f.between == between]
    return found


def test_stages_agree_as_weighted_kappa_and_ordinal_alpha_say() -> None:
    verdicts, labels, off = study()
    report = run_study(verdicts, labels, design="uniform")
    kappa = of(report, "stage_kappa_weighted", "rater ana", "rater bo").agreement
    assert kappa.value == pytest.approx(cohen_kappa_score(off["ana"], off["bo"], weights="linear"))
    assert kappa.low < kappa.value < kappa.high
    alpha = of(report, "stage_alpha_ordinal", "human", "human").agreement
    pair = np.stack([off["ana"], off["bo"]]).astype(float)
    assert alpha.value == pytest.approx(krippendorff_alpha(pair, level_of_measurement="ordinal").value)
    # Of two raters' stages the lower is the consensus.
    human = np.minimum(off["ana"], off["bo"])
    with_judge = of(report, "stage_kappa_weighted", "human", "judge")
    assert with_judge.weighted
    assert with_judge.agreement.value == pytest.approx(cohen_kappa_score(human, off["judge"], weights="linear"))


def test_considered_and_not_done_is_a_rate_per_group() -> None:
    verdicts, labels, off = study()
    report = run_study(verdicts, labels, design="uniform", by=["arm"])
    counted = {f.group["arm"]: f.estimate for f in report.considered}
    considered = np.minimum(off["ana"], off["bo"]) == 1
    for arm, rows in (("a", slice(0, None, 2)), ("b", slice(1, None, 2))):
        definite = labels.consensus()["y"].isin([0.0, 0.5, 1.0]).to_numpy()[rows]
        assert counted[arm].n_labeled == definite.sum()
        assert counted[arm].n_harmful == considered[rows][definite].sum()
        assert counted[arm].low <= counted[arm].rate <= counted[arm].high


def test_without_stages_nothing_is_said_of_them_and_no_other_number_moves() -> None:
    verdicts, labels, _ = study()
    without = LabelSet(frame=labels.frame.drop(columns="stage"))
    plain, staged = (run_study(verdicts, given, design="uniform") for given in (without, labels))
    assert plain.considered == ()
    assert not [f for f in plain.agreement if f.agreement.statistic.startswith("stage")]
    others = [f for f in staged.agreement if not f.agreement.statistic.startswith("stage")]
    assert list(plain.agreement) == others


@pytest.mark.parametrize(
    ("start", "end", "share"),
    [(0, 4, 1.0), (3, 9, 1.0), (4, 9, 0.0), (0, 100, 1.0)],
    ids=["same", "edge", "after", "all"],
)
def test_a_quote_overlaps_when_it_shares_a_character(start: int, end: int, share: float) -> None:
    spans = json.dumps([{"message": 2, "start": start, "end_message": 2, "end": end}])
    frame = pd.DataFrame({"transcript_id": ["t1", "t2"], "harm": HARM, "rater": "ana", "label": [1.0, 0.0]})
    labels = LabelSet(frame=frame.assign(spans=[spans, None]))
    quotes = [
        {"message": 2, "start": 0, "end": 4, "quote": "pay!", "verified": True},
        {"message": 2, "start": 0, "end": 4, "quote": "made up", "verified": False},
    ]
    verdicts = pd.DataFrame({"transcript_id": ["t1", "t2"], "harm": HARM, "grader": "judge", "present": [True, False]})
    report = run_study(typed(verdicts.assign(evidence=[quotes, []])), labels)
    overlap = of(report, "evidence_overlap", "human", "judge").agreement
    assert (overlap.value, overlap.n_items) == (share, 1)
    assert 0 <= overlap.low <= share <= overlap.high <= 1
    assert overlap.high - overlap.low > 0.9  # one transcript tells little


def test_the_shipped_study_has_stages_and_marks() -> None:
    labels = read_label_studio(STUDY / "labels.json")
    design = read_design(STUDY / "design.csv")
    judge = design[["transcript_id", "harm"]].assign(grader="judge", present=design["stratum"] == "flagged")
    judge = judge.assign(stage=judge["present"].map({True: "attempted", False: "none"}))
    report = run_study(typed(judge), labels, design=design, parts=("agreement",))
    alphas = {f.harm: f.agreement for f in report.agreement if f.agreement.statistic == "stage_alpha_ordinal"}
    assert set(alphas) == set(labels.harms)
    assert all(alpha.low < alpha.value < alpha.high for alpha in alphas.values())
    assert labels.frame.loc[labels.frame["status"] != "draft", "spans"].notna().sum() == 150
