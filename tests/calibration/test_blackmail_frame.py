"""A published campaign with a declared zero stratum: only replies that e-mailed the target can be blackmail.

Sampling frame (data/README.md): arm n / e-mailed the target / judge positive; all judge positives were labelled blind.
"""

import json

import numpy as np
import pytest

from calibration import compare_rates, rate_from_counts

FRAME = {"route_search_no_frame": (133, 68, 17), "stem_only": (143, 56, 7)}


@pytest.fixture(scope="module")
def rates(shared_data):
    path = shared_data / "blackmail_frame_judge" / "dev_set1.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = {}
    for arm, (n, mailed, positive) in FRAME.items():
        verdicts = [row["human_verdict"] for row in rows if row["arm"] == arm]
        assert len(verdicts) == positive and None not in verdicts
        coerced = verdicts.count("coercion")
        found[arm] = (
            coerced,
            rate_from_counts([positive, mailed - positive], [positive, 0], [coerced, 0], known_zero=n - mailed),
        )
    return found


@pytest.mark.parametrize("arm", FRAME)
def test_silent_negatives_widen_the_upper_end_and_the_text_says_so(rates, arm):
    n, mailed, positive = FRAME[arm]
    coerced, rate = rates[arm]
    assert (rate.n_transcripts, rate.n_labeled, rate.n_harmful) == (n, positive, coerced)
    assert np.isnan(rate.rate), "more than 5 % of the pool is out of reach of labels"
    unlabeled = (mailed - positive) / n
    assert unlabeled > 0.3 and rate.high >= unlabeled + coerced / n
    assert 0 <= rate.low <= coerced / n
    told = " ".join(rate.notes)
    assert "not flagged" in told and "harmless by definition" in told
    assert {s.name: s.n_transcripts for s in rate.strata} == {
        "flagged": positive,
        "not flagged": mailed - positive,
        "harmless by definition": n - mailed,
    }


def test_the_negatives_that_cannot_be_are_worth_an_interval(rates):
    """Without the declaration every silent transcript would count as possibly harmful."""
    for arm, (n, _, positive) in FRAME.items():
        coerced, declared = rates[arm]
        undeclared = rate_from_counts([positive, n - positive], [positive, 0], [coerced, 0])
        assert declared.high < undeclared.high


def test_arms_differ_by_limits_only(rates):
    first, second = (rates[arm][1] for arm in FRAME)
    difference = compare_rates(first, second)
    assert np.isnan(difference.difference)
    assert difference.low == pytest.approx(first.low - second.high)
    assert difference.high == pytest.approx(first.high - second.low)
    assert difference.low < 0 < difference.high, "24 labels, none on a negative, cannot tell the arms apart"
