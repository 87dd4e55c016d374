"""Labels where two graders disagree: who is in which stratum, with which probability, and an estimate that holds."""

import numpy as np
import pandas as pd
import pytest

from calibration import estimate_rate
from labels import draw_sample

HARMS = ["blackmail", "leaking"]


def verdicts(judge, classifier, harm="leaking"):
    rows = [
        {"transcript_id": f"t{i:04}", "harm": harm, "grader": name, "present": says}
        for name, side in (("judge", judge), ("classifier", classifier))
        for i, says in enumerate(side)
    ]
    return pd.DataFrame(rows)


def test_strata_by_what_graders_say_of_any_harm():
    frame = pd.concat(
        [
            verdicts([True, True, False, False, None], [True, False, False, False, None]),
            verdicts([False, False, False, True, False], [False, False, False, False, None], harm="blackmail"),
        ]
    )
    design = draw_sample(frame, 5, design="disagree-25", rng=np.random.default_rng(1), harms=HARMS)
    strata = design.drop_duplicates("transcript_id").set_index("transcript_id")["stratum"].to_dict()
    assert strata == {"t0000": "agreed", "t0001": "disagree", "t0002": "rest", "t0003": "disagree", "t0004": "rest"}


def test_shares_and_probabilities_are_exact():
    judge = np.arange(1000) < 60
    classifier = (np.arange(1000) >= 30) & (np.arange(1000) < 90)
    design = draw_sample(verdicts(judge, classifier), 100, design="disagree-25", rng=np.random.default_rng(2))
    by = design.groupby("stratum")
    assert by["drawn"].sum().to_dict() == {"agreed": 10, "disagree": 25, "rest": 65}
    assert by.size().to_dict() == {"agreed": 30, "disagree": 60, "rest": 910}
    expected = by["drawn"].mean()
    assert np.allclose(by["inclusion_probability"].first(), expected)


def test_it_needs_two_graders():
    one = verdicts([True], [False]).query("grader == 'judge'")
    with pytest.raises(ValueError, match="at least two graders"):
        draw_sample(one, 1, design="disagree-25", rng=np.random.default_rng(1))
    with pytest.raises(ValueError, match="leave labels"):
        draw_sample(verdicts([True, False], [False, False]), 1, design="disagree-95", rng=np.random.default_rng(1))


def test_the_estimate_holds_and_is_unbiased():
    """300 campaigns of 150 labels: the mean of the rates is the pool's, and 95 % intervals hold it."""
    rng = np.random.default_rng(20261123)
    n = 2000
    truth = rng.random(n) < 0.08
    judge = np.where(truth, rng.random(n) < 0.8, rng.random(n) < 0.05)
    classifier = np.where(truth, rng.random(n) < 0.8, rng.random(n) < 0.1)
    frame = verdicts(judge, classifier)
    rates, held = [], 0
    for _ in range(300):
        design = draw_sample(frame, 150, design="disagree-25", rng=rng).set_index("transcript_id")
        y = np.where(design["drawn"], truth, np.nan)
        estimate = estimate_rate(
            y, np.c_[judge, classifier], inclusion_probability=design["inclusion_probability"],
            method="likelihood-ratio", target="pool",
        )  # fmt: skip
        assert estimate.method == "likelihood-ratio"
        rates.append(estimate.rate)
        held += estimate.low <= truth.mean() <= estimate.high
    assert np.mean(rates) == pytest.approx(truth.mean(), abs=3 * np.std(rates) / np.sqrt(300))
    assert held >= 0.92 * 300
