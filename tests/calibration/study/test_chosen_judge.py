"""Of several judges the one that makes the strata is named."""

import pytest

from calibration import run_study
from grader.verdict.frame import verdict_frame


@pytest.mark.parametrize(
    ("names", "grader", "named"), [(["a", "b"], None, True), (["a", "b"], "b", False), (["a"], None, False)]
)
def test_the_judge_that_was_chosen_is_named_unless_the_user_named_it(names, grader, named):
    rows = [
        {"transcript_id": f"t{i}", "harm": "leaking", "grader": name, "present": i == 0}
        for name in names
        for i in range(4)
    ]
    report = run_study(verdict_frame(rows), None, grader=grader)
    assert any("Strata by a, the first of 2 judges" in note and ": b." in note for note in report.notes) == named
