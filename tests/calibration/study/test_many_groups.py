"""How many groups are compared, and that the report says when they are not."""

import numpy as np
import pytest

from calibration import run_study
from grader.verdict.frame import verdict_frame
from labels import LabelSet


@pytest.mark.parametrize(("n_groups", "compared"), [(12, True), (65, False)])
def test_more_groups_than_can_be_compared_are_named(n_groups, compared):
    rng = np.random.default_rng(0)
    rows = [
        {
            "transcript_id": f"t{i}",
            "harm": "leaking",
            "grader": "j",
            "present": bool(rng.random() < 0.3),
            "model": f"m{i % n_groups}",
        }
        for i in range(6 * n_groups)
    ]
    verdicts = verdict_frame(rows)
    labels = LabelSet.from_rows((row["transcript_id"], "leaking", "a", 0.0) for row in rows)
    report = run_study(verdicts, labels, design="uniform", by=["model"])
    assert len(report.comparisons) == (n_groups * (n_groups - 1) // 2 if compared else 0)
    notes = [note for note in report.notes if "not compared" in note]
    assert len(notes) == (not compared)
    assert all("65 groups" in note and "at most 64" in note for note in notes)
