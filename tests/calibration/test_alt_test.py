"""The Alternative Annotator Test against published decisions, brute force, and the judge that never says harm."""

import json

import numpy as np
import pytest

from calibration.agreement.alt_test import alt_test
from calibration.rates.multiplicity import benjamini_yekutieli

NAN = float("nan")


@pytest.fixture(scope="module")
def synthetic(reference_cases):
    cases = json.loads((reference_cases / "alt_test_synthetic.json").read_text())["cases"]
    return {case["name"]: case for case in cases}


def arrays(case):
    items = list(case["llm"])
    humans = [[human.get(item, NAN) for item in items] for human in case["humans"].values()]
    return np.array(humans, float), np.array([case["llm"][item] for item in items], float)


@pytest.mark.parametrize(("name", "outcome"), [("good_llm", "pass"), ("bad_llm", "fail"), ("rare", "not shown")])
def test_full_inputs(synthetic, name, outcome):
    case = synthetic[name]
    result = alt_test(*arrays(case), epsilon=case["epsilon"], scoring=case["scoring"])
    assert result.omega == result.value == case["expected"]["omega"]
    assert result.rho == pytest.approx(case["expected"]["rho"])
    for mine, theirs in zip(result.annotators, case["expected"]["annotators"], strict=True):
        assert mine.n_items == theirs["n"]
        assert mine.grader_wins == pytest.approx(theirs["rho_f"])
        assert mine.annotator_wins == pytest.approx(theirs["rho_h"])
        assert mine.p_value == pytest.approx(theirs["p"], rel=1e-6)
        assert mine.rejected == theirs["reject"]
    assert result.outcome == outcome


def test_published_decisions(reference_cases):
    """52 of 52: the share of annotators rejected, from the published p-values."""
    cases = json.loads((reference_cases / "alt_test_paper_numbers.json").read_text())["cases"]
    assert len(cases) == 52
    for case in cases:
        omega = np.mean(benjamini_yekutieli(case["p_values"]) <= 0.05)
        assert omega == pytest.approx(case["omega"])
        assert abs(omega - case["published_omega_rho"][0]) <= 0.0051
        assert (omega >= 0.5) == (case["omega"] >= 0.5)


def humans_and_truth(rate=0.3, n=400, raters=4, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < rate
    return (truth ^ (rng.random((raters, n)) < noise)).astype(float), truth.astype(float)


def test_always_negative_judge_is_not_let_through():
    """Both gates: too few positives, and enough positives that it never finds."""
    for rate, n in ((0.04, 100), (0.04, 2000)):
        humans, truth = humans_and_truth(rate, n, noise=0.01)
        result = alt_test(humans, np.zeros_like(truth))
        assert result.omega == 1
        assert result.outcome == "not shown"
    assert "finds 0 of" in result.notes[0]
    assert alt_test(humans, truth).outcome == "pass"


def test_scores_by_definition():
    """Every number of one annotator, item by item."""
    humans, truth = humans_and_truth(n=60, raters=3, seed=4)
    humans[1, ::7] = NAN
    grader = 1 - truth * (np.arange(60) % 3 > 0)
    d = []
    for i in range(60):
        others = [humans[k, i] for k in (1, 2) if not np.isnan(humans[k, i])]
        s_f, s_h = np.mean([grader[i] == o for o in others]), np.mean([humans[0, i] == o for o in others])
        d.append(int(s_h >= s_f) - int(s_f >= s_h))
    from scipy.stats import ttest_1samp

    first = alt_test(humans, grader, epsilon=0.1).annotators[0]
    assert first.p_value == pytest.approx(ttest_1samp(d, 0.1, alternative="less").pvalue)
    assert first.annotator_wins - first.grader_wins == pytest.approx(np.mean(d))


def test_distances_between_ratings_count():
    """With neg_rmse a near miss beats a far one; with accuracy they are the same."""
    rng = np.random.default_rng(1)
    truth = rng.integers(2, 8, 200)
    humans = truth + rng.choice([-3, 3], (3, 200))
    near = truth + 1
    assert alt_test(humans, near, scoring="neg_rmse").omega == 1
    assert alt_test(humans, truth + 40, scoring="neg_rmse").omega == 0


def test_few_items_are_exploratory_and_fewer_are_nothing():
    humans, truth = humans_and_truth(n=25, noise=0.2, seed=3)
    result = alt_test(humans, truth)
    assert all(annotator.exploratory for annotator in result.annotators)
    assert any("exploratory" in note for note in result.notes)
    nothing = alt_test(humans[:, :9], truth[:9])
    assert nothing.outcome == "not shown"
    assert np.isnan([nothing.omega, nothing.rho]).all()


def test_unscored_items_leave():
    humans, truth = humans_and_truth()
    gaps = truth.copy()
    gaps[::10] = NAN
    kept = np.arange(400) % 10 > 0
    result = alt_test(humans, gaps)
    assert result.annotators == alt_test(humans[:, kept], truth[kept]).annotators
    assert any("40 items that the grader left unscored" in note for note in result.notes)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([[0, 1]], [0]), {}, "shapes"),
        (([[0, 1]], [0, 1]), {"epsilon": 1.5}, "0 <= epsilon < 1, got 1.5"),
        (([[0, 1]], [0, 1]), {"scoring": "f1"}, "got 'f1'"),
    ],
)
def test_bad_input(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        alt_test(*arguments, **options)
