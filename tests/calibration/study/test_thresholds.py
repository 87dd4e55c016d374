"""The sweep of a threshold: each row is the study that had used it, and is marked as exploratory."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from calibration import render_report, run_study
from calibration.report import markdown, report_dict
from grader import read_verdicts
from grader.verdict.scale import ScoreScale
from labels import LabelSet, read_labels

SCORES = [1, 1, 2, 3, 3, 5, 6, 6, 7, 9, 10, 10, None]
HARMFUL = [0, 0, 0, 0, 1, 0, 0, 1, 1, 1, 1, 1, 0]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [{"transcript_id": f"t{i}", "harm": "h", "grader": "g", "score": s} for i, s in enumerate(SCORES)]
    path = tmp_path / "scores.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.fixture
def labels(tmp_path: Path) -> LabelSet:
    rows = [{"transcript_id": f"t{i}", "harm": "h", "rater": "r", "label": y} for i, y in enumerate(HARMFUL)]
    pd.DataFrame(rows).to_csv(tmp_path / "labels.csv", index=False)
    return read_labels(tmp_path / "labels.csv")


def scale(threshold: float) -> ScoreScale:
    return ScoreScale(low=1, high=10, threshold=threshold)


def test_every_row_is_the_study_with_that_threshold(table: Path, labels: LabelSet) -> None:
    report = run_study(read_verdicts(table, scale=scale(6)), labels)
    assert [f.threshold for f in report.thresholds] == [2, 3, 5, 6, 7, 9, 10]  # at 1 everything would be present
    assert [f.threshold for f in report.thresholds if f.chosen] == [6]
    for found in report.thresholds:
        alone = run_study(read_verdicts(table, scale=scale(found.threshold)), labels).rates[0]
        assert found.estimate == alone.estimate
        assert found.apparent == alone.grader_rates["g"]


def test_sensitivity_and_specificity_are_counted(table: Path, labels: LabelSet) -> None:
    scored = [(s, y) for s, y in zip(SCORES, HARMFUL, strict=True) if s is not None]
    for found in run_study(read_verdicts(table, scale=scale(6)), labels).thresholds:
        yes = [s >= found.threshold for s, y in scored if y]
        no = [s < found.threshold for s, y in scored if not y]
        assert found.sensitivity.value == pytest.approx(sum(yes) / len(yes))
        assert found.specificity.value == pytest.approx(sum(no) / len(no))
        assert found.apparent == pytest.approx(sum(s >= found.threshold for s, _ in scored) / len(scored))


def test_a_threshold_between_two_scores_is_the_next_one(table: Path, labels: LabelSet) -> None:
    report = run_study(read_verdicts(table, scale=scale(3.5)), labels)
    assert [f.threshold for f in report.thresholds if f.chosen] == [5]


def test_scores_without_a_scale_are_not_swept(tmp_path: Path, labels: LabelSet) -> None:
    path = tmp_path / "plain.csv"
    rows = [{"transcript_id": f"t{i}", "harm": "h", "grader": "g", "score": i / 12} for i in range(13)]
    pd.DataFrame(rows).to_csv(path, index=False)
    assert run_study(read_verdicts(path), labels).thresholds == ()
    fine = run_study(read_verdicts(path, scale=ScoreScale(threshold=0.3)), labels).thresholds
    assert len(fine) == 12 and sum(f.chosen for f in fine) == 1
    assert all(math.isfinite(f.estimate.high) for f in fine)


def test_without_labels_there_is_nothing_to_sweep(table: Path) -> None:
    assert run_study(read_verdicts(table, scale=scale(6))).thresholds == ()


def test_the_report_marks_it_as_exploratory(table: Path, labels: LabelSet, tmp_path: Path) -> None:
    report = run_study(read_verdicts(table, scale=scale(6)), labels)
    assert "Exploratory" in markdown(report) and "6 \\*" in markdown(report)
    assert [row["threshold"] for row in report_dict(report)["thresholds"]] == [2, 3, 5, 6, 7, 9, 10]
    render_report(report, tmp_path / "out")
    assert "Exploratory" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
